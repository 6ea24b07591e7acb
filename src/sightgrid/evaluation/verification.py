"""Do two photos show one person? The protocol of Labeled Faces in the Wild (B12): whatever is
chosen from data, a threshold or a mean, is chosen on the other folds than those it is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.geometry import Floats
from sightgrid.evaluation.curves import (
    ErrorCurve,
    Scores,
    Truths,
    area_under_roc,
    best_threshold,
    error_curve,
    threshold_at,
    wilson,
)
from sightgrid.evaluation.datasets import Pair
from sightgrid.evaluation.photos import PhotoVectors

Numbers = NDArray[np.intp]


class Metric(StrEnum):
    """How alike two vectors are; distances are turned negative, so that higher is more alike."""

    COSINE = "cosine"
    EUCLIDEAN = "euclidean"
    SQUARED_EUCLIDEAN = "squared-euclidean"
    ARCCOS = "arccos"

    def scores(self, one: Floats, other: Floats) -> Scores:
        """Row by row: (N, D) and (N, D) to (N,)."""
        a, b = one.astype(np.float64), other.astype(np.float64)
        match self:
            case Metric.EUCLIDEAN:
                distances: Scores = -np.linalg.norm(a - b, axis=1)
                return distances
            case Metric.SQUARED_EUCLIDEAN:
                squared: Scores = -((a - b) ** 2).sum(axis=1)
                return squared
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines: Scores = (a * b).sum(axis=1) / np.maximum(lengths, 1e-12)
        if self is Metric.COSINE:
            return cosines
        angles: Scores = -np.arccos(np.clip(cosines, -1.0, 1.0)) / np.pi
        return angles


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """What came out. Shares are 0-1; ``_std`` is the standard deviation over the folds.

    ``accuracy`` at the threshold that was best on the other folds; ``val``, the share of pairs of
    one person accepted, and ``far``, the share of pairs of two people accepted, at the smallest
    threshold that kept to ``far_target`` on the other folds. ``threshold`` and ``val_threshold``
    are means over the folds. Intervals are 95 % over pairs. ``scores`` (N,) of the pairs, minus
    infinity where a photo shows no face.
    """

    accuracy: float
    accuracy_std: float
    accuracy_interval: tuple[float, float]
    auc: float
    eer: float
    val: float
    val_std: float
    val_interval: tuple[float, float]
    far: float
    far_target: float
    threshold: float
    val_threshold: float
    folds: int
    scores: Scores
    same: Truths
    curve: ErrorCurve


def verify(
    pairs: Sequence[Pair],
    *,
    rows: Numbers,
    photos: PhotoVectors,
    metric: Metric,
    far: float,
    subtract_mean: bool,
) -> Verification:
    """Judges the pairs.

    Args:
        pairs: two folds or more, each with pairs of both kinds.
        rows: (N, 2), which photo each half of a pair is. photos: their vectors.
        far: the share of pairs of two people that may be accepted for ``val``.
        subtract_mean: take the mean vector of the other folds' photos off every vector first.
    """
    same = np.array([pair.same for pair in pairs])
    fold_of = np.array([pair.fold for pair in pairs])
    folds = list(dict.fromkeys(fold_of.tolist()))
    usable: Truths = np.asarray(photos.found[rows].all(axis=1))
    plain = _scores(photos.vectors, rows, usable, metric)
    judged = np.empty(len(pairs))
    accuracies, vals, fars, thresholds, val_thresholds = [], [], [], [], []
    right = accepted = 0
    for fold in folds:
        held = fold_of == fold
        scores = plain
        if subtract_mean:
            others = np.unique(rows[~held])
            mean = photos.vectors[others[photos.found[others]]].mean(axis=0, dtype=np.float64)
            scores = _scores(photos.vectors - mean.astype(np.float32), rows, usable, metric)
        judged[held] = scores[held]
        threshold = best_threshold(scores[~held], same[~held])
        answers = (scores[held] >= threshold) == same[held]
        strict = threshold_at(scores[~held & ~same], far)
        accuracies.append(answers.mean())
        right += int(answers.sum())
        vals.append((scores[held & same] > strict).mean())
        accepted += int((scores[held & same] > strict).sum())
        fars.append((scores[held & ~same] > strict).mean())
        thresholds.append(threshold)
        val_thresholds.append(strict)
    curve = error_curve(judged[same], judged[~same])
    return Verification(
        accuracy=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies)),
        accuracy_interval=wilson(right, len(pairs)),
        auc=area_under_roc(judged[same], judged[~same]),
        eer=curve.equal_error(),
        val=float(np.mean(vals)),
        val_std=float(np.std(vals)),
        val_interval=wilson(accepted, int(same.sum())),
        far=float(np.mean(fars)),
        far_target=far,
        threshold=float(np.mean(thresholds)),
        val_threshold=float(np.mean(val_thresholds)),
        folds=len(folds),
        scores=judged,
        same=same,
        curve=curve,
    )


def photo_rows(pairs: Sequence[Pair]) -> tuple[list[str], Numbers]:
    """Every photo once, sorted, and (N, 2) the numbers of each pair's two photos."""
    names = sorted({str(photo) for pair in pairs for photo in (pair.image_a, pair.image_b)})
    number = {name: row for row, name in enumerate(names)}
    rows = [(number[str(pair.image_a)], number[str(pair.image_b)]) for pair in pairs]
    return names, np.array(rows, np.intp)


def _scores(vectors: Floats, rows: Numbers, usable: NDArray[np.bool_], metric: Metric) -> Scores:
    scores = metric.scores(vectors[rows[:, 0]], vectors[rows[:, 1]])
    return np.where(usable, scores, -np.inf)
