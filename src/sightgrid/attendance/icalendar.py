"""Reads lessons out of an iCalendar file (RFC 5545): a strict reader of what timetables use.

Read are events with their times (local with TZID, UTC or floating), an end or a duration, weekly
and daily repetition (INTERVAL, BYDAY, UNTIL, COUNT), EXDATE, RDATE, single lessons moved or
cancelled (RECURRENCE-ID, STATUS). Whatever else would change when a lesson takes place is refused
by its line: a timetable that is quietly wrong marks people absent. Everything else is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sightgrid.attendance.timetables import moment_of
from sightgrid.domain.attendance import Span
from sightgrid.domain.errors import InvalidValue

MOST_BYTES = 4 * 1024 * 1024
MOST_LESSONS = 20_000
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_TIME = re.compile(r"(\d{8})T(\d{6})(Z?)")
_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_NAME = re.compile(r"([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:\"[^\"]*\"|[^;:\"]*))*):(.*)", re.DOTALL)
_RULE_PARTS = frozenset({"FREQ", "INTERVAL", "BYDAY", "UNTIL", "COUNT", "WKST"})
_LONGEST = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson of a calendar. ``uid`` names its event; ``title`` is the event's summary."""

    uid: str
    title: str
    span: Span


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    name: str
    parameters: Mapping[str, str]
    value: str


@dataclass(slots=True)
class _Event:
    number: int
    lines: dict[str, list[_Line]] = field(default_factory=dict)

    def one(self, name: str) -> _Line | None:
        found = self.lines.get(name, [])
        if len(found) > 1:
            raise _wrong(found[1], f"{name} comes twice in one event")
        return found[0] if found else None


def read_calendar(text: str, zone: ZoneInfo, *, since: datetime, until: datetime) -> list[Lesson]:
    """The lessons that start at or after ``since`` and before ``until``, in order of time.

    Args:
        zone: for times that say none (floating ones).

    Raises:
        InvalidValue: the file is no calendar, or holds what this reader doesn't take; the line is
            named.
    """
    if len(text) > MOST_BYTES:
        raise InvalidValue(f"the calendar is larger than {MOST_BYTES // 2**20} MiB")
    events = _events(_unfolded(text))
    moved: dict[tuple[str, datetime], _Event] = {}
    masters: list[tuple[str, _Event]] = []
    for event in events:
        uid_line = event.one("UID")
        uid = f"line {event.number}" if uid_line is None else uid_line.value.strip()
        again = event.one("RECURRENCE-ID")
        if again is None:
            masters.append((uid, event))
        else:
            moved[uid, _moment(again, again.value, zone)] = event
    lessons: list[Lesson] = []
    for uid, event in masters:
        for start in _starts(event, zone, until):
            replaced = moved.pop((uid, start), None)
            lesson = _lesson(uid, event if replaced is None else replaced, zone, start, replaced)
            if lesson is not None and since <= lesson.span.starts_at < until:
                lessons.append(lesson)
        if len(lessons) > MOST_LESSONS:
            raise InvalidValue(f"the calendar holds more than {MOST_LESSONS} lessons")
    for (uid, start), event in moved.items():
        lesson = _lesson(uid, event, zone, start, event)
        if lesson is not None and since <= lesson.span.starts_at < until:
            lessons.append(lesson)
    return sorted(lessons, key=lambda one: (one.span.starts_at, one.uid))


def _unfolded(text: str) -> list[_Line]:
    """The content lines with the number that each begins on."""
    raw: list[tuple[int, str]] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line[:1] in (" ", "\t") and raw:
            raw[-1] = raw[-1][0], raw[-1][1] + line[1:]
        elif line.strip():
            raw.append((number, line))
    if not raw or raw[0][1].strip().upper() != "BEGIN:VCALENDAR":
        raise InvalidValue("line 1: this is no iCalendar file", hint="export the timetable as .ics")
    lines = []
    for number, content in raw:
        match = _NAME.fullmatch(content)
        if match is None:
            raise InvalidValue(f"line {number}: no 'NAME:value'", hint="export the calendar anew")
        parameters = {}
        for part in re.findall(r";([A-Za-z0-9-]+)=(\"[^\"]*\"|[^;:\"]*)", match[2]):
            parameters[part[0].upper()] = part[1].strip('"')
        lines.append(_Line(number, match[1].upper(), parameters, match[3]))
    return lines


