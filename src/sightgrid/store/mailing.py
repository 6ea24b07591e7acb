"""Letters that are to be sent, and what became of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.store.columns import REASON_LENGTH
from sightgrid.store.schema_attendance import MAIL_TASK
from sightgrid.store.sealing import THE_SITE, seal, unseal
from sightgrid.store.session import Transaction

MOST_FAILURES = 8
"""A letter that failed so often is given up, and shown as such."""


@dataclass(frozen=True, slots=True)
class MailTask:
    """A session's register on its way to somebody. ``problem`` is why the last try failed."""

    mail_id: str
    session_id: str
    recipients: tuple[str, ...]
    forms: tuple[str, ...]
    due_at: datetime
    made_by: str
    sent_at: datetime | None = None
    failures: int = 0
    problem: str = ""


def add_mail(
    tx: Transaction,
    session_id: str,
    recipients: tuple[str, ...],
    forms: tuple[str, ...],
    *,
    due_at: datetime,
    made_by: str,
) -> MailTask:
    """A letter to be sent at ``due_at``."""
    task = MailTask(str(uuid4()), session_id, recipients, forms, due_at, made_by)
    letter = json.dumps({"to": list(recipients), "forms": list(forms)}).encode()
    tx.connection.execute(
        sa.insert(MAIL_TASK),
        {
            "site_id": tx.site_id,
            "mail_id": task.mail_id,
            "session_id": session_id,
            "letter": seal(tx, letter, subject=THE_SITE, purpose=f"mail {task.mail_id}"),
            "due_at": due_at,
            "made_by": made_by,
            "failures": 0,
            "problem": "",
        },
    )
    return task


def mail_due(tx: Transaction, at: datetime) -> list[MailTask]:
    """The letters that should be sent by now, the longest due first."""
    rows = tx.connection.execute(
        sa.select(MAIL_TASK)
        .where(
            MAIL_TASK.c.site_id == tx.site_id,
            MAIL_TASK.c.sent_at.is_(None),
            MAIL_TASK.c.due_at <= at,
            MAIL_TASK.c.failures < MOST_FAILURES,
        )
        .order_by(MAIL_TASK.c.due_at, MAIL_TASK.c.mail_id)
        .limit(50)
    ).all()
    return [_task(tx, row) for row in rows]


def mail_of(tx: Transaction, session_id: str) -> list[MailTask]:
    """Every letter of a session, in order of time."""
    rows = tx.connection.execute(
        sa.select(MAIL_TASK)
        .where(MAIL_TASK.c.site_id == tx.site_id, MAIL_TASK.c.session_id == session_id)
        .order_by(MAIL_TASK.c.due_at, MAIL_TASK.c.mail_id)
    ).all()
    return [_task(tx, row) for row in rows]


def mail(tx: Transaction, mail_id: str) -> MailTask:
    """One letter.

    Raises:
        NotFound: there is no such letter.
    """
    row = tx.connection.execute(sa.select(MAIL_TASK).where(_is(tx, mail_id))).first()
    if row is None:
        raise NotFound(f"there is no mail {mail_id}")
    return _task(tx, row)


def note_sent(tx: Transaction, mail_id: str, *, at: datetime) -> None:
    """The server of the recipients took it."""
    tx.connection.execute(
        sa.update(MAIL_TASK).where(_is(tx, mail_id)).values(sent_at=at, problem="")
    )


def note_unsent(tx: Transaction, mail_id: str, problem: str, *, again_at: datetime) -> None:
    """It could not be sent; it is tried again at ``again_at``, unless it has failed too often."""
    tx.connection.execute(
        sa.update(MAIL_TASK)
        .where(_is(tx, mail_id))
        .values(failures=MAIL_TASK.c.failures + 1, problem=problem[:REASON_LENGTH], due_at=again_at)
    )


def _is(tx: Transaction, mail_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(MAIL_TASK.c.site_id == tx.site_id, MAIL_TASK.c.mail_id == mail_id)


def _task(tx: Transaction, row: sa.Row[Any]) -> MailTask:
    plain = unseal(tx, row.letter, subject=THE_SITE, purpose=f"mail {row.mail_id}")
    letter = json.loads(plain)
    return MailTask(
        mail_id=row.mail_id,
        session_id=row.session_id,
        recipients=tuple(letter["to"]),
        forms=tuple(letter["forms"]),
        due_at=row.due_at,
        made_by=row.made_by,
        sent_at=row.sent_at,
        failures=row.failures,
        problem=row.problem,
    )
