"""Signs that people gave of being there: QR codes, PINs, a teacher's word. Rows are only added."""

from __future__ import annotations

import sqlalchemy as sa

from sightgrid.domain.attendance import Method, Sign, Status
from sightgrid.store.schema_attendance import HAND_MARK
from sightgrid.store.sealing import of_person, seal
from sightgrid.store.session import Transaction


def add_sign(
    tx: Transaction, session_id: str, sign: Sign, *, made_by: str, reason: str = ""
) -> None:
    """Adds a sign to an open session; ``reason`` is sealed for the person."""
    last = tx.connection.scalar(
        sa.select(sa.func.max(HAND_MARK.c.number)).where(
            HAND_MARK.c.site_id == tx.site_id, HAND_MARK.c.session_id == session_id
        )
    )
    sealed = None
    if reason:
        sealed = seal(
            tx, reason.encode(), subject=of_person(sign.person_id), purpose=f"sign {session_id}"
        )
    tx.connection.execute(
        sa.insert(HAND_MARK),
        {
            "site_id": tx.site_id,
            "session_id": session_id,
            "number": (last or 0) + 1,
            "person_id": sign.person_id,
            "method": sign.method.value,
            "status": None if sign.status is None else sign.status.value,
            "at": sign.at,
            "made_by": made_by,
            "reason": sealed,
        },
    )


def signs_of(tx: Transaction, session_id: str) -> list[Sign]:
    """Every sign of a session, in the order they were given."""
    rows = tx.connection.execute(
        sa.select(HAND_MARK.c.person_id, HAND_MARK.c.method, HAND_MARK.c.at, HAND_MARK.c.status)
        .where(HAND_MARK.c.site_id == tx.site_id, HAND_MARK.c.session_id == session_id)
        .order_by(HAND_MARK.c.number)
    )
    return [
        Sign(person, Method(method), at, None if status is None else Status(status))
        for person, method, at, status in rows
    ]
