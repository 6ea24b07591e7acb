"""Looks for faces in parts of a frame: shrinks them, lays them side by side on one small picture of
a few fixed sizes, and brings what is found there back to the frame.

The parts are brought to the scale at which the smallest useful face is just wide enough for the
detector, straight from the decoder's planes: luma by area, chroma nearly as it is (at half size it
already has a sample a pixel), so colours are only ever made for the small picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.vision.detection import FaceDetector, YuNet
from sightgrid.vision.regions import Area, Region, RegionFrame, smallest_useful_face_px

# empty pixels between two parts, so that no face is seen across a seam
_GAP_PX = 8
_SIDE_MULTIPLE = 32
# a box that ends this near to a border of its part was cut by it, in pixels of the canvas
_CUT_PX = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """``faces`` in pixels of the frame, best first. ``cut``: faces that a border of a part (not of
    the frame) may have cut in two; they are no good look, but a place to look at next time."""

    faces: list[Detection]
    cut: list[Detection]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part lies on the canvas: its corner and its size there."""

    number: int
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of the parts on a canvas of width x height."""

    width: int
    height: int
    places: tuple[_Place, ...]


class RegionDetector:
    """Finds the faces of region frames.

    Args:
        detector: looks at canvases.
        face_on_canvas_px: the width that the smallest useful face gets on the canvas; without it,
            canvases are made at the frame's own scale.
        smallest_face_px: of the frames to come; ``None`` chooses by their height.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        face_on_canvas_px: float = math.inf,
        smallest_face_px: float | None = None,
    ) -> None:
        self._detector = detector
        self._face_on_canvas_px = face_on_canvas_px
        self._smallest_face_px = smallest_face_px

    def scale(self, width: int, height: int) -> float:
        """Canvas pixels for a pixel of a frame of width x height; nothing is enlarged for a
        detector that finds its own scale."""
        smallest = self._smallest_face_px or smallest_useful_face_px(min(width, height))
        if math.isinf(self._face_on_canvas_px):
            return 1.0
        return min(self._face_on_canvas_px / smallest, YuNet.MAX_ENLARGEMENT)

    def detect(self, frame: RegionFrame) -> Found:
        """The faces in the frame's regions."""
        if not frame.regions:
            return Found([], [])
        scale = self.scale(frame.width, frame.height)
        areas = [region.area for region in frame.regions]
        layout = lay_out(areas, scale=scale)
        canvas = _paint(layout, frame.regions, full_range=frame.full_range)
        faces: list[Detection] = []
        cut: list[Detection] = []
        for found in self._detector.detect(canvas):
            place = _place_of(layout, found.box)
            if place is None:
                continue
            area = areas[place.number]
            back = _brought_back(found, place, area)
            if _is_cut(found.box, place, area, frame.width, frame.height):
                cut.append(back)
            else:
                faces.append(back)
        return Found(faces, cut)


def lay_out(areas: Sequence[Area], *, scale: float) -> Layout:
    """Places the areas, shrunk by ``scale``, on the smallest canvas that a few tries find.

    Shelves: the tallest first, side by side, the next row below. Sides are multiples of 32, as
    YuNet needs them, and one of some thirty sizes a side, so that a network with fixed shapes is
    compiled for few of them.
    """
    sizes = [
        (max(round(area.width * scale), 1), max(round(area.height * scale), 1)) for area in areas
    ]
    order = sorted(range(len(areas)), key=lambda n: (-sizes[n][1], -sizes[n][0]))
    widest = max(width for width, _ in sizes)
    total = sum((width + _GAP_PX) * (height + _GAP_PX) for width, height in sizes)
    best: Layout | None = None
    # one row of all, a square, and shapes between
    row = sum(width + _GAP_PX for width, _ in sizes) - _GAP_PX
    for wish in (widest, math.sqrt(total), 1.4 * math.sqrt(total), 2.0 * math.sqrt(total), row):
        width = _side(max(wish, widest))
        layout = _shelves(sizes, order, width)
        if best is None or layout.width * layout.height < best.width * best.height:
            best = layout
    assert best is not None  # noqa: S101 - there was at least one wish
    return best


