"""Who did what, when and why: rows that can be added, and whose change is seen.

Each row carries the SHA-256 of the row before it and its own content, written in one way only
(canonical JSON); the end of the chain lies in a row of its own, so that cutting rows off is seen
too. Subjects that are people come in as keyed hashes, so an erased person leaves no name here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.frames import format_time
from sightgrid.store.schema_accounts import AUDIT_EVENT, AUDIT_HEAD, MOST_DETAIL_BYTES
from sightgrid.store.session import Transaction

NOTHING_BEFORE = "0" * 64
CUT = "audit-cut"
_ROWS_AT_ONCE = 1000

Detail = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One row of the audit."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    details: Mapping[str, Detail]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the chain came to. ``first_bad`` is the number of the first row that is not
    as it was written, missing or out of order; ``None`` if all are."""

    rows: int
    first_bad: int | None
    reason: str


def note_event(
    tx: Transaction,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str = "",
    reason: str = "",
    details: Mapping[str, Detail] | None = None,
) -> int:
    """Adds a row in the caller's transaction, so that what was done and its row are there
    together; returns its number.

    Raises:
        InvalidValue: the details are too long, or a text is.
    """
    number, before = _lock_head(tx)
    number += 1
    written = _canonical(details or {})
    if len(written) > MOST_DETAIL_BYTES:
        raise InvalidValue("the details of an audit row are too long")
    row_hash = _hash(number, at, actor, action, subject, reason, written, before)
    tx.connection.execute(
        sa.insert(AUDIT_EVENT),
        {
            "site_id": tx.site_id,
            "number": number,
            "at": at,
            "actor": actor,
            "action": action,
            "subject": subject,
            "reason": reason,
            "details": written,
            "previous_hash": before,
            "row_hash": row_hash,
        },
    )
    tx.connection.execute(
        sa.update(AUDIT_HEAD)
        .where(AUDIT_HEAD.c.site_id == tx.site_id)
        .values(number=number, row_hash=row_hash)
    )
    return number


def audit_events(
    tx: Transaction, *, before: int | None = None, limit: int = 100
) -> list[AuditEvent]:
    """Rows, the newest first; ``before`` a number goes on from an earlier answer."""
    asked = sa.select(AUDIT_EVENT).where(AUDIT_EVENT.c.site_id == tx.site_id)
    if before is not None:
        asked = asked.where(AUDIT_EVENT.c.number < before)
    rows = tx.connection.execute(asked.order_by(AUDIT_EVENT.c.number.desc()).limit(limit))
    return [
        AuditEvent(
            number=row.number,
            at=row.at,
            actor=row.actor,
            action=row.action,
            subject=row.subject,
            reason=row.reason,
            details=json.loads(row.details),
        )
        for row in rows
    ]


def verify_audit(tx: Transaction) -> Verdict:
    """Goes through the whole chain and names the first row that is not as it was written."""
    head = tx.connection.execute(
        sa.select(AUDIT_HEAD).where(AUDIT_HEAD.c.site_id == tx.site_id)
    ).first()
    expected = 1 if head is None else int(head.first_number)
    before = NOTHING_BEFORE if head is None else str(head.first_before)
    rows = 0
    beginning, spoken_for = (expected, before), expected == 1
    # what lies before the purged beginning must be gone
    batch = _rows_from(tx, 0)
    while batch:
        for row in batch:
            if row.number != expected:
                return Verdict(rows, min(row.number, expected), "a row is missing or out of order")
            if row.previous_hash != before:
                return Verdict(rows, row.number, "it does not follow the row before it")
            found = _hash(
                row.number,
                row.at,
                row.actor,
                row.action,
                row.subject,
                row.reason,
                bytes(row.details),
                before,
            )
            if found != row.row_hash:
                return Verdict(rows, row.number, "it is not as it was written")
            rows, before, expected = rows + 1, row.row_hash, row.number + 1
            spoken_for |= row.action == CUT and _beginning_in(row.details) == beginning
        batch = _rows_from(tx, expected)
    told = (0, NOTHING_BEFORE) if head is None else (int(head.number), head.row_hash)
    if told != (expected - 1, before):
        return Verdict(rows, expected, "the rows from here on were cut off")
    if not spoken_for:
        return Verdict(0, beginning[0], "the rows before it were cut off, and no row says so")
    return Verdict(rows, None, "every row is as it was written")


