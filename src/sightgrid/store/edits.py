"""Changes to who is who after the fact, what is known not to be, and what is proposed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.store.columns import REASON_LENGTH
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, SIGHTING
from sightgrid.store.schema_ledger import EDIT, IDENTITY_APART, MERGE_PROPOSAL, NOT_IDENTITY
from sightgrid.store.session import Transaction

BY_LEDGER = "ledger"
_OF_ITS_SIGHTING = sa.and_(
    SIGHTING.c.site_id == NOT_IDENTITY.c.site_id,
    SIGHTING.c.sighting_id == NOT_IDENTITY.c.sighting_id,
)

Detail = str | int | bool | None | Sequence[str]


class EditKind(StrEnum):
    """What an edit did. The first two are the ledger's own: a later revision of a sighting went to
    another identity, or an identity turned out to be another. The rest people make."""

    MOVED = "moved"
    JOINED = "joined"
    MERGE = "merge"
    SPLIT = "split"
    MOVE = "move"
    NOT_THIS = "not-this"
    CONFIRM = "confirm"
    HIDE = "hide"
    LABEL = "label"
    NAME = "name"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """An edit as it was made. ``details`` are serials and sighting ids; never a name."""

    edit_id: str
    number: int
    kind: EditKind
    made_by: str
    made_at: datetime
    reason: str
    details: Mapping[str, Any]
    undone_at: datetime | None
    undone_by: str | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two identities that may be one person; a human says."""

    serial: int
    into: int
    similarity: float
    threshold: float
    reason: str


def record_edit(
    tx: Transaction,
    kind: EditKind,
    *,
    details: Mapping[str, Detail],
    reason: str,
    at: datetime,
    made_by: str = BY_LEDGER,
) -> str:
    """Writes down a change; returns the edit's id. Edits are never altered, only undone."""
    edit_id = str(uuid4())
    tx.connection.execute(
        sa.insert(EDIT),
        {
            "site_id": tx.site_id,
            "edit_id": edit_id,
            "edit_no": _next_number(tx),
            "kind": kind.value,
            "made_by": made_by,
            "made_at": at,
            "reason": reason[:REASON_LENGTH],
            "details": json.dumps(dict(details)),
        },
    )
    return edit_id


def edits_made(
    tx: Transaction, *, kinds: Collection[EditKind] | None = None, undone: bool = True
) -> list[StoredEdit]:
    """Edits in the order they were made; without ``undone`` only those that still count."""
    asked = sa.select(EDIT).where(EDIT.c.site_id == tx.site_id)
    if kinds is not None:
        asked = asked.where(EDIT.c.kind.in_(sorted(kind.value for kind in kinds)))
    if not undone:
        asked = asked.where(EDIT.c.undone_at.is_(None))
    rows = tx.connection.execute(asked.order_by(EDIT.c.edit_no, EDIT.c.made_at, EDIT.c.edit_id))
    return [_stored(row) for row in rows]


def edit_made(tx: Transaction, edit_id: str) -> StoredEdit:
    """One edit.

    Raises:
        NotFound: there is none.
    """
    row = tx.connection.execute(
        sa.select(EDIT).where(EDIT.c.site_id == tx.site_id, EDIT.c.edit_id == edit_id)
    ).first()
    if row is None:
        raise NotFound(f"there is no edit {edit_id}")
    return _stored(row)


def mark_undone(tx: Transaction, edit_id: str, *, by: str, at: datetime) -> None:
    """An edit counts no more."""
    tx.connection.execute(
        sa.update(EDIT)
        .where(EDIT.c.site_id == tx.site_id, EDIT.c.edit_id == edit_id)
        .values(undone_at=at, undone_by=by)
    )


def forget_words(tx: Transaction, serials: Collection[int], sighting_ids: Collection[str]) -> int:
    """Takes what people wrote (reasons, labels) from the edits of identities and sightings that are
    erased; the edits themselves go on counting. Returns how many those were."""
    gone, changed = set(sighting_ids), 0
    for edit in edits_made(tx):
        named = {edit.details.get(word) for word in ("serial", "into", "from", "to")}
        its_own = edit.details.get("serial") in serials
        if not (named & set(serials) or gone.intersection(edit.details.get("sightings") or ())):
            continue
        details = {**edit.details, "label": ""} if its_own else dict(edit.details)
        tx.connection.execute(
            sa.update(EDIT)
            .where(EDIT.c.site_id == tx.site_id, EDIT.c.edit_id == edit.edit_id)
            .values(reason="", details=json.dumps(details))
        )
        changed += 1
    return changed


def _stored(row: Any) -> StoredEdit:
    return StoredEdit(
        edit_id=row.edit_id,
        number=row.edit_no or 0,
        kind=EditKind(row.kind),
        made_by=row.made_by,
        made_at=row.made_at,
        reason=row.reason,
        details=json.loads(row.details),
        undone_at=row.undone_at,
        undone_by=row.undone_by,
    )


