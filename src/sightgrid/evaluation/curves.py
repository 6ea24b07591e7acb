"""Scores to error rates. A score is higher the more alike two faces are; minus infinity stands for
a photo without a face, which no threshold accepts."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Truths = NDArray[np.bool_]

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """Error rates at every threshold that changes them, thresholds falling.

    ``false_accepts`` rises from 0 and ``false_rejects`` falls; both (N,), 0-1. A score is accepted
    from the threshold on.
    """

    thresholds: Scores
    false_accepts: Scores
    false_rejects: Scores

    def equal_error(self) -> float:
        """The rate at which as many strangers are accepted as acquaintances are rejected."""
        gap = self.false_accepts - self.false_rejects
        after = int(np.argmax(gap >= 0))
        if gap[after] < 0:
            # even at the lowest threshold, missed photos keep rejects above accepts
            return float((self.false_accepts[-1] + self.false_rejects[-1]) / 2)
        if after == 0:
            return float(self.false_rejects[0])
        share = gap[after - 1] / (gap[after - 1] - gap[after])
        before = self.false_accepts[after - 1]
        return float(before + share * (self.false_accepts[after] - before))


def error_curve(same: Scores, different: Scores) -> ErrorCurve:
    """The exact curve of the scores of pairs of one person and of two people."""
    finite = np.concatenate([same, different])
    thresholds = np.unique(finite[np.isfinite(finite)])[::-1]
    thresholds = np.concatenate([[np.inf], thresholds])
    rising_same, rising_different = np.sort(same), np.sort(different)
    rejected = np.searchsorted(rising_same, thresholds, side="left")
    accepted = len(different) - np.searchsorted(rising_different, thresholds, side="left")
    return ErrorCurve(thresholds, accepted / len(different), rejected / len(same))


def area_under_roc(same: Scores, different: Scores) -> float:
    """The chance that a pair of one person scores above one of two people; ties count one half."""
    rising = np.sort(different)
    below = np.searchsorted(rising, same, side="left")
    up_to = np.searchsorted(rising, same, side="right")
    return float((below + up_to).mean() / 2 / len(different))


def best_threshold(scores: Scores, same: Truths) -> float:
    """The threshold, from which on scores are accepted, that answers most pairs rightly.

    Every threshold that makes a difference is tried; among equals the middle one is taken.
    """
    levels, place = np.unique(scores[np.isfinite(scores)], return_inverse=True)
    if not levels.size:
        return 0.0
    # scores of minus infinity are rejected whatever the threshold, so they decide nothing
    truth = same[np.isfinite(scores)]
    gained = np.bincount(place, weights=np.where(truth, -1.0, 1.0), minlength=len(levels))
    # right[i]: right answers, up to a constant, when levels[i:] are accepted
    right = np.concatenate([[0.0], np.cumsum(gained)])
    best = np.flatnonzero(right == right.max())
    chosen = int(best[len(best) // 2])
    if chosen == 0:
        return float(levels[0])
    if chosen == len(levels):
        return float(np.nextafter(levels[-1], np.inf))
    middle = (levels[chosen - 1] + levels[chosen]) / 2
    return float(middle if middle > levels[chosen - 1] else levels[chosen])


def threshold_at(different: Scores, rate: float) -> float:
    """The smallest threshold that at most ``rate`` of the scores *exceed*."""
    falling = np.sort(different)[::-1]
    allowed = int(np.floor(rate * len(falling) + 1e-9))
    return float(falling[allowed]) if allowed < len(falling) else -np.inf


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), as though the trials were independent."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, _Z95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = _Z95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
