"""Who contests their mark, and what was decided."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.attendance import Dispute, DisputeState
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.store.registers import opened
from sightgrid.store.schema_attendance import DISPUTE
from sightgrid.store.sealing import of_person, seal
from sightgrid.store.session import Transaction


def add_dispute(
    tx: Transaction,
    session_id: str,
    person_id: str,
    words: str,
    *,
    version_no: int,
    at: datetime,
) -> Dispute:
    """Somebody contests what a version says of them.

    Raises:
        InvalidValue: a dispute of theirs about this session is open already.
    """
    for one in disputes(tx, session_id=session_id, person_id=person_id):
        if one.state is DisputeState.OPEN:
            raise InvalidValue("you have contested this mark already; it will be decided")
    dispute_id = str(uuid4())
    tx.connection.execute(
        sa.insert(DISPUTE),
        {
            "site_id": tx.site_id,
            "dispute_id": dispute_id,
            "session_id": session_id,
            "person_id": person_id,
            "version_no": version_no,
            "state": DisputeState.OPEN.value,
            "made_at": at,
            "words": seal(
                tx, words.encode(), subject=of_person(person_id), purpose=f"dispute {dispute_id}"
            ),
        },
    )
    return Dispute(dispute_id, session_id, person_id, version_no, DisputeState.OPEN, words, at)


def decide_dispute(
    tx: Transaction,
    dispute_id: str,
    *,
    accepted: bool,
    answer: str,
    by: str,
    at: datetime,
    version_no: int | None,
) -> None:
    """Ends an open dispute; ``version_no`` is the version that the decision wrote."""
    one = dispute(tx, dispute_id)
    state = DisputeState.ACCEPTED if accepted else DisputeState.REJECTED
    tx.connection.execute(
        sa.update(DISPUTE)
        .where(DISPUTE.c.site_id == tx.site_id, DISPUTE.c.dispute_id == dispute_id)
        .values(
            state=state.value,
            decided_at=at,
            decided_by=by,
            decided_version=version_no,
            answer=seal(
                tx,
                answer.encode(),
                subject=of_person(one.person_id),
                purpose=f"answer {dispute_id}",
            ),
        )
    )


def dispute(tx: Transaction, dispute_id: str) -> Dispute:
    """One dispute.

    Raises:
        NotFound: there is no such dispute.
    """
    row = tx.connection.execute(
        sa.select(DISPUTE).where(
            DISPUTE.c.site_id == tx.site_id, DISPUTE.c.dispute_id == dispute_id
        )
    ).first()
    if row is None:
        raise NotFound(f"there is no dispute {dispute_id}")
    return _dispute(tx, row)


def disputes(
    tx: Transaction,
    *,
    session_id: str | None = None,
    person_id: str | None = None,
    states: Collection[DisputeState] | None = None,
) -> list[Dispute]:
    """Disputes in the order they were made."""
    wanted = [DISPUTE.c.site_id == tx.site_id]
    if session_id is not None:
        wanted.append(DISPUTE.c.session_id == session_id)
    if person_id is not None:
        wanted.append(DISPUTE.c.person_id == person_id)
    if states is not None:
        wanted.append(DISPUTE.c.state.in_(sorted(state.value for state in states)))
    rows = tx.connection.execute(
        sa.select(DISPUTE).where(*wanted).order_by(DISPUTE.c.made_at, DISPUTE.c.dispute_id)
    ).all()
    return [_dispute(tx, row) for row in rows]


def _dispute(tx: Transaction, row: sa.Row[Any]) -> Dispute:
    def text(sealed: bytes | None, purpose: str) -> str:
        if sealed is None:
            return ""
        plain = opened(tx, row.person_id, sealed, f"{purpose} {row.dispute_id}")
        return "" if plain is None else plain.decode()

    return Dispute(
        dispute_id=row.dispute_id,
        session_id=row.session_id,
        person_id=row.person_id,
        version_no=row.version_no,
        state=DisputeState(row.state),
        words=text(row.words, "dispute"),
        made_at=row.made_at,
        answer=text(row.answer, "answer"),
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )
