"""Fits a head and measures what it is worth before anybody relies on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.frames import format_time
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.headfiles import TrainedHead, TrainingFacts
from sightgrid.recognition.heads import Head, Scores
from sightgrid.recognition.training.material import (
    Material,
    Split,
    check_people,
    image_folds,
    people_groups,
    split_images,
)

Tell = Callable[[str, int, int | None], None]
OpenHead = Callable[[Callable[[int], None]], Head]
"""Makes a head that knows nobody yet; it tells how many epochs its training has behind it."""

_STRANGER_GROUPS = 5


@dataclass(frozen=True, slots=True)
class FittingPlan:
    """How to fit and measure a head.

    ``folds`` of the cross-validation, 0 for none; ``stranger_rate`` is the share of strangers'
    images that may get a name; ``least_images`` and ``learn_images``: if given, people with fewer
    images are left out, so many are learned from and the others tested on.
    """

    folds: int = 5
    stranger_rate: float = 0.01
    least_images: int | None = None
    learn_images: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the faces come from, for the facts that a head carries.

    ``network_parameters``: of the frozen network that made the vectors. ``least_cosine``: how alike
    a face must at least be to somebody's mean face (:class:`TrainedHead`).
    """

    contract: EmbeddingContract
    network_parameters: int
    least_cosine: float
    source: str
    images_without_face: int
    at: datetime
    version: str


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A head, and the people who were left out for having too few images."""

    trained: TrainedHead
    left_out: tuple[str, ...]


def fit_head(
    material: Material,
    *,
    open_head: OpenHead,
    plan: FittingPlan,
    provenance: Provenance,
    tell: Tell,
) -> Fitted:
    """Cross-validates, finds the threshold against people left out in turn, and fits to everybody.

    The figures are of heads that saw fewer images, so the head returned is, if anything, better.

    Raises:
        InvalidValue: fewer than two people, too many for this head, or too few images to divide.
    """
    check_people(material)
    split: Split | None = None
    if plan.least_images is not None or plan.learn_images is not None:
        learn = plan.learn_images or max((plan.least_images or 0) // 2, 1)
        split = split_images(
            material, least=plan.least_images or learn + 1, learn=learn, seed=plan.seed
        )
        material = split.learn
    accuracy, folds = _cross_validated(material, open_head, plan, tell)
    strangers = _stranger_scores(material, open_head, plan, tell)
    threshold, rate = _threshold(strangers, plan.stranger_rate)

    tell("training", 0, None)
    began = perf_counter()
    head = open_head(lambda epoch: tell("training", epoch, None)).fit_images(
        material.vectors, material.labels, material.images
    )
    secs = perf_counter() - began
    head.threshold = threshold
    # a head that trains nothing has gone through the images once
    epochs = max(head.epochs, 1)
    held_out = None if split is None else _accuracy(head, split.test)
    facts = TrainingFacts(
        people=len(head.classes),
        images=material.image_count,
        images_without_face=provenance.images_without_face,
        trainable_parameters=head.trainable_parameters,
        total_parameters=provenance.network_parameters + _numbers_in(head),
        epochs=epochs,
        secs=round(secs, 6),
        secs_per_epoch=round(secs / epochs, 6),
        accuracy=accuracy,
        folds=folds,
        held_out_accuracy=held_out,
        held_out_images=0 if split is None else split.test.image_count,
        stranger_rate=rate,
        stranger_images=len(strangers),
        source=provenance.source,
        trained_at=format_time(provenance.at),
        version=provenance.version,
    )
    trained = TrainedHead(
        head=head,
        contract=provenance.contract,
        means=mean_faces(material, head.classes),
        least_cosine=provenance.least_cosine,
        facts=facts,
    )
    return Fitted(trained, () if split is None else split.left_out)


def mean_faces(material: Material, classes: tuple[str, ...]) -> Floats:
    """The mean vector of each person's images, (classes, D) float32 of unit length."""
    number = {name: place for place, name in enumerate(classes)}
    sums = np.zeros((len(classes), material.vectors.shape[1]))
    rows = material.originals
    np.add.at(
        sums,
        [number[label] for label, kept in zip(material.labels, rows, strict=True) if kept],
        material.vectors[rows],
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    means: Floats = (sums / np.maximum(lengths, 1e-9)).astype(np.float32)
    return means


def _cross_validated(
    material: Material, open_head: OpenHead, plan: FittingPlan, tell: Tell
) -> tuple[float | None, int]:
    """The share of images rightly told apart by heads that did not see them, and the folds."""
    turn, folds = image_folds(material, most=plan.folds, seed=plan.seed)
    right = asked = 0
    for fold in range(folds):
        tell("cross-validating", fold, folds)
        learned, tested = material.part(turn != fold), material.part(turn == fold)
        head = open_head(lambda _: None).fit_images(learned.vectors, learned.labels, learned.images)
        right += round(_accuracy(head, tested) * tested.image_count)
        asked += tested.image_count
    if folds:
        tell("cross-validating", folds, folds)
    return (right / asked if asked else None), folds


def _accuracy(head: Head, material: Material) -> float:
    """Rank one among the people it knows: whom it would name if it named everybody, 0-1."""
    tested = material.part(material.originals)
    if not tested.labels:
        return 0.0
    best = head.scores(tested.vectors).argmax(axis=1)
    named = [head.classes[number] for number in best]
    right = [a == b for a, b in zip(named, tested.labels, strict=True)]
    return float(np.mean(right))


def _stranger_scores(
    material: Material, open_head: OpenHead, plan: FittingPlan, tell: Tell
) -> Scores:
    """The best scores that people reach with heads which have never seen them."""
    groups = people_groups(material, most=_STRANGER_GROUPS, seed=plan.seed)
    found: list[Scores] = []
    count = int(groups.max()) + 1
    for group in range(count):
        tell("trying strangers", group, count)
        known, strange = material.part(groups != group), material.part(groups == group)
        if len(known.people) < 2:
            continue
        head = open_head(lambda _: None).fit_images(known.vectors, known.labels, known.images)
        found.append(head.scores(strange.vectors[strange.originals]).max(axis=1))
    tell("trying strangers", count, count)
    return np.concatenate(found) if found else np.zeros(0)


def _threshold(strangers: Scores, rate: float) -> tuple[float, float | None]:
    """The smallest threshold that at most this share of strangers exceed, and the share that does;
    none where there were no strangers to try."""
    if not 0 <= rate < 1:
        raise InvalidValue(f"a share of strangers lies between 0 and 1, got {rate:g}")
    if not len(strangers):
        return -math.inf, None
    falling = -np.sort(-strangers)
    threshold = float(falling[min(math.floor(rate * len(falling) + 1e-9), len(falling) - 1)])
    return threshold, float((strangers > threshold).mean())


def _numbers_in(head: Head) -> int:
    """How many numbers a head answers from, trained or not."""
    return sum(int(array.size) for array in head.arrays().values())
