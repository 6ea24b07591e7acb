"""Registers as tables: of one session, of a course over time, who was absent, who falls short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sightgrid.domain.attendance import Mark, Span, Status
from sightgrid.domain.errors import InvalidValue

Cell: TypeAlias = str | int | float | None

STATUS_WORDS = {
    Status.PRESENT: "present",
    Status.LATE: "late",
    Status.ABSENT: "absent",
    Status.EXCUSED: "excused",
    Status.LEFT_EARLY: "left early",
}
SHORT_WORDS = {
    Status.PRESENT: "P",
    Status.LATE: "L",
    Status.ABSENT: "A",
    Status.EXCUSED: "E",
    Status.LEFT_EARLY: "X",
}
LEGEND = "P present · L late · X left early · E excused · A absent"


@dataclass(frozen=True, slots=True)
class Line:
    """One person in one session. ``number`` is their student or employee id where there is one;
    ``frozen`` says whether the register is closed."""

    session_id: str
    course: str
    span: Span
    name: str
    number: str
    group: str
    faculty: str
    mark: Mark
    version_no: int = 0
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for; what is ``None`` leaves all. ``name`` and ``group`` (the class)
    are parts of it, in any case of letters; days are local."""

    name: str | None = None
    group: str | None = None
    course: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    statuses: frozenset[Status] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A report before it is written down: facts are shown above the rows. ``wide`` from the column
    of this number on there may be more than a page holds."""

    title: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    wide: int | None = None


def chosen(lines: Iterable[Line], wanted: Wanted, zone: ZoneInfo) -> list[Line]:
    """The lines that are asked for, in their order."""
    return [line for line in lines if _fits(line, wanted, zone)]


def register_table(title: str, span: Span, lines: Sequence[Line], zone: ZoneInfo) -> Table:
    """The register of one session, by name."""
    counts = dict.fromkeys(Status, 0)
    for line in lines:
        counts[line.mark.status] += 1
    version = max((line.version_no for line in lines), default=0)
    closed = any(line.frozen for line in lines)
    facts = (
        ("Session", _when(span, zone)),
        ("People", str(len(lines))),
        *((STATUS_WORDS[status].capitalize(), str(counts[status])) for status in Status),
        ("Register", f"closed, version {version}" if closed else "open, may still change"),
    )
    return Table(
        title=title,
        facts=facts,
        columns=(
            "name",
            "id",
            "class",
            "status",
            "minutes",
            "came",
            "left",
            "method",
            "camera",
            "band",
            "margin",
            "review",
            "reason",
        ),
        rows=tuple(_register_row(line, zone) for line in _by_name(lines)),
    )


def matrix_table(title: str, lines: Sequence[Line], zone: ZoneInfo) -> Table:
    """Everyone against every session, with how many of their sessions they attended in percent.
    Excused ones don't count either way."""
    spans = {line.session_id: line.span for line in lines}
    order = sorted(spans, key=lambda one: (spans[one].starts_at, one))
    rows = []
    for own in _by_person(lines):
        by_session = {line.session_id: line.mark.status for line in own}
        share = share_of(own)
        rows.append(
            (
                own[0].name,
                own[0].number,
                own[0].group,
                None if share is None else round(100 * share, 1),
                *(SHORT_WORDS[by_session[one]] if one in by_session else "" for one in order),
            )
        )
    return Table(
        title=title,
        facts=(("People", str(len(rows))), ("Sessions", str(len(order)))),
        columns=(
            "name",
            "id",
            "class",
            "attended %",
            *(spans[one].starts_at.astimezone(zone).strftime("%Y-%m-%d %H:%M") for one in order),
        ),
        rows=tuple(rows),
        note=LEGEND,
        wide=4,
    )


def absentees_table(title: str, lines: Sequence[Line], zone: ZoneInfo) -> Table:
    """Who was absent from which session, in order of time."""
    absent = sorted(
        (line for line in lines if line.mark.status is Status.ABSENT),
        key=lambda line: (line.span.starts_at, line.name.casefold(), line.number),
    )
    return Table(
        title=title,
        facts=(("Absences", str(len(absent))),),
        columns=("date", "time", "course", "name", "id", "class", "reason"),
        rows=tuple(
            (
                _day(line.span.starts_at, zone),
                _clock(line.span.starts_at, zone),
                line.course,
                line.name,
                line.number,
                line.group,
                line.mark.reason,
            )
            for line in absent
        ),
    )


