"""Weekly timetables in local time become sessions at moments, whatever the clocks do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sightgrid.domain.attendance import Slot, Span

_ONE_DAY = timedelta(days=1)


def sessions_between(
    slots: Iterable[Slot], zone: ZoneInfo, *, since: datetime, until: datetime
) -> list[Span]:
    """The sessions of a timetable that start at or after ``since`` and before ``until``, in order
    of time, in UTC; two lessons at the same moment are one."""
    found: dict[datetime, Span] = {}
    for slot in slots:
        first = max(slot.first_day, since.astimezone(zone).date() - _ONE_DAY)
        last = min(slot.last_day, until.astimezone(zone).date())
        for number in range((last - first).days + 1):
            day = first + number * _ONE_DAY
            if day.weekday() != slot.weekday or day in slot.except_days:
                continue
            span = span_on(day, slot.begin, slot.end, zone)
            if since <= span.starts_at < until:
                found.setdefault(span.starts_at, span)
    return [found[moment] for moment in sorted(found)]


def span_on(day: date, begin: time, end: time, zone: ZoneInfo) -> Span:
    """A lesson of one day, by the wall clock, in UTC.

    It ends on the next day if ``end`` is not after ``begin``. In the night in which clocks go
    forward, a time that is left out counts as so much later; in the night in which they go back,
    a time that comes twice is the first of the two. So a lesson by the wall clock is an hour
    shorter or longer than on other days if that hour lies in it, and never shorter than nothing.
    """
    last_day = day if end > begin else day + _ONE_DAY
    starts_at = moment_of(datetime.combine(day, begin), zone)
    ends_at = moment_of(datetime.combine(last_day, end), zone)
    if ends_at <= starts_at:
        # it starts in the hour that is left out: it lasts as long as it would on other days
        by_the_clock = datetime.combine(last_day, end) - datetime.combine(day, begin)
        ends_at = starts_at + by_the_clock
    return Span(starts_at, ends_at)


def moment_of(local: datetime, zone: ZoneInfo) -> datetime:
    """A time on the wall clock as a moment in UTC; see :func:`span_on` for those nights."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)
