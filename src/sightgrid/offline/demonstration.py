"""``sightgrid demo``: the whole chain on a sample camera grid whose truth is known.

People walk past cameras, drawn from real portrait photos and encoded as H.264; then the clips go
the way every recording goes. There is one photo of each person, so the demo shows that the chain
holds together, not how well people are recognised: that is what ``docs/benchmarks.md`` is for.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Decision
from sightgrid.offline.comparison import Comparison, compare
from sightgrid.offline.demo_photos import DemoPhoto, DemoPhotos, find_demo_photos, pick_face
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.offline.naming import NamedSource
from sightgrid.offline.outfolder import check_free
from sightgrid.offline.report_facts import TruthRow
from sightgrid.offline.tracking import Step, TrackOutcome, TrackRequest, track
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.simulation import (
    DEMO,
    GridTruth,
    Subject,
    cut_portrait,
    lay_out,
    plan,
    render,
    save_truth,
)

_CAMERAS = ("entrance", "corridor", "stairs", "canteen")
_SECS = 24.0
_SEED = 7
# public figures whose photos are in the public domain; everybody else stays a visitor
_ENROLLED = ("Eileen Collins", "Grace Hopper")


@dataclass(frozen=True, slots=True, eq=False)
class Demonstration:
    """What the demo did: the run, the truth beside it, and whose photos it used."""

    outcome: TrackOutcome
    truth: GridTruth
    comparison: Comparison
    photos: DemoPhotos


@dataclass(frozen=True, slots=True, eq=False)
class SampleGrid:
    """The rendered cameras: a clip for each in ``clips``, how they lie to each other, what really
    happened, and whose photos the enrolled people are to be enrolled with."""

    clips: Path
    cameras: tuple[str, ...]
    grid: CameraGrid
    truth: GridTruth
    enrolled: tuple[DemoPhoto, ...]
    photos: DemoPhotos


def render_sample(
    folder: Path,
    engine: Engine,
    *,
    starts_at: datetime | None = None,
    tell: Callable[[Step], None] | None = None,
) -> SampleGrid:
    """Renders the sample grid's clips into a folder.

    Args:
        starts_at: when the first camera begins to record.

    Raises:
        NotFound: the packages that carry the photos are not installed.
    """
    say = tell or (lambda _: None)
    photos = find_demo_photos()
    subjects = _subjects(photos, engine)
    links = lay_out(_CAMERAS)
    planned = plan(
        subjects,
        _CAMERAS,
        seed=_SEED,
        preset=DEMO,
        secs=_SECS,
        links=links,
        **({} if starts_at is None else {"starts_at": starts_at}),
    )
    truth = render(
        planned,
        folder,
        progress=lambda done, total: say(Step("rendering the cameras", done, total)),
    )
    save_truth(truth, folder / "truth.json")
    enrolled = tuple(photo for photo in photos.photos if photo.name in _ENROLLED)
    return SampleGrid(folder, _CAMERAS, planned.grid, truth, enrolled, photos)


def demonstrate(
    out: Path, *, force: bool, tell: Callable[[Step], None] | None = None
) -> Demonstration:
    """Renders the sample grid, tracks it and compares the result with the truth.

    Raises:
        NotFound: the packages that carry the photos are not installed.
        SightgridError: the run could not be made; nothing is left in ``out``.
    """
    check_free(out, force=force)
    # before the pack is opened for nothing
    find_demo_photos()
    engine = open_engine("default")
    with tempfile.TemporaryDirectory(prefix="sightgrid-demo-") as folder:
        clips = Path(folder) / "clips"
        sample = render_sample(clips, engine, tell=tell)
        truth, photos = sample.truth, sample.photos
        people = Path(folder) / "people"
        people.mkdir()
        for photo in sample.enrolled:
            shutil.copyfile(photo.path, people / f"{photo.name}{photo.path.suffix}")
        request = TrackRequest(
            sources=tuple(
                NamedSource(name, f"{clips / name}.mp4", None, shown_as=f"clips/{name}.mp4")
                for name in _CAMERAS
            ),
            out=out,
            grid=sample.grid,
            people=people if any(people.iterdir()) else None,
            force=force,
            title="Demo: a sample camera grid",
        )
        outcome = track(request, tell=tell, truth=lambda decisions: _rows(truth, decisions))
        shutil.copytree(clips, out / "clips", dirs_exist_ok=True)
    comparison = compare(truth, outcome.result.decisions, outcome.result.visits)
    return Demonstration(outcome, truth, comparison, photos)


def _subjects(photos: DemoPhotos, engine: Engine) -> list[Subject]:
    subjects = []
    for photo in photos.photos:
        pixels = read_picture(photo.path)
        height, width = pixels.shape[:2]
        face = pick_face(photo, engine.detector.detect(pixels), width=width, height=height)
        portrait = cut_portrait(pixels, face, person=photo.name, name=photo.path.name)
        subjects.append(Subject(name=photo.name, portraits=(portrait,)))
    return subjects


def _rows(truth: GridTruth, decisions: Sequence[Decision]) -> list[TruthRow]:
    """The true visits with what was found, for the report."""
    return [
        TruthRow(
            person=visit.truth.person,
            camera=visit.truth.camera,
            first_seen=visit.truth.first_seen,
            last_seen=visit.truth.last_seen,
            serial=visit.serials[0] if visit.serials else None,
        )
        for visit in compare(truth, decisions, ()).visits
    ]