def _next_number(tx: Transaction) -> int:
    """The site has to be locked, so that no other edit gets it."""
    last = tx.connection.scalar(
        sa.select(sa.func.max(EDIT.c.edit_no)).where(EDIT.c.site_id == tx.site_id)
    )
    return int(last or 0) + 1


def unforbid(tx: Transaction, sighting_id: str, serial: int) -> None:
    """The sighting may be given to this identity again."""
    tx.connection.execute(
        sa.delete(NOT_IDENTITY).where(
            NOT_IDENTITY.c.site_id == tx.site_id,
            NOT_IDENTITY.c.sighting_id == sighting_id,
            NOT_IDENTITY.c.serial == serial,
        )
    )


def let_join(tx: Transaction, one: int, other: int) -> None:
    """The two identities may be joined again."""
    tx.connection.execute(
        sa.delete(IDENTITY_APART).where(
            IDENTITY_APART.c.site_id == tx.site_id,
            IDENTITY_APART.c.one == min(one, other),
            IDENTITY_APART.c.other == max(one, other),
        )
    )


def forbid(tx: Transaction, sighting_id: str, serial: int, *, edit_id: str | None = None) -> None:
    """From now on this sighting is never given to this identity ("not this person")."""
    if serial not in forbidden_serials(tx, sighting_id):
        tx.connection.execute(
            sa.insert(NOT_IDENTITY),
            {
                "site_id": tx.site_id,
                "sighting_id": sighting_id,
                "serial": serial,
                "edit_id": edit_id,
            },
        )


def forbidden_serials(tx: Transaction, sighting_id: str) -> set[int]:
    """The serials that somebody said this sighting is not."""
    return set(
        tx.connection.scalars(
            sa.select(NOT_IDENTITY.c.serial).where(
                NOT_IDENTITY.c.site_id == tx.site_id, NOT_IDENTITY.c.sighting_id == sighting_id
            )
        )
    )


def keep_apart(tx: Transaction, one: int, other: int, *, edit_id: str | None = None) -> None:
    """From now on these two identities are never joined by themselves."""
    low, high = min(one, other), max(one, other)
    if high not in kept_apart(tx, [low]):
        tx.connection.execute(
            sa.insert(IDENTITY_APART),
            {"site_id": tx.site_id, "one": low, "other": high, "edit_id": edit_id},
        )


def kept_apart(tx: Transaction, family: Collection[int]) -> set[int]:
    """The serials that somebody said are other people than this identity."""
    here = IDENTITY_APART.c.site_id == tx.site_id
    one = sa.select(IDENTITY_APART.c.other).where(here, IDENTITY_APART.c.one.in_(family))
    other = sa.select(IDENTITY_APART.c.one).where(here, IDENTITY_APART.c.other.in_(family))
    return set(tx.connection.scalars(one)) | set(tx.connection.scalars(other))


def said_apart(tx: Transaction, one: Collection[int], other: Collection[int]) -> bool:
    """Whether somebody said that these two identities are two people, or that a sighting of one is
    not the other. Each is given with every serial that stands for it."""
    if kept_apart(tx, one) & set(other):
        return True
    for mine, theirs in ((one, other), (other, one)):
        said = tx.connection.execute(
            sa.select(NOT_IDENTITY.c.sighting_id)
            .join_from(NOT_IDENTITY, SIGHTING, _OF_ITS_SIGHTING)
            .join(DECISION, DECIDED)
            .where(
                NOT_IDENTITY.c.site_id == tx.site_id,
                NOT_IDENTITY.c.serial.in_(theirs),
                DECISION.c.serial.in_(mine),
            )
            .limit(1)
        ).first()
        if said is not None:
            return True
    return False


def propose(tx: Transaction, proposals: Iterable[Proposal], *, at: datetime) -> int:
    """Adds proposals that were not made before, whatever was said to them; returns how many."""
    new = 0
    for one in proposals:
        key = {"site_id": tx.site_id, "serial": one.serial, "into_serial": one.into}
        its_row = sa.and_(*(MERGE_PROPOSAL.c[name] == value for name, value in key.items()))
        if tx.connection.execute(sa.select(MERGE_PROPOSAL.c.status).where(its_row)).first():
            continue
        tx.connection.execute(
            sa.insert(MERGE_PROPOSAL),
            key
            | {
                "similarity": float(one.similarity),
                "threshold": float(one.threshold),
                "reason": one.reason[:REASON_LENGTH],
                "proposed_at": at,
                "status": "open",
            },
        )
        new += 1
    return new


def proposals(tx: Transaction, *, status: str = "open") -> list[Proposal]:
    """The proposals in this status, the surest first."""
    rows = tx.connection.execute(
        sa.select(MERGE_PROPOSAL)
        .where(MERGE_PROPOSAL.c.site_id == tx.site_id, MERGE_PROPOSAL.c.status == status)
        .order_by(MERGE_PROPOSAL.c.similarity.desc(), MERGE_PROPOSAL.c.serial)
    )
    return [
        Proposal(row.serial, row.into_serial, row.similarity, row.threshold, row.reason)
        for row in rows
    ]
