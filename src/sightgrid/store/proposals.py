"""Proposals that two identities are one person: which are open, and what was answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, SIGHTING
from sightgrid.store.schema_ledger import MERGE_PROPOSAL
from sightgrid.store.session import Transaction

OPEN, ACCEPTED, DECLINED = "open", "accepted", "refused"


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """A proposal that ``serial`` is ``into``. ``similarity`` reached ``threshold``, for as many
    identities as there were then; ``edit_id`` is the edit that its answer made."""

    serial: int
    into: int
    similarity: float
    threshold: float
    reason: str
    proposed_at: datetime
    status: str
    answered_at: datetime | None
    answered_by: str | None
    edit_id: str | None


def proposals_page(
    tx: Transaction, status: str, *, after: tuple[float, int, int] | None, limit: int
) -> list[ProposalRow]:
    """Proposals in a status, the surest first; ``after`` is the similarity, serial and other serial
    of the one before."""
    asked = sa.select(MERGE_PROPOSAL).where(
        MERGE_PROPOSAL.c.site_id == tx.site_id, MERGE_PROPOSAL.c.status == status
    )
    its = MERGE_PROPOSAL.c
    if after is not None:
        similarity, serial, into = after
        asked = asked.where(
            sa.or_(
                its.similarity < similarity,
                sa.and_(
                    its.similarity == similarity,
                    sa.or_(
                        its.serial > serial,
                        sa.and_(its.serial == serial, its.into_serial > into),
                    ),
                ),
            )
        )
    rows = tx.connection.execute(
        asked.order_by(its.similarity.desc(), its.serial, its.into_serial).limit(limit)
    )
    return [_row(row) for row in rows]


def proposal(tx: Transaction, serial: int, into: int) -> ProposalRow:
    """One proposal.

    Raises:
        NotFound: that was never proposed.
    """
    row = tx.connection.execute(sa.select(MERGE_PROPOSAL).where(_its_row(tx, serial, into))).first()
    if row is None:
        raise NotFound(f"it was never proposed that {serial} is {into}")
    return _row(row)


def answer_proposal(
    tx: Transaction, serial: int, into: int, status: str, *, edit_id: str, by: str, at: datetime
) -> None:
    """Keeps what was said to a proposal, so that it is never made again."""
    tx.connection.execute(
        sa.update(MERGE_PROPOSAL)
        .where(_its_row(tx, serial, into))
        .values(status=status, answered_at=at, answered_by=by, edit_id=edit_id)
    )


def reopen_proposals(tx: Transaction, edit_id: str) -> None:
    """The answer that an edit was is taken back."""
    tx.connection.execute(
        sa.update(MERGE_PROPOSAL)
        .where(MERGE_PROPOSAL.c.site_id == tx.site_id, MERGE_PROPOSAL.c.edit_id == edit_id)
        .values(status=OPEN, answered_at=None, answered_by=None, edit_id=None)
    )


def best_sightings(tx: Transaction, family: Collection[int], *, most: int) -> list[str]:
    """The ids of an identity's best sightings whose pictures are kept, the best first."""
    rows = tx.connection.scalars(
        sa.select(SIGHTING.c.sighting_id)
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(
            DECISION.c.site_id == tx.site_id,
            DECISION.c.serial.in_(family),
            SIGHTING.c.crop_path.is_not(None),
        )
        .order_by(SIGHTING.c.quality.desc(), SIGHTING.c.sighting_id)
        .limit(most)
    )
    return list(rows)


def _its_row(tx: Transaction, serial: int, into: int) -> sa.ColumnElement[bool]:
    return sa.and_(
        MERGE_PROPOSAL.c.site_id == tx.site_id,
        MERGE_PROPOSAL.c.serial == serial,
        MERGE_PROPOSAL.c.into_serial == into,
    )


def _row(row: Any) -> ProposalRow:
    return ProposalRow(
        serial=row.serial,
        into=row.into_serial,
        similarity=row.similarity,
        threshold=row.threshold,
        reason=row.reason,
        proposed_at=row.proposed_at,
        status=row.status,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        edit_id=row.edit_id,
    )
