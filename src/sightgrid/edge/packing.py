"""Decides, in the camera's process, which frames go out and which parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import av
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Bytes
from sightgrid.edge.ring import RingWriter
from sightgrid.vision.motion import MotionGate, MotionSettings, Polygon, mask_of, merged
from sightgrid.vision.regions import Area, chroma_of

# decoders' names for 8-bit planes with one chroma sample for two by two pixels
_PLANAR = {"yuv420p": False, "yuvj420p": True}


@dataclass(frozen=True, slots=True)
class PackingSettings:
    """``detections_per_sec``: how often faces are looked for. ``masks``: polygons that nobody may
    look into, each a tuple of (x, y) in fractions 0-1 of the frame. ``smallest_face_px``: width of
    the smallest face worth looking for; ``None`` chooses by the frame's height. ``motion``: when a
    part of the frame is worth looking at; ``None``: every frame goes out whole."""

    detections_per_sec: float = 5.0
    masks: tuple[Polygon, ...] = ()
    smallest_face_px: float | None = None
    motion: MotionSettings | None = field(default_factory=MotionSettings)

    def __post_init__(self) -> None:
        if not 0.1 <= self.detections_per_sec <= 60:
            raise InvalidValue(
                f"detections_per_sec: {self.detections_per_sec} is not between 0.1 and 60"
            )
        for mask in self.masks:
            if len(mask) < 3:
                raise InvalidValue(f"masks: a polygon needs three corners or more, got {mask}")


class FramePacker:
    """Takes every decoded frame of one camera and sends on what is worth looking at."""

    def __init__(self, ring: RingWriter, settings: PackingSettings) -> None:
        self._ring = ring
        self._settings = settings
        self._size: tuple[int, int] | None = None
        self._gate: MotionGate | None = None
        self._hidden: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None
        self._next_due: float | None = None
        self._sent: tuple[Area, ...] = ()
        self._forced = True

    def resized(self, width: int, height: int) -> None:
        """Frames come in this size from now on; called before the first frame, too.

        Raises:
            RingError: they are too large, or the machine has no shared memory left.
        """
        self._size = (width, height)
        self._ring.resized(width, height)
        even = (width // 2 * 2, height // 2 * 2)
        settings = self._settings
        if settings.motion is not None:
            self._gate = MotionGate(
                *even,
                smallest_face_px=settings.smallest_face_px,
                masks=settings.masks,
                settings=settings.motion,
            )
        self._hidden = _hidden(settings.masks, *even) if settings.masks else None
        self._sent = ()
        self._forced = True

    def force(self) -> None:
        """The next frame goes out at once, and whole."""
        self._forced = True

    def due_in_secs(self, captured_at: datetime) -> float:
        """How long after this moment the detection rate would let a frame out; 0 and less: now."""
        if self._forced or self._next_due is None:
            return 0.0
        # frames never come quite on time, and a little early is better than a frame late
        early = 0.05 / self._settings.detections_per_sec
        return self._next_due - early - captured_at.timestamp()

    def offer(self, frame: av.VideoFrame, *, captured_at: datetime, index: int) -> bool:
        """Sends the frame's parts worth looking at, if it is time to; tells whether it did.

        Never waits: the newest wins, and a message nobody took in time is replaced and counted.
        """
        if self.due_in_secs(captured_at) > 0:
            return False
        self._set_next_due(captured_at.timestamp())
        if (frame.width, frame.height) != self._size:
            self.resized(frame.width, frame.height)
        luma, blue, red, full_range = planes_of(frame)
        areas, whole, still = self._choose(luma, captured_at.timestamp())
        if not areas and self._ring.unread:
            # "nothing to see" must not take the place of something
            self._ring.hold_back()
            return False
        with self._ring.message(
            areas,
            index=index,
            captured_at=captured_at,
            width=luma.shape[1],
            height=luma.shape[0],
            whole=whole,
            full_range=full_range,
            still=still,
        ) as parts:
            for area, planes in zip(areas, parts, strict=True):
                _fill(planes, area, luma, blue, red)
                if self._hidden is not None:
                    _paint(planes, area, self._hidden, black=0 if full_range else 16)
        self._sent = areas
        self._forced = False
        return bool(areas)

    def _choose(
        self, luma: Bytes, at_secs: float
    ) -> tuple[tuple[Area, ...], bool, tuple[int, ...]]:
        """The areas to send, whether that is the whole frame, and what is still."""
        all_of_it = Area(0, 0, luma.shape[1], luma.shape[0])
        if self._gate is None:
            return (all_of_it,), True, ()
        if self._forced:
            self._gate.look_whole_next()
        glance = self._gate.look(luma, at_secs=at_secs, followed=self._ring.followed())
        if glance.cut:
            self._ring.begin_anew()
        if glance.whole or not glance.areas or not self._ring.unread:
            return glance.areas, glance.whole, glance.still
        # nobody looked at what was sent last, and it is about to be replaced
        areas = merged([*glance.areas, *self._sent], width=all_of_it.width, height=all_of_it.height)
        return areas, areas == (all_of_it,), glance.still

    def _set_next_due(self, now: float) -> None:
        interval = 1.0 / self._settings.detections_per_sec
        if self._next_due is None or abs(now - self._next_due) >= interval:
            self._next_due = now
        self._next_due += interval


def planes_of(frame: av.VideoFrame) -> tuple[Bytes, Bytes, Bytes, bool]:
    """Luma (H, W), blue and red difference (H / 2, W / 2) and whether levels use the full range.

    Without a copy where the decoder gives 4:2:0 planes, as nearly all do. They belong to the
    decoder, which still predicts from them: never write to them. An odd last row or column is
    left out.
    """
    name = frame.format.name
    full_range = frame.color_range == 2 or name == "yuvj420p"  # AVCOL_RANGE_JPEG
    if name not in _PLANAR:
        frame = frame.reformat(format="yuv420p", dst_color_range="MPEG")
        full_range = False
    width, height = frame.width // 2 * 2, frame.height // 2 * 2
    luma, blue, red = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        for plane in frame.planes
    )
    return (
        luma[:height, :width],
        blue[: height // 2, : width // 2],
        red[: height // 2, : width // 2],
        full_range,
    )


def _fill(planes: Bytes, area: Area, luma: Bytes, blue: Bytes, red: Bytes) -> None:
    """Copies an area of the frame's planes into ``planes``, (pixels * 3 / 2,) uint8."""
    planes[: area.pixels].reshape(area.height, area.width)[:] = luma[
        area.top : area.bottom, area.left : area.right
    ]
    half = np.s_[area.top // 2 : area.bottom // 2, area.left // 2 : area.right // 2]
    for target, source in zip(chroma_of(planes, area), (blue, red), strict=True):
        target[:] = source[half]


def _hidden(
    masks: Sequence[Polygon], width: int, height: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the masks lie on the luma plane, and on the chroma planes."""
    luma = mask_of(masks, width, height)
    halves = luma.reshape(height // 2, 2, width // 2, 2)
    return luma, np.asarray(halves.any(axis=(1, 3)), np.bool_)


def _paint(
    planes: Bytes, area: Area, hidden: tuple[NDArray[np.bool_], NDArray[np.bool_]], *, black: int
) -> None:
    """Blackens what the masks cover of an area's planes."""
    luma, chroma = hidden
    covered = luma[area.top : area.bottom, area.left : area.right]
    if not covered.any():
        return
    planes[: area.pixels].reshape(area.height, area.width)[covered] = black
    half = chroma[area.top // 2 : area.bottom // 2, area.left // 2 : area.right // 2]
    for plane in chroma_of(planes, area):
        plane[half] = 128


def as_polygons(corners: Sequence[Sequence[float]]) -> tuple[Polygon, ...]:
    """Polygons from flat lists ``[x, y, x, y, ...]`` of fractions, as settings write them.

    Raises:
        InvalidValue: an odd count, fewer than three corners, or a fraction beyond 0-1.
    """
    polygons = []
    for flat in corners:
        if len(flat) % 2 or len(flat) < 6 or not all(0.0 <= value <= 1.0 for value in flat):
            raise InvalidValue(
                f"masks: {list(flat)} is no polygon",
                hint="write three corners or more as x, y, x, y, ... in fractions 0-1",
            )
        polygons.append(tuple(zip(flat[::2], flat[1::2], strict=True)))
    return tuple(polygons)
