"""How far apart two points on the unit sphere are, and how that changes as they move."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

# at equal or opposite points the angle has no slope; nearer than this it is taken to be flat
_NEAREST = 1e-9


class Distance(StrEnum):
    """The distances by name: the square of the straight line, 0 to 4, and the angle as a share of a
    half turn, 0 to 1."""

    SQUARED_EUCLIDEAN = "squared-euclidean"
    ARCCOS = "arccos"


def between(distance: Distance, one: Points, other: Points) -> Points:
    """(N, D) and (N, D) to (N,)."""
    if distance is Distance.SQUARED_EUCLIDEAN:
        squares: Points = ((one - other) ** 2).sum(axis=1)
        return squares
    cosines = np.clip((one * other).sum(axis=1), -1.0, 1.0)
    angles: Points = np.arccos(cosines) / np.pi
    return angles


def table(distance: Distance, one: Points, other: Points) -> Points:
    """(N, D) and (M, D), of unit length, to (N, M)."""
    cosines = np.clip(one @ other.T, -1.0, 1.0)
    if distance is Distance.SQUARED_EUCLIDEAN:
        return 2.0 - 2.0 * cosines
    angles: Points = np.arccos(cosines) / np.pi
    return angles


def slopes(distance: Distance, one: Points, other: Points) -> tuple[Points, Points]:
    """How :func:`between` changes with either point, (N, D) each; along the sphere only, as points
    are brought back to unit length whenever they move."""
    if distance is Distance.SQUARED_EUCLIDEAN:
        away = 2.0 * (one - other)
        return away, -away
    cosines = (one * other).sum(axis=1, keepdims=True)
    steepness = 1.0 - cosines**2
    flat = steepness < _NEAREST
    factor = np.where(flat, 0.0, -1.0 / (np.pi * np.sqrt(np.where(flat, 1.0, steepness))))
    return factor * other, factor * one
