"""Tracks against template matching: ``python -m benchmarks.grouping --data DIR [--write]``.

Both join the same detections, of YuNet and of the Haar cascade, on real clips and on a small
simulated grid. Where each face really is comes from benchmarks/faces_in_clips.csv for the clips
(places written down by looking at the pictures, a straight line between them), from ``otb_girl``'s
own file, and from the simulation. A detection is of the person whose face is nearest, if its middle
is nearer than half a face; else of nobody, like a crest on a wall. A group belongs to whoever most
of its detections are of.

*Fragments* are the groups of a person, mean over the passages of which anything was detected.
*Wrong joins* are groups with two or more detections of somebody else than whom they belong to.
*Faces with their own*: the share of the sure detections that lie in a group of their person.
"""

from __future__ import annotations

import argparse
import csv
import math
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import pages
from sightgrid.domain.errors import SightgridError
from sightgrid.domain.geometry import Box
from sightgrid.evaluation.datasets import read_people
from sightgrid.vision.engine import VisionEngine, open_vision
from sightgrid.vision.grouping import Grouping
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.simulation import (
    NORMAL,
    CameraTruth,
    Subject,
    cut_portrait,
    plan,
    render,
)
from sightgrid.vision.sources import open_source
from sightgrid.vision.template_matching import GrouperSettings, TemplateMatchingGrouper
from sightgrid.vision.tracking import Tracker

PLACES = Path(__file__).with_name("faces_in_clips.csv")
DETECTORS = ("yunet", "haar")
THRESHOLDS = (0.60, 0.70, 0.80, 0.85, 0.90, 0.95)
_CLIPS = {
    "street, 1080p": ("vid_street_royalopera/royal_opera_walkers.mp4",),
    "entrance, people walk up": (
        "vid_intel_gif_clips/face-demographics-walking.mp4",
        "vid_intel_gif_clips/face-demographics-walking-and-pause.mp4",
    ),
    "classroom, faces of 12–18 px": ("vid_intel_gif_clips/classroom.mp4",),  # noqa: RUF001
    "office, one a clip": (
        "vid_office_signers/book.mkv",
        "vid_office_signers/brother.mkv",
        "vid_office_signers/hungry.mkv",
        "vid_office_signers/milk.mkv",
    ),
}
_GRID = "simulated grid"
_GRID_CAMERAS, _GRID_PEOPLE, _GRID_SECS, _GRID_SEED = ("hall", "stairs"), 6, 30.0, 1
_STRONG = GrouperSettings().least_score
_NEAR = 0.5
_SEEN = 0.2
_PASSAGE_GAP_SECS = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a face really is: its middle and width in pixels of the frame."""

    person: str
    x: float
    y: float
    width: float


Truth = dict[int, list[Place]]
"""The faces of each frame, frames from 1."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and what there is to see in it."""

    material: str
    source: Path
    truth: Truth


Group = list[tuple[int, Box, float]]
"""The detections of a group: frame, box and score."""


@dataclass(slots=True)
class Tally:
    """What one way of joining came to, summed over clips. Milliseconds of processor time."""

    groups: int = 0
    owned: int = 0
    people: int = 0
    wrong: int = 0
    faces: int = 0
    right: int = 0
    frames: int = 0
    joining_ms: float = 0.0
    whole_ms: float = 0.0

    def add(self, groups: Sequence[Group], truth: Truth, seen: Counter[str]) -> None:
        """Counts the groups of one clip; ``seen`` are the strong detections of each person."""
        self.groups += len(groups)
        self.people += len(seen)
        self.faces += seen.total()
        for group in groups:
            faces = [(whose_face(truth, frame, box), score) for frame, box, score in group]
            whose = Counter(person for person, _ in faces if person is not None)
            if whose and 2 * whose.total() >= len(group):
                ((owner, most),) = whose.most_common(1)
                self.owned += 1
                self.wrong += whose.total() - most >= 2
                self.right += sum(person == owner and score >= _STRONG for person, score in faces)

    @property
    def fragments(self) -> float:
        return self.owned / max(self.people, 1)


@dataclass(slots=True)
class Measured:
    """Everything about one material and detector."""

    ways: dict[Grouping, Tally] = field(default_factory=lambda: {g: Tally() for g in Grouping})
    thresholds: dict[float, Tally] = field(
        default_factory=lambda: {same: Tally() for same in THRESHOLDS}
    )


