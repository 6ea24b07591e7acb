"""A body of records on its way in: read, opened, given vectors where a box sent none, stored.

Whatever concerns one record becomes a receipt; only a body that can't be read at all, or a server
that is busy, is an error of the whole request.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import cv2
import numpy as np

from sightgrid.domain.errors import InvalidRecord
from sightgrid.domain.faces import Embedding
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.presence import Sighting
from sightgrid.ledger.taking_in import Arrived, ArrivedGap, Refused
from sightgrid.server.refusals import SlowDown
from sightgrid.server.site import Site
from sightgrid.store.gaps import StoredGap
from sightgrid.wire.content import Content
from sightgrid.wire.receipts import Receipt, Status
from sightgrid.wire.records import Gap, Record, correction, parse_line, read_lines, sighting_of
from sightgrid.wire.sealing import content_of

# requests that may wait for the database at once; the rest is told to come again, which costs
# nothing, since a box keeps what it has no receipt for
_MOST_AT_ONCE = 16
_COME_AGAIN = timedelta(seconds=2)
_LONGEST_NUMBER = 19


@dataclass(frozen=True, slots=True)
class BoxClock:
    """How the box's clocks stood as it sent, as its headers tell; ``None`` where they don't."""

    boot_id: str
    monotonic_ns: int

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> BoxClock | None:
        """From the headers of a request; what isn't there or no number counts as not told."""
        boot_id = headers.get("sightgrid-boot", "")
        told = headers.get("sightgrid-monotonic-ns", "")
        if not boot_id or not told.isascii() or not told.isdecimal():
            return None
        return cls(boot_id, int(told)) if len(told) <= _LONGEST_NUMBER else None


class Ingest:
    """Takes bodies of records in; thread-safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A place among those who may be served at once.

        Raises:
            SlowDown: there is none free.
        """
        if not self._free.acquire(blocking=False):
            raise SlowDown(_COME_AGAIN, busy=True)
        try:
            yield
        finally:
            self._free.release()

    def take_in(self, box_id: str, body: bytes, clock: BoxClock | None = None) -> list[Receipt]:
        """Stores and decides every record of a body; a receipt for each, in order.

        Args:
            box_id: whose token the request came with.
            clock: the box's, to put the times of a box right that did not know the time.

        Raises:
            InvalidRecord: the body as a whole can't be read.
            StoreError: the database is not available; nothing was stored.
        """
        lines = read_lines(body)
        receipts: list[Receipt | None] = [None] * len(lines)
        arrived: list[Arrived | ArrivedGap | Refused] = []
        places: list[int] = []
        for place, line in enumerate(lines):
            try:
                one: Arrived | ArrivedGap | Refused = self._read(box_id, line, clock)
            except InvalidRecord as error:
                if not error.permanent:
                    receipts[place] = Receipt(
                        error.sighting_id,
                        error.revision,
                        error.sha256,
                        Status.RETRY,
                        error.code,
                    )
                    continue
                one = Refused(
                    error.sighting_id, error.revision, error.sha256, error.code, str(error)
                )
            places.append(place)
            arrived.append(one)
        if arrived:
            self._embed(arrived)
            taken = self._site.intake.take_in(box_id, arrived)
            for place, receipt in zip(places, taken.receipts, strict=True):
                receipts[place] = receipt
        return [receipt for receipt in receipts if receipt is not None]

    def _read(self, box_id: str, line: bytes, clock: BoxClock | None) -> Arrived | ArrivedGap:
        record = parse_line(line)
        if record.box_id != box_id:
            raise InvalidRecord(
                "wrong_box",
                "box_id",
                sighting_id=record.sighting_id,
                revision=record.revision,
                sha256=record.sha256,
            )
        late = timedelta()
        if clock is not None:
            late = (
                correction(
                    record,
                    boot_id=clock.boot_id,
                    monotonic_ns=clock.monotonic_ns,
                    received_at=self._site.clock(),
                )
                or late
            )
        if isinstance(record.body, Gap):
            gap, lost = _moved_record(record, late), record.body
            return ArrivedGap(
                StoredGap(
                    box_id=box_id,
                    gap_id=gap.sighting_id,
                    revision=gap.revision,
                    camera=gap.camera,
                    first_seen=gap.first_seen,
                    last_seen=gap.last_seen,
                    reason=lost.reason.value,
                    priority=lost.priority.value,
                    dropped=lost.dropped,
                ),
                record.sha256,
            )
        content = _moved(content_of(record, self._site.opening_keys), late)
        sighting = sighting_of(_moved_record(record, late), content)
        return Arrived(sighting, record.sha256, tuple(look.crop for look in content.looks))

    def _embed(self, arrived: list[Arrived | ArrivedGap | Refused]) -> None:
        """Makes the vectors that boxes left to the server, all in one go."""
        wanted: list[tuple[int, int, Bytes]] = []
        contract = self._site.contract
        for place, one in enumerate(arrived):
            if not isinstance(one, Arrived):
                continue
            for rank, (look, crop) in enumerate(zip(one.sighting.looks, one.crops, strict=True)):
                known = look.embedding
                if crop is None or (known is not None and known.contract.id == contract.id):
                    continue
                pixels = _decoded(crop, self._site.crop_px)
                if pixels is not None:
                    wanted.append((place, rank, pixels))
        if not wanted:
            return
        made = self._site.engine.embedder.embed([pixels for _, _, pixels in wanted])
        for (place, rank, _), embedding in zip(wanted, made, strict=True):
            one = arrived[place]
            if isinstance(one, Arrived):
                arrived[place] = replace(one, sighting=_with(one.sighting, rank, embedding))


def _with(sighting: Sighting, rank: int, embedding: Embedding) -> Sighting:
    looks = list(sighting.looks)
    looks[rank] = replace(looks[rank], embedding=embedding)
    return replace(sighting, looks=tuple(looks))


def _decoded(jpeg: bytes, crop_px: int) -> Bytes | None:
    """An aligned crop (S, S, 3) uint8 BGR of the pack's size; ``None`` if it can't be decoded,
    which leaves the sighting *unsure* rather than refused."""
    try:
        pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    if pixels is None:
        return None
    if pixels.shape[:2] != (crop_px, crop_px):
        pixels = cv2.resize(pixels, (crop_px, crop_px), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(pixels, np.uint8)


def _moved_record(record: Record, late: timedelta) -> Record:
    if not late:
        return record
    return replace(record, first_seen=record.first_seen + late, last_seen=record.last_seen + late)


def _moved(content: Content, late: timedelta) -> Content:
    if not late:
        return content
    return replace(
        content,
        path=tuple(replace(point, captured_at=point.captured_at + late) for point in content.path),
        looks=tuple(replace(look, captured_at=look.captured_at + late) for look in content.looks),
    )
