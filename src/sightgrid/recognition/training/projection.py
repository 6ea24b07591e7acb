"""Trains a projection over frozen vectors: a linear layer, its output brought to unit length.

The network stays as it is; what is learned is which of its directions tell *these* people apart. It
begins as the identity (or its first rows), so an untrained projection compares what the pack
compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.training.distances import Distance, Points, table
from sightgrid.recognition.training.losses import (
    Centres,
    Loss,
    pick_triplets,
    softmax_loss,
    triplet_loss,
)
from sightgrid.recognition.training.material import Numbers, Rows
from sightgrid.recognition.training.optimisers import OptimiserName, Step, open_optimiser
from sightgrid.recognition.training.schedules import Schedule

# as in FaceNet's programs: so many people of so many images are compared at once
_PEOPLE_AT_ONCE, _IMAGES_EACH = 45, 40
# beside the loss of the softmax layer
_CENTRES_COUNT = 0.1
# ones of unit length can't make a softmax sure of anything
_SCALE = 16.0


@dataclass(frozen=True, slots=True)
class ProjectionPlan:
    """How to train. ``dimension``: of the projection, ``None`` as the vectors; ``margin``: how much
    further away somebody else must be, in units of ``distance``; ``moving_average``: how much of
    the averaged weights each step keeps, 0 for none; ``patience``: epochs without a better
    validation after which training stops."""

    loss: Loss = Loss.TRIPLET
    distance: Distance = Distance.SQUARED_EUCLIDEAN
    optimiser: OptimiserName = OptimiserName.ADAM
    schedule: Schedule = field(default_factory=lambda: Schedule.steady(0.005))
    epochs: int = 60
    margin: float = 0.2
    dimension: int | None = None
    moving_average: float = 0.9
    patience: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.patience < 1:
            raise InvalidValue("training needs one epoch or more, and one of patience")
        if not 0 <= self.moving_average < 1:
            raise InvalidValue(f"a moving average keeps 0 to 1, got {self.moving_average:g}")
        if not self.margin > 0:
            raise InvalidValue(f"a margin lies above 0, got {self.margin:g}")
        if self.dimension is not None and self.dimension < 2:
            raise InvalidValue(f"a projection to {self.dimension} numbers tells nobody apart")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the images: the rate, the mean loss over its steps; of the images kept apart
    the share that are nearest to the mean of their own person, and by how much nearer than to the
    nearest other on average (``None`` without any)."""

    number: int
    rate: float
    loss: float
    validation: float | None
    lead: float | None


@dataclass(frozen=True, slots=True, eq=False)
class TrainedProjection:
    """``weights`` (d, D) float64; ``history`` of the epochs, ``ended`` says in words why no more
    came; ``parameters``: how many numbers were trained, those of a softmax layer used on the way
    included."""

    weights: Points
    history: tuple[Epoch, ...]
    ended: str
    parameters: int


def project(weights: Points, vectors: Floats | Points) -> Points:
    """(N, D) vectors to (N, d) points of unit length."""
    points = vectors.astype(np.float64) @ weights.T
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    units: Points = points / np.maximum(lengths, 1e-12)
    return units


def slope_of_weights(weights: Points, vectors: Points, slope: Points) -> Points:
    """How a loss changes with the weights, (d, D), given how it changes with the points (N, d)."""
    raw = vectors @ weights.T
    lengths = np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)
    units = raw / lengths
    # moving along its own direction leaves a point where it is
    tangent = (slope - units * (slope * units).sum(axis=1, keepdims=True)) / lengths
    slopes: Points = tangent.T @ vectors
    return slopes


def train_projection(
    vectors: Floats,
    numbers: Numbers,
    images: Numbers,
    *,
    plan: ProjectionPlan,
    tell: Callable[[int], None] = lambda _: None,
) -> TrainedProjection:
    """Trains until the epochs are over, the schedule stops, or validation gets no better.

    Args:
        vectors: (N, D) of unit length. numbers: (N,) the person, from 0. images: (N,) the image;
            rows of one image are kept apart together. tell: hears the number of epochs done.
    """
    rng = np.random.default_rng(plan.seed)
    held = _held_out(numbers, images, rng)
    inputs, labels = vectors[~held].astype(np.float64), numbers[~held]
    width = inputs.shape[1]
    size = min(plan.dimension or width, width)
    course = _Course(np.eye(size, width), int(numbers.max()) + 1, plan)
    history: list[Epoch] = []
    best = _validation(course.averaged, vectors, numbers, held)
    best_weights, best_at = course.averaged, -1
    ended = f"all {plan.epochs} epochs are done"
    for epoch in range(plan.epochs):
        rate = plan.schedule.rate(epoch)
        if rate is None:
            ended = f"the schedule stops at epoch {epoch}"
            break
        losses = [
            course.take_step(inputs[rows], labels[rows], rate, rng)
            for rows in _batches(labels, rng)
        ]
        validation = _validation(course.averaged, vectors, numbers, held)
        share, lead = validation or (None, None)
        history.append(Epoch(epoch, rate, float(np.mean(losses)), share, lead))
        tell(epoch + 1)
        if validation is None or best is None or validation > best:
            best, best_weights, best_at = validation, course.averaged, epoch
        elif epoch - best_at >= plan.patience:
            ended = f"no better for {plan.patience} epochs; the best one before is kept"
            break
    return TrainedProjection(best_weights, tuple(history), ended, course.parameters)