def _shelves(sizes: Sequence[tuple[int, int]], order: Sequence[int], width: int) -> Layout:
    places = []
    x = y = tallest = reach = 0
    for number in order:
        wide, tall = sizes[number]
        if x and x + wide > width:
            x, y, tallest = 0, y + tallest + _GAP_PX, 0
        places.append(_Place(number, x, y, wide, tall))
        reach = max(reach, x + wide)
        x += wide + _GAP_PX
        tallest = max(tallest, tall)
    return Layout(_side(reach), _side(y + tallest), tuple(places))


def _side(pixels: float) -> int:
    """The next side that canvases come in: steps of 32, and beyond 512 of 64."""
    step = _SIDE_MULTIPLE if pixels <= 512 else 2 * _SIDE_MULTIPLE
    if pixels > 512 and math.ceil(pixels / _SIDE_MULTIPLE) * _SIDE_MULTIPLE in _FRAME_SIDES:
        step = _SIDE_MULTIPLE
    return max(math.ceil(pixels / step) * step, _SIDE_MULTIPLE)


# sides of whole frames at the working scale of 1080p and 720p
_FRAME_SIDES = (544, 960)


def _paint(layout: Layout, regions: Sequence[Region], *, full_range: bool) -> Bytes:
    """The canvas, (H, W, 3) uint8 BGR, black where nothing lies."""
    canvas = np.zeros((layout.height, layout.width, 3), np.uint8)
    for place in layout.places:
        region = regions[place.number]
        canvas[place.top : place.top + place.height, place.left : place.left + place.width] = (
            shrunken(region, place.width, place.height, full_range=full_range)
        )
    return canvas


def shrunken(region: Region, width: int, height: int, *, full_range: bool) -> Bytes:
    """The region at width x height, (height, width, 3) uint8 BGR."""
    size = (width, height)
    shrinking = width < region.area.width
    luma = cv2.resize(
        region.luma, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    )
    planes = [luma]
    for plane in reversed(region.chroma):
        if (plane.shape[1], plane.shape[0]) == size:
            planes.append(plane)
        else:
            planes.append(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR))
    merged = cv2.merge(planes)
    if not full_range:
        # OpenCV reads YCrCb as full range; cameras mostly send television's
        merged = cv2.LUT(merged, _WIDENING)
    return cv2.cvtColor(merged, cv2.COLOR_YCrCb2BGR).astype(np.uint8, copy=False)


def _widening() -> Bytes:
    """Table from television's range to full: luma, red and blue difference, (256, 1, 3)."""
    levels = np.arange(256, dtype=np.float64)
    luma = (levels - 16) * 255 / 219
    chroma = 128 + (levels - 128) * 255 / 224
    table: Bytes = np.rint(np.stack([luma, chroma, chroma], axis=1)).clip(0, 255).astype(np.uint8)
    return table[:, None, :]


_WIDENING = _widening()


def _place_of(layout: Layout, box: Box) -> _Place | None:
    """The place that the centre of a box lies on."""
    x, y = box.centre
    for place in layout.places:
        if place.left <= x < place.left + place.width and place.top <= y < place.top + place.height:
            return place
    return None


def _brought_back(found: Detection, place: _Place, area: Area) -> Detection:
    """A detection on the canvas, in pixels of the frame."""
    step_x, step_y = area.width / place.width, area.height / place.height
    factor = np.array([step_x, step_y], np.float32)
    shift = np.array([area.left, area.top], np.float32) - factor * (place.left, place.top)
    box = found.box
    return Detection(
        box=Box(
            float(box.left * step_x + shift[0]),
            float(box.top * step_y + shift[1]),
            float(box.right * step_x + shift[0]),
            float(box.bottom * step_y + shift[1]),
        ),
        landmarks=(found.landmarks * factor + shift).astype(np.float32),
        score=found.score,
    )


def _is_cut(box: Box, place: _Place, area: Area, width: int, height: int) -> bool:
    """Whether the box reaches a border of its part where the frame goes on."""
    right, bottom = place.left + place.width, place.top + place.height
    return bool(
        (area.left > 0 and box.left < place.left + _CUT_PX)
        or (area.top > 0 and box.top < place.top + _CUT_PX)
        or (area.right < width // 2 * 2 and box.right > right - _CUT_PX)
        or (area.bottom < height // 2 * 2 and box.bottom > bottom - _CUT_PX)
    )
