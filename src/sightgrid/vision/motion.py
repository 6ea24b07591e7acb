"""Which parts of a frame are worth looking at: what has changed since a face could last be seen.

Works on the decoder's luma plane averaged to cells of a few pixels, so a look costs a fraction of
a millisecond. Each cell is compared with what the detector saw there last, not with the frame
before: slow movers add up until they are noticed, and what has been looked at is old news. A cell
that changes all the time (a tree, a screen, noise) raises its own threshold. A change of all cells
alike (a lamp, a cloud, the flicker of tubes, the pulse of a key frame) is taken off first; a change
of most of them asks for a look at the whole frame.

Faces that are being followed are always looked at, moving or not, unless nothing at all changed
there; and now and then the whole frame is, so that nobody who sits still is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision.regions import (
    Area,
    FollowedFace,
    area_around,
    smallest_useful_face_px,
)

Cells = NDArray[np.uint8]
Polygon = tuple[tuple[float, float], ...]

# more parts than this are the whole frame
MAX_AREAS = 48


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """When a cell counts as changed, and how often more than that is looked at.

    ``change``: least difference of luma, in levels of 255. ``noise_factor``: a cell's own usual
    difference times this is the threshold, where that is more; never above ``largest_change``.
    ``whole_secs``: longest time between looks at the whole frame. ``discover_secs``: how often a
    moving part in which a face is already followed is searched whole for another; a moving part
    without any is searched at once. ``still_secs``: longest time that a followed face is not looked
    at, as nothing changed there. ``scene_share``: if more of the frame changed than this, the
    whole of it is looked at; below a correlation of ``same_scene`` it is another scene.
    ``learning``: weight of one look in what a cell usually does.
    """

    change: float = 9.0
    noise_factor: float = 3.5
    largest_change: float = 24.0
    whole_secs: float = 2.0
    discover_secs: float = 0.4
    still_secs: float = 1.0
    scene_share: float = 0.5
    same_scene: float = 0.6
    learning: float = 0.05


@dataclass(frozen=True, slots=True)
class Glance:
    """What one frame asks for. ``areas`` are to be looked at, apart from each other; ``whole`` says
    that the one area is the whole frame; ``still`` are the keys of followed faces where nothing has
    changed; ``moving`` is the share of the frame's cells that changed, 0-1. ``cut``: it is another
    picture altogether, so nothing that was followed can be followed on."""

    areas: tuple[Area, ...]
    whole: bool
    still: tuple[int, ...]
    moving: float
    cut: bool = False


@dataclass(slots=True)
class MotionGate:
    """Watches one camera's luma. Frames must come in order of time and in one size.

    Args:
        width, height: of the frames, even.
        smallest_face_px: width of the smallest face worth finding; ``None``: by the height.
        masks: polygons in fractions of the frame where nobody may look.
    """

    width: int
    height: int
    smallest_face_px: float | None = None
    masks: tuple[Polygon, ...] = ()
    settings: MotionSettings = field(default_factory=MotionSettings)
    _cell_px: int = 8
    _reference: Floats | None = None
    _noise: Floats | None = None
    _hidden: NDArray[np.bool_] | None = None
    _watched: int = 1
    _sample: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    _whole_at: float = -1e9
    _discovered_at: float = -1e9
    _looked_at: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        smallest = self.smallest_face_px or smallest_useful_face_px(min(self.width, self.height))
        # a face must cover two cells and a half, or its motion drowns in the average
        self._cell_px = 8 if smallest >= 18 else 4 if smallest >= 9 else 2
        rows, columns = self._shape
        self._hidden = mask_of(self.masks, columns, rows) if self.masks else None
        shown = np.ones(rows * columns, bool) if self._hidden is None else ~self._hidden.ravel()
        self._watched = int(shown.sum())
        self._sample = np.flatnonzero(shown)[::7]

    @property
    def _shape(self) -> tuple[int, int]:
        """Rows and columns of cells; what is left over at the edges belongs to the last ones."""
        return max(self.height // self._cell_px, 1), max(self.width // self._cell_px, 1)

    def look_whole_next(self) -> None:
        """The whole of the next frame is looked at."""
        self._whole_at = -1e9

    def look(self, luma: Bytes, *, at_secs: float, followed: Sequence[FollowedFace] = ()) -> Glance:
        """What of this frame is to be looked at; it is taken that it then will be.

        Args:
            luma: (height, width) uint8, only read. at_secs: its time since the epoch.
            followed: faces that are being followed.
        """
        cells = self._cells_of(luma)
        changed, share = self._compare(cells)
        whole_due = at_secs - self._whole_at >= self.settings.whole_secs
        if changed is None or whole_due or share > self.settings.scene_share:
            cut = share > self.settings.scene_share and self._is_another_scene(cells)
            return self._whole(cells, at_secs, share, cut=cut)
        keep, still = self._faces(changed, followed, at_secs)
        moving = self._spread(changed)
        if at_secs - self._discovered_at >= self.settings.discover_secs - 1e-3:
            self._discovered_at = at_secs
        else:
            self._leave_known(moving, followed, at_secs)
        areas = merged([*keep, *self._blobs(moving)], width=self.width, height=self.height)
        self._see(cells, areas)
        return Glance(areas, False, still, share)

    def _cells_of(self, luma: Bytes) -> Floats:
        """The picture in cells, masks painted, (rows, columns) float32."""
        rows, columns = self._shape
        # every second row is enough for an average over eight, and halves the time
        thinned = luma[::2] if self._cell_px == 8 else luma
        small = cv2.resize(thinned, (columns, rows), interpolation=cv2.INTER_AREA)
        if self._hidden is not None:
            small[self._hidden] = 0
        blurred = cv2.blur(small, (3, 3)).astype(np.float32)
        if self._hidden is not None:
            blurred[self._hidden] = 0.0
        return blurred

    def _compare(self, cells: Floats) -> tuple[Cells | None, float]:
        """Cells that changed, (rows, columns) uint8 0 or 1, and their share; ``None`` for the
        first frame."""
        if self._reference is None or self._noise is None:
            self._reference = cells.copy()
            self._noise = np.full(cells.shape, 1.0, np.float32)
            return None, 1.0
        apart = cells - self._reference
        shift = float(np.median(apart.ravel()[self._sample])) if self._sample.size else 0.0
        if abs(shift) > 0.5:
            # what all cells have in common is light, not motion
            self._reference += shift
            if self._hidden is not None:
                self._reference[self._hidden] = 0.0
            apart = cells - self._reference
        size = np.abs(apart)
        set_ = self.settings
        threshold = np.clip(set_.noise_factor * self._noise, set_.change, set_.largest_change)
        changed = (size > threshold).astype(np.uint8)
        # a lone cell is a speck of noise or compression
        changed = cv2.morphologyEx(changed, cv2.MORPH_OPEN, _TWO).astype(np.uint8, copy=False)
        quiet = changed == 0
        self._noise += set_.learning * (np.minimum(size, set_.largest_change / 2) - self._noise)
        self._reference += np.where(quiet, set_.learning, 0.0).astype(np.float32) * apart
        return changed, float(np.count_nonzero(changed)) / max(self._watched, 1)

    def _is_another_scene(self, cells: Floats) -> bool:
        """Whether a large change is more than one of light: the two pictures are not alike."""
        assert self._reference is not None  # noqa: S101 - set by the comparison just before
        one, other = self._reference - self._reference.mean(), cells - cells.mean()
        length = float(np.linalg.norm(one) * np.linalg.norm(other))
        return length < 1e-6 or float(np.sum(one * other)) / length < self.settings.same_scene

    def _whole(self, cells: Floats, at_secs: float, share: float, *, cut: bool) -> Glance:
        self._reference = cells.copy()
        self._whole_at = self._discovered_at = at_secs
        self._looked_at = dict.fromkeys(self._looked_at, at_secs)
        area = Area(0, 0, self.width // 2 * 2, self.height // 2 * 2)
        return Glance((area,), True, (), share, cut=cut)

    def _faces(
        self, changed: Cells, followed: Sequence[FollowedFace], at_secs: float
    ) -> tuple[list[Area], tuple[int, ...]]:
        """Areas around the followed faces, and the keys of those where nothing changed."""
        areas: list[Area] = []
        still: list[int] = []
        looked_at: dict[int, float] = {}
        for face in followed:
            left, top, right, bottom = face.box_at(at_secs)
            across, down = right - left, bottom - top
            seen_at = self._looked_at.get(face.key)
            if (
                face.key
                and seen_at is not None
                and at_secs - seen_at < self.settings.still_secs - 1e-3
                and not self._any(changed, left, top, right, bottom, margin=0.25 * across)
            ):
                still.append(face.key)
                looked_at[face.key] = seen_at
                continue
            # room to move, and for the crop, which shows more than the box
            side = 0.6 * across + 0.1 * abs(face.speed_x)
            above = 0.5 * down + 0.1 * abs(face.speed_y)
            area = area_around(
                left - side,
                top - above,
                right + side,
                bottom + above,
                width=self.width,
                height=self.height,
            )
            if area is not None:
                areas.append(area)
            if face.key:
                looked_at[face.key] = at_secs
        self._looked_at = looked_at
        return areas, tuple(still)

    def _any(
        self,
        changed: Cells,
        left: float,
        top: float,
        right: float,
        bottom: float,
        *,
        margin: float,
    ) -> bool:
        cell = self._cell_px
        rows = slice(_cell(top - margin, cell), _cell(bottom + margin, cell) + 1)
        columns = slice(_cell(left - margin, cell), _cell(right + margin, cell) + 1)
        return bool(changed[rows, columns].any())

    def _spread(self, changed: Cells) -> Cells:
        """Changed cells with a margin, so that a face is whole though only its edge moved."""
        smallest = self.smallest_face_px or smallest_useful_face_px(min(self.width, self.height))
        reach = max(round(1.2 * smallest / self._cell_px), 1)
        kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        return cv2.dilate(changed, kernel).astype(np.uint8, copy=False)

    def _leave_known(self, moving: Cells, followed: Sequence[FollowedFace], at_secs: float) -> None:
        """Takes out what lies where the bodies are whose faces are followed."""
        cell = self._cell_px
        for face in followed:
            left, top, right, bottom = face.box_at(at_secs)
            wide, tall = right - left, bottom - top
            moving[
                _cell(top - 0.7 * tall, cell) : _cell(bottom + _BODY * tall, cell) + 1,
                _cell(left - 1.3 * wide, cell) : _cell(right + 1.3 * wide, cell) + 1,
            ] = 0

    def _blobs(self, moving: Cells) -> list[Area]:
        count, _, boxes, _ = cv2.connectedComponentsWithStats(moving)
        cell = self._cell_px
        areas = []
        for left, top, wide, tall, _ in boxes[1:count]:
            area = area_around(
                left * cell,
                top * cell,
                (left + wide) * cell,
                (top + tall) * cell,
                width=self.width,
                height=self.height,
            )
            if area is not None:
                areas.append(area)
        return areas

    def _see(self, cells: Floats, areas: Sequence[Area]) -> None:
        """What lies in these areas is about to be looked at, so it is the new reference."""
        assert self._reference is not None  # noqa: S101 - set by the comparison just before
        cell = self._cell_px
        for area in areas:
            # cells that lie wholly inside only
            rows = slice(-(-area.top // cell), area.bottom // cell)
            columns = slice(-(-area.left // cell), area.right // cell)
            self._reference[rows, columns] = cells[rows, columns]


_TWO = np.ones((2, 2), np.uint8)
# from the chin to the feet, in heights of the face
_BODY = 8.0


def _cell(pixel: float, cell_px: int) -> int:
    """The cell that a pixel lies in; the first for what lies left of or above the frame."""
    return max(int(pixel // cell_px), 0)


def mask_of(masks: Sequence[Polygon], width: int, height: int) -> NDArray[np.bool_]:
    """Where the polygons lie, (height, width); a pixel that they touch counts."""
    drawn = np.zeros((height, width), np.uint8)
    for polygon in masks:
        corners = np.array([(x * width, y * height) for x, y in polygon])
        # whole pixels are named by their corner: the outline is drawn too, so that none is left
        points = np.floor(np.clip(corners, 0, [width - 1e-3, height - 1e-3])).astype(np.int32)
        cv2.fillPoly(drawn, [points], 1)
        cv2.polylines(drawn, [points], True, 1)
    return drawn.astype(bool)


def merged(areas: Sequence[Area], *, width: int, height: int) -> tuple[Area, ...]:
    """Areas that overlap, or lie so near that one costs no more than two, made one."""
    left = list(areas)
    done = False
    while not done:
        done = True
        left.sort()
        for one in range(len(left)):
            for other in range(one + 1, len(left)):
                union = left[one].joined(left[other])
                apart = left[one].pixels + left[other].pixels
                if _overlap(left[one], left[other]) or union.pixels <= 1.1 * apart:
                    left[one] = union
                    del left[other]
                    done = False
                    break
            if not done:
                break
    if len(left) > MAX_AREAS:
        return (Area(0, 0, width // 2 * 2, height // 2 * 2),)
    return tuple(left)


def _overlap(one: Area, other: Area) -> bool:
    return (
        one.left < other.right
        and other.left < one.right
        and one.top < other.bottom
        and other.top < one.bottom
    )
