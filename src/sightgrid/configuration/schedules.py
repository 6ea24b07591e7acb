"""When a camera is to be watched: ``mon-fri 07:00-19:00``, in the site's own time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo

from sightgrid.domain.errors import InvalidValue

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(
    r"(?:(?P<first>[a-z]{3,9})(?:-(?P<last>[a-z]{3,9}))?|daily)\s+"
    r"(?P<begin>\d\d?:\d\d)-(?P<end>\d\d?:\d\d)"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a day on some days of the week (0 = Monday).

    One that ends before it begins goes on into the next day; ``00:00-24:00`` is the whole day.
    """

    days: frozenset[int]
    begin: time
    end_minutes: int  # since midnight of the day it began on, up to 2880

    def covers(self, local: datetime) -> bool:
        """Whether a moment on the site's wall clock falls into it."""
        minutes = local.hour * 60 + local.minute
        begin = self.begin.hour * 60 + self.begin.minute
        if local.weekday() in self.days and begin <= minutes < self.end_minutes:
            return True
        yesterday = (local - timedelta(days=1)).weekday()
        return yesterday in self.days and minutes + 1440 < self.end_minutes


def parse_span(text: str) -> Span:
    """Reads ``mon-fri 07:00-19:00``, ``sat 22:00-04:00`` or ``daily 00:00-24:00``.

    Raises:
        InvalidValue: it is none of these.
    """
    match = _SPAN.fullmatch(text.strip().lower())
    wrong = InvalidValue(f"'{text}' is no part of the week", hint="write mon-fri 07:00-19:00")
    if match is None:
        raise wrong
    if match["first"] is None:
        days = frozenset(range(7))
    else:
        first, last = _day(match["first"]), _day(match["last"] or match["first"])
        if first is None or last is None:
            raise wrong
        days = frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    begin, end = _minutes(match["begin"]), _minutes(match["end"])
    if begin is None or end is None or begin == 1440 or begin == end:
        raise wrong
    return Span(days, time(begin // 60, begin % 60), end if end > begin else end + 1440)


def watched(schedule: tuple[Span, ...], moment: datetime, zone: tzinfo) -> bool:
    """Whether the schedule covers an aware moment; an empty schedule covers all."""
    local = moment.astimezone(zone)
    return not schedule or any(span.covers(local) for span in schedule)


def _day(word: str) -> int | None:
    return _DAYS.index(word[:3]) if word[:3] in _DAYS else None


def _minutes(text: str) -> int | None:
    hours, minutes = (int(part) for part in text.split(":"))
    total = hours * 60 + minutes
    return total if minutes < 60 and total <= 1440 else None
