"""What a camera sends on of a frame: the parts worth looking at, as the decoder's own planes.

Planes are I420: luma (H, W), then two chroma planes (H/2, W/2), one byte a sample, BT.601. They
are half the size of BGR, and most of what is sent is only ever looked at shrunken, so colours are
made where they are needed: small for the detector, large for the few faces that are cut out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Box, Bytes


def smallest_useful_face_px(height: int) -> float:
    """The width of the smallest face worth looking for in a frame of this height, in its pixels.

    A 54th of the frame (20 px at 1080p), but never more than 24 px, as a 4K camera is bought to
    see more, nor less than 10 px, below which no network can tell people apart.
    """
    return min(max(height / 54.0, 10.0), 24.0)


@dataclass(frozen=True, slots=True, order=True)
class Area:
    """A rectangle of whole pixels of the source frame, its sides and corner even, as chroma has
    one sample for two by two pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def holds(self, box: Box) -> bool:
        """Whether the box lies wholly within."""
        return (
            self.left <= box.left
            and self.top <= box.top
            and box.right <= self.right
            and box.bottom <= self.bottom
        )

    def joined(self, other: Area) -> Area:
        """The least area around both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Area(
            left,
            top,
            max(self.right, other.right) - left,
            max(self.bottom, other.bottom) - top,
        )


def area_around(
    left: float, top: float, right: float, bottom: float, *, width: int, height: int
) -> Area | None:
    """The even area around a rectangle, cut to a frame of width x height; ``None`` if nothing of
    it lies in the frame."""
    across, down = width // 2 * 2, height // 2 * 2
    first_x, first_y = max(int(left), 0) // 2 * 2, max(int(top), 0) // 2 * 2
    last_x = min((int(np.ceil(right)) + 1) // 2 * 2, across)
    last_y = min((int(np.ceil(bottom)) + 1) // 2 * 2, down)
    if last_x <= first_x or last_y <= first_y:
        return None
    return Area(first_x, first_y, last_x - first_x, last_y - first_y)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of a frame. ``planes`` is uint8 (height * 3 / 2 * width,), I420."""

    area: Area
    planes: Bytes

    def __post_init__(self) -> None:
        area = self.area
        if area.left % 2 or area.top % 2 or area.width % 2 or area.height % 2:
            raise InvalidValue(f"a region needs even sides and corners, got {area}")
        if self.planes.shape != (area.pixels * 3 // 2,) or self.planes.dtype != np.uint8:
            raise InvalidValue(
                f"region of {area.width}x{area.height}: expected uint8 "
                f"({area.pixels * 3 // 2},), got {self.planes.dtype} {self.planes.shape}"
            )

    @property
    def luma(self) -> Bytes:
        """(H, W)."""
        return self.planes[: self.area.pixels].reshape(self.area.height, self.area.width)

    @property
    def chroma(self) -> tuple[Bytes, Bytes]:
        """The blue and the red difference, (H / 2, W / 2) each."""
        return chroma_of(self.planes, self.area)

    def part(self, area: Area) -> Region:
        """An area of the frame that lies wholly within this region, as a region of its own."""
        own = self.area
        left, top = area.left - own.left, area.top - own.top
        half = np.s_[top // 2 : (top + area.height) // 2, left // 2 : (left + area.width) // 2]
        blue, red = self.chroma
        luma = self.luma[top : top + area.height, left : left + area.width]
        return Region(area, np.concatenate([luma.ravel(), blue[half].ravel(), red[half].ravel()]))

    def bgr(self, *, full_range: bool) -> Bytes:
        """(H, W, 3) uint8 BGR at full size."""
        area = self.area
        planes = self.planes
        if full_range:
            # OpenCV knows I420 of television's range only, so the levels are brought to it
            planes = np.concatenate(
                [
                    cv2.LUT(planes[: area.pixels], _narrowing()[0]).ravel(),
                    cv2.LUT(planes[area.pixels :], _narrowing()[1]).ravel(),
                ]
            ).astype(np.uint8, copy=False)
        stacked = planes.reshape(area.height * 3 // 2, area.width)
        return cv2.cvtColor(stacked, cv2.COLOR_YUV2BGR_I420).astype(np.uint8, copy=False)


def chroma_of(planes: Bytes, area: Area) -> tuple[Bytes, Bytes]:
    """The two chroma planes of I420, (H / 2, W / 2) each."""
    quarter = area.pixels // 4
    shape = area.height // 2, area.width // 2
    return (
        planes[area.pixels : area.pixels + quarter].reshape(shape),
        planes[area.pixels + quarter : area.pixels + 2 * quarter].reshape(shape),
    )


@dataclass(frozen=True, slots=True, eq=False)
class RegionFrame:
    """The parts of one frame that are worth looking at; everything else is as it was.

    ``index`` counts the camera's decoded frames from 1. ``generation`` changes where the picture
    before says nothing about this one (another size, a restart): following begins anew.
    ``whole``: the one region is the whole frame, so a face not found in it is not there.
    ``still``: keys of followed faces (see :class:`FollowedFace`) where nothing has changed since
    they were last sent, so that no pixels are sent for them.
    """

    camera: str
    generation: int
    index: int
    captured_at: datetime
    width: int
    height: int
    whole: bool
    full_range: bool
    regions: tuple[Region, ...]
    still: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.captured_at.tzinfo is None:
            raise InvalidValue("captured_at needs a time zone")


@dataclass(frozen=True, slots=True)
class FollowedFace:
    """A face that is being followed: where it was at ``at_secs`` since the epoch, in pixels of the
    frame, and how fast it goes, in pixels a second. ``key`` names it for :attr:`RegionFrame.still`;
    0 is a place to look at whether anything changed there or not: a face that was not found just
    now, or half of one."""

    key: int
    at_secs: float
    left: float
    top: float
    right: float
    bottom: float
    speed_x: float
    speed_y: float

    def box_at(self, secs: float) -> tuple[float, float, float, float]:
        """Where it should be at a later moment; nobody is foretold for more than half a second."""
        ahead = min(max(secs - self.at_secs, 0.0), 0.5)
        across, down = self.speed_x * ahead, self.speed_y * ahead
        return self.left + across, self.top + down, self.right + across, self.bottom + down


def covering(areas: Iterable[Area], box: Box) -> Area | None:
    """The first area that holds the centre of the box."""
    centre_x, centre_y = box.centre
    for area in areas:
        if area.left <= centre_x < area.right and area.top <= centre_y < area.bottom:
            return area
    return None


@cache
def _narrowing() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Tables from full range to television's: luma 16-235, chroma 16-240."""
    levels = np.arange(256, dtype=np.float64)
    return (
        np.rint(16 + levels * 219 / 255).astype(np.uint8),
        np.rint(128 + (levels - 128) * 224 / 255).clip(0, 255).astype(np.uint8),
    )
