"""What the API and the command line do alike: courses saved, calendars read, marks by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sightgrid.attendance.icalendar import MOST_BYTES, Lesson, read_calendar
from sightgrid.attendance.reports import Line
from sightgrid.domain.attendance import Course, Method, SessionState, Status
from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger import attending, registering
from sightgrid.server.reporting import lines_of_session
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store import courses as rows
from sightgrid.store.audit import note_event
from sightgrid.store.registers import register
from sightgrid.store.roster import roster

_CALENDAR_REACHES = timedelta(days=400)


class _OnlyLooking(Exception):
    """Carries what would be planned out of a transaction that is undone."""

    def __init__(self, planned: tuple[int, int, list[Lesson]]) -> None:
        self.planned = planned


def save_course(site: Site, wanted: Course, *, actor: str) -> Course:
    """Adds a course, or changes the one with its id; coming sessions are planned at once.

    Raises:
        NotFound: there is no such course, or somebody on the class list is nobody.
        InvalidValue: the name is taken.
    """
    now = site.clock()

    def save(tx: Transaction) -> Course:
        if wanted.course_id:
            rows.change_course(tx, wanted)
            saved = rows.course(tx, wanted.course_id)
        else:
            saved = rows.add_course(tx, wanted, at=now)
        note_event(
            tx,
            at=now,
            actor=actor,
            action="course-changed" if wanted.course_id else "course-added",
            subject=f"course:{saved.course_id}",
        )
        attending.plan(tx, at=now)
        return saved

    return site.store.run(save)


def class_list(tx: Transaction, group: str, *, at: datetime) -> tuple[str, ...]:
    """The ids of everybody on the roster whose class is this."""
    wanted = group.strip().casefold()
    return tuple(
        person.person_id
        for person in roster(tx, at=at)
        if person.details.get("class", "").strip().casefold() == wanted
    )


def plan_calendar(
    site: Site, course_id: str, content: bytes, *, actor: str, preview: bool = False
) -> tuple[int, int, list[Lesson]]:
    """Plans the sessions of a calendar from now on, in the place of those that an earlier one
    planned; returns how many were added, how many taken away, and all its lessons.

    Raises:
        NotFound: there is no such course. InvalidValue: the file holds what is not read.
    """
    if len(content) > MOST_BYTES:
        raise InvalidValue(f"the calendar is larger than {MOST_BYTES // 2**20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidValue("the calendar is not UTF-8", hint="export it as .ics anew") from None
    now = site.clock()
    until = now + _CALENDAR_REACHES

    def work(tx: Transaction) -> tuple[int, int, list[Lesson]]:
        zone = ZoneInfo(rows.course(tx, course_id).zone)
        lessons = read_calendar(text, zone, since=now, until=until)
        added, removed = rows.plan_sessions(
            tx,
            course_id,
            [(one.span, one.title) for one in lessons],
            origin="calendar",
            since=now,
            until=until,
        )
        note_event(
            tx,
            at=now,
            actor=actor,
            action="calendar-read",
            subject=f"course:{course_id}",
            details={"lessons": len(lessons)},
        )
        if preview:
            raise _OnlyLooking((added, removed, lessons))
        return added, removed, lessons

    try:
        return site.store.run(work)
    except _OnlyLooking as seen:
        return seen.planned


def read_calendar_file(
    site: Site, one: Course, path: Path, *, actor: str
) -> tuple[int, int, list[Lesson]]:
    """The same for a file."""
    return plan_calendar(site, one.course_id, path.read_bytes(), actor=actor)


def mark_by_hand(
    site: Site, session_id: str, called: str, status: Status, *, reason: str, actor: str
) -> Line:
    """A teacher's word on somebody, by id, number or name. A closed register takes it as a
    correction.

    Raises:
        NotFound: there is no such session, or nobody called so on its class list or register.
        InvalidValue: it was cancelled, or the register is closed and no reason was given.
    """
    now = site.clock()

    def work(tx: Transaction) -> Line:
        one = rows.session(tx, session_id)
        if one.state is SessionState.CLOSED:
            known = {item.mark.person_id for item in register(tx, session_id).marks}
            person = called if called in known else attending.find_on_list(tx, session_id, called)
            registering.correct(tx, session_id, person, status, by=actor, reason=reason, at=now)
        else:
            person = attending.find_on_list(tx, session_id, called)
            attending.give_sign(
                tx,
                session_id,
                person,
                Method.TEACHER,
                by=actor,
                at=now,
                status=status,
                reason=reason,
            )
        lines = lines_of_session(tx, one, rows.course(tx, one.course_id), site)
        return next(line for line in lines if line.mark.person_id == person)

    return site.store.run(work)
