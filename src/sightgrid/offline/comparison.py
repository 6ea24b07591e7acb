"""Holds what a run found against the exact truth of a rendered grid.

A sighting shows whoever's true box most of its detections lie on. From that follows which person a
serial mostly is, whether a serial ever covers two people, and which true visits were found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sightgrid.domain.geometry import boxes_array, iou_matrix
from sightgrid.domain.presence import Decision, Visit
from sightgrid.vision.simulation import CameraTruth, GridTruth, TrueVisit

_SAME_FACE_IOU = 0.3


@dataclass(frozen=True, slots=True)
class ComparedVisit:
    """A true visit and what was found of it: the serials seen on that camera at that time on that
    person's face, the first of them with its times. None found: ``serials`` is empty."""

    truth: TrueVisit
    serials: tuple[int, ...]
    found_from: datetime | None
    found_to: datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well a run did. ``wrong_joins`` counts serials that cover more than one person,
    ``serials_per_person`` those used for each person who was found at all (1 is perfect)."""

    visits: tuple[ComparedVisit, ...]
    wrong_joins: int
    serials_per_person: float
    visits_found: int
    visits_invented: int
    names: Mapping[int, str]
    """By serial, the person it mostly is."""


def compare(truth: GridTruth, decisions: Sequence[Decision], visits: Sequence[Visit]) -> Comparison:
    """The truth of a rendered grid beside the decisions and visits of a run on its clips."""
    cameras = {camera.camera: camera for camera in truth.cameras}
    shown = {
        decision.sighting.sighting_id: _person_shown(decision, cameras, truth.people)
        for decision in decisions
    }
    by_serial: dict[int, Counter[str]] = {}
    for decision in decisions:
        person = shown[decision.sighting.sighting_id]
        if decision.match.serial is not None and person is not None:
            by_serial.setdefault(decision.match.serial, Counter())[person] += len(
                decision.sighting.path
            )
    names = {serial: counts.most_common(1)[0][0] for serial, counts in by_serial.items()}
    compared = tuple(_compared(visit, decisions, shown) for visit in truth.visits)
    found = [item for item in compared if item.serials]
    people_found = {item.truth.person for item in found}
    serials_used = sum(names[serial] in people_found for serial in names)
    return Comparison(
        visits=compared,
        wrong_joins=sum(len(counts) > 1 for counts in by_serial.values()),
        serials_per_person=serials_used / max(len(people_found), 1),
        visits_found=len(found),
        visits_invented=sum(
            all(shown[sighting_id] is None for sighting_id in visit.sighting_ids)
            for visit in visits
        ),
        names=names,
    )


def _person_shown(
    decision: Decision, cameras: Mapping[str, CameraTruth], people: Sequence[str]
) -> str | None:
    """Whose face most of a sighting's detections lie on, if it is anybody's."""
    camera = cameras.get(decision.sighting.camera)
    if camera is None:
        return None
    counts: Counter[str | None] = Counter()
    for point in decision.sighting.path:
        rows = np.flatnonzero(camera.frame == point.frame_index)
        if not rows.size:
            counts[None] += 1
            continue
        overlaps = iou_matrix(boxes_array([point.box]), camera.boxes[rows])[0]
        best = int(overlaps.argmax())
        on_face = overlaps[best] >= _SAME_FACE_IOU
        counts[people[int(camera.person[rows[best]])] if on_face else None] += 1
    return counts.most_common(1)[0][0]


def _compared(
    visit: TrueVisit, decisions: Sequence[Decision], shown: Mapping[str, str | None]
) -> ComparedVisit:
    during = [
        decision
        for decision in decisions
        if decision.match.serial is not None
        and decision.sighting.camera == visit.camera
        and shown[decision.sighting.sighting_id] == visit.person
        and decision.sighting.first_seen <= visit.last_seen
        and decision.sighting.last_seen >= visit.first_seen
    ]
    serials = tuple(dict.fromkeys(d.match.serial for d in during if d.match.serial is not None))
    first = [d.sighting for d in during if d.match.serial in serials[:1]]
    return ComparedVisit(
        truth=visit,
        serials=serials,
        found_from=min((sighting.first_seen for sighting in first), default=None),
        found_to=max((sighting.last_seen for sighting in first), default=None),
    )
