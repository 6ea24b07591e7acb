"""Spools and records for tests: a clock, a key, entries by the dozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.wire.sightings import BOX, NOON, record, sighting

from sightgrid.edge.clock import BoxClock
from sightgrid.edge.spool import Spool
from sightgrid.edge.spooled import Entry, Waiting
from sightgrid.wire.content import Content
from sightgrid.wire.receipts import Receipt, Status
from sightgrid.wire.records import Priority, Record, Sealed
from sightgrid.wire.sealing import OpeningKey

KEY = OpeningKey.generate()
CLOCK = BoxClock.anchored()


def open_spool(path: Path, **options: Any) -> Spool:
    return Spool(path, **{"box_id": BOX, "clock": CLOCK, "reserve_bytes": 0} | options)


def sighting_id(number: int) -> str:
    return str(UUID(int=number))


def entry(
    number: int,
    *,
    revision: int = 1,
    priority: Priority = Priority.ANALYTICS,
    camera: str = "entrance",
    filling: int = 200,
) -> Entry:
    """A record whose sealed content is ``filling`` bytes of nothing in particular."""
    seen = record(
        sighting(
            sighting_id=sighting_id(number),
            revision=revision,
            camera=camera,
            points=2,
            looks=0,
            start=NOON + timedelta(seconds=number),
        )
    )
    filled = (number * 2654435761 % 2**32).to_bytes(4, "big") * (filling // 4)
    stamped = replace(seen, seq=0, clock=CLOCK.reading(), body=Sealed(KEY.key_id, filled))
    return Entry(stamped, priority)


def really_sealed(seen: Record) -> Record:
    assert isinstance(seen.body, Content)
    body = KEY.sealing.seal(
        seen.body, box_id=BOX, sighting_id=seen.sighting_id, revision=seen.revision
    )
    return replace(seen, seq=0, body=body)


def stored(batch: list[Waiting], status: Status = Status.STORED) -> list[Receipt]:
    return [Receipt(one.sighting_id, one.revision, one.sha256, status) for one in batch]


def drain(spool: Spool, each: Callable[[Waiting], None] | None = None) -> list[Waiting]:
    """Leases and frees everything; what it was, in order."""
    taken: list[Waiting] = []
    while batch := spool.lease(most_records=100, most_bytes=2**23):
        taken += batch
        spool.settle(batch, stored(batch))
    return taken
