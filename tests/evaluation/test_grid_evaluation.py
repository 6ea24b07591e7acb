"""Figures of a simulated grid: worked out by hand on a small truth, and once from end to end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightgrid.cli.main import run
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.geometry import Box
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Band, Decision, Match, Sighting
from sightgrid.domain.tracklets import PathPoint
from sightgrid.evaluation.grid import GridTask
from sightgrid.evaluation.grid_scores import GridScores, score_grid
from sightgrid.trajectory.visits import visits
from sightgrid.vision.simulation import CameraTruth, Distribution, GridTruth, TrueVisit

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
FPS = 10
PEOPLE = ("Ada", "Eva")
# who, camera, first and last frame, left edge of the box
WALKS = ((0, "hall", 1, 40, 0.0), (1, "hall", 21, 60, 100.0), (0, "door", 201, 240, 50.0))


def moment(frame: int) -> datetime:
    return NOON + timedelta(seconds=(frame - 1) / FPS)


def box(left: float) -> Box:
    return Box(left, 0.0, left + 40.0, 50.0)


def truth(*, hidden: range = range(0)) -> GridTruth:
    cameras = []
    for name in ("hall", "door"):
        rows = sorted(
            (frame, who, left)
            for who, camera, first, last, left in WALKS
            if camera == name
            for frame in range(first, last + 1)
        )
        cameras.append(
            CameraTruth(
                camera=name,
                fps=FPS,
                width=200,
                height=100,
                starts_at=NOON,
                frames=300,
                frame=np.array([row[0] for row in rows], np.int32),
                person=np.array([row[1] for row in rows], np.int32),
                boxes=np.array([box(row[2]).as_array() for row in rows], np.float32),
                visible=np.array([0.2 if row[0] in hidden else 1.0 for row in rows], np.float32),
            )
        )
    true = [TrueVisit(PEOPLE[w], camera, moment(a), moment(b)) for w, camera, a, b, _ in WALKS]
    spread = Distribution(3, *[(0.0, 0.0, 0.0)] * 4, 0.0, 0.0)
    return GridTruth("none", 0, 30.0, PEOPLE, tuple(cameras), (), tuple(true), spread)


def seen(
    serial: int | None,
    camera: str,
    first: int,
    last: int,
    left: float,
    *,
    person: str | None = None,
) -> Decision:
    path = tuple(PathPoint(f, moment(f), box(left), 0.9) for f in range(first, last + 1))
    sighting = Sighting(f"{camera}-{first}-{left}", 1, True, camera, 1, path, ())
    band = Band.UNSURE if serial is None else Band.STRANGER if person is None else Band.CONFIRMED
    return Decision(sighting, Match(band, serial, person, None, None, None, "because"))


def scored(*decisions: Decision, hidden: range = range(0)) -> GridScores:
    told = visits(decisions, grid=CameraGrid())
    return score_grid(truth(hidden=hidden), decisions, told)


def test_a_perfect_run() -> None:
    found = scored(
        seen(1, "hall", 1, 40, 0.0), seen(2, "hall", 21, 60, 100.0), seen(1, "door", 201, 240, 50.0)
    )
    assert (found.idf1, found.purity, found.serials_per_person) == (1.0, 1.0, 1.0)
    assert found.hota == pytest.approx(1.0)
    assert (found.visits_recall, found.visits_precision, found.wrong_joins) == (1.0, 1.0, 0)


def test_a_person_under_two_serials_costs_identity_but_no_visit() -> None:
    found = scored(
        seen(1, "hall", 1, 40, 0.0), seen(2, "hall", 21, 60, 100.0), seen(3, "door", 201, 240, 50.0)
    )
    assert found.serials_per_person == 1.5
    # 40 of Ada's 80 boxes and all of Eva's 40 are right: 80 of 120 on either side
    assert found.idf1 == pytest.approx(80 / 120)
    assert (found.visits_recall, found.visits_precision, found.wrong_joins) == (1.0, 1.0, 0)


def test_two_people_under_one_serial_are_a_wrong_join() -> None:
    found = scored(
        seen(1, "hall", 1, 40, 0.0), seen(2, "hall", 21, 60, 100.0), seen(2, "door", 201, 240, 50.0)
    )
    assert found.wrong_joins == 1
    assert set(found.joined[2]) == {0, 1}
    assert found.purity == pytest.approx(80 / 120)


def test_a_swap_within_a_sighting_is_a_wrong_join_once_it_lasts() -> None:
    on_ada = seen(1, "hall", 1, 34, 0.0).sighting
    on_eva = seen(1, "hall", 35, 60, 100.0).sighting
    mixed = Sighting("mixed", 1, True, "hall", 1, on_ada.path + on_eva.path[:4], ())
    match = Match(Band.STRANGER, 1, None, None, None, None, "because")
    assert scored(Decision(mixed, match)).wrong_joins == 0, "0.4 s"
    longer = Sighting("mixed", 1, True, "hall", 1, on_ada.path + on_eva.path[:5], ())
    assert scored(Decision(longer, match)).wrong_joins == 1, "0.5 s"


def test_unsure_sightings_answer_nothing() -> None:
    found = scored(seen(1, "hall", 1, 40, 0.0), seen(None, "hall", 21, 60, 100.0))
    assert found.visits_recall == pytest.approx(1 / 3)
    assert found.visits_precision == 1.0
    assert found.people_found == 1
    # 40 boxes right, none wrong, 80 missed
    assert found.idf1 == pytest.approx(40 / (40 + 40))


def test_boxes_on_hidden_faces_are_neither_asked_for_nor_wrong() -> None:
    everything = (
        seen(1, "hall", 1, 40, 0.0),
        seen(2, "hall", 21, 60, 100.0),
        seen(1, "door", 201, 240, 50.0),
    )
    assert scored(*everything, hidden=range(30, 50)).idf1 == 1.0


def test_a_row_on_nobody_s_face_is_invented() -> None:
    found = scored(seen(1, "hall", 1, 40, 0.0), seen(2, "hall", 100, 120, 155.0))
    assert found.visits_precision == 0.5
    assert found.serials_per_person == 1.0
    assert [visit.serial for visit in found.invented] == [2]


def test_a_visit_told_twice_is_right_once() -> None:
    found = scored(seen(1, "hall", 1, 18, 0.0), seen(3, "hall", 20, 40, 0.0))
    assert found.visits_precision == 0.5
    assert found.visits_recall == pytest.approx(1 / 3)


def test_names_are_held_against_the_truth() -> None:
    found = scored(
        seen(1, "hall", 1, 40, 0.0, person="Ada"), seen(2, "hall", 21, 60, 100.0, person="Ada")
    )
    assert (found.names_right, found.names_wrong) == (1, 1)


def test_nothing_found_is_no_division_by_nothing() -> None:
    found = scored()
    assert (found.idf1, found.purity, found.serials_per_person) == (0.0, 0.0, 0.0)


def test_a_task_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidValue, match="unseen fraction"):
        GridTask(Path(), 1, 1, 1.0, 0, unseen_fraction=1.2)
    with pytest.raises(InvalidValue, match="at least one camera"):
        GridTask(Path(), 0, 1, 1.0, 0)
    assert GridTask(Path(), 1, 9, 1.0, 0, unseen_fraction=0.5).enrolled_people == 5


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, five photos each: one photo, lit in five ways."""
    from sightgrid.offline.demo_photos import find_demo_photos
    from sightgrid.vision.pictures import read_picture

    folder = tmp_path_factory.mktemp("photos")
    try:
        found = {photo.name: photo.path for photo in find_demo_photos().photos}
    except NotFound as error:
        pytest.skip(f"{error} ({error.hint})")
    for name in ("Grace Hopper", "visitor A", "visitor B"):
        if name not in found:
            pytest.skip("not all of the demo's photos are installed")
        pixels = read_picture(found[name])
        scale = 300 / max(pixels.shape[:2])
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        (folder / name).mkdir()
        for number, gain in enumerate((0.8, 0.85, 0.9, 0.95, 1.0)):
            cv2.imwrite(
                str(folder / name / f"{number}.png"), np.rint(small * gain).astype(np.uint8)
            )
    return folder


