"""Lessons by the wall clock, in the two nights in which clocks change, and over midnight."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from sightgrid.attendance.marking import mark_everybody
from sightgrid.attendance.timetables import sessions_between, span_on
from sightgrid.domain.attendance import Rules, Seen, Slot, Span, Status
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.presence import Band

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("zone", "day", "begin", "end", "starts_at", "ends_at"),
    [
        # an ordinary day
        (PARIS, (2026, 3, 2), "09:00", "10:30", (2026, 3, 2, 8), (2026, 3, 2, 9, 30)),
        # the night in which 02:00 becomes 03:00
        (PARIS, (2026, 3, 28), "22:00", "06:00", (2026, 3, 28, 21), (2026, 3, 29, 4)),
        (PARIS, (2026, 3, 29), "01:30", "03:30", (2026, 3, 29, 0, 30), (2026, 3, 29, 1, 30)),
        (PARIS, (2026, 3, 29), "01:30", "02:30", (2026, 3, 29, 0, 30), (2026, 3, 29, 1, 30)),
        (PARIS, (2026, 3, 29), "02:30", "04:00", (2026, 3, 29, 1, 30), (2026, 3, 29, 2)),
        (PARIS, (2026, 3, 29), "02:30", "03:15", (2026, 3, 29, 1, 30), (2026, 3, 29, 2, 15)),
        # the night in which 03:00 becomes 02:00
        (PARIS, (2026, 10, 24), "22:00", "06:00", (2026, 10, 24, 20), (2026, 10, 25, 5)),
        (PARIS, (2026, 10, 25), "01:30", "03:30", (2026, 10, 24, 23, 30), (2026, 10, 25, 2, 30)),
        (PARIS, (2026, 10, 25), "02:15", "02:45", (2026, 10, 25, 0, 15), (2026, 10, 25, 0, 45)),
        # over midnight, to midnight, around the clock
        (PARIS, (2026, 3, 2), "23:00", "01:00", (2026, 3, 2, 22), (2026, 3, 3)),
        (PARIS, (2026, 3, 2), "22:00", "00:00", (2026, 3, 2, 21), (2026, 3, 2, 23)),
        (PARIS, (2026, 12, 31), "23:30", "00:30", (2026, 12, 31, 22, 30), (2026, 12, 31, 23, 30)),
        # clocks change on other days elsewhere
        (NEW_YORK, (2026, 3, 7), "22:00", "06:00", (2026, 3, 8, 3), (2026, 3, 8, 10)),
        (NEW_YORK, (2026, 10, 31), "22:00", "06:00", (2026, 11, 1, 2), (2026, 11, 1, 11)),
    ],
)
def test_a_lesson_by_the_wall_clock(
    zone: ZoneInfo,
    day: tuple[int, int, int],
    begin: str,
    end: str,
    starts_at: tuple[int, ...],
    ends_at: tuple[int, ...],
) -> None:
    span = span_on(date(*day), time.fromisoformat(begin), time.fromisoformat(end), zone)
    assert span == Span(utc(*starts_at), utc(*ends_at))


def test_a_weekly_lesson_stays_at_its_hour_when_the_clocks_change() -> None:
    slot = Slot(0, time(9), time(10, 30), date(2026, 3, 9), date(2026, 4, 6))
    spans = sessions_between([slot], PARIS, since=utc(2026, 1, 1), until=utc(2027, 1, 1))
    assert [span.starts_at for span in spans] == [
        utc(2026, 3, 9, 8),
        utc(2026, 3, 16, 8),
        utc(2026, 3, 23, 8),
        utc(2026, 3, 30, 7),
        utc(2026, 4, 6, 7),
    ]
    assert {span.length for span in spans} == {timedelta(minutes=90)}


def test_days_left_out_and_the_ends_of_the_question() -> None:
    slot = Slot(
        0, time(9), time(10), date(2026, 3, 2), date(2026, 3, 23), frozenset({date(2026, 3, 9)})
    )
    spans = sessions_between(
        [slot, slot], PARIS, since=utc(2026, 3, 2, 8), until=utc(2026, 3, 23, 8)
    )
    assert [span.starts_at.day for span in spans] == [2, 16]


def test_a_lesson_over_midnight_belongs_to_the_day_it_began_on() -> None:
    slot = Slot(4, time(23), time(1), date(2026, 3, 6), date(2026, 3, 6))
    (span,) = sessions_between([slot], PARIS, since=utc(2026, 3, 6), until=utc(2026, 3, 8))
    assert span == Span(utc(2026, 3, 6, 22), utc(2026, 3, 7))
    late = Seen("p", "door", utc(2026, 3, 6, 23, 20), utc(2026, 3, 6, 23, 30), "s", Band.CONFIRMED)
    (mark,) = mark_everybody(["p"], span, Rules(), seen=[late])
    assert (mark.status, mark.minutes) == (Status.LATE, 10)


@pytest.mark.parametrize(
    ("day", "seen_at", "status"),
    [
        # 01:50 and 03:10 are 20 minutes apart in spring
        (date(2026, 3, 29), utc(2026, 3, 29, 0, 55), Status.PRESENT),
        (date(2026, 3, 29), utc(2026, 3, 29, 1, 10), Status.LATE),
        # 02:05 comes twice in autumn: for a lesson at 01:50, one is late, the other over an hour
        (date(2026, 10, 25), utc(2026, 10, 24, 23, 55), Status.PRESENT),
        (date(2026, 10, 25), utc(2026, 10, 25, 0, 5), Status.LATE),
        (date(2026, 10, 25), utc(2026, 10, 25, 1, 5), Status.LATE),
        (date(2026, 10, 25), utc(2026, 10, 25, 2, 30), Status.ABSENT),
    ],
)
def test_marks_in_the_nights_of_the_change(day: date, seen_at: datetime, status: Status) -> None:
    span = span_on(day, time(1, 50), time(3, 10), PARIS)
    one = Seen("p", "door", seen_at, seen_at + timedelta(seconds=5), "s", Band.CONFIRMED)
    (mark,) = mark_everybody(["p"], span, Rules(), seen=[one])
    assert mark.status is status


def test_impossible_slots_are_refused() -> None:
    with pytest.raises(InvalidValue, match="no day of the week"):
        Slot(7, time(9), time(10), date(2026, 1, 1), date(2026, 2, 1))
    with pytest.raises(InvalidValue, match="is before"):
        Slot(0, time(9), time(10), date(2026, 2, 1), date(2026, 1, 1))
