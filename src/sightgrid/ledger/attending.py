"""Sessions live: planned from timetables, opened and closed by themselves, marked while open.

Marks of an open session are computed whenever they are asked for, from what the ledger says at that
moment. Closing freezes them into a register: from then on nothing that happens to sightings or
identities changes them (:mod:`sightgrid.ledger.registering` writes what comes later beside them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sightgrid.attendance.marking import count, mark_everybody, rule_version, watched
from sightgrid.attendance.timetables import sessions_between
from sightgrid.domain.attendance import (
    Course,
    Mark,
    Method,
    RegisterVersion,
    Seen,
    Session,
    SessionState,
    Sign,
    Span,
    Status,
)
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.store import Transaction
from sightgrid.store.attended import Doubt, doubts_on, seen_on
from sightgrid.store.audit import note_event
from sightgrid.store.courses import (
    change_session,
    course,
    courses,
    plan_sessions,
    session,
    sessions,
)
from sightgrid.store.crops import crop
from sightgrid.store.mailing import add_mail
from sightgrid.store.outbox import Body, write_events
from sightgrid.store.people import details_of_many
from sightgrid.store.registers import Closing, close_register
from sightgrid.store.signs import add_sign, signs_of

PLANNED_AHEAD = timedelta(days=28)
SHOWN_OF_PERSON = ("name", "student_id", "employee_id", "class", "faculty")
"""What a register keeps of a person beside their id, where it is known."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A session as it stands: the marks of its class list, what they rest on, and the *unsure*
    sightings that may be somebody of it."""

    session: Session
    course: Course
    marks: tuple[Mark, ...]
    seen: tuple[Seen, ...]
    doubts: tuple[Doubt, ...]


def marked(tx: Transaction, session_id: str, *, at: datetime) -> Marked:
    """The marks of a session as the ledger would have them now.

    Raises:
        NotFound: there is no such session.
    """
    one = session(tx, session_id)
    its_course = course(tx, one.course_id)
    window = watched(one.span, its_course.rules)
    span = {"since": window.starts_at, "until": window.ends_at}
    seen = seen_on(tx, its_course.cameras, its_course.people, **span)
    marks = mark_everybody(
        its_course.people,
        one.span,
        its_course.rules,
        seen=seen,
        signs=signs_of(tx, session_id),
        now=at,
    )
    doubts = doubts_on(tx, its_course.cameras, its_course.people, **span)
    return Marked(one, its_course, tuple(marks), tuple(seen), tuple(doubts))


def plan(tx: Transaction, *, at: datetime) -> int:
    """Plans the coming weeks of every timetable; returns how many sessions are new."""
    made = 0
    for one in courses(tx):
        if one.ended:
            continue
        until = at + PLANNED_AHEAD
        spans = sessions_between(one.slots, ZoneInfo(one.zone), since=at, until=until)
        added, _ = plan_sessions(
            tx,
            one.course_id,
            [(span, "") for span in spans],
            origin="timetable",
            since=at,
            until=until,
        )
        made += added
    return made


def due(tx: Transaction, *, at: datetime) -> tuple[list[str], list[str]]:
    """The ids of the sessions that should open now, and of those that should close."""
    rules = {one.course_id: one.rules for one in courses(tx)}
    opening: list[str] = []
    closing: list[str] = []
    for one in sessions(tx, states=[SessionState.PLANNED, SessionState.OPEN]):
        its_rules = rules[one.course_id]
        if at >= one.span.ends_at + timedelta(minutes=its_rules.close_after):
            # one that was missed while the server was away is opened and closed: what boxes saw
            # meanwhile has come in by now, or comes before the next look
            (closing if one.state is SessionState.OPEN else opening).append(one.session_id)
        elif one.state is SessionState.PLANNED and at >= watched(one.span, its_rules).starts_at:
            opening.append(one.session_id)
    return opening, closing


def open_session(tx: Transaction, session_id: str, *, by: str, at: datetime) -> Session:
    """Opens a planned session: signs count from now on.

    Raises:
        NotFound: there is no such session.
        InvalidValue: it is open already, closed or cancelled.
    """
    tx.lock_site()
    one = session(tx, session_id, locked=True)
    if one.state is not SessionState.PLANNED:
        raise InvalidValue(f"this session is {one.state.value} and can't be opened")
    change_session(tx, session_id, state=SessionState.OPEN, opened_at=at)
    _note(tx, "attendance-opened", session_id, by=by, at=at)
    tell(tx, session_id, SessionState.OPEN, {}, kind="new", at=at)
    return session(tx, session_id)


def close_session(tx: Transaction, session_id: str, *, by: str, at: datetime) -> RegisterVersion:
    """Closes an open session: its marks are frozen as the first version of its register. Closed
    before its end, it ends now.

    Raises:
        NotFound: there is no such session.
        InvalidValue: it is not open.
    """
    tx.lock_site()
    one = session(tx, session_id, locked=True)
    if one.state is not SessionState.OPEN:
        raise InvalidValue(
            f"this session is {one.state.value} and can't be closed",
            hint="open it first" if one.state is SessionState.PLANNED else None,
        )
    span = one.span
    if span.starts_at < at < span.ends_at:
        span = Span(span.starts_at, at)
    change_session(tx, session_id, state=SessionState.CLOSED, span=span, closed_at=at)
    found = marked(tx, session_id, at=max(at, span.ends_at))
    people = details_of_many(tx, [mark.person_id for mark in found.marks])
    crops = {
        mark.person_id: jpeg
        for mark in found.marks
        if mark.sighting_id is not None and (jpeg := crop(tx, mark.sighting_id)) is not None
    }
    version = close_register(
        tx,
        session_id,
        Closing(
            course_name=found.course.name,
            span=span,
            rules=found.course.rules,
            rule_version=rule_version(found.course.rules),
            marks=found.marks,
            people={
                person: {name: words[name] for name in SHOWN_OF_PERSON if words.get(name)}
                for person, words in people.items()
            },
            sightings={one.sighting_id: one.person_id for one in found.seen},
            crops=crops,
        ),
        by=by,
        reason="",
        at=at,
    )
    # the audit is a chain of its own, so the register's hash can't be made anew behind its back
    _note(
        tx,
        "attendance-closed",
        session_id,
        by=by,
        at=at,
        details={"version": version.version_no, "sha256": version.sha256},
    )
    counts = {status.value: number for status, number in count(found.marks).items()}
    tell(tx, session_id, SessionState.CLOSED, counts, kind="end", at=at)
    if found.course.mail is not None:
        plan_of_mail = found.course.mail
        add_mail(tx, session_id, plan_of_mail.recipients, plan_of_mail.forms, due_at=at, made_by=by)
    return version


def cancel_session(tx: Transaction, session_id: str, *, by: str, at: datetime) -> None:
    """Calls a session off that has not closed; it never gets a register.

    Raises:
        NotFound: there is no such session.
        InvalidValue: it is closed.
    """
    tx.lock_site()
    one = session(tx, session_id, locked=True)
    if one.state is SessionState.CLOSED:
        raise InvalidValue("this session is closed: its register stays")
    change_session(tx, session_id, state=SessionState.CANCELLED)
    _note(tx, "attendance-cancelled", session_id, by=by, at=at)


def give_sign(
    tx: Transaction,
    session_id: str,
    person_id: str,
    method: Method,
    *,
    by: str,
    at: datetime,
    status: Status | None = None,
    reason: str = "",
) -> None:
    """Somebody marks themselves, or a teacher marks them, while the session is open. A teacher may
    also say so ahead, such as that somebody is excused.

    Raises:
        NotFound: there is no such session, or nobody of that id on its class list.
        InvalidValue: it is not open.
    """
    one = session(tx, session_id, locked=True)
    ahead = method is Method.TEACHER and one.state is SessionState.PLANNED
    if one.state is not SessionState.OPEN and not ahead:
        hint = "correct the register instead" if one.state is SessionState.CLOSED else None
        raise InvalidValue(f"this session is {one.state.value}, not open", hint=hint)
    if person_id not in course(tx, one.course_id).people:
        raise NotFound("this person is not on the class list of this session")
    add_sign(tx, session_id, Sign(person_id, method, at, status), made_by=by, reason=reason)


def tell(
    tx: Transaction,
    session_id: str,
    state: SessionState,
    counts: Mapping[str, int],
    *,
    kind: str,
    at: datetime,
) -> None:
    """Writes an event of a session: its state and how many have which mark; no names."""
    body: Body = {"session_id": session_id, "attendance": state.value, **counts}
    write_events(tx, [(kind, session_id, body)], at=at)


def names_of_marks(tx: Transaction, marks: Sequence[Mark]) -> dict[str, dict[str, str]]:
    """By person id what names the people of an open session."""
    known = details_of_many(tx, [mark.person_id for mark in marks])
    return {
        person: {name: words[name] for name in SHOWN_OF_PERSON if words.get(name)}
        for person, words in known.items()
    }


def find_on_list(tx: Transaction, session_id: str, called: str) -> str:
    """The person of a session's class list that is called so: by id, student or employee id, or
    name if only one has it.

    Raises:
        NotFound: nobody is, or several are.
    """
    people = course(tx, session(tx, session_id).course_id).people
    if called in people:
        return called
    known = details_of_many(tx, people)
    for field in ("student_id", "employee_id", "name"):
        fits = [
            person
            for person, words in known.items()
            if words.get(field, "").casefold() == called.strip().casefold()
        ]
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise NotFound(f"several people are called '{called}'", hint="give their number")
    raise NotFound(f"nobody on the class list is called '{called}'")


def _note(
    tx: Transaction,
    action: str,
    session_id: str,
    *,
    by: str,
    at: datetime,
    details: Mapping[str, str | int] | None = None,
) -> None:
    note_event(tx, at=at, actor=by, action=action, subject=f"session:{session_id}", details=details)
