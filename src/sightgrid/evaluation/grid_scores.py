"""What a run on a simulated grid came to, against the truth; each figure is defined in
docs/cli.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sightgrid.domain.presence import Decision, Visit
from sightgrid.evaluation.tracking_metrics import TrackedBoxes, score_tracking, side_by_side
from sightgrid.vision.simulation import IN_VIEW, CameraTruth, GridTruth, TrueVisit

SAME_FACE_IOU = 0.3
"""Overlap from which on a box shows somebody's face, to say whose a sighting is."""
_COUNTED_IOU = 0.5
COVERS_SECS = 0.5
"""A serial covers a second person who is on its boxes for this long in all."""
NOBODY = -1


@dataclass(frozen=True, slots=True, eq=False)
class SightingShown:
    """A decision and whom it really shows.

    ``person`` is an index into the truth's people, that of most of its boxes, :data:`NOBODY` for
    none; ``boxes`` counts the boxes by person.
    """

    decision: Decision
    person: int
    boxes: Mapping[int, int]

    @property
    def serial(self) -> int | None:
        return self.decision.match.serial


@dataclass(frozen=True, slots=True, eq=False)
class GridScores:
    """The figures of a run, and what they were counted from.

    ``owners`` gives each serial's person, by most of its boxes, :data:`NOBODY` for one that shows
    no face; ``joined`` are the serials that cover two people, with these; ``missed`` the true
    visits that no row of the trajectories tells, ``invented`` the rows that tell of none.
    """

    idf1: float
    hota: float
    purity: float
    serials_per_person: float
    visits_recall: float
    visits_precision: float
    people_found: int
    names_right: int
    names_wrong: int
    sightings: tuple[SightingShown, ...]
    owners: Mapping[int, int]
    joined: Mapping[int, tuple[int, ...]]
    missed: tuple[TrueVisit, ...]
    invented: tuple[Visit, ...]

    @property
    def wrong_joins(self) -> int:
        return len(self.joined)


def score_grid(
    truth: GridTruth,
    decisions: Sequence[Decision],
    visits: Sequence[Visit],
    *,
    enrolled: Collection[str] = (),
) -> GridScores:
    """Compares decisions and visits with what there was to see.

    Args:
        enrolled: names of the people the run was given photos of.
    """
    cameras = {camera.camera: camera for camera in truth.cameras}
    shown = tuple(_shown(decision, cameras[decision.sighting.camera]) for decision in decisions)
    by_serial: dict[int, Counter[int]] = {}
    for one in shown:
        if one.serial is not None:
            by_serial.setdefault(one.serial, Counter()).update(one.boxes)
    owners = {serial: _owner(counts) for serial, counts in by_serial.items()}
    faces = [_on_faces(counts) for counts in by_serial.values()]
    on_owner = sum(max(counts.values(), default=0) for counts in faces)
    found = {owner for owner in owners.values() if owner != NOBODY}
    missed, invented = _unmatched(truth, visits, owners)
    named = [one for one in shown if one.decision.match.person is not None]
    right = sum(
        truth.people[one.person] == one.decision.match.person for one in named if _face(one)
    )
    tracking = score_tracking(
        side_by_side([_true_boxes(camera) for camera in truth.cameras]),
        side_by_side([_answered_boxes(camera, shown) for camera in truth.cameras]),
    )
    return GridScores(
        idf1=tracking.identity.idf1,
        hota=tracking.hota.hota,
        purity=on_owner / max(sum(sum(counts.values()) for counts in faces), 1),
        serials_per_person=sum(owner != NOBODY for owner in owners.values()) / max(len(found), 1),
        visits_recall=1.0 - len(missed) / max(len(truth.visits), 1),
        visits_precision=1.0 - len(invented) / max(len(visits), 1),
        people_found=len(found),
        names_right=right,
        names_wrong=len(named) - right,
        sightings=shown,
        owners=owners,
        joined=_joined(truth, shown, by_serial),
        missed=missed,
        invented=invented,
    )


def _face(one: SightingShown) -> bool:
    return one.person != NOBODY


def _shown(decision: Decision, camera: CameraTruth) -> SightingShown:
    counts: Counter[int] = Counter()
    starts = np.searchsorted(camera.frame, np.arange(camera.frames + 2))
    for point in decision.sighting.path:
        rows = slice(*starts[point.frame_index : point.frame_index + 2])
        overlap = _overlap(point.box.as_array(), camera.boxes[rows])
        best = int(overlap.argmax()) if len(overlap) else 0
        on_face = len(overlap) > 0 and overlap[best] >= SAME_FACE_IOU
        counts[int(camera.person[rows][best]) if on_face else NOBODY] += 1
    return SightingShown(decision, _owner(counts), counts)