def whose_face(truth: Truth, frame: int, box: Box) -> str | None:
    """The person whose face a box lies on."""
    x, y = box.centre
    near = [
        (math.hypot(place.x - x, place.y - y) / place.width, place.person)
        for place in truth.get(frame, ())
    ]
    distance, person = min(near, default=(math.inf, ""))
    return person if distance < _NEAR else None


def join(clip: Clip, engine: VisionEngine, measured: Measured) -> None:
    """Joins the faces of a clip in every way; each frame is decoded and searched once."""
    views = {way: engine.view("camera", grouping=way) for way in Grouping}
    tracklets = {way: list(view.finish()) for way, view in views.items()}
    tracker, grouper = Tracker(), TemplateMatchingGrouper()
    groupers = {same: TemplateMatchingGrouper(GrouperSettings(same=same)) for same in THRESHOLDS}
    grouped: dict[float, dict[int, Group]] = {same: defaultdict(list) for same in THRESHOLDS}
    seen: Counter[str] = Counter()
    frames = 0
    for frame in open_source(str(clip.source), camera="camera", starts_at=None).frames():
        frames += 1
        detections = engine.detector.detect(frame.pixels)
        strong = [face for face in detections if face.score >= _STRONG]
        owners = [whose_face(clip.truth, frame.index, face.box) for face in strong]
        seen.update(owner for owner in owners if owner is not None)
        for way, view in views.items():
            began = time.process_time()
            tracklets[way] += view.see(frame, detections)
            measured.ways[way].whole_ms += (time.process_time() - began) * 1e3
        began = time.process_time()
        tracker.update(detections, at_secs=frame.captured_at.timestamp())
        between = time.process_time()
        grouper.update(frame.pixels, detections, captured_at=frame.captured_at)
        ended = time.process_time()
        measured.ways[Grouping.TRACKS].joining_ms += (between - began) * 1e3
        measured.ways[Grouping.TEMPLATE_MATCHING].joining_ms += (ended - between) * 1e3
        for same, one in groupers.items():
            update = one.update(frame.pixels, detections, captured_at=frame.captured_at)
            for face in update.grouped:
                grouped[same][face.group.key].append(
                    (frame.index, face.detection.box, face.detection.score)
                )
    for way, view in views.items():
        began = time.process_time()
        tracklets[way] += view.finish()
        tally = measured.ways[way]
        tally.whole_ms += (time.process_time() - began) * 1e3
        tally.frames += frames
        paths = [[(p.frame_index, p.box, p.score) for p in t.path] for t in tracklets[way]]
        tally.add(paths, clip.truth, seen)
    for same, groups in grouped.items():
        measured.thresholds[same].add(list(groups.values()), clip.truth, seen)


def real_clips(data: Path) -> Iterator[Clip]:
    """The clips whose faces were written down, and the girl."""
    places = read_places(PLACES)
    for material, clips in _CLIPS.items():
        for clip in clips:
            yield Clip(material, data / clip, places[clip])
    girl = data / "otb_girl"
    lines = (girl / "groundtruth_rect.txt").read_text("ascii").split("\n")
    boxes = [tuple(map(float, line.split())) for line in lines if line.strip()]
    yield Clip(
        "one girl, 128 × 96",  # noqa: RUF001
        girl / "img",
        {
            frame: [Place("girl", left + width / 2, top + height / 2, width)]
            for frame, (left, top, width, height) in enumerate(boxes, 1)
        },
    )


def read_places(file: Path) -> dict[str, Truth]:
    """The truth of each clip; between two places of one stretch a face goes straight."""
    stretches: dict[tuple[str, str, str], list[tuple[float, ...]]] = defaultdict(list)
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            key = row["clip"], row["person"], row["stretch"]
            stretches[key].append(tuple(float(row[name]) for name in ("frame", "x", "y", "width")))
    truths: dict[str, Truth] = defaultdict(lambda: defaultdict(list))
    for (clip, person, _), rows in stretches.items():
        frames, *sides = np.array(rows).T
        for frame in range(int(frames[0]), int(frames[-1]) + 1):
            x, y, width = (float(np.interp(frame, frames, side)) for side in sides)
            truths[clip][frame].append(Place(person, x, y, width))
    return truths


