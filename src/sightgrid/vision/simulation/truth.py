"""What there really was to see in the clips of a plan, and the files that say so."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue, OutputError
from sightgrid.domain.frames import format_time, parse_time
from sightgrid.domain.geometry import Floats
from sightgrid.domain.grid import CameraLink
from sightgrid.vision.simulation.plans import Plan, SimulatedCamera
from sightgrid.vision.simulation.walking import (
    IN_VIEW,
    Doubles,
    longest_hidden_secs,
    visibility,
    walk,
)

OCCLUDED_SECS = 0.5
"""A passage counts as occluded when its face is out of view for this long on the way."""
_FORMAT = "sightgrid-truth-1"

Spread = tuple[float, float, float]
"""Least, median, most."""


@dataclass(frozen=True, slots=True, eq=False)
class CameraTruth:
    """Every face in a clip, a row a face, in order of frames.

    ``frame`` counts from 1 and ``person`` from 0, an index into the truth's people: int32 (N,).
    ``boxes`` are float32 (N, 4), left, top, right, bottom in pixels of the frame, as the detector
    boxed the face in its photo; a tilt of the head does not widen them. ``visible`` is the share
    of the face not hidden and not outside the frame, float32 (N,).
    """

    camera: str
    fps: int
    width: int
    height: int
    starts_at: datetime
    frames: int
    frame: NDArray[np.int32]
    person: NDArray[np.int32]
    boxes: Floats
    visible: Floats

    def moment(self, frame_index: int) -> datetime:
        return self.starts_at + timedelta(seconds=(frame_index - 1) / self.fps)


@dataclass(frozen=True, slots=True)
class TrueVisit:
    """A passage as the trajectory table should tell it: from the first frame in which the face is
    at least half visible to the last."""

    person: str
    camera: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Distribution:
    """What the plan came to.

    ``face_px`` counts every face in view in every frame, ``passage_px`` the middle width of every
    passage. ``occluded`` is the share of passages hidden for half a second or more, ``in_company``
    that of the time with two or more people in view, over all cameras.
    """

    passages: int
    face_px: Spread
    passage_px: Spread
    blur_px: Spread
    gain: Spread
    occluded: float
    in_company: float


@dataclass(frozen=True, slots=True, eq=False)
class GridTruth:
    """The truth of a simulated grid. Visits are in order of person, then time."""

    preset: str
    seed: int
    secs: float
    people: tuple[str, ...]
    cameras: tuple[CameraTruth, ...]
    links: tuple[CameraLink, ...]
    visits: tuple[TrueVisit, ...]
    distribution: Distribution


def truth_of(plan: Plan) -> GridTruth:
    """Works the truth out from the plan alone; the same that :func:`draw` says frame by frame."""
    cameras: list[CameraTruth] = []
    visits: list[TrueVisit] = []
    occluded: list[bool] = []
    for camera in plan.cameras:
        rows = _rows(plan, camera)
        cameras.append(_camera_truth(plan, camera, rows))
        for row in rows:
            occluded.append(longest_hidden_secs(row.visible, fps=plan.preset.fps) >= OCCLUDED_SECS)
            shown = row.frame[row.visible >= IN_VIEW]
            if len(shown):
                visits.append(
                    TrueVisit(
                        person=plan.subjects[row.subject].name,
                        camera=camera.name,
                        first_seen=plan.moment(camera, int(shown[0])),
                        last_seen=plan.moment(camera, int(shown[-1])),
                    )
                )
    order = {subject.name: n for n, subject in enumerate(plan.subjects)}
    return GridTruth(
        preset=plan.preset.name,
        seed=plan.seed,
        secs=plan.secs,
        people=tuple(subject.name for subject in plan.subjects),
        cameras=tuple(cameras),
        links=plan.links,
        visits=tuple(sorted(visits, key=lambda v: (order[v.person], v.first_seen, v.camera))),
        distribution=_distribution(plan, cameras, occluded),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _PassageRows:
    subject: int
    frame: NDArray[np.int32]
    boxes: Floats
    visible: Doubles


def _rows(plan: Plan, camera: SimulatedCamera) -> list[_PassageRows]:
    frames = np.arange(1, plan.frame_count + 1, dtype=np.int32)
    secs: Doubles = camera.starts_at_secs + (frames - 1) / plan.preset.fps
    width, height = plan.preset.frame_px
    passages = plan.passages_on(camera.name)
    found = []
    for passage in passages:
        during = (secs >= passage.start_secs) & (secs <= passage.end_secs)
        if not during.any():
            continue
        own = walk(plan, camera, passage, secs[during])
        others = [
            walk(plan, camera, other, secs[during])
            for other in passages
            if other is not passage
            and other.start_secs <= passage.end_secs
            and passage.start_secs <= other.end_secs
        ]
        shares = visibility(own, others, frame_px=plan.preset.frame_px, pillar=camera.pillar)
        half = np.stack([own.width, own.height]) / 2
        boxes = np.stack(
            [own.x - half[0], own.y - half[1], own.x + half[0], own.y + half[1]], axis=1
        ).astype(np.float32)
        reaches_in = (
            (boxes[:, 0] < width) & (boxes[:, 2] > 0) & (boxes[:, 1] < height) & (boxes[:, 3] > 0)
        )
        found.append(
            _PassageRows(
                subject=passage.subject,
                frame=frames[during][reaches_in],
                boxes=boxes[reaches_in],
                visible=shares[reaches_in],
            )
        )
    return found


def _camera_truth(plan: Plan, camera: SimulatedCamera, rows: list[_PassageRows]) -> CameraTruth:
    frame = np.concatenate([np.zeros(0, np.int32), *(row.frame for row in rows)])
    person = np.concatenate(
        [np.zeros(0, np.int32), *(np.full(len(r.frame), r.subject, np.int32) for r in rows)]
    )
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(row.boxes for row in rows)])
    visible = np.concatenate([np.zeros(0), *(row.visible for row in rows)])
    order = np.lexsort((person, frame))
    return CameraTruth(
        camera=camera.name,
        fps=plan.preset.fps,
        width=plan.preset.frame_px[0],
        height=plan.preset.frame_px[1],
        starts_at=plan.moment(camera, 1),
        frames=plan.frame_count,
        frame=frame[order],
        person=person[order],
        boxes=boxes[order],
        visible=visible[order].astype(np.float32),
    )


def _distribution(plan: Plan, cameras: list[CameraTruth], occluded: list[bool]) -> Distribution:
    in_view = [camera.visible >= IN_VIEW for camera in cameras]
    widths = [c.boxes[v, 2] - c.boxes[v, 0] for c, v in zip(cameras, in_view, strict=True)]
    crowds = [
        np.bincount(c.frame[v], minlength=c.frames + 1)[1:] >= 2
        for c, v in zip(cameras, in_view, strict=True)
    ]
    return Distribution(
        passages=len(plan.passages),
        face_px=_spread(np.concatenate(widths)),
        passage_px=_spread(
            np.array([math.sqrt(p.face_px[0] * p.face_px[1]) for p in plan.passages])
        ),
        blur_px=_spread(np.array([p.blur_px for p in plan.passages])),
        gain=_spread(np.array([p.gain for p in plan.passages])),
        occluded=round(float(np.mean(occluded)), 4) if occluded else 0.0,
        in_company=round(float(np.concatenate(crowds).mean()), 4),
    )


def _spread(values: NDArray[np.floating[Any]]) -> Spread:
    if not len(values):
        return 0.0, 0.0, 0.0
    least, median, most = np.quantile(values, (0.0, 0.5, 1.0))
    return round(float(least), 3), round(float(median), 3), round(float(most), 3)


def save_truth(truth: GridTruth, path: Path) -> None:
    """Writes the truth as JSON.

    Raises:
        OutputError: the file can't be written.
    """
    spread = truth.distribution
    content = {
        "format": _FORMAT,
        "preset": truth.preset,
        "seed": truth.seed,
        "secs": truth.secs,
        "people": truth.people,
        "links": [[n.origin, n.target, n.min_secs, n.max_secs] for n in truth.links],
        "distribution": {
            "passages": spread.passages,
            "face_px": spread.face_px,
            "passage_px": spread.passage_px,
            "blur_px": spread.blur_px,
            "gain": spread.gain,
            "occluded": spread.occluded,
            "in_company": spread.in_company,
        },
        "visits": [
            [v.person, v.camera, format_time(v.first_seen), format_time(v.last_seen)]
            for v in truth.visits
        ],
        "cameras": [
            {
                "camera": c.camera,
                "fps": c.fps,
                "size": [c.width, c.height],
                "starts_at": format_time(c.starts_at),
                "frames": c.frames,
                "frame": c.frame.tolist(),
                "person": c.person.tolist(),
                "boxes": np.round(c.boxes.astype(np.float64), 2).tolist(),
                "visible": np.round(c.visible.astype(np.float64), 3).tolist(),
            }
            for c in truth.cameras
        ],
    }
    try:
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}") from error


def load_truth(path: Path) -> GridTruth:
    """Reads what :func:`save_truth` wrote: boxes to 0.01 px, times to a millisecond.

    Raises:
        InvalidValue: the file is missing or holds no truth.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise InvalidValue(f"{path} holds a truth of another version")
        return _truth_from(content)
    except OSError as error:
        raise InvalidValue(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidValue(f"{path} holds no truth of a simulated grid") from error


def _truth_from(content: dict[str, Any]) -> GridTruth:
    spread = content["distribution"]
    return GridTruth(
        preset=content["preset"],
        seed=content["seed"],
        secs=content["secs"],
        people=tuple(content["people"]),
        cameras=tuple(
            CameraTruth(
                camera=c["camera"],
                fps=c["fps"],
                width=c["size"][0],
                height=c["size"][1],
                starts_at=parse_time(c["starts_at"]),
                frames=c["frames"],
                frame=np.array(c["frame"], np.int32),
                person=np.array(c["person"], np.int32),
                boxes=np.array(c["boxes"], np.float32).reshape(-1, 4),
                visible=np.array(c["visible"], np.float32),
            )
            for c in content["cameras"]
        ),
        links=tuple(CameraLink(*link) for link in content["links"]),
        visits=tuple(
            TrueVisit(person, camera, parse_time(first), parse_time(last))
            for person, camera, first, last in content["visits"]
        ),
        distribution=Distribution(
            passages=spread["passages"],
            face_px=tuple(spread["face_px"]),
            passage_px=tuple(spread["passage_px"]),
            blur_px=tuple(spread["blur_px"]),
            gain=tuple(spread["gain"]),
            occluded=spread["occluded"],
            in_company=spread["in_company"],
        ),
    )


def write_mot(truth: GridTruth, folder: Path, *, least_visible: float = 0.0) -> tuple[Path, ...]:
    """Writes ``<camera>.gt.txt`` in MOTChallenge form for every camera.

    Rows are ``frame,id,left,top,width,height,1,1,visibility``, frame and id from 1; a person has
    one id on all cameras. Faces less visible than ``least_visible`` are left out.

    Raises:
        OutputError: a file can't be written.
    """
    written = []
    for camera in truth.cameras:
        lines = [
            f"{frame},{person + 1},{box[0]:.2f},{box[1]:.2f},"
            f"{box[2] - box[0]:.2f},{box[3] - box[1]:.2f},1,1,{share:.3f}\n"
            for frame, person, box, share in zip(
                camera.frame.tolist(),
                camera.person.tolist(),
                camera.boxes.astype(np.float64).tolist(),
                camera.visible.tolist(),
                strict=True,
            )
            if share >= least_visible
        ]
        path = folder / f"{camera.camera}.gt.txt"
        try:
            path.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path} can't be written: {error.strerror}") from error
        written.append(path)
    return tuple(written)
