"""What the pages of the ledger ask: cards, reasons, groups, ways as files, the history."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.server.conftest import Served
from tests.wire.sightings import jpeg, look

from sightgrid.domain.accounts import Role
from sightgrid.domain.faces import Embedding
from sightgrid.domain.geometry import Box
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.ledger.taking_in import Arrived
from sightgrid.store.cameras import save_grid

GRID = CameraGrid(
    positions={"hall": (0.2, 0.5), "stairs": (0.8, 0.5)},
    links=(CameraLink("hall", "stairs", 4.0),),
)


def _sighting(number: int, served: Served, camera: str, at_secs: float, who: int) -> Sighting:
    """Each person is a direction of their own, so nobody is like anybody else."""
    contract = served.site.contract
    began = served.clock() + timedelta(seconds=at_secs)
    vector = np.zeros(contract.dimension, np.float32)
    vector[who] = 1.0
    looks = tuple(_look(rank, vector, began + timedelta(seconds=rank), served) for rank in (1, 2))
    path = tuple(
        PathPoint(frame, began + timedelta(seconds=frame / 5), Box(10, 10, 70, 80), 0.95)
        for frame in range(12)
    )
    return Sighting(str(UUID(int=number)), 1, True, camera, number, path, looks)


def _look(rank: int, vector: np.ndarray, at: datetime, served: Served) -> Look:
    made = look(rank, contract=None, at=at)
    return replace(made, embedding=Embedding(vector, served.site.contract, 0.95))


@pytest.fixture
def filled(served: Served) -> Served:
    """Stranger 1 in the hall, on the stairs and in the hall again; stranger 2 on the stairs."""
    with served.site.store.transaction() as tx:
        save_grid(tx, GRID, ["hall", "stairs"])
    made = [
        _sighting(1, served, "hall", -300, 0),
        _sighting(2, served, "stairs", -280, 0),
        _sighting(3, served, "stairs", -275, 1),
        _sighting(4, served, "hall", -200, 0),
    ]
    for number, one in enumerate(made):
        arrived = Arrived(one, f"{number:064d}", (jpeg(seed=number), jpeg(seed=50 + number)))
        (receipt,) = served.site.intake.take_in("b" * 36, [arrived]).receipts
        assert receipt.status == "stored", receipt
    return served


@pytest.fixture
def boss(filled: Served) -> TestClient:
    filled.account("ada", Role.OWNER)
    return filled.browser("ada")


@pytest.fixture
def guard(filled: Served) -> TestClient:
    filled.account("bob", Role.OPERATOR, ["hall"])
    return filled.browser("bob")


def test_identities_are_found_by_number_kind_and_label(boss: TestClient) -> None:
    def serials(**params: str | int) -> list[int]:
        answer = boss.get("/api/v1/identities", params=params)
        assert answer.status_code == 200, answer.text
        return [item["identity"] for item in answer.json()["items"]]

    assert serials() == [1, 2]
    assert serials(order="last-seen") == [1, 2]
    assert serials(kind="known") == []
    assert serials(text="#2") == [2]
    body = {"label": "Grey coat", "reason": ""}
    assert boss.post("/api/v1/identities/2/label", json=body).status_code == 200
    assert serials(text="coat") == [2]
    assert boss.post("/api/v1/identities/2/hide", json={"hidden": True}).status_code == 200
    assert (serials(), serials(kind="hidden")) == ([1], [2])
    first = boss.get("/api/v1/identities", params={"limit": 1, "kind": "anonymous"}).json()
    assert (first["items"][0]["best_sighting"], first["next_cursor"]) == (str(UUID(int=1)), None)
    bad = {"cursor": "!!", "order": "last-seen"}
    assert boss.get("/api/v1/identities", params=bad).status_code == 422


def test_pages_by_time_follow_each_other(boss: TestClient) -> None:
    page = boss.get("/api/v1/identities", params={"limit": 1, "order": "last-seen"}).json()
    assert [item["identity"] for item in page["items"]] == [1]
    params = {"limit": 1, "order": "last-seen", "cursor": page["next_cursor"]}
    page = boss.get("/api/v1/identities", params=params).json()
    assert ([item["identity"] for item in page["items"]], page["next_cursor"]) == ([2], None)


def test_a_sighting_says_why_it_has_its_name(boss: TestClient) -> None:
    why = boss.get(f"/api/v1/sightings/{UUID(int=4)}/candidates").json()
    assert why["sighting"]["identity"] == 1
    assert not why["edited"]
    assert [one["identity"]["identity"] for one in why["candidates"]] == [1, 2]
    best = why["candidates"][0]
    assert (best["score"], best["closest_score"]) == (1.0, 1.0)
    # a sighting is no proof of itself
    assert best["closest"] in (str(UUID(int=1)), str(UUID(int=2)))
    assert [one["rank"] for one in why["looks"]] == [1, 2]
    body = {"sightings": [str(UUID(int=4))], "identity": 1}
    assert boss.post("/api/v1/sightings/not-this", json=body).status_code == 200
    why = boss.get(f"/api/v1/sightings/{UUID(int=4)}/candidates").json()
    assert (why["edited"], why["own_identity"]) == (True, 1)
    assert why["candidates"][0]["refused"]


def test_reasons_and_groups_tell_nothing_of_foreign_cameras(guard: TestClient) -> None:
    assert guard.get(f"/api/v1/sightings/{UUID(int=2)}/candidates").status_code == 404
    why = guard.get(f"/api/v1/sightings/{UUID(int=1)}/candidates").json()
    assert [one["identity"]["identity"] for one in why["candidates"]] == [1]
    assert why["candidates"][0]["identity"]["cameras"] == ["hall"]
    assert why["candidates"][0]["closest"] == str(UUID(int=4))
    # a split moves what other cameras saw, so its dialog is not for who sees some of them only
    assert guard.get("/api/v1/identities/1/groups").status_code == 403


def test_groups_part_what_was_merged(boss: TestClient) -> None:
    assert boss.post("/api/v1/identities/2/merge", json={"into": 1}).status_code == 200
    found = boss.get("/api/v1/identities/1/groups").json()
    assert (found["compared"], found["sightings"]) == (4, 4)
    assert [len(group["sightings"]) for group in found["groups"]] == [3, 1]
    assert found["groups"][1]["sightings"] == [str(UUID(int=3))]
    split = {"sightings": found["groups"][1]["sightings"]}
    told = boss.post("/api/v1/identities/1/split", json=split, params={"preview": True}).json()
    assert told["sightings"] == 1


def test_a_way_comes_with_the_plan_and_as_files(boss: TestClient) -> None:
    way = boss.get("/api/v1/identities/1/trajectory/plan").json()
    assert [visit["camera"] for visit in way["visits"]] == ["hall", "stairs", "hall"]
    assert way["visits"][0]["best_sighting"] == str(UUID(int=1))
    assert [hop["possible"] for hop in way["hops"]] == [True, True]
    assert {camera["name"]: camera["x"] for camera in way["plan"]["cameras"]} == {
        "hall": 0.2,
        "stairs": 0.8,
    }
    assert way["plan"]["links"] == [["hall", "stairs"]]
    assert boss.get("/api/v1/identities/1/trajectory/days").json()["items"] == ["2026-01-02"]

    table = boss.get("/api/v1/identities/1/trajectory.csv")
    assert "attachment" in table.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["camera"] for row in rows] == ["hall", "stairs", "hall"]
    assert (rows[0]["unseen_secs_before"], rows[1]["possible"]) == ("", "true")
    assert float(rows[1]["unseen_secs_before"]) == pytest.approx(17.8, abs=0.1)

    shapes = json.loads(boss.get("/api/v1/identities/1/trajectory.geojson").text)
    kinds = [(one["properties"]["kind"], one["geometry"]["type"]) for one in shapes["features"]]
    assert kinds == [("visit", "Point")] * 3 + [("hop", "LineString")] * 2
    assert shapes["features"][3]["geometry"]["coordinates"] == [[0.2, 0.5], [0.8, 0.5]]

    paper = boss.get("/api/v1/identities/1/trajectory.pdf")
    assert paper.content.startswith(b"%PDF-")
    assert b"%%EOF" in paper.content[-20:]
    events = boss.get("/api/v1/audit").json()["items"]
    told = [item["details"]["format"] for item in events if item["action"] == "trajectory-exported"]
    assert sorted(told) == ["csv", "geojson", "pdf"]


def test_a_way_can_be_asked_for_by_time(boss: TestClient, filled: Served) -> None:
    since = (filled.clock() - timedelta(seconds=240)).isoformat()
    way = boss.get("/api/v1/identities/1/trajectory", params={"since": since}).json()
    assert [visit["camera"] for visit in way["visits"]] == ["hall"]
    empty = {"until": "2020-01-01T00:00:00Z"}
    way = boss.get("/api/v1/identities/1/trajectory", params=empty).json()
    assert (way["visits"], way["hops"]) == ([], [])
    paper = boss.get("/api/v1/identities/1/trajectory.pdf", params=empty)
    assert paper.content.startswith(b"%PDF-")


def test_files_tell_nothing_of_foreign_cameras(guard: TestClient) -> None:
    rows = list(csv.DictReader(io.StringIO(guard.get("/api/v1/identities/1/trajectory.csv").text)))
    assert {row["camera"] for row in rows} == {"hall"}
    way = guard.get("/api/v1/identities/1/trajectory/plan").json()
    assert [camera["name"] for camera in way["plan"]["cameras"]] == ["hall"]
    assert way["plan"]["links"] == []
    for kind in ("csv", "geojson", "pdf"):
        assert guard.get(f"/api/v1/identities/2/trajectory.{kind}").status_code == 404


def test_the_history_of_one_identity(boss: TestClient) -> None:
    for serial, label in ((1, "one"), (2, "two"), (1, "uno")):
        boss.post(f"/api/v1/identities/{serial}/label", json={"label": label})
    mine = boss.get("/api/v1/edits", params={"identity": 1}).json()["items"]
    assert [(item["identity"], item["made_by_login"]) for item in mine] == [(1, "ada"), (1, "ada")]
    page = boss.get("/api/v1/edits", params={"limit": 2}).json()
    assert [item["identity"] for item in page["items"]] == [1, 2]
    rest = boss.get("/api/v1/edits", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([item["identity"] for item in rest["items"]], rest["next_cursor"]) == ([1], None)
    assert boss.get("/api/v1/edits", params={"cursor": "x"}).status_code == 422


def test_analytics_as_tables_hide_what_the_answers_hide(boss: TestClient) -> None:
    params = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-03T00:00:00Z"}
    table = boss.get("/api/v1/analytics/footfall.csv", params=params).text.splitlines()
    assert table[0] == "hour,hall,stairs"
    assert all(line.endswith(",,") for line in table[1:])
    dwell = boss.get("/api/v1/analytics/dwell.csv", params=params).text.splitlines()
    assert dwell[1:] == ["hall,,,,", "stairs,,,,"]
    flows = boss.get("/api/v1/analytics/flows.csv", params=params)
    assert flows.text.splitlines()[0] == "from,hall,stairs"