def test_a_grid_is_rendered_tracked_and_compared(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_file, plots, kept = tmp_path / "answer.json", tmp_path / "plots", tmp_path / "kept"
    arguments = ["evaluate", "grid", "--photos", str(photos), "--cameras", "1", "--people", "3"]
    arguments += ["--minutes", "0.2", "--seed", "6", "--unseen-fraction", "0.5"]
    arguments += ["--plots", str(plots), "--keep", str(kept), "--json", str(answer_file)]
    assert run(arguments) == 0, capsys.readouterr().err
    answer = json.loads(answer_file.read_text("utf-8"))
    assert answer["visits_true"] == 2
    assert 0 < answer["idf1"] <= 1
    assert 0 < answer["hota"] <= 1
    assert answer["wrong_joins"] == 0
    assert answer["purity"] == 1.0
    assert answer["enrolled_people"] == 1
    assert answer["names_wrong"] == 0
    assert answer["realtime_factor"] > 0
    assert answer["distribution"]["passages"] >= 1
    assert (kept / "clips" / "truth.json").is_file()
    assert len(list((kept / "people").glob("*/*"))) == 1
    page = (plots / "evaluation.html").read_text("utf-8")
    assert "Trajectories beside the truth" in page
    for name in ("trajectories", "wrong-joins", "splits", "unsure"):
        assert (plots / f"{name}.png").is_file()


def test_too_few_people_is_said_in_one_line(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["evaluate", "grid", "--photos", str(photos), "--people", "4", "--minutes", "0.2"])
    assert code == 1
    assert "has 3 people with 5 usable photos, but 4 are to walk" in capsys.readouterr().err
