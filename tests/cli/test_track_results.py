"""Everything `track --out DIR` writes, held against the public contract."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import av
import cv2
import pytest
from scenery import FPS, Run, Scene, call

from sightgrid.domain.frames import parse_time
from sightgrid.store import Store
from sightgrid.store.identities import identities
from sightgrid.store.visits import visits_of

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CROP = re.compile(r"crops/(?P<camera>[A-Za-z0-9_-]+)_(\d{8}T\d{9}Z)_(?P<group>\d+)_(\d+)\.jpg")
BANDS = {"confirmed", "likely", "stranger", "unsure"}


def test_the_folder_holds_what_the_contract_lists_and_nothing_else(tracked: Run) -> None:
    assert sorted(entry.name for entry in tracked.folder.iterdir()) == [
        "annotated",
        "crops",
        "door.mot.txt",
        "hall.mot.txt",
        "identities.csv",
        "report.html",
        "run.json",
        "sightgrid.db",
        "sightings.csv",
        "visits.csv",
    ]
    assert [entry.name for entry in tracked.folder.parent.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (
            "sightings",
            "sighting_id,camera,group,first_seen,last_seen,first_frame,last_frame,faces,identity,"
            "person,band,score,quality,crop",
        ),
        ("visits", "identity,person,camera,first_seen,last_seen,sightings"),
        ("identities", "identity,person,cameras,visits,first_seen,last_seen,crop"),
    ],
)
def test_tables_have_exactly_the_columns_of_the_contract(
    tracked: Run, table: str, columns: str
) -> None:
    text = (tracked.folder / f"{table}.csv").read_text("utf-8")
    assert text.splitlines()[0] == columns
    assert all(None not in row and None not in row.values() for row in tracked.table(table))


def test_every_time_is_iso_8601_in_utc_with_milliseconds_and_z(tracked: Run) -> None:
    for table in ("sightings", "visits", "identities"):
        for row in tracked.table(table):
            assert TIME.fullmatch(row["first_seen"])
            assert TIME.fullmatch(row["last_seen"])
            assert parse_time(row["first_seen"]) <= parse_time(row["last_seen"])
    assert TIME.fullmatch(tracked.info["made_at"])


def test_times_are_the_recordings_start_plus_the_frames_own_time(tracked: Run) -> None:
    for row in tracked.table("sightings"):
        since = (parse_time(row["first_seen"]) - parse_time("2026-03-02T08:00:00Z")).total_seconds()
        assert since == pytest.approx((int(row["first_frame"]) - 1) / FPS, abs=0.002)


def test_sightings_are_in_order_of_time_and_have_one_row_each(tracked: Run) -> None:
    rows = tracked.table("sightings")
    assert rows == sorted(rows, key=lambda row: row["first_seen"])
    assert max(Counter(row["sighting_id"] for row in rows).values()) == 1
    for row in rows:
        assert 1 <= int(row["first_frame"]) <= int(row["last_frame"])
        assert 1 <= int(row["faces"]) <= int(row["last_frame"]) - int(row["first_frame"]) + 1
        assert 0.0 <= float(row["quality"]) <= 1.0
    groups = Counter((row["camera"], row["group"]) for row in rows)
    assert max(groups.values()) == 1


def test_identity_is_empty_for_unsure_only_and_person_only_for_nameless_bands(
    tracked: Run,
) -> None:
    rows = tracked.table("sightings")
    assert {row["band"] for row in rows} >= {"confirmed", "stranger", "unsure"}
    for row in rows:
        assert row["band"] in BANDS
        assert (row["identity"] == "") == (row["band"] == "unsure")
        assert (row["person"] != "") == (row["band"] in ("confirmed", "likely"))


def test_score_is_empty_for_the_sighting_that_mints_a_strangers_serial(tracked: Run) -> None:
    strangers: dict[str, list[str]] = {}
    for row in tracked.table("sightings"):
        if row["band"] == "stranger":
            strangers.setdefault(row["identity"], []).append(row["score"])
        elif row["band"] == "unsure":
            assert row["score"] == ""
        else:
            assert -1.0 <= float(row["score"]) <= 1.0
    for first, *others in strangers.values():
        assert first == ""
        assert all(-1.0 <= float(score) <= 1.0 for score in others)


def test_people_are_who_they_are(tracked: Run) -> None:
    """Who walked where is known: see conftest."""
    seen = {(row["person"], row["camera"]): row["identity"] for row in tracked.table("visits")}
    assert seen.keys() == {
        ("Eileen Collins", "door"),
        ("Eileen Collins", "hall"),
        ("", "door"),
        ("", "hall"),
    }
    assert seen["Eileen Collins", "door"] == seen["Eileen Collins", "hall"] == "1"
    strangers = {
        r["identity"]: r["cameras"] for r in tracked.table("identities") if not r["person"]
    }
    assert strangers == {"2": "2", "3": "1"}
    (glimpse,) = [row for row in tracked.table("sightings") if row["band"] == "unsure"]
    assert glimpse["camera"] == "hall"


def test_serials_count_from_one_in_order_of_first_seen(tracked: Run) -> None:
    rows = tracked.table("identities")
    assert [int(row["identity"]) for row in rows] == list(range(1, len(rows) + 1))
    assert all(a["first_seen"] <= b["first_seen"] for a, b in pairwise(rows))


def test_visits_are_ordered_by_identity_then_time_and_leave_the_unsure_out(tracked: Run) -> None:
    visits = tracked.table("visits")
    order = [(int(row["identity"]), row["first_seen"]) for row in visits]
    assert order == sorted(order)
    decided = [row for row in tracked.table("sightings") if row["identity"]]
    assert sum(int(row["sightings"]) for row in visits) == len(decided)
    for visit in visits:
        within = [
            row
            for row in decided
            if (row["identity"], row["camera"]) == (visit["identity"], visit["camera"])
            and visit["first_seen"] <= row["first_seen"] <= row["last_seen"] <= visit["last_seen"]
        ]
        assert len(within) == int(visit["sightings"])


def test_identities_sum_up_their_visits(tracked: Run) -> None:
    visits = tracked.table("visits")
    for row in tracked.table("identities"):
        own = [visit for visit in visits if visit["identity"] == row["identity"]]
        assert int(row["visits"]) == len(own)
        assert int(row["cameras"]) == len({visit["camera"] for visit in own})
        assert row["first_seen"] == min(visit["first_seen"] for visit in own)
        assert row["last_seen"] == max(visit["last_seen"] for visit in own)
        assert {visit["person"] for visit in own} == {row["person"]}


@pytest.mark.parametrize("camera", ["door", "hall"])
def test_mot_rows_give_every_detection_with_minus_one_for_unsure_only(
    tracked: Run, camera: str
) -> None:
    rows = [
        line.split(",")
        for line in (tracked.folder / f"{camera}.mot.txt").read_text("ascii").splitlines()
    ]
    sightings = [row for row in tracked.table("sightings") if row["camera"] == camera]
    assert {len(row) for row in rows} == {10}
    assert {tuple(row[7:]) for row in rows} == {("-1", "-1", "-1")}
    assert [int(row[0]) for row in rows] == sorted(int(row[0]) for row in rows)
    assert min(int(row[0]) for row in rows) >= 1
    assert len({(row[0], row[1]) for row in rows if row[1] != "-1"}) == sum(
        row[1] != "-1" for row in rows
    ), "an identity is in a frame once"
    counted = Counter(int(row[1]) for row in rows)
    wanted: Counter[int] = Counter()
    for row in sightings:
        wanted[int(row["identity"] or -1)] += int(row["faces"])
    assert counted == wanted
    for _, _, left, top, width, height, conf, *_ in rows:
        assert float(width) > 0
        assert float(height) > 0
        assert 0.0 <= float(conf) <= 1.0
        assert -100 < float(left) < 480
        assert -100 < float(top) < 270


def test_crops_are_pictures_named_for_camera_time_group_and_counter(tracked: Run) -> None:
    names = {f"crops/{path.name}" for path in (tracked.folder / "crops").iterdir()}
    counters: dict[tuple[str, str], list[int]] = {}
    for name in names:
        match = CROP.fullmatch(name)
        assert match, name
        counters.setdefault((match["camera"], match["group"]), []).append(int(match[4]))
        picture = cv2.imread(str(tracked.folder / name))
        assert picture is not None
        assert picture.shape == (112, 112, 3)
    for numbers in counters.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
    for table in ("sightings", "identities"):
        for row in tracked.table(table):
            assert row["crop"] in names
    for row in tracked.table("sightings"):
        match = CROP.fullmatch(row["crop"])
        assert match
        assert (match["camera"], match["group"]) == (row["camera"], row["group"])
        stamps = [re.sub(r"\D", "", row[end]) for end in ("first_seen", "last_seen")]
        assert stamps[0] <= re.sub(r"\D", "", match[2]) <= stamps[1]


def test_run_json_tells_what_the_run_was_made_with_and_how_it_went(tracked: Run) -> None:
    info = tracked.info
    assert info["sightgrid"]
    assert {"numpy", "av", "onnxruntime"} <= info["libraries"].keys()
    (pack,) = info["packs"]
    assert pack["name"] == "default"
    assert re.fullmatch(r"[0-9a-f]{64}", pack["detector_sha256"])
    assert re.fullmatch(r"[0-9a-f]{64}", pack["embedder_sha256"])
    assert info["detector"]["name"] == "yunet"
    assert list(info["detector"]["files"].values()) == [pack["detector_sha256"]]
    (contract,) = info["contracts"]
    assert re.fullmatch(r"[0-9a-f]{64}", contract["id"])
    assert {"detector", "grouping", "pack"} <= info["settings"].keys()
    assert info["enrolled"] == 2
    assert [source["camera"] for source in info["sources"]] == ["door", "hall"]
    for source in info["sources"]:
        assert source["status"] == "done"
        assert source["frames"] == 7 * FPS
        assert (source["width"], source["height"]) == (480, 270)
        assert source["starts_at"] == "2026-03-02T08:00:00.000Z"
        assert source["clock"] == "container"
        assert source["media_secs"] == pytest.approx(7.0, abs=0.1)
    assert info["clock"] != "relative"
    assert info["timings"]["wall_secs"] > 0
    assert info["timings"]["media_secs"] == pytest.approx(14.0, abs=0.2)


def test_the_report_is_one_page_that_names_everybody_seen(tracked: Run) -> None:
    page = (tracked.folder / "report.html").read_text("utf-8")
    assert "Eileen Collins" in page
    assert "<script src=" not in page
    assert not re.search(r"""(?:src|href)=["']https?://""", page)


