"""What was received from which box: remembered for ever, so that nothing counts twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from sightgrid.store.batches import in_batches
from sightgrid.store.columns import REASON_LENGTH
from sightgrid.store.schema_arrival import QUARANTINE, RECEIVED, UNMATCHED_COUNT
from sightgrid.store.session import Transaction

_RECEIVED = sa.select(
    RECEIVED.c.box_id,
    RECEIVED.c.sighting_id,
    RECEIVED.c.revision,
    RECEIVED.c.sha256,
    RECEIVED.c.outcome,
).where(
    RECEIVED.c.site_id == sa.bindparam("its_site"),
    RECEIVED.c.sighting_id.in_(sa.bindparam("ids", expanding=True)),
)


class Outcome(StrEnum):
    """What became of a record: kept; counted and dropped, as nobody enrolled, where only they
    matter; of somebody who was erased; or past the time that sightings are kept for."""

    STORED = "stored"
    DROPPED = "dropped"
    ERASED = "erased"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Received:
    """A revision of a sighting that came before."""

    box_id: str
    sighting_id: str
    revision: int
    sha256: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that was refused for good, and why. The record itself stays with its box."""

    box_id: str
    sighting_id: str
    revision: int
    sha256: str
    code: str
    message: str
    received_at: datetime


def received_of(tx: Transaction, sighting_ids: Iterable[str]) -> dict[str, list[Received]]:
    """By sighting id everything that was ever received of it, whichever box sent it."""
    found: dict[str, list[Received]] = {}
    for batch in in_batches(sighting_ids):
        rows = tx.connection.execute(_RECEIVED, {"its_site": tx.site_id, "ids": batch})
        for box_id, sighting_id, revision, sha256, outcome in rows:
            found.setdefault(sighting_id, []).append(
                Received(box_id, sighting_id, revision, sha256, Outcome(outcome))
            )
    return found


def note_received(tx: Transaction, received: Received, *, at: datetime) -> None:
    """Remembers a record for ever; one that was received before is refused as it is written."""
    row = {
        "site_id": tx.site_id,
        "box_id": received.box_id,
        "sighting_id": received.sighting_id,
        "revision": received.revision,
        "sha256": received.sha256,
        "outcome": received.outcome.value,
        "received_at": at,
    }
    tx.insert_later(RECEIVED, [row])


def quarantine(tx: Transaction, refused: Quarantined) -> None:
    """Notes a refused record once, however often it comes."""
    key: Mapping[str, object] = {
        "site_id": tx.site_id,
        "box_id": refused.box_id,
        "sighting_id": refused.sighting_id,
        "revision": refused.revision,
        "sha256": refused.sha256,
    }
    its_row = sa.and_(*(QUARANTINE.c[name] == value for name, value in key.items()))
    if tx.connection.execute(sa.select(QUARANTINE.c.code).where(its_row)).first() is None:
        tx.connection.execute(
            sa.insert(QUARANTINE),
            {
                **key,
                "code": refused.code,
                "message": refused.message[:REASON_LENGTH],
                "received_at": refused.received_at,
            },
        )


def quarantined(tx: Transaction, *, limit: int = 100) -> list[Quarantined]:
    """The refused records, newest first."""
    rows = tx.connection.execute(
        sa.select(QUARANTINE)
        .where(QUARANTINE.c.site_id == tx.site_id)
        .order_by(QUARANTINE.c.received_at.desc(), QUARANTINE.c.sighting_id)
        .limit(limit)
    )
    return [
        Quarantined(
            row.box_id,
            row.sighting_id,
            row.revision,
            row.sha256,
            row.code,
            row.message,
            row.received_at,
        )
        for row in rows
    ]


def count_unmatched(tx: Transaction, camera: str, seen_at: datetime) -> None:
    """One more face that was nobody enrolled: a number a camera and day, nothing else."""
    key = {"site_id": tx.site_id, "camera": camera, "day": seen_at.strftime("%Y-%m-%d")}
    its_row = sa.and_(*(UNMATCHED_COUNT.c[name] == value for name, value in key.items()))
    # the site is locked, so nobody else counts meanwhile
    counted = tx.connection.scalar(sa.select(UNMATCHED_COUNT.c.sightings).where(its_row))
    if counted is None:
        tx.connection.execute(sa.insert(UNMATCHED_COUNT), key | {"sightings": 1})
    else:
        tx.connection.execute(
            sa.update(UNMATCHED_COUNT).where(its_row).values(sightings=counted + 1)
        )


def unmatched_counts(tx: Transaction) -> dict[tuple[str, str], int]:
    """By camera and day (UTC, ``2026-01-02``)."""
    rows = tx.connection.execute(
        sa.select(
            UNMATCHED_COUNT.c.camera, UNMATCHED_COUNT.c.day, UNMATCHED_COUNT.c.sightings
        ).where(UNMATCHED_COUNT.c.site_id == tx.site_id)
    )
    return {(camera, day): count for camera, day, count in rows}
