from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue, SettingsError
from sightgrid.recognition.heads import HeadKind, NearestMean, Projection, open_head
from sightgrid.recognition.training.distances import Distance, Points, between, slopes, table
from sightgrid.recognition.training.losses import (
    Centres,
    Loss,
    pick_triplets,
    softmax_loss,
    triplet_loss,
)
from sightgrid.recognition.training.optimisers import OptimiserName, open_optimiser
from sightgrid.recognition.training.projection import (
    ProjectionPlan,
    project,
    slope_of_weights,
    train_projection,
)
from sightgrid.recognition.training.schedules import Schedule, read_schedule

STEP = 1e-6


def numerical(loss: Callable[[Points], float], at: Points) -> Points:
    """The slope by moving each number a little to both sides."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += STEP
        down[place] -= STEP
        found[place] = (loss(up) - loss(down)) / (2 * STEP)
    return found


def unit(rows: Points) -> Points:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def people(count: int = 4, each: int = 5, width: int = 6, *, seed: int = 0) -> tuple:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, 1, width))
    rows = unit((centres + rng.normal(size=(count, each, width)) * 0.8).reshape(-1, width))
    return rows, np.repeat(np.arange(count), each)


# distances


def test_distances_are_what_their_names_say() -> None:
    one = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    other = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert between(Distance.SQUARED_EUCLIDEAN, one, other).tolist() == [0.0, 2.0, 4.0]
    assert between(Distance.ARCCOS, one, other).tolist() == [0.0, 0.5, 1.0]
    for distance in Distance:
        points, _ = people()
        np.testing.assert_allclose(
            table(distance, points, points)[3],
            between(distance, points[[3] * 20], points),
            atol=1e-7,
        )


@pytest.mark.parametrize("distance", Distance)
def test_slopes_of_distances(distance: Distance) -> None:
    one, other = people()[0][:8], people(seed=5)[0][:8]
    to_one, to_other = slopes(distance, one, other)

    def apart(a: Points, b: Points) -> float:
        if distance is Distance.ARCCOS:
            return float((np.arccos((a * b).sum(axis=1)) / np.pi).sum())
        return float(between(distance, a, b).sum())

    np.testing.assert_allclose(to_one, numerical(lambda a: apart(a, other), one), atol=1e-6)
    np.testing.assert_allclose(to_other, numerical(lambda b: apart(one, b), other), atol=1e-6)


@pytest.mark.parametrize("distance", Distance)
def test_equal_points_have_no_slope(distance: Distance) -> None:
    points = people()[0]
    for slope in slopes(distance, points, points):
        assert np.abs(slope).max() == 0


# losses, down to the weights


@pytest.mark.parametrize("distance", Distance)
def test_slope_of_the_triplet_loss_in_the_weights(distance: Distance) -> None:
    vectors, numbers = people()
    weights = np.random.default_rng(1).normal(size=(4, 6))
    rng = np.random.default_rng(2)
    triplets = pick_triplets(
        project(weights, vectors), numbers, margin=0.3, distance=distance, rng=rng
    )
    assert len(triplets) > 10

    def loss(at: Points) -> float:
        return triplet_loss(project(at, vectors), triplets, margin=0.3, distance=distance)[0]

    value, slope = triplet_loss(project(weights, vectors), triplets, margin=0.3, distance=distance)
    assert value == pytest.approx(loss(weights))
    np.testing.assert_allclose(
        slope_of_weights(weights, vectors, slope), numerical(loss, weights), atol=1e-6
    )


@pytest.mark.parametrize("distance", Distance)
def test_slope_of_the_centre_loss_in_the_weights(distance: Distance) -> None:
    vectors, numbers = people()
    weights = np.random.default_rng(1).normal(size=(4, 6))
    centres = Centres(4, 4)
    centres.move(project(weights, vectors) + 0.2, numbers)

    def loss(at: Points) -> float:
        return centres.loss(project(at, vectors), numbers, distance=distance)[0]

    _, slope = centres.loss(project(weights, vectors), numbers, distance=distance)
    np.testing.assert_allclose(
        slope_of_weights(weights, vectors, slope), numerical(loss, weights), atol=1e-6
    )


def test_slopes_of_the_softmax_layer() -> None:
    points, numbers = people()
    rng = np.random.default_rng(3)
    weights, biases = rng.normal(size=(4, 6)), rng.normal(size=4)
    _, to_points, to_weights, to_biases = softmax_loss(points, numbers, weights, biases)
    for slope, found in (
        (to_points, numerical(lambda at: softmax_loss(at, numbers, weights, biases)[0], points)),
        (to_weights, numerical(lambda at: softmax_loss(points, numbers, at, biases)[0], weights)),
        (to_biases, numerical(lambda at: softmax_loss(points, numbers, weights, at)[0], biases)),
    ):
        np.testing.assert_allclose(slope, found, atol=1e-6)


def test_the_triplet_loss_is_its_formula() -> None:
    points = unit(np.array([[1.0, 0.0], [1.0, 0.2], [1.0, 0.5], [-1.0, 0.0]]))
    triplets = np.array([[0, 1, 2], [0, 1, 3]])
    loss, slope = triplet_loss(points, triplets, margin=0.2, distance=Distance.SQUARED_EUCLIDEAN)
    squares = [float(((points[0] - points[n]) ** 2).sum()) for n in (1, 2, 3)]
    assert loss == pytest.approx(max(squares[0] - squares[1] + 0.2, 0) / 2)
    assert np.abs(slope[3]).max() == 0, "who is far enough away already teaches nothing"
    assert triplet_loss(points, np.zeros((0, 3), int), margin=0.2, distance=Distance.ARCCOS)[0] == 0


def test_triplets_are_of_one_person_and_somebody_too_near() -> None:
    points, numbers = people(6, 4)
    for seed in range(5):
        triplets = pick_triplets(
            points,
            numbers,
            margin=0.2,
            distance=Distance.SQUARED_EUCLIDEAN,
            rng=np.random.default_rng(seed),
        )
        anchor, positive, negative = triplets.T
        assert (numbers[anchor] == numbers[positive]).all()
        assert (numbers[anchor] != numbers[negative]).all()
        near = ((points[anchor] - points[positive]) ** 2).sum(axis=1)
        far = ((points[anchor] - points[negative]) ** 2).sum(axis=1)
        assert (far < near + 0.2).all()


def test_centres_move_a_share_of_the_way() -> None:
    centres = Centres(2, 2, share=0.5)
    numbers = np.array([0, 0])
    centres.move(np.array([[1.0, 0.0], [1.0, 0.0]]), numbers)
    assert centres.places.tolist() == [[1.0, 0.0], [0.0, 0.0]], "at first all the way"
    centres.move(np.array([[0.0, 1.0], [0.0, 1.0]]), numbers)
    assert centres.places[0].tolist() == [0.5, 0.5]
    unseen, _ = centres.loss(
        np.array([[1.0, 0.0]]), np.array([1]), distance=Distance.SQUARED_EUCLIDEAN
    )
    assert unseen == 0


# optimisers and schedules


@pytest.mark.parametrize("name", OptimiserName)
def test_every_optimiser_finds_the_bottom(name: OptimiserName) -> None:
    rate = {OptimiserName.ADADELTA: 50.0, OptimiserName.MOM: 0.02}.get(name, 0.05)
    step = open_optimiser(name)
    target, at = np.array([[1.0, -2.0]]), np.zeros((1, 2))
    steep = np.array([[1.0, 8.0]])
    for _ in range(3000):
        at = at + step(steep * (at - target), rate)
    np.testing.assert_allclose(at, target, atol=0.1)


def test_momentum_looks_ahead() -> None:
    step = open_optimiser(OptimiserName.MOM)
    slope = np.array([1.0])
    assert step(slope, 0.1) == pytest.approx(-0.19)
    assert step(slope, 0.1) == pytest.approx(-0.1 * (1 + 0.9 * 1.9))


def schedule(text: str, folder: Path) -> Schedule:
    path = folder / "rates.txt"
    path.write_text(text, "utf-8")
    return read_schedule(path)


def test_a_schedule_is_read(tmp_path: Path) -> None:
    told = schedule("# epoch: rate\n0: 0.05\n\n60: 5e-3  # slower\n80: -1\n", tmp_path)
    assert [told.rate(epoch) for epoch in (0, 59, 60, 79)] == [0.05, 0.05, 0.005, 0.005]
    assert told.rate(80) is told.rate(500) is None
    assert Schedule.steady(0.1).rate(1000) == 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rate for epoch 0"),
        ("5: 0.1", "no rate for epoch 0"),
        ("0: -1", "no rate for epoch 0"),
        ("0: 0.1\n5 0.2", "line 2: '5 0.2' is no step"),
        ("0: fast", "line 1"),
        ("0: nan", "line 1"),
        ("0: 0", "line 1"),
        ("0: 0.1\n3: -2", "line 2"),
        ("0: 0.1\n5: 0.2\n5: 0.3", "line 3: epoch 5 comes after epoch 5"),
    ],
)
def test_a_schedule_with_a_mistake_names_the_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        schedule(text, tmp_path)
    with pytest.raises(SettingsError, match="can't be read"):
        read_schedule(tmp_path / "missing.txt")


# training


def hard_people(*, seed: int) -> tuple:
    """People who differ in four directions of 24, all others being loud noise: what a projection
    can learn to leave out."""
    rng = np.random.default_rng(9)
    tell = rng.normal(size=(12, 1, 24)) * np.where(np.arange(24) < 4, 1.0, 0.0)
    noise = np.random.default_rng(seed).normal(size=(12, 12, 24))
    noise *= np.where(np.arange(24) < 4, 0.15, 1.2)
    rows = unit((tell + noise).reshape(-1, 24)).astype(np.float32)
    return rows, np.repeat(np.arange(12), 12)


@pytest.mark.parametrize("loss", Loss)
@pytest.mark.parametrize("distance", Distance)
def test_a_projection_learns_which_directions_tell(loss: Loss, distance: Distance) -> None:
    vectors, numbers = hard_people(seed=1)
    probes, truth = hard_people(seed=2)
    labels, true = [f"{n:02d}" for n in numbers], [f"{n:02d}" for n in truth]
    untrained = NearestMean().fit(vectors, labels).score(probes, true)
    plan = ProjectionPlan(
        loss=loss, distance=distance, epochs=60, schedule=Schedule.steady(0.02), patience=60
    )
    head = Projection(plan).fit(vectors, labels)
    assert head.score(probes, true) > untrained + 0.1
    assert head.history[-1].loss < head.history[0].loss
    assert head.epochs == len(head.history) <= 60


@pytest.mark.parametrize("name", OptimiserName)
def test_every_optimiser_trains_a_projection(name: OptimiserName) -> None:
    vectors, numbers = hard_people(seed=1)
    rate = {OptimiserName.ADADELTA: 20.0}.get(name, 0.02)
    plan = ProjectionPlan(optimiser=name, epochs=25, schedule=Schedule.steady(rate), patience=25)
    trained = train_projection(vectors, numbers, np.arange(len(numbers)), plan=plan)
    assert trained.history[-1].loss < 0.9 * trained.history[0].loss


def test_training_stops_by_schedule_patience_or_epochs() -> None:
    vectors, numbers = hard_people(seed=1)
    images = np.arange(len(numbers))

    def ended(**options: object) -> tuple[str, int]:
        plan = ProjectionPlan(**options)  # type: ignore[arg-type]
        trained = train_projection(vectors, numbers, images, plan=plan)
        return trained.ended, len(trained.history)

    assert ended(epochs=3) == ("all 3 epochs are done", 3)
    assert ended(schedule=Schedule(((0, 0.01), (2, -1.0)))) == ("the schedule stops at epoch 2", 2)
    why, epochs = ended(epochs=200, patience=2, schedule=Schedule.steady(5.0), moving_average=0)
    assert "no better for 2 epochs" in why
    assert epochs < 200


def test_training_can_be_repeated_and_the_average_is_what_is_kept() -> None:
    vectors, numbers = hard_people(seed=1)
    images = np.arange(len(numbers))

    def weights(**options: object) -> Points:
        steady = Schedule.steady(0.02)
        plan = ProjectionPlan(epochs=25, schedule=steady, **options)  # type: ignore[arg-type]
        return train_projection(vectors, numbers, images, plan=plan).weights

    np.testing.assert_array_equal(weights(), weights())
    assert np.abs(weights() - weights(moving_average=0.0)).max() > 0
    assert np.abs(weights() - weights(seed=1)).max() > 0
    assert weights(dimension=5).shape == (5, 24)


def test_images_without_a_second_leave_the_projection_as_it_was() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(5, 8))).astype(np.float32)
    head = open_head(HeadKind.PROJECTION).fit(vectors, list("abcde"))
    np.testing.assert_allclose(head.scores(vectors), -(2 - 2 * vectors @ vectors.T), atol=1e-5)


def test_plans_that_make_no_sense_are_refused() -> None:
    for options in (
        {"epochs": 0},
        {"patience": 0},
        {"moving_average": 1.0},
        {"margin": 0.0},
        {"dimension": 1},
    ):
        with pytest.raises(InvalidValue):
            ProjectionPlan(**options)  # type: ignore[arg-type]
