"""A box put together: cameras' processes, the inference process, and what watches over them."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from sightgrid.configuration import CameraSettings, Configuration
from sightgrid.domain.errors import SpoolFailed
from sightgrid.edge.board import StatusBoard
from sightgrid.edge.camera import HUNG_CODE, CameraOrder, run_camera
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.enrolment import Enrolment
from sightgrid.edge.inference import InferenceProgress
from sightgrid.edge.logs import Redactor, note, write_logs_to
from sightgrid.edge.metrics import BoxCollector, serve_metrics
from sightgrid.edge.ring import (
    Ring,
    RingCounts,
    RingReader,
    RingSpec,
    remove_stale_rings,
)
from sightgrid.edge.sightingfolder import SightingFolder
from sightgrid.edge.spool import GIB
from sightgrid.edge.spooling import SpoolOrder, SpoolSink, priority_of
from sightgrid.edge.states import CameraStatus
from sightgrid.edge.statusfile import remove_statuses, write_statuses
from sightgrid.edge.stills import remove_stale_stills, still_folder
from sightgrid.edge.supervisor import Post, Supervisor
from sightgrid.edge.uploading import UploadOrder, run_uploader

_BEAT_SECS = 0.5
_TICK_SECS = 0.25
_STATUS_SECS = 2.0
INFERENCE = "inference"
UPLOADER = "uploader"


@dataclass(frozen=True, slots=True)
class InferenceOrder:
    """All that the inference process must know."""

    pack: str
    rings: tuple[RingSpec, ...]
    sightings: Path
    embedding: str | None = None
    spool: SpoolOrder | None = None


class Box:
    """The cameras of a configuration, from pictures to sightings.

    They go to a server by way of the spool, or into a folder if there is no ``uplink``.

    Args:
        name: of this box; a camera that names another box is left to it.
        uplink: the server, if the box is enrolled at one.
        clock: this machine's, if not given.
        embedding: what runs the embedder, a :class:`sightgrid.vision.onnx.Runtime`; the fastest
            that is installed, if not given.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        name: str | None = None,
        uplink: Enrolment | None = None,
        clock: BoxClock | None = None,
        embedding: str | None = None,
    ) -> None:
        self._configuration = configuration
        self._clock = clock or BoxClock.anchored()
        self._embedding = embedding
        self._cameras = [c for c in configuration.cameras if c.enabled and c.box in (None, name)]
        self._inference: dict[str, float] = {}
        # children must not find secrets in the environment they are given
        for variable in configuration.secret_variables:
            os.environ.pop(variable, None)
        remove_stale_rings()
        remove_stale_stills()
        # without a server nobody looks
        self._stills = None if uplink is None else still_folder()
        self._rings = {camera.name: Ring.create(camera.name) for camera in self._cameras}
        self.board = StatusBoard(self._rings, self._now)
        posts = [self._camera_post(camera) for camera in self._cameras]
        self._uplink = uplink
        self._upload: dict[str, object] = {}
        uploader = [] if uplink is None else [self._uploader_post(uplink)]
        self.supervisor = Supervisor([self._inference_post(), *posts, *uploader])
        self._close_metrics: Callable[[], None] | None = None

    def run(
        self,
        is_over: Callable[[], bool],
        *,
        on_change: Callable[[list[CameraStatus]], None] | None = None,
    ) -> None:
        """Works until ``is_over``; then lets what is followed be closed, and stops all."""
        metrics = self._configuration.box.metrics
        try:
            if metrics is not None:
                self._close_metrics = serve_metrics(self._collector(), metrics)
            note(logging.INFO, "box-started", cameras=len(self._cameras))
            told: list[tuple[str, str]] = []
            written = 0.0
            while not is_over():
                self.supervisor.tick(_TICK_SECS)
                statuses = self.board.statuses()
                states = [(s.camera, f"{s.state} {s.trouble}") for s in statuses]
                if states != told or time.monotonic() - written > _STATUS_SECS:
                    written = time.monotonic()
                    write_statuses(self._configuration.box.data_folder, statuses)
                if on_change is not None and states != told:
                    on_change(statuses)
                told = states
        finally:
            self.close()

    def close(self) -> None:
        """Stops all processes, the inference process last, and gives the memory back."""
        # it closes what is followed; what the spool holds then is sent at the next start
        self.supervisor.stop(last=[INFERENCE])
        if self._close_metrics is not None:
            self._close_metrics()
            self._close_metrics = None
        for ring in self._rings.values():
            ring.remove()
        if self._stills is not None:
            shutil.rmtree(self._stills, ignore_errors=True)
        remove_statuses(self._configuration.box.data_folder)
        note(logging.INFO, "box-stopped")

    def ring_counts(self) -> dict[str, RingCounts]:
        """What went through the cameras' rings so far; after the end, what had."""
        return {name: ring.counts() for name, ring in self._rings.items()}

    def inference_facts(self) -> dict[str, float]:
        """What the inference process told of itself last."""
        return dict(self._inference)

    @property
    def sightings(self) -> Path:
        """The folder that sightings go to."""
        return self._configuration.box.data_folder / "sightings"

    def _camera_post(self, camera: CameraSettings) -> Post:
        settings = self._configuration

        def brief() -> tuple[object, ...]:
            order = CameraOrder(
                camera=camera.name,
                location=camera.url,
                ring=self._rings[camera.name].spec,
                clock=self._clock,
                networks=settings.box.networks,
                transport=camera.transport,
                loop=camera.loop,
                masks=camera.masks,
                schedule=camera.schedule,
                zone=settings.site.zone,
                detections_per_sec=camera.detections_per_sec,
                views=settings.box.data_folder / "views",
                stills=self._stills,
                attempt=self.board.attempt(camera.name),
            )
            return (order,)

        def ended(how: str, code: int) -> None:
            self.board.ended(camera.name, "its connection hung" if code == HUNG_CODE else how)

        return Post(camera.name, run_camera, brief, self.board.heard, ended, after=INFERENCE)

    def _inference_post(self) -> Post:
        order = InferenceOrder(
            pack=self._configuration.recognition.pack,
            rings=tuple(ring.spec for ring in self._rings.values()),
            sightings=self.sightings,
            embedding=self._embedding,
            spool=None if self._uplink is None else self._spool_order(self._uplink),
        )

        def heard(message: bytes) -> bool:
            before = self._inference.get("steps")
            self._inference = json.loads(message)
            return self._inference.get("steps") != before

        return Post(
            INFERENCE,
            run_inference,
            lambda: (order,),
            heard,
            lambda how, code: None,
            final_codes=frozenset({SpoolFailed.exit_code}),
        )

    def _spool_order(self, uplink: Enrolment) -> SpoolOrder:
        box = self._configuration.box
        return SpoolOrder(
            path=box.data_folder / uplink.spool_name,
            box_id=uplink.box_id,
            server_key=uplink.server_key,
            clock=self._clock,
            priorities={camera.name: priority_of(camera.purposes) for camera in self._cameras},
            limit_bytes=round(box.spool_gib * GIB),
        )

    def _uploader_post(self, uplink: Enrolment) -> Post:
        folder = self._configuration.box.data_folder
        limit_bytes = self._spool_order(uplink).limit_bytes
        order = UploadOrder(folder, uplink, self._clock, limit_bytes, self._stills)

        def heard(message: bytes) -> bool:
            before = self._upload
            self._upload = json.loads(message)
            if self._upload.get("state") != before.get("state"):
                told = {key: self._upload.get(key) for key in ("state", "reason", "pending")}
                note(logging.INFO, "upload-state", **told)
            return self._upload.get("turns") != before.get("turns")

        return Post(
            UPLOADER,
            run_uploader,
            lambda: (order,),
            heard,
            lambda how, code: None,
            final_codes=frozenset({SpoolFailed.exit_code}),
        )

    def upload_facts(self) -> dict[str, object]:
        """What the uploader told of itself last; empty without a server."""
        return dict(self._upload)

    def _collector(self) -> BoxCollector:
        return BoxCollector(
            statuses=self.board.statuses,
            rings=self.ring_counts,
            restarts=lambda: dict(self.supervisor.restarts),
            inference=self.inference_facts,
            upload=self.upload_facts,
            all_down=lambda: self.board.all_down,
        )

    def _now(self) -> datetime:
        return self._clock.at(time.monotonic_ns())


