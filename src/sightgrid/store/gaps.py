"""What boxes could not deliver: counted and shown, not passed over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sightgrid.store.schema_arrival import GAP
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class StoredGap:
    """So many records of a camera were lost between two moments. ``reason`` and ``priority`` are
    the wire's words."""

    box_id: str
    gap_id: str
    revision: int
    camera: str
    first_seen: datetime
    last_seen: datetime
    reason: str
    priority: str
    dropped: int


def save_gap(tx: Transaction, gap: StoredGap) -> None:
    """Stores a gap, or a newer revision of it."""
    tx.connection.execute(
        sa.delete(GAP).where(
            GAP.c.site_id == tx.site_id, GAP.c.box_id == gap.box_id, GAP.c.gap_id == gap.gap_id
        )
    )
    tx.connection.execute(
        sa.insert(GAP),
        {
            "site_id": tx.site_id,
            "box_id": gap.box_id,
            "gap_id": gap.gap_id,
            "revision": gap.revision,
            "camera": gap.camera,
            "first_seen": gap.first_seen,
            "last_seen": gap.last_seen,
            "reason": gap.reason,
            "priority": gap.priority,
            "dropped": gap.dropped,
        },
    )


def gaps(tx: Transaction, *, since: datetime, limit: int = 500) -> list[StoredGap]:
    """The gaps that reach beyond a moment, newest first."""
    rows = tx.connection.execute(
        sa.select(GAP)
        .where(GAP.c.site_id == tx.site_id, GAP.c.last_seen >= since)
        .order_by(GAP.c.last_seen.desc(), GAP.c.gap_id)
        .limit(limit)
    )
    return [
        StoredGap(
            row.box_id,
            row.gap_id,
            row.revision,
            row.camera,
            row.first_seen,
            row.last_seen,
            row.reason,
            row.priority,
            row.dropped,
        )
        for row in rows
    ]