def warnings_table(title: str, lines: Sequence[Line], *, below: float) -> Table:
    """Who attended less than a share of their sessions, the least first.

    Args:
        below: a share between 0 and 1.

    Raises:
        InvalidValue: it is no share.
    """
    if not 0 < below <= 1:
        raise InvalidValue("below: give a share between 0 and 1, such as 0.75")
    rows = []
    for own in _by_person(lines):
        share = share_of(own)
        if share is not None and share < below:
            attended = sum(line.mark.status.attended for line in own)
            counted = sum(line.mark.status is not Status.EXCUSED for line in own)
            rows.append(
                (round(100 * share, 1), attended, counted, own[0].name, own[0].number, own[0].group)
            )
    rows.sort(key=lambda row: (row[0], row[3].casefold()))
    return Table(
        title=title,
        facts=(("Below", f"{100 * below:g} %"), ("People", str(len(rows)))),
        columns=("attended %", "attended", "of", "name", "id", "class"),
        rows=tuple(rows),
    )


def daily_table(title: str, lines: Sequence[Line], zone: ZoneInfo) -> Table:
    """Everybody once a day, when they first came: id, name, class, faculty, date, time."""
    first: dict[tuple[str, str], Line] = {}
    for line in lines:
        if not line.mark.status.attended:
            continue
        key = (line.mark.person_id, _day(line.span.starts_at, zone))
        known = first.get(key)
        if known is None or _came(line) < _came(known):
            first[key] = line
    return Table(
        title=title,
        facts=(),
        columns=("id", "name", "class", "faculty", "date", "time"),
        rows=tuple(
            (
                line.number,
                line.name,
                line.group,
                line.faculty,
                _day(_came(line), zone),
                _came(line).astimezone(zone).strftime("%H:%M:%S"),
            )
            for line in sorted(first.values(), key=lambda line: (_came(line), line.name))
        ),
    )


def share_of(lines: Iterable[Line]) -> float | None:
    """How many of somebody's sessions they attended, 0-1; ``None`` if none counts."""
    counted = [line for line in lines if line.mark.status is not Status.EXCUSED]
    if not counted:
        return None
    return sum(line.mark.status.attended for line in counted) / len(counted)


def _register_row(line: Line, zone: ZoneInfo) -> tuple[Cell, ...]:
    mark = line.mark
    return (
        line.name,
        line.number,
        line.group,
        STATUS_WORDS[mark.status],
        mark.minutes,
        "" if mark.came_at is None else _clock(mark.came_at, zone),
        "" if mark.left_at is None else _clock(mark.left_at, zone),
        mark.method.value,
        mark.camera or "",
        "" if mark.band is None else mark.band.value,
        None if mark.margin is None else round(mark.margin, 3),
        "look at it" if mark.review else "",
        mark.reason,
    )


def _fits(line: Line, wanted: Wanted, zone: ZoneInfo) -> bool:
    day = line.span.starts_at.astimezone(zone).date()
    return (
        (wanted.name is None or wanted.name.casefold() in line.name.casefold())
        and (wanted.group is None or wanted.group.casefold() in line.group.casefold())
        and (wanted.course is None or wanted.course.casefold() == line.course.casefold())
        and (wanted.first_day is None or day >= wanted.first_day)
        and (wanted.last_day is None or day <= wanted.last_day)
        and (wanted.statuses is None or line.mark.status in wanted.statuses)
    )


def _by_name(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (line.name.casefold(), line.number, line.mark.person_id))


def _by_person(lines: Iterable[Line]) -> list[list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in _by_name(lines):
        found.setdefault(line.mark.person_id, []).append(line)
    return list(found.values())


def _came(line: Line) -> datetime:
    return line.mark.came_at or line.span.starts_at


def _day(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d")


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%H:%M")


def _when(span: Span, zone: ZoneInfo) -> str:
    begin, end = span.starts_at.astimezone(zone), span.ends_at.astimezone(zone)
    last = end.strftime("%H:%M" if end.date() == begin.date() else "%Y-%m-%d %H:%M")
    return f"{begin.strftime('%Y-%m-%d %H:%M')} to {last} ({zone.key})"
