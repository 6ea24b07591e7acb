"""Trajectories on a simulated camera grid: photos of people walk past cameras, the clips go the
way every recording goes, and what was found is held against the exact truth.

Nobody shows one photo twice, and the photo a person is enrolled with is never shown.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sightgrid.domain.errors import ImageError, InvalidValue
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes
from sightgrid.evaluation.datasets import PersonPhotos, read_people
from sightgrid.evaluation.grid_scores import GridScores, score_grid
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.offline.naming import NamedSource
from sightgrid.offline.results import RunResult
from sightgrid.offline.tracking import Step, TrackRequest, track
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.simulation import (
    HARD,
    NORMAL,
    GridTruth,
    Plan,
    Portrait,
    Preset,
    Subject,
    cut_portrait,
    plan,
    render,
    save_truth,
)

PRESETS = {preset.name: preset for preset in (NORMAL, HARD)}
LEAST_PHOTOS = 5
"""Photos a person must have: one that may be enrolled and a few to walk with."""
# a second face of more than this share of the first one's area, and whom the photo shows is a guess
_RIVAL_AREA = 0.5
_CLIPS, _RUN, _PEOPLE = "clips", "run", "people"


@dataclass(frozen=True, slots=True)
class GridTask:
    """What to simulate. ``unseen_fraction`` is the share of the people who are not enrolled: 1 lets
    everybody be a stranger. Who walks where, with which photos, does not depend on it."""

    photos: Path
    cameras: int
    people: int
    minutes: float
    seed: int
    preset: Preset = NORMAL
    unseen_fraction: float = 1.0

    def __post_init__(self) -> None:
        if self.cameras < 1 or self.people < 1 or self.minutes <= 0:
            raise InvalidValue("a grid needs at least one camera, one person and some minutes")
        if not 0 <= self.unseen_fraction <= 1:
            raise InvalidValue(f"unseen fraction {self.unseen_fraction}: must be 0 to 1")

    @property
    def enrolled_people(self) -> int:
        return self.people - round(self.unseen_fraction * self.people)


@dataclass(frozen=True, slots=True, eq=False)
class Walker:
    """Somebody who walks, and the photo kept back to enrol them with."""

    subject: Subject
    enrolment: Path


@dataclass(frozen=True, slots=True, eq=False)
class GridEvaluation:
    """A grid that was rendered, tracked and compared. ``realtime_factor`` is media seconds of all
    cameras by wall seconds of the run, rendering excluded."""

    task: GridTask
    truth: GridTruth
    result: RunResult
    scores: GridScores
    realtime_factor: float
    render_secs: float
    track_secs: float


def evaluate_grid(
    task: GridTask,
    *,
    folder: Path,
    pack: str = "default",
    detector: str = "yunet",
    grouping: str = "tracks",
    tell: Callable[[str, int, int | None], None] | None = None,
) -> GridEvaluation:
    """Renders, tracks and compares; leaves ``clips/``, ``people/`` and ``run/`` in ``folder``.

    Raises:
        InvalidValue: too few people with enough photos, or a time too short to walk.
        SightgridError: photos can't be read, or the run could not be made.
    """
    say = tell or (lambda task, done, total: None)
    clips = folder / _CLIPS
    planned, enrolled = plan_grid(task, tell=say)
    began = time.perf_counter()
    truth = render(planned, clips, progress=lambda done, total: say("rendering", done, total))
    save_truth(truth, clips / "truth.json")
    rendered = time.perf_counter()
    result = _track(
        planned,
        folder,
        people=_enrol(enrolled, folder / _PEOPLE),
        engine_names=(pack, detector, grouping),
        tell=say,
    )
    track_secs = time.perf_counter() - rendered
    names = {walker.subject.name for walker in enrolled}
    return GridEvaluation(
        task=task,
        truth=truth,
        result=result,
        scores=score_grid(truth, result.decisions, result.visits, enrolled=names),
        realtime_factor=truth.secs * len(truth.cameras) / track_secs,
        render_secs=rendered - began,
        track_secs=track_secs,
    )


def plan_grid(
    task: GridTask, *, tell: Callable[[str, int, int | None], None]
) -> tuple[Plan, list[Walker]]:
    """Who walks where, and who of them is to be enrolled.

    Portraits are cut by the default pack's detector, whatever is evaluated: the clips stay the
    same.
    """
    walkers = choose_walkers(read_people(task.photos), task, open_engine("default"), tell=tell)
    planned = plan(
        [walker.subject for walker in walkers],
        [f"camera-{number}" for number in range(1, task.cameras + 1)],
        seed=task.seed,
        preset=task.preset,
        secs=task.minutes * 60.0,
    )
    return planned, walkers[: task.enrolled_people]


def choose_walkers(
    people: Sequence[PersonPhotos],
    task: GridTask,
    engine: Engine,
    *,
    tell: Callable[[str, int, int | None], None],
) -> list[Walker]:
    """Shuffles people and their photos by the seed; the first with enough photos walk.

    Raises:
        InvalidValue: there are not enough of them.
    """
    rng = np.random.default_rng(task.seed)
    walkers: list[Walker] = []
    for number in rng.permutation(len(people)).tolist():
        person = people[number]
        photos = [person.photos[n] for n in rng.permutation(len(person.photos)).tolist()]
        portraits = [
            portrait
            for photo in photos[1:]
            if (portrait := _portrait(photo, person.name, engine.detector)) is not None
        ]
        if len(portraits) + 1 >= LEAST_PHOTOS:
            walkers.append(Walker(Subject(person.name, tuple(portraits)), photos[0]))
            tell("choosing people", len(walkers), task.people)
        if len(walkers) == task.people:
            return walkers
    raise InvalidValue(
        f"{task.photos} has {len(walkers)} people with {LEAST_PHOTOS} usable photos, "
        f"but {task.people} are to walk",
        hint="give fewer people, or a folder with more photos",
    )


def _portrait(photo: Path, name: str, detector: FaceDetector) -> Portrait | None:
    """The head in a photo; ``None`` if there is none or whose it is can't be told."""
    try:
        pixels = read_picture(photo)
    except ImageError:
        return None
    faces = detector.detect(pixels)
    face = _only_face(faces, pixels)
    if face is None:
        return None
    try:
        return cut_portrait(pixels, face, person=name, name=photo.name)
    except (InvalidValue, cv2.error):
        # too small, or so near the edge that head and background can't be parted
        return None


