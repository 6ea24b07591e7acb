"""What registers rest on: sightings, pictures; and how long registers and pictures are kept."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from sightgrid.domain.attendance import Span
from sightgrid.store.batches import in_batches
from sightgrid.store.registers import opened
from sightgrid.store.schema_attendance import (
    ATTENDANCE_SESSION,
    COURSE_CAMERA,
    DISPUTE,
    REGISTER_EVIDENCE,
    REGISTER_MARK,
    REGISTER_SIGHTING,
    REGISTER_VERSION,
)
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class RegisteredSpan:
    """When signs counted for a closed session, and the cameras of its course."""

    session_id: str
    span: Span
    cameras: frozenset[str]


def registered_spans(tx: Transaction, person_id: str) -> list[RegisteredSpan]:
    """The closed sessions in whose registers somebody is, with the times in which signs counted."""
    rows = tx.connection.execute(
        sa.select(
            REGISTER_VERSION.c.session_id,
            REGISTER_VERSION.c.starts_at,
            REGISTER_VERSION.c.ends_at,
            REGISTER_VERSION.c.rules,
            COURSE_CAMERA.c.camera,
        )
        .join_from(
            REGISTER_MARK,
            REGISTER_VERSION,
            sa.and_(
                REGISTER_VERSION.c.site_id == REGISTER_MARK.c.site_id,
                REGISTER_VERSION.c.session_id == REGISTER_MARK.c.session_id,
                REGISTER_VERSION.c.version_no == REGISTER_MARK.c.version_no,
            ),
        )
        .join(
            ATTENDANCE_SESSION,
            sa.and_(
                ATTENDANCE_SESSION.c.site_id == REGISTER_MARK.c.site_id,
                ATTENDANCE_SESSION.c.session_id == REGISTER_MARK.c.session_id,
            ),
        )
        .join(
            COURSE_CAMERA,
            sa.and_(
                COURSE_CAMERA.c.site_id == ATTENDANCE_SESSION.c.site_id,
                COURSE_CAMERA.c.course_id == ATTENDANCE_SESSION.c.course_id,
            ),
        )
        .where(
            REGISTER_MARK.c.site_id == tx.site_id,
            REGISTER_MARK.c.person_id == person_id,
            REGISTER_MARK.c.version_no == 1,
        )
        .order_by(REGISTER_VERSION.c.starts_at, REGISTER_VERSION.c.session_id)
    ).all()
    cameras: dict[str, set[str]] = {}
    spans: dict[str, Span] = {}
    for session_id, starts_at, ends_at, rules, camera in rows:
        early = timedelta(minutes=json.loads(rules)["early"])
        spans[session_id] = Span(starts_at - early, ends_at)
        cameras.setdefault(session_id, set()).add(camera)
    return [RegisteredSpan(one, span, frozenset(cameras[one])) for one, span in spans.items()]


def registers_resting_on(
    tx: Transaction, sighting_ids: Collection[str]
) -> dict[str, frozenset[str]]:
    """By session whose marks rest on these sightings: the registers that an edit of them
    concerns."""
    found: dict[str, set[str]] = {}
    for batch in in_batches(sorted(sighting_ids)):
        rows = tx.connection.execute(
            sa.select(REGISTER_SIGHTING.c.session_id, REGISTER_SIGHTING.c.person_id).where(
                REGISTER_SIGHTING.c.site_id == tx.site_id,
                REGISTER_SIGHTING.c.sighting_id.in_(batch),
            )
        )
        for session_id, person_id in rows:
            found.setdefault(session_id, set()).add(person_id)
    return {session_id: frozenset(people) for session_id, people in found.items()}


def evidence(tx: Transaction, session_id: str, person_id: str) -> bytes | None:
    """The crop that a mark rests on, as JPEG; ``None`` if there is none (any more)."""
    sealed = tx.connection.scalar(
        sa.select(REGISTER_EVIDENCE.c.jpeg).where(
            REGISTER_EVIDENCE.c.site_id == tx.site_id,
            REGISTER_EVIDENCE.c.session_id == session_id,
            REGISTER_EVIDENCE.c.person_id == person_id,
        )
    )
    return (
        None if sealed is None else opened(tx, person_id, sealed, f"register evidence {session_id}")
    )


def delete_registers(
    tx: Transaction, before: datetime, *, held: Collection[str] = (), dry_run: bool = False
) -> tuple[int, int]:
    """Takes out the registers of sessions that ended before a moment, with their disputes and the
    sessions themselves; returns how many, and how many stay because somebody of ``held`` is in
    them. A run of the retention class ``registers``."""
    old = tx.connection.scalars(
        sa.select(REGISTER_VERSION.c.session_id).where(
            REGISTER_VERSION.c.site_id == tx.site_id,
            REGISTER_VERSION.c.version_no == 1,
            REGISTER_VERSION.c.ends_at < before,
        )
    ).all()
    kept = set(
        tx.connection.scalars(
            sa.select(REGISTER_MARK.c.session_id).where(
                REGISTER_MARK.c.site_id == tx.site_id, REGISTER_MARK.c.person_id.in_(held)
            )
        )
    )
    free = [one for one in old if one not in kept]
    if not dry_run:
        for batch in in_batches(free):
            for table in (
                REGISTER_EVIDENCE,
                REGISTER_SIGHTING,
                REGISTER_MARK,
                DISPUTE,
                REGISTER_VERSION,
                # and with it the signs that were given in it, and letters about it
                ATTENDANCE_SESSION,
            ):
                tx.connection.execute(
                    sa.delete(table).where(
                        table.c.site_id == tx.site_id, table.c.session_id.in_(batch)
                    )
                )
    return len(free), len(old) - len(free)


def delete_evidence(
    tx: Transaction, before: datetime, *, held: Collection[str] = (), dry_run: bool = False
) -> tuple[int, int]:
    """Takes out the crops that were kept for marks before a moment; returns how many, and how many
    stay because they show somebody of ``held``. The marks stay. A run of the retention class
    ``evidence``."""
    old = sa.and_(REGISTER_EVIDENCE.c.site_id == tx.site_id, REGISTER_EVIDENCE.c.kept_at < before)
    theirs = REGISTER_EVIDENCE.c.person_id.in_(held)
    free, kept = (
        int(
            tx.connection.scalar(
                sa.select(sa.func.count()).select_from(REGISTER_EVIDENCE).where(old, which)
            )
            or 0
        )
        for which in (sa.not_(theirs), theirs)
    )
    if not dry_run:
        tx.connection.execute(sa.delete(REGISTER_EVIDENCE).where(old, sa.not_(theirs)))
    return free, kept


def forget_evidence_of(tx: Transaction, person_id: str) -> int:
    """Takes out the crops of somebody who is erased; returns how many."""
    return tx.connection.execute(
        sa.delete(REGISTER_EVIDENCE).where(
            REGISTER_EVIDENCE.c.site_id == tx.site_id,
            REGISTER_EVIDENCE.c.person_id == person_id,
        )
    ).rowcount
