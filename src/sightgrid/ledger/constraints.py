"""Which sightings can't be one person, whatever they look like."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sightgrid.domain.geometry import Box
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.tracklets import PathPoint

# two boxes on one face for a moment are one detector's stutter, not two people
_SAME_FACE_IOU = 0.5


def cannot_links(sightings: Sequence[Presence], *, grid: CameraGrid) -> Iterator[tuple[int, int]]:
    """Pairs of positions in ``sightings`` that are two people for certain.

    Two faces in one frame of one camera; or two cameras that, by the grid, nobody can be on at
    once, at the same time or closer in time than the way between them takes.
    """
    order = sorted(range(len(sightings)), key=lambda i: sightings[i].first_seen)
    reach = reach_of(grid)
    open_ones: list[tuple[datetime, int]] = []
    for position in order:
        sighting = sightings[position]
        open_ones = [(end, other) for end, other in open_ones if end >= sighting.first_seen]
        for _, other in open_ones:
            if are_apart(sightings[other], sighting, grid=grid):
                yield (other, position)
        open_ones.append((sighting.last_seen + reach, position))


def reach_of(grid: CameraGrid) -> timedelta:
    """How far apart in time two sightings may lie and still keep each other from being one."""
    return timedelta(seconds=max((link.min_secs for link in grid.links), default=0.0))


class Presence(Protocol):
    """What somebody's being in front of a camera comes down to, stored or on its way."""

    @property
    def camera(self) -> str: ...
    @property
    def first_seen(self) -> datetime: ...
    @property
    def last_seen(self) -> datetime: ...
    @property
    def path(self) -> tuple[PathPoint, ...]: ...


def are_apart(one: Presence, other: Presence, *, grid: CameraGrid) -> bool:
    """Whether these are two people for certain: two faces in one frame, or two cameras that by the
    grid nobody can be on at once or so soon after each other."""
    if one.camera == other.camera:
        return _in_one_frame(one, other)
    return grid.forbids(
        one.camera,
        (one.first_seen, one.last_seen),
        other.camera,
        (other.first_seen, other.last_seen),
    )


def _in_one_frame(one: Presence, other: Presence) -> bool:
    """Whether some frame shows both, as two faces."""
    # somebody who sits there all day is compared with everybody who passes by: never go through
    # more of a path than the other one covers
    first = max(one.path[0].frame_index, other.path[0].frame_index)
    last = min(one.path[-1].frame_index, other.path[-1].frame_index)
    boxes = {point.frame_index: point.box for point in _between(one.path, first, last)}
    return any(
        _iou(boxes[point.frame_index], point.box) < _SAME_FACE_IOU
        for point in _between(other.path, first, last)
        if point.frame_index in boxes
    )


def _between(path: Sequence[PathPoint], first: int, last: int) -> Sequence[PathPoint]:
    """The points of a path, which is in order of frames, from one frame to another."""
    start = bisect_left(path, first, key=_frame_of)
    return path[start : bisect_right(path, last, lo=start, key=_frame_of)]


def _frame_of(point: PathPoint) -> int:
    return point.frame_index


def _iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0-1."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(across, 0.0) * max(down, 0.0)
    return shared / (one.area + other.area - shared)
