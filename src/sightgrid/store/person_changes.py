"""What was changed about people, field by field, to be undone; sealed for the person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.store.schema_subjects import PERSON_CHANGE
from sightgrid.store.sealing import of_person, seal, unseal
from sightgrid.store.session import Transaction


class ChangeKind(StrEnum):
    """What was done."""

    UPDATED = "updated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class PersonChange:
    """One change. ``before`` and ``after`` hold the fields that it changed, empty where there was
    nothing, or is nothing any more."""

    change_id: str
    person_id: str
    kind: ChangeKind
    before: Mapping[str, str]
    after: Mapping[str, str]
    made_at: datetime
    made_by: str
    undone_at: datetime | None


def record_change(
    tx: Transaction,
    person_id: str,
    kind: ChangeKind,
    *,
    before: Mapping[str, str],
    after: Mapping[str, str],
    at: datetime,
    by: str,
) -> str:
    """Writes down a change; returns its id."""
    change_id = str(uuid4())
    fields = json.dumps([dict(before), dict(after)], ensure_ascii=False).encode()
    tx.connection.execute(
        sa.insert(PERSON_CHANGE),
        {
            "site_id": tx.site_id,
            "change_id": change_id,
            "person_id": person_id,
            "kind": kind.value,
            "fields": seal(tx, fields, subject=of_person(person_id), purpose=f"change {change_id}"),
            "made_at": at,
            "made_by": by,
        },
    )
    return change_id


def change_made(tx: Transaction, change_id: str) -> PersonChange:
    """One change.

    Raises:
        NotFound: there is none.
    """
    row = tx.connection.execute(
        sa.select(PERSON_CHANGE).where(
            PERSON_CHANGE.c.site_id == tx.site_id, PERSON_CHANGE.c.change_id == change_id
        )
    ).first()
    if row is None:
        raise NotFound("there is no such change")
    return _change(tx, row)


def changes_of(tx: Transaction, person_id: str) -> list[PersonChange]:
    """What was changed about a person, the newest first."""
    rows = tx.connection.execute(
        sa.select(PERSON_CHANGE)
        .where(PERSON_CHANGE.c.site_id == tx.site_id, PERSON_CHANGE.c.person_id == person_id)
        .order_by(PERSON_CHANGE.c.made_at.desc(), PERSON_CHANGE.c.change_id)
    ).all()
    return [_change(tx, row) for row in rows]


def mark_change_undone(tx: Transaction, change_id: str, *, at: datetime, by: str) -> None:
    """A change counts no more."""
    tx.connection.execute(
        sa.update(PERSON_CHANGE)
        .where(PERSON_CHANGE.c.site_id == tx.site_id, PERSON_CHANGE.c.change_id == change_id)
        .values(undone_at=at, undone_by=by)
    )


def _change(tx: Transaction, row: Any) -> PersonChange:
    plain = unseal(
        tx, row.fields, subject=of_person(row.person_id), purpose=f"change {row.change_id}"
    )
    before, after = json.loads(plain)
    return PersonChange(
        change_id=row.change_id,
        person_id=row.person_id,
        kind=ChangeKind(row.kind),
        before=before,
        after=after,
        made_at=row.made_at,
        made_by=row.made_by,
        undone_at=row.undone_at,
    )
