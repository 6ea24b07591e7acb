"""What arrives from boxes, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightgrid.domain.presence import Sighting
from sightgrid.recognition.templates import Template
from sightgrid.store.arrivals import NewSighting
from sightgrid.store.gaps import StoredGap
from sightgrid.store.outbox import StoredEvent
from sightgrid.wire.receipts import Receipt


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A sighting as it came. ``crops`` are the JPEGs of its looks, in their order; the looks
    themselves need no pixels. ``sha256`` is that of the record's line."""

    sighting: Sighting
    sha256: str
    crops: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class ArrivedGap:
    """What a box could not deliver."""

    gap: StoredGap
    sha256: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that could not be read as a record; it is noted, and will never be taken unless
    ``permanent`` is false. Id and revision are ``None`` where even they were unreadable."""

    sighting_id: str | None
    revision: int | None
    sha256: str
    code: str
    message: str
    permanent: bool = True


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of a batch: a receipt a record, in their order, and the events to publish."""

    receipts: tuple[Receipt, ...]
    events: tuple[StoredEvent, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """What one box sent in one request."""

    box_id: str
    arrived: Sequence[Arrived | ArrivedGap | Refused]


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A sighting on the threshold: all is done that needs no database."""

    new: NewSighting
    sha256: str
    template: Template | None

    @property
    def sighting(self) -> Sighting:
        return self.new.sighting


One = Ready | ArrivedGap | Refused


def id_of(one: Ready | ArrivedGap) -> str:
    """The id of a sighting or a gap."""
    return one.gap.gap_id if isinstance(one, ArrivedGap) else one.sighting.sighting_id


def revision_of(one: Ready | ArrivedGap) -> int:
    """Its revision."""
    return one.gap.revision if isinstance(one, ArrivedGap) else one.sighting.revision
