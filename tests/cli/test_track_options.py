"""What the options of `track` change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from scenery import Run, Scene, call

from sightgrid.vision.sources import open_source


@pytest.fixture(scope="module")
def pictures(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every picture of the short clip, as a folder: a source without a clock."""
    import cv2

    folder = tmp_path_factory.mktemp("pictures") / "lobby"
    folder.mkdir()
    source = open_source(str(scene.short), camera="short", starts_at=None)
    for frame in source.frames():
        cv2.imwrite(str(folder / f"img{frame.index}.png"), frame.pixels)
    return folder


def info(folder: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / "run.json").read_text("utf-8"))
    return loaded


def test_a_grid_keeps_two_people_apart_who_look_alike_but_are_seen_at_once(
    tracked: Run, scene: Scene, tmp_path: Path
) -> None:
    """Without a grid, views may overlap: then the same face on both cameras is one person."""
    assert [r["cameras"] for r in tracked.table("identities") if r["identity"] == "2"] == ["2"]
    grid = tmp_path / "grid.yml"
    grid.write_text("links:\n  - {from: door, to: hall, overlap: false}\n")
    out = tmp_path / "out"
    called = call(
        *("track", scene.door, scene.hall, "--people", scene.people),
        *("--out", out, "--grid", grid),
    )
    assert called.code == 0, called.err
    run = Run(out, called)
    named = {row["camera"] for row in run.table("visits") if row["person"] == "Eileen Collins"}
    assert named == {"door", "hall"}, "who merely changes over stays one"
    strangers = [row for row in run.table("identities") if not row["person"]]
    assert [row["cameras"] for row in strangers] == ["1", "1", "1"]
    visits = [row for row in run.table("visits") if not row["person"]]
    assert [row["identity"] for row in visits] == ["2", "3", "4"]
    assert [row["camera"] for row in visits] == ["door", "hall", "hall"]


