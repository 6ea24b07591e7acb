from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.evaluation.curves import (
    area_under_roc,
    best_threshold,
    error_curve,
    threshold_at,
    wilson,
)

SCORE = st.one_of(st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 0.5]), st.floats(-1, 1))
SCORES = st.lists(SCORE, min_size=1, max_size=30).map(lambda values: np.array(values, np.float64))


@given(SCORES, SCORES)
def test_best_threshold_is_as_good_as_any(same: np.ndarray, different: np.ndarray) -> None:
    scores = np.concatenate([same, different])
    truth = np.arange(len(scores)) < len(same)

    def right(threshold: float) -> int:
        return int(((scores >= threshold) == truth)[np.isfinite(scores)].sum())

    finite = scores[np.isfinite(scores)]
    best = right(best_threshold(scores, truth))
    assert all(best >= right(level) for level in (*finite, np.inf))


@given(SCORES, SCORES)
def test_area_under_roc_counts_pairs_of_pairs(same: np.ndarray, different: np.ndarray) -> None:
    above = (same[:, None] > different).mean() + (same[:, None] == different).mean() / 2
    assert area_under_roc(same, different) == pytest.approx(above)


@given(SCORES, st.floats(0.0, 0.99))
def test_threshold_at_is_the_smallest_that_keeps_to_the_rate(
    scores: np.ndarray, rate: float
) -> None:
    threshold = threshold_at(scores, rate)
    assert (scores > threshold).mean() <= rate + 1e-9
    lower = scores[scores < threshold]
    if lower.size:
        assert (scores > lower.max()).mean() > rate - 1e-9


def test_curve_of_known_scores() -> None:
    curve = error_curve(np.array([0.9, 0.8, 0.3, -np.inf]), np.array([0.4, 0.2, 0.1, 0.0]))
    at = {float(t): i for i, t in enumerate(curve.thresholds)}
    assert curve.false_accepts[at[np.inf]] == 0
    assert curve.false_rejects[at[np.inf]] == 1
    assert (curve.false_accepts[at[0.3]], curve.false_rejects[at[0.3]]) == (0.25, 0.25)
    assert curve.equal_error() == 0.25
    # a photo without a face is rejected whatever the threshold
    assert curve.false_rejects[-1] == 0.25


def test_equal_error_of_perfect_and_of_useless_scores() -> None:
    assert error_curve(np.array([1.0, 0.9]), np.array([0.1, 0.2])).equal_error() == 0
    assert error_curve(np.array([0.1, 0.2]), np.array([1.0, 0.9])).equal_error() == 1
    assert error_curve(np.array([0.5]), np.array([0.5])).equal_error() == 0.5


def test_equal_error_of_a_large_sample_is_where_normal_curves_cross() -> None:
    rng = np.random.default_rng(0)
    curve = error_curve(rng.normal(2, 1, 40_000), rng.normal(0, 1, 40_000))
    assert curve.equal_error() == pytest.approx(0.1587, abs=0.004)


def test_wilson_is_the_interval_of_the_books() -> None:
    # Newcombe 1998, table I: 81 of 263
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == 1
    assert wilson(0, 0) == (0.0, 1.0)