def simulated_clips(data: Path, folder: Path, engine: VisionEngine) -> Iterator[Clip]:
    """A small grid of preset *normal*; each passage of a person counts as somebody of its own."""
    subjects: list[Subject] = []
    for person in read_people(data / "lfw_ident_dev"):
        portraits = []
        for photo in person.photos[:4]:
            pixels = read_picture(photo)
            faces = engine.detector.detect(pixels)
            if faces:
                portraits.append(
                    cut_portrait(pixels, faces[0], person=person.name, name=photo.name)
                )
        subjects.append(Subject(person.name, tuple(portraits)))
        if len(subjects) == _GRID_PEOPLE:
            break
    planned = plan(subjects, _GRID_CAMERAS, seed=_GRID_SEED, preset=NORMAL, secs=_GRID_SECS)
    truth = render(planned, folder)
    for camera in truth.cameras:
        yield Clip(_GRID, folder / f"{camera.camera}.mp4", _passages(camera))


def _passages(camera: CameraTruth) -> Truth:
    truth: Truth = defaultdict(list)
    last: dict[int, tuple[int, int]] = {}
    for frame, person, box, visible in zip(
        camera.frame.tolist(), camera.person.tolist(), camera.boxes, camera.visible, strict=True
    ):
        if visible < _SEEN:
            continue
        before, passage = last.get(person, (frame, 1))
        passage += frame - before > _PASSAGE_GAP_SECS * camera.fps
        last[person] = frame, passage
        left, top, right, bottom = (float(side) for side in box)
        truth[frame].append(
            Place(f"{person}/{passage}", (left + right) / 2, (top + bottom) / 2, right - left)
        )
    return truth


def measure(data: Path, detectors: Sequence[str]) -> dict[tuple[str, str], Measured]:
    """By material and detector."""
    found: dict[tuple[str, str], Measured] = defaultdict(Measured)
    # one thread, so that processor time is the time of one thread
    engines = {name: open_vision("default", detector=name, calls=1) for name in detectors}
    cutter = open_vision("default", calls=1)
    with tempfile.TemporaryDirectory() as folder:
        clips = [*real_clips(data), *simulated_clips(data, Path(folder), cutter)]
        for number, clip in enumerate(clips, 1):
            for name, engine in engines.items():
                join(clip, engine, found[clip.material, name])
            pages.tell("clips", number, len(clips))
    return found


def report(found: dict[tuple[str, str], Measured]) -> str:
    """The tables."""
    rows = [
        [
            material,
            detector,
            way.value,
            tally.people,
            f"{tally.fragments:.2f}" if tally.people else "",
            tally.wrong,
            f"{tally.right / tally.faces:.3f}" if tally.faces else "",
            f"{tally.joining_ms / tally.frames:.2f}",
            f"{tally.whole_ms / tally.frames:.1f}",
        ]
        for (material, detector), measured in found.items()
        for way, tally in measured.ways.items()
    ]
    first = pages.table(
        [
            "material",
            "detector",
            "joined by",
            "passages",
            "fragments a passage",
            "wrong joins",
            "faces with their own",
            "joining, ms a frame",
            "with looks and vectors",
        ],
        rows,
    )
    swept = []
    for same in THRESHOLDS:
        tallies = [m.thresholds[same] for (_, name), m in found.items() if name == DETECTORS[0]]
        real = [
            m.thresholds[same]
            for (material, name), m in found.items()
            if name == DETECTORS[0] and material != _GRID
        ]
        swept.append([f"{same:.2f}", *_summed(real), *_summed(tallies)])
    second = pages.table(
        [
            "correlation from",
            "fragments a passage, real clips",
            "wrong joins, real clips",
            "fragments a passage, all",
            "wrong joins, all",
        ],
        swept,
    )
    return f"{first}\n\nTemplate matching at other thresholds, YuNet's detections:\n\n{second}"


def _summed(tallies: Sequence[Tally]) -> tuple[str, int]:
    people = sum(tally.people for tally in tallies)
    return f"{sum(t.owned for t in tallies) / max(people, 1):.2f}", sum(t.wrong for t in tallies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--detector", action="append", choices=DETECTORS, help="default: both")
    chosen = parser.parse_args()
    data = pages.data_folder(parser, chosen)
    cv2.setNumThreads(1)
    # a product of matrices on several threads would be counted several times
    with threadpool_limits(1):
        found = measure(data, chosen.detector or DETECTORS)
    pages.publish("grouping", report(found), command="python -m benchmarks.grouping", chosen=chosen)


if __name__ == "__main__":
    try:
        main()
    except SightgridError as error:
        raise SystemExit(f"{error} ({error.hint})" if error.hint else str(error)) from error
