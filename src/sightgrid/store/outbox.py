"""Events: written with what they tell of, in one transaction; read after its commit by anybody.

So an event is told at least once even if the server dies between commit and telling. Numbers rise
in the order of commits, since they are given out under the site's lock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.store.schema import SERIAL_COUNTER
from sightgrid.store.schema_arrival import EVENT
from sightgrid.store.session import Transaction

Body = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """``kind`` is ``new``, ``update`` or ``end``; ``event_id`` stays the same throughout. ``body``
    carries no names."""

    event_no: int
    kind: str
    event_id: str
    body: Body
    made_at: datetime


def write_events(
    tx: Transaction, events: Sequence[tuple[str, str, Body]], *, at: datetime
) -> list[StoredEvent]:
    """Adds events ``(kind, event_id, body)``. The site has to be locked."""
    if not events:
        return []
    first = tx.take_events(len(events))
    written = [
        StoredEvent(number, kind, event_id, body, at)
        for number, (kind, event_id, body) in enumerate(events, first)
    ]
    tx.insert_later(
        EVENT,
        (
            {
                "site_id": tx.site_id,
                "event_no": event.event_no,
                "kind": event.kind,
                "event_id": event.event_id,
                "body": json.dumps(dict(event.body)),
                "made_at": at,
            }
            for event in written
        ),
    )
    return written


def events_after(tx: Transaction, event_no: int, *, limit: int = 500) -> list[StoredEvent]:
    """The events that followed, in order."""
    rows = tx.connection.execute(
        sa.select(EVENT)
        .where(EVENT.c.site_id == tx.site_id, EVENT.c.event_no > event_no)
        .order_by(EVENT.c.event_no)
        .limit(limit)
    )
    return [_event(row) for row in rows]


def last_event_no(tx: Transaction) -> int:
    """The number of the newest event; 0 before the first."""
    return (
        int(
            tx.connection.execute(
                sa.select(SERIAL_COUNTER.c.next_event).where(SERIAL_COUNTER.c.site_id == tx.site_id)
            ).scalar_one()
        )
        - 1
    )


def forget_events(tx: Transaction, before: datetime) -> int:
    """Deletes events older than this; returns how many."""
    return tx.connection.execute(
        sa.delete(EVENT).where(EVENT.c.site_id == tx.site_id, EVENT.c.made_at < before)
    ).rowcount


def _event(row: Any) -> StoredEvent:
    return StoredEvent(row.event_no, row.kind, row.event_id, json.loads(row.body), row.made_at)
