"""What a projection is trained to make small: triplet loss, and centre loss beside softmax."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from sightgrid.recognition.training.distances import Distance, Points, between, slopes, table
from sightgrid.recognition.training.material import Numbers


class Loss(StrEnum):
    """The losses by name."""

    TRIPLET = "triplet"
    CENTRE = "centre"


def triplet_loss(
    points: Points, triplets: Numbers, *, margin: float, distance: Distance
) -> tuple[float, Points]:
    """The mean of max(d(anchor, positive) - d(anchor, negative) + margin, 0), and its slope.

    Args:
        points: (N, D) of unit length. triplets: (T, 3) rows of anchor, positive and negative.

    Returns:
        The loss, and how it changes with each point, (N, D); 0 and zeros without triplets.
    """
    slope = np.zeros_like(points)
    if not len(triplets):
        return 0.0, slope
    anchor, positive, negative = (points[triplets[:, place]] for place in range(3))
    excess = between(distance, anchor, positive) - between(distance, anchor, negative) + margin
    counted = (excess > 0)[:, None] / len(triplets)
    to_positive, from_anchor = slopes(distance, anchor, positive)
    to_negative, from_anchor_away = slopes(distance, anchor, negative)
    np.add.at(slope, triplets[:, 0], counted * (to_positive - to_negative))
    np.add.at(slope, triplets[:, 1], counted * from_anchor)
    np.add.at(slope, triplets[:, 2], -counted * from_anchor_away)
    return float(np.maximum(excess, 0.0).mean()), slope


def pick_triplets(
    points: Points,
    numbers: Numbers,
    *,
    margin: float,
    distance: Distance,
    rng: np.random.Generator,
) -> Numbers:
    """For every two points of one person, a point of somebody else, at random among those that are
    nearer to the first than the second and the margin; pairs without one teach nothing.

    Returns:
        (T, 3) rows of anchor, positive and negative.
    """
    apart = table(distance, points, points)
    same = numbers[:, None] == numbers[None, :]
    anchors, positives = np.nonzero(np.triu(same, 1))
    too_near = ~same[anchors] & (apart[anchors] < apart[anchors, positives][:, None] + margin)
    taught = np.flatnonzero(too_near.any(axis=1))
    # a random order a pair, and of those too near the first
    order = np.where(too_near[taught], rng.random((len(taught), len(points))), 2.0)
    chosen = np.stack([anchors[taught], positives[taught], order.argmin(axis=1)], axis=1)
    return chosen.astype(np.intp)


def softmax_loss(
    points: Points, numbers: Numbers, weights: Points, biases: Points
) -> tuple[float, Points, Points, Points]:
    """The mean cross-entropy of a softmax layer, and its slopes.

    Args:
        points: (N, D). numbers: (N,) the right class. weights: (classes, D). biases: (classes,).

    Returns:
        The loss, and how it changes with points, weights and biases.
    """
    rows = np.arange(len(points))
    outputs = points @ weights.T + biases
    outputs -= outputs.max(axis=1, keepdims=True)
    raised = np.exp(outputs)
    sums = raised.sum(axis=1, keepdims=True)
    loss = float((np.log(sums[:, 0]) - outputs[rows, numbers]).mean())
    error = raised / sums
    error[rows, numbers] -= 1.0
    error /= len(points)
    return loss, error @ weights, error.T @ points, error.sum(axis=0)


class Centres:
    """A moving centre a person (Wen et al. 2016): points are drawn to it, and after each step it
    moves a share of the way to the mean of its points."""

    def __init__(self, count: int, dimension: int, *, share: float = 0.05) -> None:
        """``share``: of the way, 0-1, that a centre moves at each step."""
        self.places = np.zeros((count, dimension))
        self._share = share

    def loss(self, points: Points, numbers: Numbers, *, distance: Distance) -> tuple[float, Points]:
        """The mean distance of (N, D) points to their centres, and its slope; centres stand still
        as far as the slope goes. A centre that has not moved yet draws nobody."""
        own = self.places[numbers]
        lengths = np.linalg.norm(own, axis=1, keepdims=True)
        there = (lengths > 0).astype(np.float64)
        target = own / np.maximum(lengths, 1e-12) if distance is Distance.ARCCOS else own
        apart = between(distance, points, target) * there[:, 0]
        slope, _ = slopes(distance, points, target)
        return float(apart.mean()), slope * there / len(points)

    def move(self, points: Points, numbers: Numbers) -> None:
        """Moves the centres of the people seen; at first they go all the way."""
        for number in np.unique(numbers):
            mean = points[numbers == number].mean(axis=0)
            fresh = not self.places[number].any()
            share = 1.0 if fresh else self._share
            self.places[number] += share * (mean - self.places[number])
