"""Thresholds: from a budget of mistakes and the number of people to confuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import ImpostorCurve, Policy

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
        Bands(confirmed=0.4, likely=0.5, same=0.5, possible=0.3)
