"""From a sighting in memory to a sealed record on disk, beside the looking at pictures."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2

from sightgrid.domain.cameras import Purpose
from sightgrid.domain.errors import InvalidValue, SpoolError, SpoolFailed, SpoolFull
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.presence import Sighting
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.logs import note
from sightgrid.edge.spool import GIB, Spool
from sightgrid.edge.spooled import Entry, Loss, Losses
from sightgrid.wire.content import Content
from sightgrid.wire.records import GapReason, Priority, Record
from sightgrid.wire.sealing import SealingKey

# the same as the crops of an offline run
_JPEG_QUALITY = 92
# what may wait in memory while the disk takes nothing: some 8 MB
_MOST_WAITING = 256
_TRY_AGAIN_SECS = 1.0


@dataclass(frozen=True, slots=True)
class SpoolOrder:
    """All that is needed to fill a box's spool. ``server_key`` is the server's public key."""

    path: Path
    box_id: str
    server_key: bytes
    clock: BoxClock
    priorities: Mapping[str, Priority]
    limit_bytes: int = 20 * GIB


def priority_of(purposes: tuple[Purpose, ...]) -> Priority:
    """What a camera's records may lay claim to when the spool is full."""
    return Priority.ATTENDANCE if Purpose.ATTENDANCE in purposes else Priority.ANALYTICS


class SpoolSink:
    """A sink that never lets the pictures wait: a thread of its own codes, seals and keeps.

    While the disk has no room, the newest revisions of a few sightings wait in memory, and what is
    beyond that is counted; it is tried again every second. A disk that can't be relied on ends the
    thread, and the next ``put`` says so.
    """

    def __init__(self, order: SpoolOrder) -> None:
        self._order = order
        self._key = SealingKey(order.server_key)
        self._waiting: OrderedDict[str, Sighting | Entry] = OrderedDict()
        self._losses = Losses()
        self._something = threading.Condition()
        self._closing = False
        self._failure: SpoolFailed | None = None
        self._kept = 0
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    @property
    def kept(self) -> int:
        """How many revisions are on disk."""
        return self._kept

    def put(self, sighting: Sighting) -> None:
        """Takes a revision; it is on disk a moment later.

        Raises:
            SpoolFailed: the disk can't be relied on; the process must end.
        """
        with self._something:
            if self._failure is not None:
                raise self._failure
            # a newer revision tells everything that the one before it did
            self._waiting[sighting.sighting_id] = sighting
            if len(self._waiting) > _MOST_WAITING:
                self._give_one_up()
            self._something.notify()

    def close(self, *, patience_secs: float = 10.0) -> None:
        """Keeps what is waiting, if the disk lets it, and ends.

        Raises:
            SpoolFailed: the disk can't be relied on.
        """
        with self._something:
            self._closing = True
            self._something.notify()
        self._thread.join(patience_secs)
        if self._waiting or self._losses.counted:
            note(logging.ERROR, "sightings-lost", waiting=len(self._waiting))
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        spool: Spool | None = None
        try:
            while True:
                with self._something:
                    while not (self._waiting or self._losses.counted or self._closing):
                        self._something.wait()
                    if self._closing and not (self._waiting or self._losses.counted):
                        return
                    taken, self._waiting = self._waiting, OrderedDict()
                    losses, self._losses = self._losses, Losses()
                try:
                    spool = spool or self._open()
                    self._keep(spool, taken, losses)
                except SpoolFull:
                    if not self._wait_for_room(taken, losses):
                        return
        except SpoolError as error:
            note(logging.CRITICAL, "spool-failed", reason=str(error))
            with self._something:
                self._failure = error if isinstance(error, SpoolFailed) else SpoolFailed(str(error))
        except Exception as error:  # noqa: BLE001 - told to whoever puts the next one
            # without this thread nothing is kept any more, so whatever ended it ends the process
            note(logging.CRITICAL, "spool-failed", reason=type(error).__name__)
            with self._something:
                self._failure = SpoolFailed(f"keeping sightings failed: {type(error).__name__}")
        finally:
            if spool is not None:
                spool.close()

    def _open(self) -> Spool:
        order = self._order
        return Spool(
            order.path, box_id=order.box_id, clock=order.clock, limit_bytes=order.limit_bytes
        )

    def _keep(
        self, spool: Spool, taken: OrderedDict[str, Sighting | Entry], losses: Losses
    ) -> None:
        entries = []
        for sighting_id, one in list(taken.items()):
            if isinstance(one, Entry):
                entries.append(one)
                continue
            try:
                entry = self._sealed(one)
            except InvalidValue as error:
                # it breaks a bound of the wire: counted, and told, for it must be mended
                note(logging.ERROR, "sighting-unwritable", camera=one.camera, reason=str(error))
                losses.add(self._lost(one, GapReason.UNWRITABLE))
                del taken[sighting_id]
                continue
            taken[sighting_id] = entry
            entries.append(entry)
        refused = spool.append(entries)
        self._kept += len(entries) - refused
        taken.clear()
        if losses.counted:
            spool.note_lost(losses.each())
            losses.counted.clear()

    def _wait_for_room(self, taken: OrderedDict[str, Sighting | Entry], losses: Losses) -> bool:
        """Puts back what could not be kept, and waits a little; ``False`` once there is no time."""
        with self._something:
            for sighting_id, one in reversed(taken.items()):
                if sighting_id not in self._waiting:
                    self._waiting[sighting_id] = one
                    self._waiting.move_to_end(sighting_id, last=False)
            for loss in losses.each():
                self._losses.add(loss)
            while len(self._waiting) > _MOST_WAITING:
                self._give_one_up()
            if self._closing:
                return False
            note(logging.WARNING, "disk-full", waiting=len(self._waiting))
            # put() notifies too, but a full disk need not be asked for every face
            self._something.wait_for(lambda: self._closing, _TRY_AGAIN_SECS)
            return True

    def _give_one_up(self) -> None:
        """The oldest of a camera without claim, else the newest that came."""
        oldest = next(
            (
                sighting_id
                for sighting_id, one in self._waiting.items()
                if self._priority(one) is Priority.ANALYTICS
            ),
            next(reversed(self._waiting)),
        )
        self._losses.add(self._lost(self._waiting.pop(oldest), GapReason.DISK_FULL))

    def _lost(self, one: Sighting | Entry, reason: GapReason) -> Loss:
        seen = one if isinstance(one, Sighting) else one.record
        return Loss(seen.camera, self._priority(one), reason, seen.first_seen, seen.last_seen)

    def _priority(self, one: Sighting | Entry) -> Priority:
        if isinstance(one, Entry):
            return one.priority
        return self._order.priorities.get(one.camera, Priority.ANALYTICS)

    def _sealed(self, sighting: Sighting) -> Entry:
        content = Content.of(sighting, [_jpeg(look.crop.pixels) for look in sighting.looks])
        sealed = self._key.seal(
            content,
            box_id=self._order.box_id,
            sighting_id=sighting.sighting_id,
            revision=sighting.revision,
        )
        record = Record(
            box_id=self._order.box_id,
            boot_id=self._order.clock.boot_id,
            seq=0,
            sighting_id=sighting.sighting_id,
            revision=sighting.revision,
            closed=sighting.closed,
            camera=sighting.camera,
            first_seen=sighting.first_seen,
            last_seen=sighting.last_seen,
            clock=self._order.clock.reading(),
            body=sealed,
        )
        return Entry(record, self._priority(sighting))


def _jpeg(pixels: Bytes) -> bytes | None:
    if not pixels.size:
        return None
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise InvalidValue("a crop could not be encoded")
    return data.tobytes()
