from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.recognition.heads import HeadKind, open_head
from sightgrid.recognition.training.fitting import Fitted, FittingPlan, Provenance, fit_head
from sightgrid.recognition.training.material import Material

WIDTH = 32
PROVENANCE = Provenance(
    contract=EmbeddingContract(id="ab" * 32, pack="default", dimension=WIDTH),
    network_parameters=1000,
    least_cosine=0.3,
    source="folder",
    images_without_face=2,
    at=datetime(2026, 1, 2, tzinfo=UTC),
    version="0.1",
)


def material(people: int, each: int, *, spread: float = 0.08, seed: int = 1) -> Material:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(people, 1, WIDTH))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    rows = (directions + rng.normal(size=(people, each, WIDTH)) * spread).reshape(-1, WIDTH)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = [f"p{number:02d}" for number in range(people) for _ in range(each)]
    return Material.of(rows.astype(np.float32), labels)


def fit(one: Material, kind: HeadKind, plan: FittingPlan | None = None) -> Fitted:
    return fit_head(
        one,
        open_head=lambda told: open_head(kind, tell=told),
        plan=plan or FittingPlan(),
        provenance=PROVENANCE,
        tell=lambda task, done, total: None,
    )


@pytest.mark.parametrize("kind", HeadKind)
def test_the_facts_are_those_of_the_head(kind: HeadKind) -> None:
    fitted = fit(material(12, 5), kind)
    trained, facts = fitted.trained, fitted.trained.facts
    assert (facts.people, facts.images, facts.images_without_face) == (12, 60, 2)
    assert facts.accuracy == 1.0
    assert facts.folds == 5
    assert facts.trainable_parameters == trained.head.trainable_parameters
    assert facts.total_parameters >= 1000 + 12 * WIDTH
    assert facts.epochs >= 1
    assert facts.secs_per_epoch == pytest.approx(facts.secs / facts.epochs, abs=1e-6)
    assert facts.stranger_images == 60
    assert facts.stranger_rate is not None
    assert facts.stranger_rate <= 0.01
    assert trained.means.shape == (12, WIDTH)
    # its own people pass the threshold that strangers set
    own = material(12, 5)
    named = trained.predict(own.vectors)
    assert sum(a == b for a, b in zip(named, own.labels, strict=True)) >= 57


def test_softmax_trains_a_layer_over_the_frozen_network() -> None:
    facts = fit(material(22, 4), HeadKind.SOFTMAX).trained.facts
    assert facts.trainable_parameters == 22 * (WIDTH + 1)
    assert facts.total_parameters == 1000 + 22 * (WIDTH + 1)


def test_cross_validation_tells_when_photos_say_nothing() -> None:
    noise = material(10, 6, spread=30.0)
    accuracy = fit(noise, HeadKind.NEAREST_MEAN).trained.facts.accuracy
    assert accuracy is not None
    assert accuracy < 0.4


def test_the_threshold_lets_the_share_of_strangers_pass_that_was_asked_for() -> None:
    one = material(20, 5)
    for rate in (0.05, 0.2):
        trained = fit(one, HeadKind.NEAREST_MEAN, FittingPlan(stranger_rate=rate)).trained
        assert trained.facts.stranger_rate == pytest.approx(rate, abs=0.011)
        assert trained.facts.stranger_rate <= rate


def test_too_few_people_to_play_strangers_leave_it_to_the_mean_face() -> None:
    trained = fit(material(2, 3), HeadKind.SOFTMAX).trained
    assert trained.head.threshold == -math.inf
    assert trained.facts.stranger_rate is None
    stranger = np.zeros((1, WIDTH), np.float32)
    stranger[0, np.argmin(np.abs(trained.means).sum(axis=0))] = 1
    assert trained.predict(stranger) == [None]


def test_images_kept_apart_are_tested_and_never_learned() -> None:
    plan = FittingPlan(least_images=6, learn_images=3)
    fitted = fit(material(8, 6), HeadKind.SVM, plan)
    facts = fitted.trained.facts
    assert (facts.images, facts.held_out_images, facts.held_out_accuracy) == (24, 24, 1.0)
    assert fitted.left_out == ()


@pytest.mark.parametrize(
    ("plan", "people", "said"),
    [
        (FittingPlan(), 1, "two people or more"),
        (FittingPlan(least_images=20), 3, "fewer than two people have 20"),
        (FittingPlan(stranger_rate=1.5), 6, "between 0 and 1"),
    ],
)
def test_what_can_t_be_fitted_is_refused(plan: FittingPlan, people: int, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        fit(material(people, 4), HeadKind.NEAREST_MEAN, plan)


def test_progress_is_told() -> None:
    told: list[str] = []
    fit_head(
        material(5, 3),
        open_head=lambda tell: open_head(HeadKind.SOFTMAX, tell=tell),
        plan=FittingPlan(),
        provenance=PROVENANCE,
        tell=lambda task, done, total: told.append(task),
    )
    assert list(dict.fromkeys(told)) == ["cross-validating", "trying strangers", "training"]
    assert told.count("training") > 3
