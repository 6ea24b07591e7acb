"""What goes into the spool and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sightgrid.wire.records import GapReason, Priority, Record


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A record to be kept; its ``seq`` is the spool's to give."""

    record: Record
    priority: Priority


@dataclass(frozen=True, slots=True)
class Loss:
    """So many records that were lost before they reached the spool, or in it."""

    camera: str
    priority: Priority
    reason: GapReason
    first_seen: datetime
    last_seen: datetime
    dropped: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A leased record, as it is sent."""

    seq: int
    sighting_id: str
    revision: int
    attempts: int
    sha256: str
    line: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a batch."""

    freed: int
    quarantined: int
    kept: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that will not be delivered, and why."""

    seq: int
    sighting_id: str
    revision: int
    camera: str
    reason: str
    size: int


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """``oldest_secs`` is the age of the oldest record without a receipt (0 if there is none): a box
    is healthy if it falls. ``dropped`` counts what was ever lost."""

    pending: int
    in_flight: int
    quarantined: int
    acknowledged: int
    dropped: int
    used_bytes: int
    limit_bytes: int
    oldest_secs: float


class Losses:
    """Losses of one transaction, counted by camera, priority and reason."""

    def __init__(self) -> None:
        self.counted: dict[tuple[str, Priority, GapReason], tuple[int, datetime, datetime]] = {}

    def add(self, loss: Loss) -> None:
        key = (loss.camera, loss.priority, loss.reason)
        dropped, first, last = self.counted.get(key, (0, loss.first_seen, loss.last_seen))
        self.counted[key] = (
            dropped + loss.dropped,
            min(first, loss.first_seen),
            max(last, loss.last_seen),
        )

    def each(self) -> list[Loss]:
        """The counted losses, one for each camera, priority and reason."""
        return [
            Loss(camera, priority, reason, first, last, dropped)
            for (camera, priority, reason), (dropped, first, last) in self.counted.items()
        ]
