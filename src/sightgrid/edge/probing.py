"""Tries a camera's address for some seconds: what it sends, or why it fails; or one picture of it.

In a process of its own, which is ended if it hangs.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection

import av.logging
import cv2
import numpy as np

from sightgrid.configuration.settings import Network, Polygon
from sightgrid.domain.cameras import Trouble
from sightgrid.domain.errors import SightgridError, SourceError, StreamFault
from sightgrid.domain.locations import Location
from sightgrid.edge.packing import planes_of
from sightgrid.edge.urls import admit
from sightgrid.vision.conditions import ConditionWatch
from sightgrid.vision.sources.live import LiveStream, Patience
from sightgrid.vision.sources.recordings import upright

_OPEN_SECS = 45.0
_LOOKS_PER_SEC = 2.0
_SPAWN = get_context("spawn")


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """What to try, and for how long once pictures come. ``picture``: only bring one back, as a
    file of this ``suffix``, with the masks painted over."""

    location: Location
    networks: tuple[Network, ...] = ()
    transport: str = "tcp"
    secs: float = 10.0
    pack: str = "default"
    picture: str | None = None
    masks: tuple[Polygon, ...] = ()
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a camera sent. ``faces`` is the most at once, ``trouble`` what is wrong with its
    pictures; ``connect_secs`` until the first."""

    codec: str
    width: int
    height: int
    fps: float
    frames: int
    damaged: int
    faces: int
    connect_secs: float
    trouble: Trouble | None
    reason: str


def probe(order: ProbeOrder) -> ProbeResult:
    """Raises:
    StreamFault: no picture could be had, and why.
    """
    found = json.loads(_ask(order))
    _raise_if_failed(found)
    found["trouble"] = None if found["trouble"] is None else Trouble(found["trouble"])
    return ProbeResult(**found)


def take_picture(order: ProbeOrder) -> bytes:
    """One picture, encoded as ``order.picture`` says.

    Raises:
        StreamFault: no picture could be had, and why.
    """
    answer = _ask(order)
    if answer[:1] == b"{":
        _raise_if_failed(json.loads(answer))
    return answer


def _ask(order: ProbeOrder) -> bytes:
    ours, theirs = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_probe, args=(order, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if ours.poll(_OPEN_SECS + order.secs):
            return ours.recv_bytes()
    except EOFError:
        raise SourceError(f"{order.location}: looking at it ended unexpectedly") from None
    finally:
        process.kill()
        process.join()
        ours.close()
    raise StreamFault(
        Trouble.HUNG,
        f"{order.location}: the connection hangs",
        hint="is the camera's limit of connections reached?",
    )


def _raise_if_failed(found: Mapping[str, object]) -> None:
    if "failed" in found:
        hint = found["hint"]
        message = str(found["message"])
        shown = None if hint is None else str(hint)
        if found["failed"] is None:
            raise SourceError(message, hint=shown)
        raise StreamFault(Trouble(str(found["failed"])), message, hint=shown)


def _probe(order: ProbeOrder, link: Connection) -> None:
    """The process's whole life."""
    av.logging.set_level(None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        link.send_bytes(_picture(order) if order.picture is not None else _look(order))
    except SightgridError as error:
        trouble = error.trouble.value if isinstance(error, StreamFault) else None
        failed = {"failed": trouble, "message": str(error), "hint": error.hint}
        link.send_bytes(json.dumps(failed).encode())
    # what hangs in FFmpeg must not keep the process
    os._exit(0)


def _open(order: ProbeOrder) -> LiveStream:
    return LiveStream(
        admit(order.location, networks=order.networks, transport=order.transport, loop=True),
        patience=order.patience,
    )


def _look(order: ProbeOrder) -> bytes:
    from sightgrid.vision.engine import open_vision

    detector = open_vision(order.pack, calls=1).detector
    began = time.monotonic()
    stream = _open(order)
    first = None
    while first is None:
        first = stream.next(0.5)
    connect_secs = time.monotonic() - began
    watch = ConditionWatch()
    until, looked = time.monotonic() + order.secs, 0.0
    frames = faces = 0
    trouble, reason = None, ""
    picture = first.picture
    began_counting, packets = time.monotonic(), stream.counts.packets
    while time.monotonic() < until:
        frame = stream.next(0.5)
        if frame is None:
            continue
        frames += 1
        picture = frame.picture
        if time.monotonic() - looked < 1.0 / _LOOKS_PER_SEC:
            continue
        looked = time.monotonic()
        verdict = watch.look(*planes_of(picture)[:3], frame.taken_ns / 1e9)
        trouble, reason = verdict.trouble, verdict.detail
        faces = max(faces, len(detector.detect(upright(picture))))
    fps = (stream.counts.packets - packets) / (time.monotonic() - began_counting)
    return json.dumps(
        {
            "codec": stream.codec,
            "width": picture.width,
            "height": picture.height,
            "fps": round(fps, 1),
            "frames": frames,
            "damaged": stream.counts.damaged,
            "faces": faces,
            "connect_secs": round(connect_secs, 2),
            "trouble": None if trouble is None else trouble.value,
            "reason": reason,
        }
    ).encode()


def _picture(order: ProbeOrder) -> bytes:
    stream = _open(order)
    frame = None
    while frame is None:
        frame = stream.next(0.5)
    pixels = upright(frame.picture).copy()
    height, width = pixels.shape[:2]
    for mask in order.masks:
        corners = [[round(x * width), round(y * height)] for x, y in mask]
        cv2.fillPoly(pixels, [np.array(corners, np.int32)], (0, 0, 0))
    done, encoded = cv2.imencode(order.picture or ".jpg", pixels)
    if not done:
        raise SourceError(f"{order.location}: the picture can't be encoded")
    return encoded.tobytes()