def test_names_come_from_the_command_line_or_the_file_and_twins_get_a_number(
    scene: Scene, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    called = call("track", scene.short, f"Back_Door={scene.short}", scene.short, "--out", out)
    assert called.code == 0, called.err
    run = Run(out, called)
    assert [source["camera"] for source in run.info["sources"]] == ["short", "Back_Door", "short-2"]
    assert {path.name for path in out.glob("*.mot.txt")} == {
        "short.mot.txt",
        "Back_Door.mot.txt",
        "short-2.mot.txt",
    }
    assert {row["camera"] for row in run.table("visits")} == {"short", "Back_Door", "short-2"}
    assert {row["identity"] for row in run.table("visits")} == {"1"}, "the same person thrice"


def test_start_moves_all_cameras_or_the_one_that_is_named(scene: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out"
    called = call(
        *("track", f"a={scene.short}", f"b={scene.short}", "--out", out),
        *("--start", "2030-05-06T07:08:09+02:00", "--start", "b=2030-05-06T06:00:00.250Z"),
    )
    assert called.code == 0, called.err
    sources = Run(out, called).info["sources"]
    assert [(s["starts_at"], s["clock"]) for s in sources] == [
        ("2030-05-06T05:08:09.000Z", "given"),
        ("2030-05-06T06:00:00.250Z", "given"),
    ]
    firsts = {row["camera"]: row["first_seen"] for row in Run(out, called).table("sightings")}
    assert firsts["a"].startswith("2030-05-06T05:08:")
    assert firsts["b"].startswith("2030-05-06T06:00:0")


def test_a_folder_of_pictures_is_a_camera_and_without_a_start_its_clock_is_relative(
    pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    called = call("track", pictures, "--out", out)
    assert called.code == 0, called.err
    run = Run(out, called)
    assert run.info["clock"] == "relative"
    (source,) = run.info["sources"]
    assert source["camera"] == "lobby"
    assert source["clock"] == "relative"
    assert source["starts_at"] == "1970-01-01T00:00:00.000Z"
    assert source["frames"] == 24
    (visit,) = run.table("visits")
    assert visit["first_seen"].startswith("1970-01-01T00:00:0")


def test_people_are_named_by_a_folder_of_photos_named_for_them(
    scene: Scene, tmp_path: Path
) -> None:
    photo = scene.photos["visitor A"]
    people = tmp_path / "people"
    people.mkdir()
    shutil.copyfile(photo, people / f"Ada Lovelace{photo.suffix}")
    out = tmp_path / "out"
    called = call("track", scene.short, "--out", out, "--people", people)
    assert called.code == 0, called.err
    (visit,) = Run(out, called).table("visits")
    assert visit["person"] == "Ada Lovelace"


def test_photos_that_can_not_be_used_are_left_out_with_a_note(scene: Scene, tmp_path: Path) -> None:
    photo = scene.photos["visitor A"]
    people = tmp_path / "people"
    for name in ("Ada", "Nobody"):
        (people / name).mkdir(parents=True)
    shutil.copyfile(photo, people / "Ada" / photo.name)
    (people / "Ada" / "empty.jpg").touch()
    (people / "Nobody" / "empty.png").touch()
    out = tmp_path / "out"
    called = call("track", scene.short, "--out", out, "--people", people)
    assert called.code == 0, called.err
    notes = called.err.splitlines()
    assert all(note.startswith("note: ") for note in notes)
    assert sum("empty.jpg" in note for note in notes) == 1
    assert any("Nobody" in note and "not enrolled" in note for note in notes)
    run = Run(out, called)
    assert {row["person"] for row in run.table("visits")} == {"Ada"}
    assert run.info["enrolled"] == 1
    assert run.info["notes"] == [note.removeprefix("note: ") for note in notes]


@pytest.fixture(scope="module")
def short_run(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("short") / "out"
    assert call("track", scene.short, "--out", out).code == 0
    return out


@pytest.fixture
def taken(short_run: Path, tmp_path: Path) -> Path:
    """A folder with an older run of another camera in it, and a file of its owner's."""
    out = tmp_path / "out"
    shutil.copytree(short_run, out)
    (out / "notes.txt").write_text("mine")
    (out / "garden.mot.txt").write_text("1,1,0,0,9,9,1,-1,-1,-1\n")
    (out / "crops" / "garden_20260101T000000000Z_1_1.jpg").write_bytes(b"old")
    (out / "annotated").mkdir()
    (out / "annotated" / "garden.mp4").write_bytes(b"old")
    return out


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_that_holds_something_is_refused_and_not_touched(
    scene: Scene, taken: Path
) -> None:
    before = everything(taken)
    line = call("track", scene.short, "--out", taken).failed_in_one_line()
    assert "not empty" in line
    assert "--force" in line
    assert everything(taken) == before
    assert [path.name for path in taken.parent.iterdir()] == ["out"]


def test_force_replaces_the_run_and_keeps_what_is_not_of_it(scene: Scene, taken: Path) -> None:
    old = info(taken)["made_at"]
    called = call("track", f"lobby={scene.short}", "--out", taken, "--force")
    assert called.code == 0, called.err
    assert (taken / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in taken.iterdir()) == [
        "crops",
        "identities.csv",
        "lobby.mot.txt",
        "notes.txt",
        "report.html",
        "run.json",
        "sightgrid.db",
        "sightings.csv",
        "visits.csv",
    ]
    assert {path.name.split("_")[0] for path in (taken / "crops").iterdir()} == {"lobby"}
    assert info(taken)["made_at"] != old


def test_when_a_forced_run_fails_the_old_one_stays(taken: Path, tmp_path: Path) -> None:
    before = everything(taken)
    missing = tmp_path / "missing.mp4"
    call("track", missing, "--out", taken, "--force").failed_in_one_line()
    assert everything(taken) == before
    assert [path.name for path in taken.parent.iterdir()] == ["out"]


def test_an_empty_folder_is_used_as_it_is(scene: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    inode = out.stat().st_ino
    called = call("track", scene.short, "--out", out)
    assert called.code == 0, called.err
    assert out.stat().st_ino == inode, "it may be a mounted disk"
    assert (out / "run.json").is_file()
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def test_json_never_replaces_a_recording(scene: Scene, tmp_path: Path) -> None:
    """In `--json clip.mp4 other.mp4` the clip would be taken for the FILE to write."""
    clip = tmp_path / "clip.mp4"
    shutil.copyfile(scene.short, clip)
    called = call("track", "--json", clip, scene.short, "--out", tmp_path / "out")
    assert "not replaced" in called.failed_in_one_line(2)
    assert clip.read_bytes() == scene.short.read_bytes()
    assert not (tmp_path / "out").exists()


def test_a_json_file_that_can_not_be_written_is_said_before_the_work(
    scene: Scene, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    called = call("track", scene.short, "--out", out, "--json", tmp_path / "no" / "answer.json")
    called.failed_in_one_line(2)
    assert not out.exists()