def _only_face(faces: Sequence[Detection], pixels: Bytes) -> Detection | None:
    """The face the photo is about: it lies in the middle half, and no other is nearly as large."""
    height, width = pixels.shape[:2]
    if not faces:
        return None
    first, *others = sorted(faces, key=lambda face: -face.box.area)
    x, y = first.box.centre
    central = abs(x / width - 0.5) < 0.25 and abs(y / height - 0.5) < 0.25
    alone = not others or others[0].box.area <= _RIVAL_AREA * first.box.area
    return first if central and alone else None


def _enrol(walkers: Sequence[Walker], folder: Path) -> Path | None:
    if not walkers:
        return None
    for walker in walkers:
        own = folder / walker.subject.name
        own.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(walker.enrolment, own / walker.enrolment.name)
    return folder


def _track(
    planned: Plan,
    folder: Path,
    *,
    people: Path | None,
    engine_names: tuple[str, str, str],
    tell: Callable[[str, int, int | None], None],
) -> RunResult:
    pack, detector, grouping = engine_names

    def say(step: Step) -> None:
        tell(step.task, step.done, step.total)

    request = TrackRequest(
        sources=tuple(
            NamedSource(
                camera.name,
                str(folder / _CLIPS / f"{camera.name}.mp4"),
                None,
                shown_as=f"{_CLIPS}/{camera.name}.mp4",
            )
            for camera in planned.cameras
        ),
        out=folder / _RUN,
        grid=planned.grid,
        people=people,
        pack=pack,
        detector=detector,
        grouping=grouping,
        force=True,
        title="A simulated camera grid",
    )
    outcome = track(request, tell=say)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome.result