def test_annotated_videos_show_every_frame_at_its_time(tracked: Run) -> None:
    for camera in ("door", "hall"):
        with av.open(str(tracked.folder / "annotated" / f"{camera}.mp4")) as container:
            frames = [frame.time for frame in container.decode(video=0)]
        assert len(frames) == 7 * FPS
        assert frames[-1] - frames[0] == pytest.approx((7 * FPS - 1) / FPS, abs=0.02)


def test_every_enrolled_person_has_exactly_one_serial_seen_or_not(tracked: Run) -> None:
    with (
        Store.open(tracked.folder / "sightgrid.db", create=False) as store,
        store.snapshot() as tx,
    ):
        rows = identities(tx)
    names = [row.person for row in rows if row.person]
    assert sorted(names) == ["Eileen Collins", "Grace Hopper"]
    (unseen,) = [row for row in rows if row.person == "Grace Hopper"]
    assert unseen.serial == len(rows), "who was not seen comes last"
    assert unseen.first_seen is None
    assert unseen.visits == unseen.sightings == 0
    assert "Grace Hopper" not in {row["person"] for row in tracked.table("identities")}


def test_the_database_agrees_with_the_tables(tracked: Run) -> None:
    with (
        Store.open(tracked.folder / "sightgrid.db", create=False) as store,
        store.snapshot() as tx,
    ):
        rows = [row for row in identities(tx) if row.sightings]
        stored = [visit for row in rows for visit in visits_of(tx, row.serial)]
    assert [(row.serial, row.person or "", len(row.cameras), row.visits) for row in rows] == [
        (int(row["identity"]), row["person"], int(row["cameras"]), int(row["visits"]))
        for row in tracked.table("identities")
    ]
    assert [(v.serial, v.camera, len(v.sighting_ids)) for v in stored] == [
        (int(row["identity"]), row["camera"], int(row["sightings"]))
        for row in tracked.table("visits")
    ]
    for visit, row in zip(stored, tracked.table("visits"), strict=True):
        assert abs((visit.first_seen - parse_time(row["first_seen"])).total_seconds()) < 0.001
    with closing(sqlite3.connect(tracked.folder / "sightgrid.db")) as database:
        (count,) = database.execute("select count(*) from sighting").fetchone()
        assert count == len(tracked.table("sightings"))
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_json_says_what_the_tables_say(tracked: Run) -> None:
    document = tracked.document
    assert [source["status"] for source in document["sources"]] == ["done", "done"]
    assert [
        (str(v["identity"]), v["person"] or "", v["camera"], v["first_seen"], v["last_seen"])
        for v in document["visits"]
    ] == [
        (v["identity"], v["person"], v["camera"], v["first_seen"], v["last_seen"])
        for v in tracked.table("visits")
    ]
    assert [str(item["identity"]) for item in document["identities"]] == [
        row["identity"] for row in tracked.table("identities")
    ]
    assert document["unsure"] == 1


def test_a_person_at_the_terminal_gets_a_table_and_a_line(tracked: Run) -> None:
    assert "Eileen Collins" in tracked.called.out
    assert tracked.called.out.splitlines()[-1].startswith("3 identities on 2 cameras, 5 visits")
    assert not tracked.called.err


def test_the_same_input_gives_the_same_tables(tracked: Run, scene: Scene, tmp_path: Path) -> None:
    again = tmp_path / "again"
    called = call(
        *("track", scene.door, scene.hall, "--out", again, "--people", scene.people, "--json"),
    )
    assert called.code == 0, called.err
    for name in (
        "sightings.csv",
        "visits.csv",
        "identities.csv",
        "door.mot.txt",
        "hall.mot.txt",
    ):
        assert (again / name).read_bytes() == (tracked.folder / name).read_bytes(), name
    crops = {path.name: path.read_bytes() for path in (tracked.folder / "crops").iterdir()}
    assert {path.name: path.read_bytes() for path in (again / "crops").iterdir()} == crops
    document = json.loads(called.out)
    assert document == tracked.document, "to standard output as to a file, and nothing but JSON"
