from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.grid import CameraGrid, CameraLink

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
GRID = CameraGrid(
    links=(
        CameraLink("entrance", "stairs", 4.0, 60.0),
        CameraLink("hall", "door", 0.0, None),
        CameraLink("hall", "yard", 0.0),
    ),
    apart=frozenset({frozenset({"hall", "yard"})}),
)


def span(first_secs: float, last_secs: float) -> tuple[datetime, datetime]:
    return NOON + timedelta(seconds=first_secs), NOON + timedelta(seconds=last_secs)


@pytest.mark.parametrize(
    ("one", "other", "secs"),
    [
        ("entrance", "stairs", 4.0),
        ("stairs", "entrance", 4.0),
        ("hall", "yard", 0.0),
        ("hall", "door", None),  # a link of no length: the views may overlap
        ("hall", "stairs", None),
        ("entrance", "entrance", None),
    ],
)
def test_least_secs(one: str, other: str, secs: float | None) -> None:
    assert GRID.least_secs(one, other) == secs


@pytest.mark.parametrize(
    ("one", "other", "gap_secs", "forbidden"),
    [
        ("entrance", "stairs", 3.9, True),
        ("entrance", "stairs", 4.0, False),
        ("entrance", "stairs", -2.0, True),
        ("hall", "yard", -0.5, True),
        ("hall", "yard", 0.0, False),
        ("hall", "door", -5.0, False),
        ("nowhere", "entrance", -5.0, False),
        ("hall", "hall", -5.0, False),
    ],
)
def test_who_cannot_be_on_both(one: str, other: str, gap_secs: float, forbidden: bool) -> None:
    earlier, later = span(0, 10), span(10 + gap_secs, 30)
    assert GRID.forbids(one, earlier, other, later) is forbidden
    assert GRID.forbids(other, later, one, earlier) is forbidden


seconds = st.floats(0, 100)


@given(seconds, seconds, seconds, seconds)
def test_an_empty_grid_forbids_nothing(a: float, b: float, c: float, d: float) -> None:
    one, other = span(min(a, b), max(a, b)), span(min(c, d), max(c, d))
    assert not CameraGrid().forbids("hall", one, "stairs", other)


@pytest.mark.parametrize(("least", "most"), [(-1.0, None), (5.0, 4.0)])
def test_a_link_takes_a_lawful_time(least: float, most: float | None) -> None:
    with pytest.raises(InvalidValue, match="least <= most"):
        CameraLink("hall", "door", least, most)
