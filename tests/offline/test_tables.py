"""Tables written from decisions made by hand: every corner of every column."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Band, Decision, Identity, Match, Sighting, Visit
from sightgrid.domain.tracklets import PathPoint
from sightgrid.offline.results import IdentitySummary, RunResult, SourceState, SourceStatus
from sightgrid.offline.tables import mot_rows, write_tables

NOON = datetime(2026, 1, 2, 12, 0, 0, 678_900, tzinfo=UTC)


def decision(
    number: int,
    serial: int | None,
    *,
    person: str | None = None,
    score: float | None = None,
    frames: tuple[int, ...] = (1, 2, 5),
    camera: str = "hall",
) -> Decision:
    if serial is None:
        band = Band.UNSURE
    else:
        band = Band.STRANGER if person is None else Band.LIKELY
    path = tuple(
        PathPoint(frame, NOON + timedelta(seconds=frame), Box(-1.5, 2, 8.5, 14.25), 0.87654)
        for frame in frames
    )
    sighting = Sighting(f"id-{number}", 1, True, camera, number, path, ())
    return Decision(sighting, Match(band, serial, person, score, None, None, "because"))


def status(camera: str, state: SourceState = SourceState.DONE) -> SourceStatus:
    return SourceStatus(
        camera, f"{camera}.mp4", state, None, 64, 48, 5, 3, 1, NOON, "given", 1.0, 1.0
    )


NAME = 'Ada, "the first" Lovelace\n'
DECISIONS = (
    decision(1, 1, person=NAME, score=0.512345),
    decision(2, 2, frames=(2, 3)),
    decision(3, None, frames=(3,)),
)
VISIT = Visit(1, NAME, "hall", NOON, NOON + timedelta(seconds=4), ("id-1", "id-9"))
RESULT = RunResult(
    title="t",
    started_at=NOON,
    sources=(status("hall"), status("door"), status("gone", SourceState.FAILED)),
    decisions=DECISIONS,
    identities=(
        IdentitySummary(
            Identity(1, NAME), ("hall", "door"), (VISIT,), NOON, NOON, ("crops/a.jpg", "crops/b")
        ),
        IdentitySummary(Identity(2, None), ("hall",), (VISIT, VISIT), NOON, NOON, ()),
    ),
    visits=(VISIT, replace(VISIT, serial=2, person=None, sighting_ids=("id-2",))),
    crop_paths={"id-1": ("crops/a.jpg", "crops/b.jpg"), "id-2": (), "id-3": ("crops/c.jpg",)},
    settings={},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tables(RESULT, tmp_path)
    return tmp_path


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def test_sightings(folder: Path) -> None:
    first, second, third = rows(folder / "sightings.csv")
    assert first == [
        *("id-1", "hall", "1", "2026-01-02T12:00:01.678Z", "2026-01-02T12:00:05.678Z"),
        *("1", "5", "3", "1", NAME, "likely", "0.5123", "0.000", "crops/a.jpg"),
    ]
    assert second[8:12] == ["2", "", "stranger", ""]
    assert second[-1] == ""
    assert third[5:12] == ["3", "3", "1", "", "", "unsure", ""]


def test_visits(folder: Path) -> None:
    assert rows(folder / "visits.csv") == [
        ["1", NAME, "hall", "2026-01-02T12:00:00.678Z", "2026-01-02T12:00:04.678Z", "2"],
        ["2", "", "hall", "2026-01-02T12:00:00.678Z", "2026-01-02T12:00:04.678Z", "1"],
    ]


def test_identities(folder: Path) -> None:
    time = "2026-01-02T12:00:00.678Z"
    assert rows(folder / "identities.csv") == [
        ["1", NAME, "2", "1", time, time, "crops/a.jpg"],
        ["2", "", "1", "2", time, time, ""],
    ]


def test_lines_end_alike_everywhere(folder: Path) -> None:
    assert b"\r" not in (folder / "visits.csv").read_bytes()


def test_mot_rows_are_in_order_of_frame_and_id() -> None:
    box = "-1.50,2.00,10.00,12.25,0.8765,-1,-1,-1\n"
    assert mot_rows(DECISIONS) == "".join(
        f"{key},{box}" for key in ("1,1", "2,1", "2,2", "3,-1", "3,2", "5,1")
    )
    assert mot_rows(DECISIONS[::-1]) == mot_rows(DECISIONS)


def test_a_camera_that_saw_nobody_has_an_empty_file_and_one_not_read_has_none(
    folder: Path,
) -> None:
    assert sorted(path.name for path in folder.glob("*.mot.txt")) == [
        "door.mot.txt",
        "hall.mot.txt",
    ]
    assert (folder / "door.mot.txt").read_text() == ""
