"""The inference process: reads all cameras' rings, finds and follows faces, makes sightings.

One thread does everything, one camera after the other, each at most once a turn, so that none can
starve the others. Of every camera only the newest picture is taken; what came between is counted
by its ring. Embeddings of all cameras wait in one line and are made a few a turn, so that a burst
of them never holds up the looking.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from sightgrid.domain.frames import EPOCH
from sightgrid.edge.following import LiveView
from sightgrid.edge.remembering import LiveSettings, Pending
from sightgrid.edge.ring import RingReader
from sightgrid.edge.sink import SightingSink
from sightgrid.vision.canvases import RegionDetector
from sightgrid.vision.engine import VisionEngine
from sightgrid.vision.regions import Area, Region, RegionFrame

_IDLE_SECS = 0.01
# what most cameras send
_WARM_UP_PX = (1920, 1080)
# one batch of the embedder; fewer while pictures wait, as they grow old and looks at faces do not
_EMBEDDED_A_TURN, _EMBEDDED_WHEN_BUSY = 4, 2
# early answers beyond this many waiting are given up: what closes a sighting never is
_MOST_WAITING = 64
# a camera that sends nothing for so long is gone, and whoever was on it
_SILENT_SECS = 5.0


class Stop(Protocol):
    """Tells that it is time to end; ``threading`` and ``multiprocessing`` events do."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class InferenceProgress:
    """What the loop has done so far. ``lag_secs``: from capture to the end of the look, of the
    latest look, and ``worst_lag_secs`` of all. ``given_up``: early revisions that were left out as
    too many waited. ``stage_secs``: processor seconds of detect, follow and embed."""

    looks: int = 0
    whole_looks: int = 0
    faces: int = 0
    held: int = 0
    embeddings: int = 0
    revisions: int = 0
    given_up: int = 0
    lag_secs: float = 0.0
    worst_lag_secs: float = 0.0
    waiting: int = 0
    stage_secs: Mapping[str, float] = field(default_factory=dict)

    def facts(self) -> dict[str, float]:
        """All of it, flat, under names as metrics have them."""
        counts = {
            item.name: float(getattr(self, item.name))
            for item in fields(self)
            if item.name != "stage_secs"
        }
        return counts | {f"{stage}_secs": secs for stage, secs in self.stage_secs.items()}


