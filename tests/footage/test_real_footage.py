"""The main job on real footage, default pack and settings, nothing tuned to a clip.

Needs the photos and videos that ``SIGHTGRID_DATA`` points to.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from sightgrid.domain.presence import Band
from sightgrid.offline.naming import name_sources
from sightgrid.offline.results import RunResult
from sightgrid.offline.tracking import TrackRequest, track

pytestmark = pytest.mark.footage

Run = Callable[..., RunResult]


@pytest.fixture(scope="session")
def footage() -> Path:
    folder = os.environ.get("SIGHTGRID_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the real footage")
    return Path(folder)


@pytest.fixture(scope="module")
def run(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Tracks clips of the data set, each clip its own camera."""

    def run_on(
        *clips: str, people: str | None = None, annotate: bool = False, pack: str = "default"
    ) -> RunResult:
        request = TrackRequest(
            sources=name_sources([str(footage / clip) for clip in clips]),
            out=tmp_path_factory.mktemp("run") / "out",
            people=None if people is None else footage / people,
            annotate=annotate,
            pack=pack,
        )
        return track(request).result

    return run_on


def cameras_by_serial(result: RunResult) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for visit in result.visits:
        found[visit.serial].add(visit.camera)
    return dict(found)


def names_of(result: RunResult, bands: Iterable[Band]) -> set[str]:
    return {d.match.person for d in result.decisions if d.match.person and d.match.band in bands}


@pytest.mark.parametrize("pack", ["default", "dlib", "dlib-int8"])
def test_five_office_signers_are_five_serials_across_nine_clips(
    footage: Path, run: Run, pack: str
) -> None:
    folder = footage / "vid_office_signers"
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        person_of = {Path(row["clip"]).stem: row["person"] for row in csv.DictReader(stream)}
    result = run(
        *(f"vid_office_signers/{path.name}" for path in sorted(folder.glob("*.mkv"))), pack=pack
    )
    people = {
        serial: {person_of[camera] for camera in cameras}
        for serial, cameras in cameras_by_serial(result).items()
    }
    assert len(people) == 5
    assert all(len(names) == 1 for names in people.values()), "a serial covers two people"
    assert set.union(*people.values()) == set(person_of.values())
    # every clip's signer was found, and bird's half face took nobody's serial
    assert {visit.camera for visit in result.visits} == set(person_of)
    assert sum(visit.camera == "bird" for visit in result.visits) == 1


@pytest.mark.parametrize(
    ("clip", "people"),
    [("face-demographics-walking.mp4", 2), ("face-demographics-walking-and-pause.mp4", 3)],
)
def test_people_who_walk_up_are_one_identity_each(run: Run, clip: str, people: int) -> None:
    result = run(f"vid_intel_gif_clips/{clip}")
    assert len(result.identities) == people


def test_tiny_faces_of_a_classroom_are_never_joined(run: Run) -> None:
    result = run("vid_intel_gif_clips/classroom.mp4")
    lasting = [d for d in result.decisions if len(d.sighting.path) >= 40]
    assert len(lasting) == 4
    serials = [d.match.serial for d in lasting if d.match.serial is not None]
    assert len(serials) == len(set(serials)), "two of them share a serial"


@pytest.mark.parametrize("pack", ["default", "dlib-int8"])
def test_a_man_is_one_identity_over_two_cameras_and_all_others_apart(run: Run, pack: str) -> None:
    clips = ("clm_cap12", "clm_cap13", "franck", "carphone_pristine", "sihan_test")
    result = run(*(f"vid_single_person/{clip}.mp4" for clip in clips), pack=pack)
    assert sorted(map(sorted, cameras_by_serial(result).values())) == [
        ["carphone_pristine"],
        ["clm_cap12", "clm_cap13"],
        ["franck"],
        ["sihan_test"],
    ]
    assert len(result.visits) == 5


def test_nobody_is_logged_where_no_face_is_seen(footage: Path, run: Run) -> None:
    clips = sorted((footage / "vid_persons_noface").iterdir())
    result = run(*(f"vid_persons_noface/{path.name}" for path in clips))
    assert result.identities == ()


def test_enrolled_people_are_named_on_a_dark_stage_and_nobody_else(run: Run) -> None:
    result = run("hamilton/short_hamilton_clip.mp4", people="hamilton/gallery")
    confirmed = names_of(result, [Band.CONFIRMED])
    assert confirmed == {"lin-manuel-miranda", "obama"}
    assert names_of(result, [Band.LIKELY]) <= {"alex-lacamoire"}
    strangers = [d for d in result.decisions if d.match.band is Band.STRANGER]
    assert strangers


def test_walkers_of_a_busy_street_keep_their_serials(run: Run) -> None:
    result = run("vid_street_royalopera/royal_opera_walkers.mp4", annotate=True)
    assert 5 <= len(result.identities) <= 8
    frames: dict[tuple[int, int], int] = defaultdict(int)
    for decision in result.decisions:
        for point in decision.sighting.path:
            if decision.match.serial is not None:
                frames[decision.match.serial, point.frame_index] += 1
    assert max(frames.values()) == 1, "a serial stands twice in one frame"
    # the five who walk to the camera are each followed through most of the clip
    seen = defaultdict(int)
    for serial, _ in frames:
        seen[serial] += 1
    assert sum(count >= 60 for count in seen.values()) >= 5
