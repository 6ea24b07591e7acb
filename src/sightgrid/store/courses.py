"""Courses, their class lists and rooms, and the sessions that are planned for them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from datetime import date, datetime, time
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.attendance import (
    Course,
    MailPlan,
    Rules,
    Session,
    SessionState,
    Slot,
    Span,
)
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.store.batches import in_batches
from sightgrid.store.schema import PERSON
from sightgrid.store.schema_attendance import (
    ATTENDANCE_SESSION,
    COURSE,
    COURSE_CAMERA,
    COURSE_PERSON,
)
from sightgrid.store.sealing import THE_SITE, seal, unseal
from sightgrid.store.session import Transaction

_MAIL = "course mail"


def add_course(tx: Transaction, course: Course, *, at: datetime) -> Course:
    """Adds a course with its class list and cameras; its id is made here.

    Raises:
        InvalidValue: the name is taken.
        NotFound: somebody on the class list is nobody.
    """
    made = replace(course, course_id=str(uuid4()))
    _check_name(tx, made)
    tx.connection.execute(
        sa.insert(COURSE),
        {"site_id": tx.site_id, "course_id": made.course_id, "made_at": at} | _columns(tx, made),
    )
    _save_lists(tx, made)
    return made


def change_course(tx: Transaction, course: Course) -> None:
    """Replaces everything about a course but its id and whether it ended.

    Raises:
        NotFound: there is no such course, or somebody on the class list is nobody.
        InvalidValue: the name is taken.
    """
    _check_name(tx, course)
    done = tx.connection.execute(
        sa.update(COURSE)
        .where(COURSE.c.site_id == tx.site_id, COURSE.c.course_id == course.course_id)
        .values(**_columns(tx, course))
    )
    if done.rowcount == 0:
        _row(tx, course.course_id)
    _save_lists(tx, course)


def end_course(tx: Transaction, course_id: str, *, at: datetime) -> None:
    """No more sessions are planned; those planned for later are cancelled. Registers stay.

    Raises:
        NotFound: there is no such course.
    """
    _row(tx, course_id)
    tx.connection.execute(
        sa.update(COURSE)
        .where(COURSE.c.site_id == tx.site_id, COURSE.c.course_id == course_id)
        .values(ended_at=at)
    )
    tx.connection.execute(
        sa.update(ATTENDANCE_SESSION)
        .where(
            ATTENDANCE_SESSION.c.site_id == tx.site_id,
            ATTENDANCE_SESSION.c.course_id == course_id,
            ATTENDANCE_SESSION.c.state == SessionState.PLANNED.value,
        )
        .values(state=SessionState.CANCELLED.value)
    )


def course(tx: Transaction, course_id: str) -> Course:
    """One course.

    Raises:
        NotFound: there is no such course.
    """
    return _course(tx, _row(tx, course_id))


def courses(tx: Transaction) -> list[Course]:
    """Every course by name, ended ones too."""
    rows = tx.connection.execute(
        sa.select(COURSE).where(COURSE.c.site_id == tx.site_id).order_by(COURSE.c.name)
    ).all()
    return [_course(tx, row) for row in rows]


def course_named(tx: Transaction, name: str) -> Course:
    """The course of this name, or with this id.

    Raises:
        NotFound: there is none.
    """
    row = tx.connection.execute(
        sa.select(COURSE).where(
            COURSE.c.site_id == tx.site_id,
            sa.or_(COURSE.c.name == name, COURSE.c.course_id == name),
        )
    ).first()
    if row is None:
        raise NotFound(f"there is no course '{name}'")
    return _course(tx, row)


def add_session(
    tx: Transaction, course_id: str, span: Span, *, origin: str, title: str = ""
) -> Session:
    """Plans one session.

    Raises:
        NotFound: there is no such course.
        InvalidValue: the course has a session at that moment already.
    """
    _row(tx, course_id)
    if span.starts_at in _starts(tx, course_id, [span]):
        raise InvalidValue("this course has a session that starts at that moment already")
    made = Session(str(uuid4()), course_id, span, SessionState.PLANNED, origin, title[:200])
    tx.connection.execute(
        sa.insert(ATTENDANCE_SESSION),
        {
            "site_id": tx.site_id,
            "session_id": made.session_id,
            "course_id": course_id,
            "starts_at": span.starts_at,
            "ends_at": span.ends_at,
            "state": made.state.value,
            "origin": origin,
            "title": made.title,
        },
    )
    return made


def plan_sessions(
    tx: Transaction,
    course_id: str,
    spans: Iterable[tuple[Span, str]],
    *,
    origin: str,
    since: datetime,
    until: datetime,
) -> tuple[int, int]:
    """Makes the sessions that ``origin`` plans from ``since`` to ``until`` be these ``(span,
    title)``; those that opened, and those of another origin, stay. Returns how many were added and
    how many taken away."""
    wanted = {span.starts_at: (span, title) for span, title in spans}
    here = sa.and_(
        ATTENDANCE_SESSION.c.site_id == tx.site_id,
        ATTENDANCE_SESSION.c.course_id == course_id,
        ATTENDANCE_SESSION.c.starts_at >= since,
        ATTENDANCE_SESSION.c.starts_at < until,
    )
    gone = 0
    for one in _sessions(tx, here):
        planned = one.state is SessionState.PLANNED and one.origin == origin
        new = wanted.get(one.span.starts_at)
        if planned and (new is None or new[0] != one.span or new[1][:200] != one.title):
            tx.connection.execute(sa.delete(ATTENDANCE_SESSION).where(_is(tx, one.session_id)))
            gone += new is None
        else:
            wanted.pop(one.span.starts_at, None)
    for span, title in wanted.values():
        add_session(tx, course_id, span, origin=origin, title=title)
    return len(wanted), gone


def session(tx: Transaction, session_id: str, *, locked: bool = False) -> Session:
    """One session; ``locked``: nobody else changes it until the transaction ends.

    Raises:
        NotFound: there is no such session.
    """
    asked = sa.select(ATTENDANCE_SESSION).where(_is(tx, session_id))
    row = tx.connection.execute(asked.with_for_update() if locked else asked).first()
    if row is None:
        raise NotFound(f"there is no session {session_id}")
    return _session(row)


def sessions(
    tx: Transaction,
    *,
    course_id: str | None = None,
    states: Collection[SessionState] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 10_000,
) -> list[Session]:
    """Sessions that touch a span of time, in order."""
    wanted = [ATTENDANCE_SESSION.c.site_id == tx.site_id]
    if course_id is not None:
        wanted.append(ATTENDANCE_SESSION.c.course_id == course_id)
    if states is not None:
        wanted.append(ATTENDANCE_SESSION.c.state.in_(sorted(one.value for one in states)))
    if since is not None:
        wanted.append(ATTENDANCE_SESSION.c.ends_at > since)
    if until is not None:
        wanted.append(ATTENDANCE_SESSION.c.starts_at < until)
    return _sessions(tx, sa.and_(*wanted), limit=limit)


def change_session(
    tx: Transaction,
    session_id: str,
    *,
    state: SessionState,
    span: Span | None = None,
    opened_at: datetime | None = None,
    closed_at: datetime | None = None,
) -> None:
    """Moves a session on to its next state; times that are ``None`` stay."""
    values: dict[str, Any] = {"state": state.value}
    if span is not None:
        values |= {"starts_at": span.starts_at, "ends_at": span.ends_at}
    if opened_at is not None:
        values["opened_at"] = opened_at
    if closed_at is not None:
        values["closed_at"] = closed_at
    tx.connection.execute(sa.update(ATTENDANCE_SESSION).where(_is(tx, session_id)).values(**values))


def courses_of_person(tx: Transaction, person_id: str) -> list[str]:
    """The ids of the courses that somebody is on the class list of."""
    rows = tx.connection.scalars(
        sa.select(COURSE_PERSON.c.course_id).where(
            COURSE_PERSON.c.site_id == tx.site_id, COURSE_PERSON.c.person_id == person_id
        )
    )
    return list(rows)


def _is(tx: Transaction, session_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        ATTENDANCE_SESSION.c.site_id == tx.site_id, ATTENDANCE_SESSION.c.session_id == session_id
    )


def _starts(tx: Transaction, course_id: str, spans: Iterable[Span]) -> set[datetime]:
    return set(
        tx.connection.scalars(
            sa.select(ATTENDANCE_SESSION.c.starts_at).where(
                ATTENDANCE_SESSION.c.site_id == tx.site_id,
                ATTENDANCE_SESSION.c.course_id == course_id,
                ATTENDANCE_SESSION.c.starts_at.in_([span.starts_at for span in spans]),
            )
        )
    )


def _sessions(
    tx: Transaction, wanted: sa.ColumnElement[bool], *, limit: int = 100_000
) -> list[Session]:
    rows = tx.connection.execute(
        sa.select(ATTENDANCE_SESSION)
        .where(wanted)
        .order_by(ATTENDANCE_SESSION.c.starts_at, ATTENDANCE_SESSION.c.session_id)
        .limit(limit)
    )
    return [_session(row) for row in rows]


def _session(row: sa.Row[Any]) -> Session:
    return Session(
        session_id=row.session_id,
        course_id=row.course_id,
        span=Span(row.starts_at, row.ends_at),
        state=SessionState(row.state),
        origin=row.origin,
        title=row.title,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
    )


def _row(tx: Transaction, course_id: str) -> sa.Row[Any]:
    row = tx.connection.execute(
        sa.select(COURSE).where(COURSE.c.site_id == tx.site_id, COURSE.c.course_id == course_id)
    ).first()
    if row is None:
        raise NotFound(f"there is no course {course_id}")
    return row


def _check_name(tx: Transaction, named: Course) -> None:
    if not named.name.strip() or not named.name.isprintable():
        raise InvalidValue("name: a course needs a name of visible characters")
    other = tx.connection.scalar(
        sa.select(COURSE.c.course_id).where(
            COURSE.c.site_id == tx.site_id,
            COURSE.c.name == named.name,
            COURSE.c.course_id != named.course_id,
        )
    )
    if other is not None:
        raise InvalidValue(f"name: there is a course '{named.name}' already")


def _columns(tx: Transaction, one: Course) -> dict[str, Any]:
    settings = {
        "zone": one.zone,
        "rules": asdict(one.rules),
        "slots": [_slot_words(slot) for slot in one.slots],
    }
    mail = None
    if one.mail is not None:
        text = json.dumps({"to": list(one.mail.recipients), "forms": list(one.mail.forms)})
        mail = seal(tx, text.encode(), subject=THE_SITE, purpose=_MAIL)
    return {"name": one.name, "settings": json.dumps(settings), "mail": mail}


def _save_lists(tx: Transaction, one: Course) -> None:
    for table in (COURSE_PERSON, COURSE_CAMERA):
        tx.connection.execute(
            sa.delete(table).where(
                table.c.site_id == tx.site_id, table.c.course_id == one.course_id
            )
        )
    people = list(dict.fromkeys(one.people))
    known: set[str] = set()
    for batch in in_batches(people):
        known.update(
            tx.connection.scalars(
                sa.select(PERSON.c.person_id).where(
                    PERSON.c.site_id == tx.site_id, PERSON.c.person_id.in_(batch)
                )
            )
        )
    missing = [person for person in people if person not in known]
    if missing:
        raise NotFound(f"people: there is no person {missing[0]}")
    key = {"site_id": tx.site_id, "course_id": one.course_id}
    if people:
        tx.connection.execute(
            sa.insert(COURSE_PERSON), [key | {"person_id": person} for person in people]
        )
    cameras = list(dict.fromkeys(one.cameras))
    if cameras:
        tx.connection.execute(
            sa.insert(COURSE_CAMERA), [key | {"camera": camera} for camera in cameras]
        )


def _course(tx: Transaction, row: sa.Row[Any]) -> Course:
    settings = json.loads(row.settings)
    mail = None
    if row.mail is not None:
        written = json.loads(unseal(tx, row.mail, subject=THE_SITE, purpose=_MAIL))
        mail = MailPlan(tuple(written["to"]), tuple(written["forms"]))
    people = tx.connection.scalars(
        sa.select(COURSE_PERSON.c.person_id)
        .where(COURSE_PERSON.c.site_id == tx.site_id, COURSE_PERSON.c.course_id == row.course_id)
        .order_by(COURSE_PERSON.c.person_id)
    ).all()
    cameras = tx.connection.scalars(
        sa.select(COURSE_CAMERA.c.camera)
        .where(COURSE_CAMERA.c.site_id == tx.site_id, COURSE_CAMERA.c.course_id == row.course_id)
        .order_by(COURSE_CAMERA.c.camera)
    ).all()
    return Course(
        course_id=row.course_id,
        name=row.name,
        zone=settings["zone"],
        rules=Rules(**settings["rules"]),
        slots=tuple(_slot(one) for one in settings["slots"]),
        people=tuple(people),
        cameras=tuple(cameras),
        mail=mail,
        ended=row.ended_at is not None,
    )


def _slot_words(slot: Slot) -> dict[str, object]:
    return {
        "weekday": slot.weekday,
        "begin": slot.begin.isoformat("minutes"),
        "end": slot.end.isoformat("minutes"),
        "first_day": slot.first_day.isoformat(),
        "last_day": slot.last_day.isoformat(),
        "except_days": sorted(day.isoformat() for day in slot.except_days),
    }


def _slot(words: dict[str, Any]) -> Slot:
    return Slot(
        weekday=words["weekday"],
        begin=time.fromisoformat(words["begin"]),
        end=time.fromisoformat(words["end"]),
        first_day=date.fromisoformat(words["first_day"]),
        last_day=date.fromisoformat(words["last_day"]),
        except_days=frozenset(date.fromisoformat(day) for day in words["except_days"]),
    )