class InferenceLoop:
    """Looks at what the cameras send, newest pictures first, and tells the sink who was there.

    Args:
        rings: of the cameras, by name.
        engine: the pack, opened.
        sink: takes the sightings.
        smallest_face_px: of cameras that were told one; the others choose by their height.
        settings: when sightings go out.
    """

    def __init__(
        self,
        rings: Mapping[str, RingReader],
        engine: VisionEngine,
        sink: SightingSink,
        *,
        smallest_face_px: Mapping[str, float] | None = None,
        settings: LiveSettings | None = None,
    ) -> None:
        self._engine = engine
        self._sink = sink
        self._settings = settings
        told = smallest_face_px or {}
        self._desks = {
            camera: _Desk(ring, engine.region_detector(smallest_face_px=told.get(camera)))
            for camera, ring in rings.items()
        }
        self._order = deque(self._desks)
        self._waiting: deque[tuple[LiveView, Pending]] = deque()
        self._progress = InferenceProgress()
        self._stage_secs = {"detect": 0.0, "follow": 0.0, "embed": 0.0}

    def run(self, stop: Stop) -> None:
        """Works until ``stop`` is set, then closes what is still being followed."""
        self.warm_up()
        while not stop.is_set():
            if not self.step():
                time.sleep(_IDLE_SECS)
        self.finish()

    def warm_up(self) -> None:
        """Lets the networks take the memory that they will need, the largest pieces first, so that
        it does not grow bit by bit, and the first face does not wait for it."""
        side = self._engine.pack.manifest.embedder_input.input_px
        for count in range(_EMBEDDED_A_TURN, 0, -1):
            self._engine.embedder.embed([np.zeros((side, side, 3), np.uint8)] * count)
        for desk in self._desks.values():
            desk.detector.detect(_black_frame(desk.ring.camera, *_WARM_UP_PX))
            break

    def step(self) -> int:
        """One turn: the newest picture of every camera that has one, and a few embeddings. Tells
        how many things it did; with 0 it is time for a pause."""
        done = 0
        self._order.rotate(-1)
        for camera in self._order:
            desk = self._desks[camera]
            message = desk.ring.take()
            if message is not None:
                self._look(camera, desk, message)
                done += 1
            elif desk.view is not None and time.monotonic() - desk.heard_at > _SILENT_SECS:
                self.reset(camera)
        busy = any(desk.ring.unread for desk in self._desks.values())
        return done + self._revise(_EMBEDDED_WHEN_BUSY if busy else _EMBEDDED_A_TURN)

    def reset(self, camera: str) -> None:
        """Closes everything followed on this camera; what comes has nothing to do with it."""
        desk = self._desks[camera]
        if desk.view is not None:
            self._wait(desk.view, desk.view.leave())
            desk.ring.tell(())
            desk.groups = desk.view.groups
            desk.view = None

    def finish(self) -> None:
        """Closes everything that is still being followed, on all cameras."""
        for camera in self._desks:
            self.reset(camera)
        while self._waiting:
            self._revise(_EMBEDDED_A_TURN)

    def progress(self) -> InferenceProgress:
        """What was done so far."""
        return replace(
            self._progress, waiting=len(self._waiting), stage_secs=dict(self._stage_secs)
        )

    def _look(self, camera: str, desk: _Desk, message: RegionFrame) -> None:
        if desk.generation != message.generation:
            self.reset(camera)
            desk.generation = message.generation
        if desk.view is None:
            desk.view = LiveView(
                camera,
                embedder=self._engine.embedder,
                framing=self._engine.pack.manifest.embedder_input.framing,
                live=self._settings,
                first_group=desk.groups,
            )
        desk.heard_at = time.monotonic()
        with self._timed("detect"):
            found = desk.detector.detect(message)
        with self._timed("follow"):
            self._wait(desk.view, desk.view.look(message, found))
            desk.ring.tell(desk.view.followed(message.captured_at))
        lag_secs = (datetime.now(UTC) - message.captured_at).total_seconds()
        before = self._progress
        self._progress = replace(
            before,
            looks=before.looks + 1,
            whole_looks=before.whole_looks + message.whole,
            faces=before.faces + len(found.faces),
            held=before.held + len(message.still),
            lag_secs=lag_secs,
            worst_lag_secs=max(lag_secs, before.worst_lag_secs),
        )

    def _wait(self, view: LiveView, due: list[Pending]) -> None:
        """Puts revisions in the line; if it is too long, early ones are given up, the oldest
        first."""
        self._waiting += ((view, pending) for pending in due)
        if len(self._waiting) <= _MOST_WAITING:
            return
        kept = [entry for entry in self._waiting if entry[1].closed]
        given_up = len(self._waiting) - len(kept)
        for _, pending in kept[_MOST_WAITING:]:
            pending.make_do()
        self._waiting = deque(kept)
        self._progress = replace(self._progress, given_up=self._progress.given_up + given_up)

    def _revise(self, most: int) -> int:
        """Makes the vectors of the next few revisions in one batch and hands these on."""
        if not self._waiting:
            return 0
        batch: list[tuple[LiveView, Pending]] = []
        count = 0
        while self._waiting and (not batch or count + len(self._waiting[0][1].missing) <= most):
            batch.append(self._waiting.popleft())
            count += len(batch[-1][1].missing)
        # two revisions of one sighting may ask for the same look
        samples = list({id(s): s for _, pending in batch for s in pending.missing}.values())
        with self._timed("embed"):
            vectors = self._engine.embedder.embed([sample.crop.pixels for sample in samples])
        for sample, vector in zip(samples, vectors, strict=True):
            sample.embedding = vector
        revisions = 0
        for number, (view, pending) in enumerate(batch):
            if not view.enough(pending):
                # its further looks come next, so that revisions of one sighting stay in order
                self._waiting.extendleft(reversed(batch[number:]))
                break
            for sighting in view.sightings(pending):
                self._sink.put(sighting)
                revisions += 1
        self._progress = replace(
            self._progress,
            embeddings=self._progress.embeddings + len(samples),
            revisions=self._progress.revisions + revisions,
        )
        return len(batch)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            self._stage_secs[stage] += time.thread_time() - began


@dataclass(slots=True)
class _Desk:
    """What belongs to one camera."""

    ring: RingReader
    detector: RegionDetector
    view: LiveView | None = None
    generation: int | None = None
    groups: int = 0
    heard_at: float = 0.0


def _black_frame(camera: str, width: int, height: int) -> RegionFrame:
    """A frame with nothing in it, whole."""
    area = Area(0, 0, width, height)
    return RegionFrame(
        camera=camera,
        generation=0,
        index=0,
        captured_at=EPOCH,
        width=width,
        height=height,
        whole=True,
        full_range=False,
        regions=(Region(area, np.full(area.pixels * 3 // 2, 128, np.uint8)),),
    )
