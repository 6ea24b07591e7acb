"""Thresholds: from a budget of mistakes and the number of people to confuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import ImpostorCurve, Policy
from sightgrid.vision.packs import catalogue

CURVE = ImpostorCurve.of([[1e-1, 0.10], [1e-2, 0.20], [1e-4, 0.30], [1e-6, 0.35]])


@pytest.mark.parametrize(
    ("rate", "level"), [(1e-1, 0.10), (1e-2, 0.20), (1e-3, 0.25), (1e-4, 0.30), (1e-5, 0.325)]
)
def test_a_threshold_is_read_off_the_curve_linear_in_the_logarithm(
    rate: float, level: float
) -> None:
    assert CURVE.threshold(rate) == pytest.approx(level)


def test_beyond_its_ends_the_curve_goes_on_as_it_was() -> None:
    assert CURVE.threshold(1e-8) == pytest.approx(0.40)
    assert CURVE.threshold(1.0) == pytest.approx(0.0)


@given(st.floats(1e-11, 1.0), st.floats(1e-11, 1.0))
def test_fewer_mistakes_never_ask_for_less(one: float, other: float) -> None:
    assert CURVE.threshold(min(one, other)) >= CURVE.threshold(max(one, other)) - 1e-9


@pytest.mark.parametrize(
    "points",
    [
        [],
        [[1e-2, 0.3]],
        [[1e-4, 0.3], [1e-2, 0.2]],
        [[1e-2, 0.3], [1e-2, 0.3]],
        [[1e-2, 0.3], [1e-4, 0.2]],
        [[1e-2, 0.3], [0.0, 0.4]],
    ],
)
def test_a_curve_that_is_none_is_refused(points: list[list[float]]) -> None:
    with pytest.raises(InvalidValue, match="impostor curve"):
        ImpostorCurve.of(points)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_more_people_to_confuse_raise_the_bands_and_keep_their_order(
    enrolled: int, identities: int
) -> None:
    policy = Policy(CURVE)
    few = policy.bands(enrolled=enrolled, identities=identities)
    many = policy.bands(enrolled=10 * enrolled, identities=10 * identities)
    assert few.possible <= few.likely <= few.confirmed
    assert many.confirmed >= few.confirmed
    assert many.likely >= few.likely
    assert many.same >= few.same


def test_strangers_do_not_raise_the_bar_for_names() -> None:
    policy = Policy(CURVE)
    alone = policy.bands(enrolled=5, identities=5)
    crowd = policy.bands(enrolled=5, identities=5000)
    assert (alone.confirmed, alone.likely) == (crowd.confirmed, crowd.likely)
    assert crowd.same > alone.same


def test_bands_must_rise() -> None:
    with pytest.raises(InvalidValue, match="bands must rise"):
        Bands(
            confirmed=0.4,
            likely=0.5,
            same=0.5,
            possible=0.3,
            agree=0.4,
            margin=0.04,
            poor_bar=0.08,
        )


def test_bands_are_of_means_where_these_are_known_and_single_looks_are_not() -> None:
    means = ImpostorCurve.of([[1e-2, 0.5], [1e-6, 0.6]])
    plain, policy = Policy(CURVE), Policy(CURVE, means=means)
    one, other = (p.bands(enrolled=10, identities=10) for p in (plain, policy))
    assert other.same == pytest.approx(means.threshold(1e-4))
    assert other.confirmed == pytest.approx(means.threshold(1e-5))
    assert (other.agree, other.margin, other.poor_bar) == (one.agree, one.margin, one.poor_bar)
    assert policy.outlier == plain.outlier


def test_levels_of_the_default_pack_are_those_they_were_tuned_to() -> None:
    policy = Policy(ImpostorCurve.of(catalogue()["default"].thresholds.impostors))
    bands = policy.bands(enrolled=1, identities=1)
    assert bands.agree == pytest.approx(0.40, abs=0.005)
    assert bands.margin == pytest.approx(0.04, abs=0.002)
    assert bands.poor_bar == pytest.approx(0.08, abs=0.002)
    assert policy.outlier == pytest.approx(0.25, abs=0.005)
