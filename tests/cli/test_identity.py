"""`identity list|show|search --run DIR` on a run that `track` wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenery import Run, Scene, call


def test_list_names_everybody_the_ledger_knows(tracked: Run) -> None:
    called = call("identity", "list", "--run", tracked.folder, "--json")
    assert called.code == 0
    rows = json.loads(called.out)
    seen = [row for row in rows if row["sightings"]]
    assert [
        (str(r["identity"]), r["person"] or "", str(r["visits"]), r["first_seen"], r["last_seen"])
        for r in seen
    ] == [
        (r["identity"], r["person"], r["visits"], r["first_seen"], r["last_seen"])
        for r in tracked.table("identities")
    ]
    assert all((tracked.folder / row["crop"]).is_file() for row in seen)
    (unseen,) = [row for row in rows if not row["sightings"]]
    assert unseen["person"] == "Grace Hopper"
    assert unseen["first_seen"] is None
    printed = call("identity", "list", "--run", tracked.folder)
    assert printed.code == 0
    assert "Eileen Collins" in printed.out
    assert "not seen" in printed.out


def test_show_gives_visits_and_each_sighting_with_its_reason(tracked: Run) -> None:
    called = call("identity", "show", "1", "--run", tracked.folder, "--json")
    assert called.code == 0
    shown = json.loads(called.out)
    assert (shown["identity"], shown["person"]) == (1, "Eileen Collins")
    visits = [row for row in tracked.table("visits") if row["identity"] == "1"]
    assert [(v["camera"], v["first_seen"], v["last_seen"]) for v in shown["visits"]] == [
        (v["camera"], v["first_seen"], v["last_seen"]) for v in visits
    ]
    sightings = [row for row in tracked.table("sightings") if row["identity"] == "1"]
    assert [(s["sighting_id"], s["band"]) for s in shown["sightings"]] == [
        (s["sighting_id"], s["band"]) for s in sightings
    ]
    assert all(item["reason"] for item in shown["sightings"])
    assert "Visits of identity 1, Eileen Collins" in (
        call("identity", "show", "1", "--run", tracked.folder).out
    )


@pytest.mark.parametrize("serial", ["0", "99"])
def test_show_of_an_unknown_serial_fails(tracked: Run, serial: str) -> None:
    line = call("identity", "show", serial, "--run", tracked.folder).failed_in_one_line()
    assert f"no identity {serial}" in line


@pytest.mark.parametrize(
    ("person", "serial"), [("Eileen Collins", 1), ("visitor A", 2), ("visitor B", 3)]
)
def test_search_finds_who_a_photo_shows_first_enrolled_or_stranger(
    tracked: Run, scene: Scene, person: str, serial: int
) -> None:
    called = call("identity", "search", scene.photos[person], "--run", tracked.folder, "--json")
    assert called.code == 0, called.err
    best = max(
        (answer["found"] for answer in json.loads(called.out)["faces"]),
        key=lambda found: found[0]["score"],
    )
    assert best[0]["identity"] == serial
    assert best[0]["wording"] == "same"
    assert best[0]["score"] > best[1]["score"] + 0.2
    assert [item["score"] for item in best] == sorted((i["score"] for i in best), reverse=True)


def test_search_looks_for_every_face_of_a_photo(tracked: Run, scene: Scene, tmp_path: Path) -> None:
    both = [cv2.imread(str(scene.photos[name])) for name in ("visitor A", "visitor B")]
    both = [cv2.resize(picture, (400, 400)) for picture in both]
    cv2.imwrite(str(tmp_path / "both.png"), np.hstack(both))
    called = call(
        *("identity", "search", tmp_path / "both.png", "--run", tracked.folder),
        *("--limit", "1", "--json"),
    )
    answers = json.loads(called.out)["faces"]
    assert [[item["identity"] for item in answer["found"]] for answer in answers] == [[2], [3]]


def test_search_with_a_picture_without_a_face_fails_with_its_reason(
    tracked: Run, tmp_path: Path
) -> None:
    wall = tmp_path / "wall.png"
    cv2.imwrite(str(wall), np.full((120, 160, 3), 90, np.uint8))
    called = call("identity", "search", wall, "--run", tracked.folder)
    assert "no face" in called.failed_in_one_line()
    called = call("identity", "search", wall, "--run", tracked.folder, "--json")
    assert called.code == 1
    assert json.loads(called.out) == {"faces": []}


def test_search_with_something_that_is_no_picture_fails(tracked: Run, tmp_path: Path) -> None:
    text = tmp_path / "photo.jpg"
    text.write_text("no picture")
    called = call("identity", "search", text, "--run", tracked.folder)
    assert "photo.jpg" in called.failed_in_one_line()
    missing = call("identity", "search", tmp_path / "missing.jpg", "--run", tracked.folder)
    assert "no such file" in missing.failed_in_one_line()


def test_a_limit_below_one_is_wrong_usage(tracked: Run, scene: Scene) -> None:
    photo = scene.photos["visitor A"]
    called = call("identity", "search", photo, "--run", tracked.folder, "--limit", "0")
    assert "--limit" in called.failed_in_one_line(2)


@pytest.mark.parametrize("command", [["list"], ["show", "1"], ["search", "photo.jpg"]])
def test_a_folder_without_a_run_is_said_to_be_one(tmp_path: Path, command: list[str]) -> None:
    line = call("identity", *command, "--run", tmp_path).failed_in_one_line()
    assert "holds no run" in line
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_a_damaged_or_foreign_database_is_said_to_be_one(tracked: Run, tmp_path: Path) -> None:
    database = tmp_path / "sightgrid.db"
    database.write_text("no database, but long enough to be looked at as one\n" * 50)
    assert "not a SQLite database" in (
        call("identity", "list", "--run", tmp_path).failed_in_one_line()
    )
    database.unlink()
    shutil.copyfile(tracked.folder / "sightgrid.db", database)
    with database.open("r+b") as stream:
        stream.truncate(database.stat().st_size // 2)
    call("identity", "list", "--run", tmp_path).failed_in_one_line()


def test_looking_changes_nothing_in_the_run(tracked: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in tracked.folder.rglob("*")}
    for command in (["list"], ["show", "1"]):
        assert call("identity", *command, "--run", tracked.folder).code == 0
    assert {path: path.stat().st_mtime_ns for path in tracked.folder.rglob("*")} == before
