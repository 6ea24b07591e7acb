"""A body of records on its way in: read, opened, given vectors where a box sent none, stored.

Whatever concerns one record becomes a receipt; only a body that can't be read at all, or a server
that is busy, is an error of the whole request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import cv2
import numpy as np

from sightgrid.domain.errors import InvalidRecord, SightgridError
from sightgrid.domain.faces import Embedding
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.presence import Sighting
from sightgrid.ledger.arriving import Arrived, ArrivedGap, Parcel, Refused
from sightgrid.server.ingest_queue import Body, BoxClock, Served
from sightgrid.server.site import Site
from sightgrid.store.gaps import StoredGap
from sightgrid.wire.content import Content
from sightgrid.wire.receipts import Receipt, Status
from sightgrid.wire.records import Gap, Record, correction, parse_line, read_lines, sighting_of
from sightgrid.wire.sealing import content_of


@dataclass(slots=True, eq=False)
class _Parsed:
    """A body whose lines were read. ``receipts`` has a place a line, filled where the answer is
    settled already; the others are those of ``arrived``, in order."""

    box_id: str
    receipts: list[Receipt | None]
    arrived: list[Arrived | ArrivedGap | Refused] = field(default_factory=list)

    def answered(self, taken: Sequence[Receipt]) -> list[Receipt]:
        """A receipt a line."""
        rest = iter(taken)
        return [next(rest) if receipt is None else receipt for receipt in self.receipts]


class Ingest:
    """Takes bodies of records in; thread-safe."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def take_in(self, body: Body) -> list[Receipt]:
        """Stores and decides every record of a body; a receipt for each, in order.

        Raises:
            InvalidRecord: the body as a whole can't be read.
            StoreError: the database is not available; nothing was stored.
        """
        (served,) = self.take_all_in([body])
        if isinstance(served, SightgridError):
            raise served
        return served

    def take_all_in(self, bodies: Sequence[Body]) -> list[Served]:
        """Stores and decides several bodies in one transaction: receipts for each, or why a body as
        a whole can't be read.

        Raises:
            StoreError: the database is not available; nothing of any body was stored.
        """
        read = [self._lines(body) for body in bodies]
        parcels = [one for one in read if isinstance(one, _Parsed)]
        self._embed([parsed.arrived for parsed in parcels])
        taken = iter(
            self._site.intake.take_all_in(
                [Parcel(parsed.box_id, parsed.arrived) for parsed in parcels]
            )
            if parcels
            else ()
        )
        return [
            one.answered(next(taken).receipts) if isinstance(one, _Parsed) else one for one in read
        ]

    def _lines(self, body: Body) -> _Parsed | InvalidRecord:
        """Reads every line that can be read."""
        try:
            lines = read_lines(body.lines)
        except InvalidRecord as error:
            return error
        parsed = _Parsed(body.box_id, [None] * len(lines))
        for place, line in enumerate(lines):
            try:
                one: Arrived | ArrivedGap | Refused = self._read(body.box_id, line, body.clock)
            except InvalidRecord as error:
                if not error.permanent:
                    parsed.receipts[place] = Receipt(
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
            parsed.arrived.append(one)
        return parsed

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

    def _embed(self, bodies: Sequence[list[Arrived | ArrivedGap | Refused]]) -> None:
        """Makes the vectors that boxes left to the server, all in one go."""
        wanted: list[tuple[int, int, int, Bytes]] = []
        contract = self._site.contract
        for number, arrived in enumerate(bodies):
            for place, one in enumerate(arrived):
                if not isinstance(one, Arrived):
                    continue
                looks = zip(one.sighting.looks, one.crops, strict=True)
                for rank, (look, crop) in enumerate(looks):
                    known = look.embedding
                    if crop is None or (known is not None and known.contract.id == contract.id):
                        continue
                    pixels = _decoded(crop, self._site.crop_px)
                    if pixels is not None:
                        wanted.append((number, place, rank, pixels))
        if not wanted:
            return
        made = self._site.engine.embedder.embed([pixels for *_, pixels in wanted])
        for (number, place, rank, _), embedding in zip(wanted, made, strict=True):
            one = bodies[number][place]
            if isinstance(one, Arrived):
                sighting = _with(one.sighting, rank, embedding)
                bodies[number][place] = replace(one, sighting=sighting)


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