def _overlap(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Intersection over union of one box with each of (N, 4)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=1, dtype=np.float64)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    overlap: NDArray[np.float64] = shared / (areas - shared)
    return overlap


def _owner(counts: Counter[int]) -> int:
    """Who is on most of the boxes; ties go to the first in the truth's order."""
    return min(counts, key=lambda person: (-counts[person], person))


def _on_faces(counts: Counter[int]) -> Counter[int]:
    return Counter({person: count for person, count in counts.items() if person != NOBODY})


def _joined(
    truth: GridTruth, shown: Sequence[SightingShown], by_serial: Mapping[int, Counter[int]]
) -> dict[int, tuple[int, ...]]:
    """The serials that cover more than one person, with these, the one most seen first: somebody
    has a sighting of their own there, or is on its boxes for long enough."""
    mostly: dict[int, set[int]] = {}
    for one in shown:
        if one.serial is not None and one.person != NOBODY:
            mostly.setdefault(one.serial, set()).add(one.person)
    fps = truth.cameras[0].fps
    joined = {}
    for serial, counts in by_serial.items():
        people = [
            person
            for person, count in _on_faces(counts).most_common()
            if count >= COVERS_SECS * fps or person in mostly.get(serial, ())
        ]
        if len(people) > 1:
            joined[serial] = tuple(people)
    return joined


def _unmatched(
    truth: GridTruth, visits: Sequence[Visit], owners: Mapping[int, int]
) -> tuple[tuple[TrueVisit, ...], tuple[Visit, ...]]:
    """True visits without a row, and rows without a true visit: each goes with one at most, of the
    same person and camera, that overlaps in time."""
    together = np.zeros((len(truth.visits), len(visits)))
    for column, visit in enumerate(visits):
        owner = owners.get(visit.serial, NOBODY)
        if owner == NOBODY:
            continue
        for row, true in enumerate(truth.visits):
            if true.camera == visit.camera and true.person == truth.people[owner]:
                first = max(true.first_seen, visit.first_seen)
                last = min(true.last_seen, visit.last_seen)
                # a moment in common is enough to match, a longer one is better
                secs = (last - first).total_seconds()
                together[row, column] = 1.0 + 1e-4 * secs if secs >= 0 else 0.0
    rows, columns = linear_sum_assignment(together, maximize=True)
    matched = [
        (r, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if together[r, c]
    ]
    told, telling = {row for row, _ in matched}, {column for _, column in matched}
    return (
        tuple(true for row, true in enumerate(truth.visits) if row not in told),
        tuple(visit for column, visit in enumerate(visits) if column not in telling),
    )


def _true_boxes(camera: CameraTruth) -> TrackedBoxes:
    """The faces in view, at least half of them visible."""
    seen = camera.visible >= IN_VIEW
    return TrackedBoxes(
        camera.frame[seen].astype(np.int64),
        camera.person[seen].astype(np.int64),
        camera.boxes[seen].astype(np.float64),
    )


def _answered_boxes(camera: CameraTruth, shown: Sequence[SightingShown]) -> TrackedBoxes:
    """The boxes that were given a serial, apart from those on a face that is mostly hidden: such a
    box is neither asked for nor wrong."""
    starts = np.searchsorted(camera.frame, np.arange(camera.frames + 2))
    found: dict[tuple[int, int], NDArray[np.float32]] = {}
    for one in shown:
        if one.serial is None or one.decision.sighting.camera != camera.camera:
            continue
        for point in one.decision.sighting.path:
            rows = slice(*starts[point.frame_index : point.frame_index + 2])
            overlap = _overlap(point.box.as_array(), camera.boxes[rows])
            best = int(overlap.argmax()) if len(overlap) else 0
            hidden = (
                len(overlap) > 0
                and overlap[best] >= _COUNTED_IOU
                and camera.visible[rows][best] < IN_VIEW
            )
            if not hidden:
                found.setdefault((point.frame_index, one.serial), point.box.as_array())
    keys = np.array(list(found), np.int64).reshape(-1, 2)
    boxes = np.array(list(found.values()), np.float64).reshape(-1, 4)
    return TrackedBoxes(keys[:, 0], keys[:, 1], boxes)
