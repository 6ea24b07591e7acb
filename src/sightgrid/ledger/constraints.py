"""Which sightings can't be one person, whatever they look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sightgrid.domain.geometry import boxes_array, iou_matrix
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Sighting

# two boxes on one face for a moment are one detector's stutter, not two people
_SAME_FACE_IOU = 0.5


def cannot_links(sightings: Sequence[Sighting], *, grid: CameraGrid) -> Iterator[tuple[int, int]]:
    """Pairs of positions in ``sightings`` that are two people for certain.

    Two faces in one frame of one camera; or two cameras that, by the grid, nobody can be on at
    once, at the same time or closer in time than the way between them takes.
    """
    order = sorted(range(len(sightings)), key=lambda i: sightings[i].first_seen)
    reach = timedelta(seconds=max((link.min_secs for link in grid.links), default=0.0))
    open_ones: list[tuple[datetime, int]] = []
    for position in order:
        sighting = sightings[position]
        open_ones = [(end, other) for end, other in open_ones if end >= sighting.first_seen]
        for _, other in open_ones:
            if _apart(sightings[other], sighting, grid=grid):
                yield (other, position)
        open_ones.append((sighting.last_seen + reach, position))


def _apart(one: Sighting, other: Sighting, *, grid: CameraGrid) -> bool:
    if one.camera == other.camera:
        return _in_one_frame(one, other)
    return grid.forbids(
        one.camera,
        (one.first_seen, one.last_seen),
        other.camera,
        (other.first_seen, other.last_seen),
    )


def _in_one_frame(one: Sighting, other: Sighting) -> bool:
    """Whether some frame shows both, as two faces."""
    boxes = {point.frame_index: point.box for point in one.path}
    shared = [point for point in other.path if point.frame_index in boxes]
    if not shared:
        return False
    first = boxes_array([boxes[point.frame_index] for point in shared])
    second = boxes_array([point.box for point in shared])
    overlaps = iou_matrix(first, second).diagonal()
    return bool((overlaps < _SAME_FACE_IOU).any())