def run_inference(order: InferenceOrder, link: Connection) -> None:
    """The inference process's whole life."""
    from sightgrid.edge.inference import InferenceLoop
    from sightgrid.vision.engine import open_vision
    from sightgrid.vision.onnx import Runtime

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    write_logs_to(sys.stderr, Redactor())
    readers = {spec.camera: RingReader.attach(spec) for spec in order.rings}
    # one thread looks at everything, so one call at a time
    runtime = None if order.embedding is None else Runtime(order.embedding)
    engine = open_vision(order.pack, calls=1, embedding=runtime)
    if order.spool is None:
        loop = InferenceLoop(readers, engine, SightingFolder(order.sightings))
        loop.run(_Beat(link, loop.progress))
        return
    try:
        sink = SpoolSink(order.spool)
        loop = InferenceLoop(readers, engine, sink)
        loop.run(_Beat(link, loop.progress))
        sink.close()
    except SpoolFailed as error:
        note(logging.CRITICAL, "spool-failed", reason=str(error))
        sys.exit(SpoolFailed.exit_code)


class _Beat:
    """Asked before every turn whether to end, and reports what was done so far."""

    def __init__(self, link: Connection, progress: Callable[[], InferenceProgress]) -> None:
        self._link = link
        self._progress = progress
        self._steps = 0
        self._told = 0.0

    def is_set(self) -> bool:
        self._steps += 1
        now = time.monotonic()
        try:
            if now - self._told >= _BEAT_SECS:
                self._told = now
                facts = self._progress().facts() | {
                    "steps": self._steps,
                    "pid": os.getpid(),
                    "cpu_secs": round(time.process_time(), 3),
                }
                self._link.send_bytes(json.dumps(facts).encode())
            return self._link.poll()
        except OSError:
            return True  # the supervisor is gone