def purge_audit(
    tx: Transaction, *, older_than: datetime, at: datetime, actor: str, reason: str = ""
) -> int:
    """Cuts the rows of before a moment off the beginning of the chain; returns how many.

    The cut writes a row of its own, which says where the chain begins now: a beginning that no
    row speaks for is taken for a break.
    """
    number, before = _lock_head(tx)
    kept = tx.connection.execute(
        sa.select(AUDIT_EVENT.c.number, AUDIT_EVENT.c.previous_hash)
        .where(AUDIT_EVENT.c.site_id == tx.site_id, AUDIT_EVENT.c.at >= older_than)
        .order_by(AUDIT_EVENT.c.number)
        .limit(1)
    ).first()
    # where every row is too old, the chain goes on with the row of the cut itself
    first, first_before = (number + 1, before) if kept is None else (kept.number, kept[1])
    gone = tx.connection.execute(
        sa.delete(AUDIT_EVENT).where(
            AUDIT_EVENT.c.site_id == tx.site_id, AUDIT_EVENT.c.number < first
        )
    ).rowcount
    if not gone:
        return 0
    tx.connection.execute(
        sa.update(AUDIT_HEAD)
        .where(AUDIT_HEAD.c.site_id == tx.site_id)
        .values(first_number=first, first_before=first_before)
    )
    note_event(
        tx,
        at=at,
        actor=actor,
        action=CUT,
        reason=reason,
        details={"rows": int(gone), "first": int(first), "before": str(first_before)},
    )
    return int(gone)


def audit_rows_before(tx: Transaction, moment: datetime) -> int:
    """How many rows were written before a moment."""
    return int(
        tx.connection.scalar(
            sa.select(sa.func.count())
            .select_from(AUDIT_EVENT)
            .where(AUDIT_EVENT.c.site_id == tx.site_id, AUDIT_EVENT.c.at < moment)
        )
        or 0
    )


def _beginning_in(details: bytes) -> tuple[object, object]:
    """Where the row of a cut says that the chain begins: number, and the hash before it."""
    written = json.loads(bytes(details))
    return written.get("first"), written.get("before")


def _rows_from(tx: Transaction, number: int) -> Sequence[sa.Row[Any]]:
    return tx.connection.execute(
        sa.select(AUDIT_EVENT)
        .where(AUDIT_EVENT.c.site_id == tx.site_id, AUDIT_EVENT.c.number >= number)
        .order_by(AUDIT_EVENT.c.number)
        .limit(_ROWS_AT_ONCE)
    ).all()


def _lock_head(tx: Transaction) -> tuple[int, str]:
    """The end of the chain; nobody else can add a row until this transaction is over."""
    head = tx.connection.execute(
        sa.select(AUDIT_HEAD.c.number, AUDIT_HEAD.c.row_hash)
        .where(AUDIT_HEAD.c.site_id == tx.site_id)
        .with_for_update()
    ).first()
    if head is not None:
        return int(head.number), str(head.row_hash)
    tx.connection.execute(
        sa.insert(AUDIT_HEAD),
        {
            "site_id": tx.site_id,
            "first_number": 1,
            "first_before": NOTHING_BEFORE,
            "number": 0,
            "row_hash": NOTHING_BEFORE,
        },
    )
    return 0, NOTHING_BEFORE


def _canonical(details: Mapping[str, Detail]) -> bytes:
    return json.dumps(
        dict(details), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _hash(
    number: int,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    reason: str,
    details: bytes,
    before: str,
) -> str:
    # a list of texts as JSON: no two different rows are written the same way
    content = json.dumps(
        [
            before,
            number,
            format_time(at),
            at.microsecond,
            actor,
            action,
            subject,
            reason,
            details.decode(),
        ],
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(content.encode()).hexdigest()
