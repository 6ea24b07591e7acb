"""A camera's process: connects, decodes, looks whether the picture is sound, packs, reports.

It goes on by itself through every fault that can be told from inside. What hangs, the supervisor
ends from outside.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import av.logging

from sightgrid.configuration.schedules import Span, watched
from sightgrid.configuration.settings import Network, Polygon
from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.domain.errors import SightgridError, StreamFault
from sightgrid.domain.locations import Location
from sightgrid.edge.packing import FramePacker, PackingSettings, planes_of
from sightgrid.edge.ring import RingSpec, RingWriter
from sightgrid.edge.states import CameraStatus, Retry, state_of
from sightgrid.edge.stills import StillTaker
from sightgrid.edge.urls import admit
from sightgrid.edge.views import load_view, save_view
from sightgrid.vision.conditions import ConditionTiming, ConditionWatch, Verdict
from sightgrid.vision.sources.arrival import Rhythm
from sightgrid.vision.sources.live import LiveFrame, LiveStream, Patience

REPORT_SECS = 0.5
HUNG_CODE = 75
"""The exit code of a process whose connection hangs and that must end to be rid of it."""
_LONG_GAP_NS = 2_000_000_000
_SMEARED_FOR_SECS = 60.0
_SAVE_VIEW_SECS = 600.0
# packets that wait longer could make the stream skip some
_LONGEST_REST_SECS = 0.5


class TellsTime(Protocol):
    """Turns the monotonic clock, which all processes of a machine share, into UTC."""

    def at(self, monotonic_ns: int) -> datetime: ...


@dataclass(frozen=True, slots=True)
class CameraOrder:
    """All that a camera's process must know; handed to it by a pipe, never on a command line.

    ``attempt`` is how often the process before it had tried in vain.
    """

    camera: str
    location: Location
    ring: RingSpec
    clock: TellsTime
    networks: tuple[Network, ...] = ()
    transport: str = "tcp"
    loop: bool = False
    masks: tuple[Polygon, ...] = ()
    schedule: tuple[Span, ...] = ()
    zone: tzinfo | None = None
    detections_per_sec: float = 5.0
    views: Path | None = None
    stills: Path | None = None
    patience: Patience = field(default_factory=Patience)
    timing: ConditionTiming = field(default_factory=ConditionTiming)
    attempt: int = 0


def run_camera(order: CameraOrder, link: Connection) -> None:
    """The process's whole life; ends when the supervisor says so or is gone."""
    # FFmpeg repeats addresses with their passwords in what it prints
    av.logging.set_level(None)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        os.environ.pop(name, None)
    # a terminal's Ctrl-C reaches every process; the supervisor alone decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        camera = _Camera(order, link)
        with suppress(_Stopped, BrokenPipeError, ConnectionResetError):
            camera.run()
    except Exception as error:  # noqa: BLE001 - a traceback could show the address
        link.send_bytes(_crashed(order, error).to_bytes())
        sys.exit(1)


class _Stopped(Exception):
    """No error: the supervisor wants the process to end."""


