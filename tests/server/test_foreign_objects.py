"""What belongs to a camera that is not the caller's is as if it were not there."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from tests.server.conftest import Served
from tests.wire.sightings import jpeg, sighting

from sightgrid.domain.accounts import Permission, Role
from sightgrid.domain.presence import Band, Decision, Match, Visit
from sightgrid.server.callers import CSRF_HEADER
from sightgrid.store.crops import save_crops
from sightgrid.store.decisions import record_decisions
from sightgrid.store.identities import mint
from sightgrid.store.sightings import insert_sightings
from sightgrid.store.visits import save_visits

SEEN_ON = ("hall", "stairs", "stairs")


@pytest.fixture
def filled(served: Served) -> Served:
    """Serial 1 was on both cameras, serial 2 on the stairs only."""
    made = [
        sighting(camera=camera, sighting_id=str(UUID(int=number)), looks=1)
        for number, camera in enumerate(SEEN_ON, 1)
    ]
    with served.site.store.transaction() as tx:
        for _ in range(2):
            mint(tx, minted_at=served.clock())
        insert_sightings(tx, made, crop_paths={})
        for one in made:
            save_crops(tx, one.sighting_id, [jpeg()])
        decisions = [
            Decision(one, Match(Band.STRANGER, serial, None, None, None, None, "new"))
            for one, serial in zip(made, (1, 1, 2), strict=True)
        ]
        record_decisions(tx, decisions, decided_at=served.clock())
        save_visits(
            tx,
            [
                Visit(
                    decision.match.serial or 0,
                    None,
                    decision.sighting.camera,
                    decision.sighting.first_seen + timedelta(minutes=number),
                    decision.sighting.last_seen + timedelta(minutes=number),
                    (decision.sighting.sighting_id,),
                )
                for number, decision in enumerate(decisions)
            ],
        )
    return served


@pytest.fixture
def guard(filled: Served) -> TestClient:
    """An operator of the hall."""
    filled.account("bob", Role.OPERATOR, ["hall"])
    return filled.browser("bob")


@pytest.fixture
def boss(filled: Served) -> TestClient:
    filled.account("ada", Role.OWNER)
    return filled.browser("ada")


HALL, STAIRS = str(UUID(int=1)), str(UUID(int=2))


def test_lists_leave_foreign_cameras_out(guard: TestClient, boss: TestClient) -> None:
    own = guard.get("/api/v1/sightings").json()["items"]
    assert [item["sighting_id"] for item in own] == [HALL]
    assert len(boss.get("/api/v1/sightings").json()["items"]) == 3
    identities = guard.get("/api/v1/identities").json()["items"]
    assert [item["identity"] for item in identities] == [1]
    assert identities[0]["cameras"] == ["hall"]
    assert [item["name"] for item in guard.get("/api/v1/cameras").json()["items"]] == ["hall"]
    names = [item["name"] for item in boss.get("/api/v1/cameras").json()["items"]]
    assert names == ["hall", "stairs"]


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/sightings/{STAIRS}",
        f"/api/v1/sightings/{STAIRS}/crop",
        "/api/v1/sightings?camera=stairs",
        "/api/v1/identities/2",
        "/api/v1/identities/2/trajectory",
    ],
)
def test_foreign_objects_are_not_found(guard: TestClient, boss: TestClient, path: str) -> None:
    refused = guard.get(path)
    assert refused.status_code == 404
    assert boss.get(path).status_code == 200
    # what is foreign and what doesn't exist are told alike
    missing = path.replace(STAIRS, str(UUID(int=99))).replace("/2", "/99")
    if missing != path:
        told = guard.get(missing).json()["error"]
        assert told["code"] == refused.json()["error"]["code"]
        assert told["message"].replace("99", "2") == refused.json()["error"]["message"]


def test_a_trajectory_ends_where_foreign_cameras_begin(guard: TestClient, boss: TestClient) -> None:
    own = guard.get("/api/v1/identities/1/trajectory").json()
    assert [visit["camera"] for visit in own["visits"]] == ["hall"]
    assert own["hops"] == []
    whole = boss.get("/api/v1/identities/1/trajectory").json()
    assert [visit["camera"] for visit in whole["visits"]] == ["hall", "stairs"]
    assert whole["hops"][0]["target"] == "stairs"


def test_when_somebody_was_elsewhere_is_not_told(guard: TestClient, boss: TestClient) -> None:
    own = guard.get("/api/v1/identities/1").json()
    whole = boss.get("/api/v1/identities/1").json()
    assert (whole["visits"], whole["cameras"]) == (2, ["hall", "stairs"])
    (seen,) = guard.get("/api/v1/identities/1/trajectory").json()["visits"]
    assert (own["visits"], own["sightings"]) == (1, 1)
    assert (own["first_seen"], own["last_seen"]) == (seen["first_seen"], seen["last_seen"])
    assert guard.get("/api/v1/identities").json()["items"] == [own]


def test_own_crops_are_shown(guard: TestClient) -> None:
    answer = guard.get(f"/api/v1/sightings/{HALL}/crop")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content == jpeg()


def test_analytics_are_of_own_cameras_and_hide_small_counts(
    guard: TestClient, boss: TestClient
) -> None:
    span = {"since": "2000-01-01T00:00:00Z", "until": "2000-03-01T00:00:00Z"}
    assert guard.get("/api/v1/analytics/footfall", params=span).json()["cameras"] == []
    too_long = span | {"until": "2027-01-01T00:00:00Z"}
    assert guard.get("/api/v1/analytics/dwell", params=too_long).status_code == 422
    with_data = {"since": _day(boss, -1), "until": _day(boss, 1)}
    assert guard.get("/api/v1/analytics/footfall", params=with_data).json()["cameras"] == ["hall"]
    whole = boss.get("/api/v1/analytics/footfall", params=with_data).json()
    assert whole["cameras"] == ["hall", "stairs"]
    assert whole["unique"] is None
    assert all(count in (0, None) for row in whole["counts"] for count in row)


def test_pages_follow_each_other_without_gaps(boss: TestClient) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 1, "order": "oldest"} | ({} if cursor is None else {"cursor": cursor})
        page = boss.get("/api/v1/sightings", params=params).json()
        seen += [item["sighting_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(UUID(int=number)) for number in (1, 2, 3)]
    assert boss.get("/api/v1/sightings", params={"cursor": "x!"}).status_code == 422


def test_names_are_for_those_who_may_see_them(filled: Served) -> None:
    program = filled.program(Role.OWNER, scopes=[Permission.SEE_SIGHTINGS])
    assert CSRF_HEADER not in program.headers
    assert {item["person"] for item in program.get("/api/v1/sightings").json()["items"]} == {None}


def _day(client: TestClient, days: int) -> str:
    first = client.get("/api/v1/sightings", params={"order": "oldest"}).json()["items"][0]
    from datetime import datetime

    return (datetime.fromisoformat(first["first_seen"]) + timedelta(days=days)).isoformat()


def test_edits_are_for_those_who_see_every_camera(guard: TestClient, boss: TestClient) -> None:
    merge = ("/api/v1/identities/2/merge", {"into": 1, "reason": "same coat"})
    assert guard.post(merge[0], json=merge[1]).status_code == 403
    told = boss.post(merge[0], json=merge[1], params={"preview": True}).json()
    assert (told["edit_id"], told["words"]) == (None, "moves 1 sightings, 1 visits")
    assert boss.get("/api/v1/identities/2").json()["identity"] == 2
    made = boss.post(merge[0], json=merge[1]).json()
    assert boss.get("/api/v1/identities/2").json()["identity"] == 1
    trajectory = boss.get("/api/v1/identities/1/trajectory").json()
    assert len(trajectory["visits"]) == 2
    (row,) = boss.get("/api/v1/edits").json()["items"]
    assert (row["kind"], row["identity"], row["into"], row["reason"]) == (
        "merge",
        2,
        1,
        "same coat",
    )
    assert boss.post(f"/api/v1/edits/{made['edit_id']}/undo").status_code == 200
    assert boss.get("/api/v1/identities/2").json()["identity"] == 2
    assert boss.post(f"/api/v1/edits/{made['edit_id']}/undo").status_code == 422
    actions = [item["action"] for item in boss.get("/api/v1/audit").json()["items"]]
    assert actions[:2] == ["edit-undone", "merge"]