def _events(lines: Sequence[_Line]) -> list[_Event]:
    found: list[_Event] = []
    open_parts: list[str] = []
    for line in lines:
        if line.name == "BEGIN":
            open_parts.append(line.value.strip().upper())
            if open_parts[-1] == "VEVENT":
                found.append(_Event(line.number))
        elif line.name == "END":
            if not open_parts or open_parts[-1] != line.value.strip().upper():
                raise _wrong(line, f"END:{line.value.strip()} ends nothing that was begun")
            open_parts.pop()
        elif open_parts and open_parts[-1] == "VEVENT":
            found[-1].lines.setdefault(line.name, []).append(line)
    if open_parts:
        raise InvalidValue(f"the calendar breaks off: END:{open_parts[-1]} is missing")
    return found


def _starts(event: _Event, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """When an event's lessons start by its own rule, in UTC, those left out taken away."""
    begin = event.one("DTSTART")
    if begin is None:
        raise InvalidValue(f"line {event.number}: this event has no DTSTART")
    if begin.parameters.get("VALUE", "").upper() == "DATE" or "T" not in begin.value:
        # a whole day (a holiday, a deadline) is no lesson
        return []
    first, its_zone = _wall(begin, begin.value, zone)
    rule = event.one("RRULE")
    for name in ("EXRULE",):
        if event.lines.get(name):
            raise _wrong(event.lines[name][0], f"{name} is not read")
    walls = [first] if rule is None else _repeated(rule, first, its_zone, until)
    starts = dict.fromkeys(moment_of(wall, its_zone) for wall in walls)
    for line in event.lines.get("RDATE", []):
        starts |= dict.fromkeys(_moment(line, one, zone) for one in line.value.split(","))
    for line in event.lines.get("EXDATE", []):
        if line.parameters.get("VALUE", "").upper() == "DATE":
            days = {one.strip() for one in line.value.split(",")}
            starts = {
                one: None
                for one in starts
                if one.astimezone(its_zone).strftime("%Y%m%d") not in days
            }
        else:
            for one in line.value.split(","):
                starts.pop(_moment(line, one, zone), None)
    return sorted(starts)


def _repeated(line: _Line, first: datetime, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """The wall clock's times of a rule's lessons."""
    rule: dict[str, str] = {}
    for part in line.value.strip().rstrip(";").split(";"):
        name, _, value = part.partition("=")
        rule[name.upper()] = value.upper()
    unknown = sorted(set(rule) - _RULE_PARTS)
    if unknown or rule.get("FREQ") not in ("WEEKLY", "DAILY"):
        what = unknown[0] if unknown else f"FREQ={rule.get('FREQ', '')}"
        raise _wrong(
            line, f"the repetition {what} is not read", "repeat the lesson weekly or daily"
        )
    interval = _number(line, rule.get("INTERVAL", "1"), "INTERVAL")
    count = None if "COUNT" not in rule else _number(line, rule["COUNT"], "COUNT")
    last = until if "UNTIL" not in rule else min(until, _until(line, rule["UNTIL"], zone))
    days = {first.weekday()} if rule["FREQ"] == "WEEKLY" else set(range(7))
    if "BYDAY" in rule:
        named = rule["BYDAY"].split(",")
        if not set(named) <= set(_DAYS):
            raise _wrong(line, f"BYDAY={rule['BYDAY']} names more than days of the week")
        days = {_DAYS.index(day) for day in named}
    week_begins = _DAYS.index(rule["WKST"]) if rule.get("WKST") in _DAYS else 0
    base = first - timedelta(days=(first.weekday() - week_begins) % 7)
    found: list[datetime] = []
    wall = first
    while moment_of(wall, zone) <= last and (count is None or len(found) < count):
        passed = (
            (wall.date() - base.date()).days // 7
            if rule["FREQ"] == "WEEKLY"
            else ((wall.date() - first.date()).days)
        )
        # the first one counts even if the rule would leave it out
        if wall == first or (passed % interval == 0 and wall.weekday() in days):
            found.append(wall)
            if len(found) > MOST_LESSONS:
                raise _wrong(line, f"more than {MOST_LESSONS} lessons")
        wall += timedelta(days=1)
    return found


def _until(line: _Line, value: str, zone: ZoneInfo) -> datetime:
    if re.fullmatch(r"\d{8}", value):
        value += "T235959"
    return _moment(line, value, zone)


def _lesson(
    uid: str, event: _Event, zone: ZoneInfo, start: datetime, moved: _Event | None
) -> Lesson | None:
    """One lesson of an event; ``None`` where it was cancelled."""
    status = event.one("STATUS")
    if status is not None and status.value.strip().upper() == "CANCELLED":
        return None
    begin = event.one("DTSTART")
    if begin is None:
        raise InvalidValue(f"line {event.number}: this event has no DTSTART")
    first, its_zone = _wall(begin, begin.value, zone)
    if moved is not None:
        start = moment_of(first, its_zone)
    end, lasts = event.one("DTEND"), event.one("DURATION")
    if end is not None:
        # by the wall clock, so that a lesson on every day ends at the same time of day
        last, end_zone = _wall(end, end.value, zone)
        local = start.astimezone(its_zone).replace(tzinfo=None)
        span_end = moment_of(last + (local - first), end_zone)
        if span_end <= start and last > first:
            span_end = start + (last - first)
    elif lasts is not None:
        span_end = start + _duration(lasts)
    else:
        raise _wrong(begin, "this lesson has neither DTEND nor DURATION")
    if not start < span_end <= start + _LONGEST:
        raise _wrong(end or lasts or begin, "a lesson ends after it starts, within 24 hours")
    title = event.one("SUMMARY")
    return Lesson(uid, "" if title is None else _plain(title.value), Span(start, span_end))


def _duration(line: _Line) -> timedelta:
    match = _DURATION.fullmatch(line.value.strip().removeprefix("+"))
    if match is None or not any(match.groups()):
        raise _wrong(line, f"'{line.value.strip()}' is no duration")
    weeks, days, hours, minutes, secs = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=secs)


def _moment(line: _Line, value: str, zone: ZoneInfo) -> datetime:
    wall, its_zone = _wall(line, value, zone)
    return moment_of(wall, its_zone)


def _wall(line: _Line, value: str, zone: ZoneInfo) -> tuple[datetime, ZoneInfo]:
    match = _TIME.fullmatch(value.strip())
    try:
        if match is None:
            raise ValueError
        wall = datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S")  # noqa: DTZ007 - a wall's
    except ValueError:
        raise _wrong(line, f"'{value.strip()}' is no time", "write 20260302T090000") from None
    if match[3]:
        return wall, ZoneInfo("UTC")
    name = line.parameters.get("TZID")
    if name is None:
        return wall, zone
    try:
        return wall, ZoneInfo(name.removeprefix("/"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(
            line, f"'{name}' is no time zone known here", "export with zones such as Europe/Paris"
        ) from None


def _number(line: _Line, value: str, name: str) -> int:
    if not value.isascii() or not value.isdecimal() or not 1 <= len(value) <= 6 or int(value) < 1:
        raise _wrong(line, f"{name}={value} is no number of times")
    return int(value)


def _plain(text: str) -> str:
    return re.sub(r"\\([nN,;\\])", lambda one: " " if one[1] in "nN" else one[1], text).strip()


def _wrong(line: _Line, what: str, hint: str | None = None) -> InvalidValue:
    return InvalidValue(f"line {line.number}: {what}", hint=hint)
