"""Timetables out of .ics files; what is not understood is refused by its line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sightgrid.attendance.icalendar import Lesson, read_calendar
from sightgrid.domain.errors import InvalidValue

PARIS = ZoneInfo("Europe/Paris")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


def read(*lines: str, zone: ZoneInfo = PARIS) -> list[Lesson]:
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *lines, "END:VCALENDAR", ""])
    return read_calendar(text, zone, since=SINCE, until=UNTIL)


def event(*lines: str, uid: str = "a") -> list[str]:
    return ["BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT"]


WEEKLY = (
    "DTSTART;TZID=Europe/Paris:20260316T090000",
    "DTEND;TZID=Europe/Paris:20260316T103000",
    "SUMMARY:Algorithms\\, with",
    "  exercises",
)


def starts(lessons: list[Lesson]) -> list[str]:
    return [one.span.starts_at.strftime("%m-%dT%H:%M") for one in lessons]


def test_a_weekly_lesson_keeps_its_hour_over_the_change_of_clocks() -> None:
    lessons = read(*event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=3"))
    assert starts(lessons) == ["03-16T08:00", "03-23T08:00", "03-30T07:00"]
    assert {one.title for one in lessons} == {"Algorithms, with exercises"}
    assert {one.span.length for one in lessons} == {timedelta(minutes=90)}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("FREQ=WEEKLY;UNTIL=20260323T080000Z", ["03-16T08:00", "03-23T08:00"]),
        ("FREQ=WEEKLY;UNTIL=20260322", ["03-16T08:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;COUNT=2", ["03-16T08:00", "03-30T07:00"]),
        ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=3", ["03-16T08:00", "03-18T08:00", "03-23T08:00"]),
        ("FREQ=WEEKLY;BYDAY=WE;COUNT=2", ["03-16T08:00", "03-18T08:00"]),
        ("FREQ=DAILY;COUNT=2", ["03-16T08:00", "03-17T08:00"]),
        ("FREQ=DAILY;INTERVAL=3;COUNT=2", ["03-16T08:00", "03-19T08:00"]),
    ],
)
def test_repetitions(rule: str, found: list[str]) -> None:
    assert starts(read(*event(*WEEKLY, f"RRULE:{rule}"))) == found


def test_lessons_left_out_added_moved_and_cancelled() -> None:
    lessons = read(
        *event(
            *WEEKLY,
            "RRULE:FREQ=WEEKLY;COUNT=4",
            "EXDATE;TZID=Europe/Paris:20260323T090000",
            "RDATE;TZID=Europe/Paris:20260320T140000",
        ),
        *event(
            "RECURRENCE-ID;TZID=Europe/Paris:20260330T090000",
            "DTSTART;TZID=Europe/Paris:20260331T110000",
            "DTEND;TZID=Europe/Paris:20260331T120000",
        ),
        *event(
            "RECURRENCE-ID;TZID=Europe/Paris:20260406T090000",
            "DTSTART;TZID=Europe/Paris:20260406T090000",
            "DTEND;TZID=Europe/Paris:20260406T103000",
            "STATUS:CANCELLED",
        ),
    )
    assert starts(lessons) == ["03-16T08:00", "03-20T13:00", "03-31T09:00"]
    assert lessons[-1].span.length == timedelta(hours=1)


def test_utc_floating_and_durations() -> None:
    lessons = read(
        *event("DTSTART:20260302T090000Z", "DURATION:PT45M", uid="utc"),
        *event("DTSTART:20260302T090000", "DURATION:PT1H", uid="floating"),
        *event("DTSTART;VALUE=DATE:20260302", "SUMMARY:Holiday", uid="day"),
        "BEGIN:VTODO",
        "SUMMARY:not a lesson",
        "END:VTODO",
    )
    assert [(one.uid, one.span.starts_at.hour) for one in lessons] == [("floating", 8), ("utc", 9)]


def test_an_evening_lesson_ends_on_the_next_day() -> None:
    (lesson,) = read(*event("DTSTART:20260302T230000", "DTEND:20260303T010000"))
    assert lesson.span.length == timedelta(hours=2)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (event(*WEEKLY, "RRULE:FREQ=MONTHLY"), "line 9: the repetition FREQ=MONTHLY is not read"),
        (event(*WEEKLY, "RRULE:FREQ=WEEKLY;BYSETPOS=1"), "line 9: the repetition BYSETPOS"),
        (event(*WEEKLY, "RRULE:FREQ=WEEKLY;BYDAY=1MO"), "line 9: BYDAY=1MO names more"),
        (event(*WEEKLY, "RRULE:FREQ=WEEKLY;COUNT=many"), "line 9: COUNT=MANY is no number"),
        (event("DTSTART;TZID=Mars/Base:20260302T090000", "DURATION:PT1H"), "line 5: 'Mars/Base'"),
        (event("DTSTART:2026-03-02T09:00", "DURATION:PT1H"), "line 5: '2026-03-02T09:00' is no"),
        (event("DTSTART:20260302T090000"), "line 5: this lesson has neither DTEND nor"),
        (event("DTSTART:20260302T090000", "DURATION:P2D"), "line 6: a lesson ends after it"),
        (event("DTSTART:20260302T090000", "DTEND:20260302T080000"), "line 6: a lesson ends"),
        (event("SUMMARY:x"), "line 3: this event has no DTSTART"),
        (["no colon here"], "line 3: no 'NAME:value'"),
        (["BEGIN:VEVENT"], "END:VCALENDAR ends nothing"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_line(lines: list[str], problem: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read(*lines)
    assert problem in str(caught.value)


def test_other_files_are_refused() -> None:
    with pytest.raises(InvalidValue, match="line 1: this is no iCalendar file"):
        read_calendar("name,class\n", PARIS, since=SINCE, until=UNTIL)
