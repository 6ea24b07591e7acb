"""Footfall, dwell, flows; what is hidden can't be had by subtraction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sightgrid.domain.presence import Visit
from sightgrid.trajectory.analytics import dwell, flows, footfall
from sightgrid.trajectory.suppression import LEAST, Suppressed, suppress

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def visit(serial: int, camera: str, minute: float, minutes: float = 1.0) -> Visit:
    begin = NOON + timedelta(minutes=minute)
    return Visit(serial, None, camera, begin, begin + timedelta(minutes=minutes), ())


def lines(counts: np.ndarray, hidden: Suppressed) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every line of the table with totals: its values and which of them are hidden."""
    rows, columns = counts.shape
    table = np.zeros((rows + 1, columns + 1), np.int64)
    table[:-1, :-1] = counts
    table[-1, :-1] = counts.sum(0)
    table[:, -1] = table[:, :-1].sum(1)
    mask = np.zeros(table.shape, bool)
    mask[:-1, :-1], mask[:-1, -1], mask[-1, :-1] = hidden.cells, hidden.rows, hidden.columns
    mask[-1, -1] = hidden.whole
    return [(table[i], mask[i]) for i in range(rows + 1)] + [
        (table[:, j], mask[:, j]) for j in range(columns + 1)
    ]


@given(
    hnp.arrays(
        np.int64,
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        elements=st.one_of(st.integers(0, 14), st.integers(0, 200)),
    )
)
@settings(max_examples=300, deadline=None)
def test_no_small_count_can_be_had_by_subtraction(counts: np.ndarray) -> None:
    hidden = suppress(counts)
    assert not ((counts > 0) & (counts < LEAST) & ~hidden.cells).any()
    for values, mask in lines(counts, hidden):
        parts, covered = values[:-1], mask[:-1]
        assert not (0 < values[-1] < LEAST and not mask[-1])
        if covered.any() and not mask[-1]:
            # what the total less the shown parts tells is about many, in more than one cell
            assert covered.sum() >= 2
            assert parts[covered].sum() >= LEAST
        if mask[-1] and parts.any():
            assert covered.any()


def test_large_tables_show_everything() -> None:
    hidden = suppress(np.full((3, 4), 25))
    assert not hidden.cells.any()
    assert not hidden.rows.any()
    assert not hidden.whole


def test_one_small_count_takes_others_with_it() -> None:
    counts = np.array([[3, 40, 50], [30, 20, 60], [70, 80, 90]])
    hidden = suppress(counts)
    assert hidden.cells.tolist() == [[True, True, False], [True, True, False], [False] * 3]


def test_footfall_counts_an_identity_once_an_hour() -> None:
    crowd = [visit(serial, "hall", serial / 10) for serial in range(12)]
    again = [visit(serial, "hall", 30 + serial / 10) for serial in range(12)]
    found = footfall([*crowd, *again], zone=UTC)
    assert found.hours == (NOON,)
    assert found.counts == ((12,),)
    assert found.unique == 12


def test_a_visit_counts_in_every_hour_it_touches() -> None:
    found = footfall([visit(serial, "hall", 50, 75) for serial in range(10)], zone=UTC)
    assert [hour.hour for hour in found.hours] == [12, 13, 14]
    assert found.counts == ((10,), (10,), (10,))
    assert found.unique == 10


def test_the_hour_the_clock_goes_through_twice_is_two() -> None:
    paris = ZoneInfo("Europe/Paris")
    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    visits = [
        Visit(serial, None, "hall", twice, twice + timedelta(hours=1), ()) for serial in range(10)
    ]
    found = footfall(visits, zone=paris)
    assert [hour.isoformat() for hour in found.hours] == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
    ]
    assert found.counts == ((10,), (10,))


def test_few_people_are_not_shown() -> None:
    few = [visit(serial, "hall", serial) for serial in range(9)]
    assert footfall(few, zone=UTC).counts == ((None,),)
    assert footfall(few, zone=UTC).unique is None
    assert dwell(few)[0].visits is None
    # many visits of few people are few people
    assert dwell([visit(i % 9, "hall", i) for i in range(90)])[0].median_secs is None


def test_dwell() -> None:
    (row,) = dwell([visit(serial, "hall", serial, minutes=serial) for serial in range(11)])
    assert (row.visits, row.median_secs, row.mean_secs) == (11, 300.0, 300.0)
    assert row.p90_secs == 540.0


def test_flows_follow_the_order_of_time() -> None:
    visits = []
    for serial in range(20):
        visits += [visit(serial, "stairs", 10), visit(serial, "hall", 0), visit(serial, "hall", 5)]
    found = flows(visits)
    assert found.cameras == ("hall", "stairs")
    assert found.counts == ((0, 20), (0, 0))
    assert found.out_of == (20, 0)
    assert found.whole == 20


def test_nothing_seen() -> None:
    assert footfall([], zone=UTC).counts == ()
    assert flows([]).counts == ()
    assert dwell([]) == ()