class _Camera:
    def __init__(self, order: CameraOrder, link: Connection) -> None:
        self._order = order
        self._link = link
        now = self._now()
        self._status = CameraStatus(
            order.camera, CameraState.STARTING, None, "", now, now, process=os.getpid()
        )
        self._retry = Retry(attempt=order.attempt)
        self._rhythm = Rhythm()
        self._ring = RingWriter.attach(order.ring)
        settings = PackingSettings(detections_per_sec=order.detections_per_sec, masks=order.masks)
        self._packer = FramePacker(self._ring, settings)
        self._watch = ConditionWatch(
            order.timing, usual=load_view(order.views, order.camera), masks=order.masks
        )
        self._stills = StillTaker(order.stills, order.camera, order.masks)
        self._transport = order.transport
        self._size: tuple[int, int] | None = None
        self._index = 0
        self._last_ns: int | None = None
        self._rest_until_ns = 0
        self._reported_ns = 0
        self._saved_ns = time.monotonic_ns()
        self._smeared_ns: int | None = None
        self._base = self._status

    def run(self) -> None:
        self._report()
        while True:
            if not self._is_wanted():
                self._turn(CameraState.PAUSED, Trouble.OUTSIDE_SCHEDULE, "its schedule says so")
                self._wait(1.0)
                continue
            try:
                self._connect_and_watch()
                continue
            except StreamFault as fault:
                trouble, reason = fault.trouble, _in_words(fault)
            except SightgridError as error:
                trouble, reason = Trouble.CRASHED, _in_words(error)
            if trouble is Trouble.DAMAGED:
                self._transport = "tcp"
            self._turn(state_of(trouble), trouble, reason)
            if trouble is Trouble.FILE_ENDED:
                while True:
                    self._wait(60.0)
            self._wait(self._retry.delay_secs(trouble))

    def _connect_and_watch(self) -> None:
        """Returns when the schedule ends; else ends by a fault."""
        order = self._order
        # while it was live or troubled a moment ago, that is still what is to be shown
        if self._status.state is CameraState.PAUSED:
            self._turn(CameraState.STARTING, None, "")
        self._status = replace(
            self._status, attempt=self._retry.attempt, connections=self._status.connections + 1
        )
        self._report()
        stream = LiveStream(
            admit(
                order.location,
                networks=order.networks,
                transport=self._transport,
                loop=order.loop,
            ),
            patience=order.patience,
            rhythm=self._rhythm,
        )
        self._base = self._status
        began_ns: int | None = None
        try:
            while self._is_wanted():
                frame = stream.next(REPORT_SECS, rest_until_ns=self._rest_until_ns)
                if frame is not None:
                    began_ns = began_ns or frame.taken_ns
                    self._see(frame, stream)
                self._count(stream)
                self._attend(0.0)
        finally:
            self._count(stream)
            self._save_view(at_once=False)
            if began_ns is not None:
                self._retry.was_live((time.monotonic_ns() - began_ns) / 1e9)
            if not stream.stop():
                self._turn(CameraState.OFFLINE, Trouble.HUNG, "the connection hangs")
                os._exit(HUNG_CODE)

    def _see(self, frame: LiveFrame, stream: LiveStream) -> None:
        picture = frame.picture
        self._index += 1
        size = (picture.width, picture.height)
        if size != self._size:
            if self._size is not None:
                self._watch.resized()
            self._size = size
            self._packer.resized(*size)
        gap = self._last_ns is not None and frame.taken_ns - self._last_ns > _LONG_GAP_NS
        if gap:
            self._packer.force()
        self._last_ns = frame.taken_ns
        captured_at = self._order.clock.at(frame.taken_ns)
        self._status = replace(self._status, last_frame=captured_at, codec=stream.codec)
        if self._packer.due_in_secs(captured_at) > 0:
            if self._status.state in (CameraState.STARTING, CameraState.OFFLINE):
                self._turn(CameraState.LIVE, None, "")
        else:
            self._look(frame, captured_at)
        # pictures that come before are decoded together with the one that is looked at
        rest_secs = min(self._packer.due_in_secs(captured_at), _LONGEST_REST_SECS)
        self._rest_until_ns = frame.taken_ns + round(rest_secs * 1e9)

    def _look(self, frame: LiveFrame, captured_at: datetime) -> None:
        picture = frame.picture
        luma, blue, red, _ = planes_of(picture)
        verdict = self._watch.look(luma, blue, red, frame.taken_ns / 1e9)
        if self._may_go_out(verdict):
            sent = self._packer.offer(picture, captured_at=captured_at, index=self._index)
            if sent:
                self._status = replace(self._status, sent=self._status.sent + 1)
            self._stills.offer(picture, captured_at=captured_at, moving=sent)
        else:
            self._status = replace(self._status, suspect=self._status.suspect + 1)
        self._show(verdict)
        self._reopen_if_smeared(verdict, frame.taken_ns)
        self._save_view(at_once=False)

    def _may_go_out(self, verdict: Verdict) -> bool:
        # on a view that has moved, masks cover the wrong places
        return verdict.usable and not (self._order.masks and verdict.trouble is Trouble.MOVED)

    def _show(self, verdict: Verdict) -> None:
        if verdict.trouble is None:
            self._turn(CameraState.LIVE, None, "")
            return
        reason = verdict.detail
        if verdict.trouble is Trouble.MOVED and self._order.masks:
            reason += "; nothing is recorded, as the masks no longer fit"
        self._turn(CameraState.IMPAIRED, verdict.trouble, reason)

    def _reopen_if_smeared(self, verdict: Verdict, at_ns: int) -> None:
        if verdict.trouble is not Trouble.SMEARED:
            self._smeared_ns = None
            return
        self._smeared_ns = self._smeared_ns or at_ns
        if (at_ns - self._smeared_ns) / 1e9 > _SMEARED_FOR_SECS:
            self._smeared_ns = None
            raise StreamFault(Trouble.DAMAGED, f"the picture stays smeared: {verdict.detail}")

    def _count(self, stream: LiveStream) -> None:
        """Adds this connection's counts to those of the ones before."""
        counts, base = stream.counts, self._base
        width, height = self._size or (0, 0)
        self._status = replace(
            self._status,
            width=width,
            height=height,
            fps=round(self._rhythm.fps, 2),
            packets=base.packets + counts.packets,
            frames=base.frames + counts.frames,
            skipped=base.skipped + counts.skipped,
            damaged=base.damaged + counts.damaged,
            received_bytes=base.received_bytes + counts.received_bytes,
        )

    # the supervisor

    def _turn(self, state: CameraState, trouble: Trouble | None, reason: str) -> None:
        before = self._status
        self._status = before.turned(state, trouble, reason, self._now())
        if (before.state, before.trouble) != (state, trouble):
            self._report()

    def _wait(self, secs: float) -> None:
        until = time.monotonic() + secs
        while (left := until - time.monotonic()) > 0:
            self._attend(min(left, REPORT_SECS))

    def _attend(self, secs: float) -> None:
        """Waits for a word of the supervisor, and reports when it is time to."""
        if self._link.poll(secs):
            # whatever it says, or if it is gone: there is one word only
            raise _Stopped
        if time.monotonic_ns() - self._reported_ns >= REPORT_SECS * 1e9:
            self._report()

    def _report(self) -> None:
        self._reported_ns = time.monotonic_ns()
        self._status = replace(self._status, at=self._now(), cpu_secs=round(time.process_time(), 3))
        self._link.send_bytes(self._status.to_bytes())

    def _now(self) -> datetime:
        return self._order.clock.at(time.monotonic_ns())

    def _is_wanted(self) -> bool:
        zone = self._order.zone
        return zone is None or watched(self._order.schedule, self._now(), zone)

    def _save_view(self, *, at_once: bool) -> None:
        now = time.monotonic_ns()
        if at_once or (now - self._saved_ns) / 1e9 > _SAVE_VIEW_SECS:
            self._saved_ns = now
            save_view(self._order.views, self._order.camera, self._watch.usual())


def _crashed(order: CameraOrder, error: Exception) -> CameraStatus:
    place = traceback.extract_tb(error.__traceback__)[-1]
    reason = f"unexpected {type(error).__name__} in {Path(place.filename).name}:{place.lineno}"
    if isinstance(error, SightgridError):
        reason = _in_words(error)
    now = order.clock.at(time.monotonic_ns())
    return CameraStatus(
        order.camera, CameraState.OFFLINE, Trouble.CRASHED, reason, now, now, process=os.getpid()
    )


def _in_words(error: SightgridError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)