class _Course:
    """The weights on their way, and what the loss needs beside them."""

    def __init__(self, weights: Points, people: int, plan: ProjectionPlan) -> None:
        self.averaged = weights
        self._plan = plan
        self._weights = weights
        self._steps = 0
        self._layer = np.zeros((people, len(weights)))
        self._biases = np.zeros(people)
        self._centres = Centres(people, len(weights))
        self._optimisers: dict[str, Step] = {
            name: open_optimiser(plan.optimiser) for name in ("weights", "layer", "biases")
        }

    @property
    def parameters(self) -> int:
        extra = self._layer.size + self._biases.size if self._plan.loss is Loss.CENTRE else 0
        return int(self._weights.size + extra)

    def take_step(
        self, inputs: Points, numbers: Numbers, rate: float, rng: np.random.Generator
    ) -> float:
        """One step downhill on a batch; returns its loss."""
        points = project(self._weights, inputs)
        if self._plan.loss is Loss.TRIPLET:
            triplets = pick_triplets(
                points, numbers, margin=self._plan.margin, distance=self._plan.distance, rng=rng
            )
            loss, slope = triplet_loss(
                points, triplets, margin=self._plan.margin, distance=self._plan.distance
            )
        else:
            loss, slope = self._centre_step(points, numbers, rate)
        move = self._optimisers["weights"](slope_of_weights(self._weights, inputs, slope), rate)
        self._weights = self._weights + move
        self._steps += 1
        # at first an average would be of little but the beginning
        kept = min(self._plan.moving_average, (1 + self._steps) / (10 + self._steps))
        kept = kept if self._plan.moving_average else 0.0
        self.averaged = kept * self.averaged + (1 - kept) * self._weights
        return loss

    def _centre_step(self, points: Points, numbers: Numbers, rate: float) -> tuple[float, Points]:
        named, slope, to_layer, to_biases = softmax_loss(
            _SCALE * points, numbers, self._layer, self._biases
        )
        drawn, to_centres = self._centres.loss(points, numbers, distance=self._plan.distance)
        self._layer = self._layer + self._optimisers["layer"](to_layer, rate)
        self._biases = self._biases + self._optimisers["biases"](to_biases, rate)
        self._centres.move(points, numbers)
        return named + _CENTRES_COUNT * drawn, _SCALE * slope + _CENTRES_COUNT * to_centres


def _held_out(numbers: Numbers, images: Numbers, rng: np.random.Generator) -> Rows:
    """One image in five of everybody who has three or more is kept apart for validation, (N,)."""
    held = np.zeros(len(numbers), np.bool_)
    for number in np.unique(numbers):
        own = np.unique(images[numbers == number])
        if len(own) >= 3:
            held |= np.isin(images, rng.permutation(own)[: max(len(own) // 5, 1)])
    return held


def _batches(numbers: Numbers, rng: np.random.Generator) -> Iterator[Numbers]:
    """Rows of up to 45 people with up to 40 images each, everybody once."""
    people = rng.permutation(np.unique(numbers))
    for start in range(0, len(people), _PEOPLE_AT_ONCE):
        rows = [
            rng.permutation(np.flatnonzero(numbers == number))[:_IMAGES_EACH]
            for number in people[start : start + _PEOPLE_AT_ONCE]
        ]
        yield np.concatenate(rows)


def _validation(
    weights: Points, vectors: Floats, numbers: Numbers, held: Rows
) -> tuple[float, float] | None:
    """Of the rows kept apart, the share nearest to the mean of their own person's others, and the
    mean lead over the nearest other person: it tells the better of two that are always right."""
    if not held.any():
        return None
    points = project(weights, vectors)
    sums = np.zeros((int(numbers.max()) + 1, points.shape[1]))
    np.add.at(sums, numbers[~held], points[~held])
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    apart = table(Distance.SQUARED_EUCLIDEAN, points[held], means)
    rows = np.arange(len(apart))
    own = apart[rows, numbers[held]].copy()
    right = apart.argmin(axis=1) == numbers[held]
    apart[rows, numbers[held]] = np.inf
    return float(right.mean()), float((apart.min(axis=1) - own).mean())
