"""Retention, holds and erasure over the API, and what boxes are told."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from tests.server.conftest import Served, error_of
from tests.server.test_ingest import FakeBox, box, enrol, seen_by

from sightgrid.domain.accounts import Role
from sightgrid.domain.retention import RetentionClass
from sightgrid.server.retention import EVERY_SECS
from sightgrid.store.audit import audit_events

__all__ = ["box"]
TWO_WEEKS = "2026-01-16T12:00:00.000Z"


def officer(served: Served) -> TestClient:
    return served.program(Role.PRIVACY_OFFICER)


def hold(client: TestClient, **body: Any) -> Any:
    given = {"owner": "the court", "reason": "Annabella's case", "ends_at": TWO_WEEKS}
    return client.post("/api/v1/privacy/holds", json=given | body)


def actions(served: Served) -> list[str]:
    with served.site.store.snapshot() as tx:
        return [row.action for row in audit_events(tx)]


def test_the_classes_are_told_and_a_run_is_remembered(served: Served, box: FakeBox) -> None:
    box.receipts(box.line(seen_by(served, 1)))
    client = officer(served)
    told = client.get("/api/v1/privacy/retention").json()
    spans = {one["name"]: one["keep_secs"] for one in told["classes"]}
    assert list(spans) == [kind.value for kind in RetentionClass]
    assert (spans["crops"], spans["enrolment"], told["last_run"]) == (259_200.0, None, None)
    served.clock.forward(days=4)
    client = officer(served)
    dry = client.post("/api/v1/privacy/retention/run", params={"dry_run": True}).json()
    assert dry["dry_run"] is True
    assert dry["classes"][0] == {
        "name": "crops",
        "older_than": "2026-01-03T12:00:00.000Z",
        "removed": {"crops": 3},
        "held": 0,
    }
    assert "retention" not in actions(served)
    done = client.post("/api/v1/privacy/retention/run").json()
    assert done["classes"] == dry["classes"]
    assert actions(served).count("retention") == len(RetentionClass) - 1
    assert client.get("/api/v1/privacy/retention").json()["last_run"] == done


def test_the_server_runs_it_by_itself_and_says_when_it_can_not(
    served: Served, box: FakeBox, monkeypatch: Any
) -> None:
    assert EVERY_SECS <= 900
    box.receipts(box.line(seen_by(served, 1)))
    served.clock.forward(days=31)
    served.site.retention.run()
    with served.site.store.snapshot() as tx:
        rows = {row.subject: (row.actor, row.reason) for row in audit_events(tx)}
    assert rows["sightings"] == ("retention", "its time is over")
    assert "registers" not in rows, "classes with nothing too old write no row"
    client = officer(served)
    assert client.get("/api/v1/sightings").json()["items"] == []

    ran = served.site.retention
    ran.stop()
    monkeypatch.setattr("sightgrid.server.retention._FIRST_SECS", 0.01)
    monkeypatch.setattr("sightgrid.server.retention.retain", lambda *_, **__: 1 / 0)
    ran.start()
    for _ in range(1000):
        if ran.last is not None and ran.last.trouble is not None:
            break
        ran._stop.wait(0.01)
    ran.stop()
    last = client.get("/api/v1/privacy/retention").json()["last_run"]
    assert last["trouble"] == "ZeroDivisionError"


def test_what_is_under_hold_is_erased_only_despite_it(served: Served, box: FakeBox) -> None:
    box.receipts(box.line(seen_by(served, 1)), box.line(seen_by(served, 2, after_secs=60)))
    client = officer(served)
    made = hold(client, subject="serial:1")
    assert made.status_code == 201, made.text
    assert (made.json()["subject"], made.json()["on"]) == ("serial:1", True)
    body = {"subject": "serial:1", "reason": "asked for it"}
    refused = client.post("/api/v1/privacy/erase", json=body)
    assert (refused.status_code, error_of(refused)) == (409, "under_hold")
    free = client.post("/api/v1/privacy/erase", json=body | {"subject": "serial:2"})
    assert free.status_code == 200, free.text
    done = client.post("/api/v1/privacy/erase", json=body | {"despite_holds": True}).json()
    assert done["holds_overridden"] == [made.json()["hold_id"]]
    assert (done["identities"], done["deleted"]["sightings"]) == ([1], 1)
    assert "anonymous stranger, kept for 30d" in done["later_records"]
    # whoever is gone can't be held, and the hold named them
    assert client.get("/api/v1/privacy/holds").json()["items"] == []
    with served.site.store.snapshot() as tx:
        rows = audit_events(tx)
    assert rows[0].details["holds_overridden"] == made.json()["hold_id"]
    assert not any("Annabella" in f"{row.reason} {row.details}" for row in rows)


def test_a_hold_on_a_camera_outlasts_an_erasure_despite_it(served: Served, box: FakeBox) -> None:
    box.receipts(box.line(seen_by(served, 1)))
    client = officer(served)
    span = {"since": "2026-01-02T11:00:00Z", "until": "2026-01-02T13:00:00+00:00"}
    made = hold(client, camera="hall", **span).json()
    body = {"subject": "serial:1", "reason": "asked for it"}
    assert client.post("/api/v1/privacy/erase", json=body).status_code == 409
    assert (
        client.post("/api/v1/privacy/erase", json=body | {"despite_holds": True}).status_code == 200
    )
    (item,) = client.get("/api/v1/privacy/holds").json()["items"]
    assert (item["hold_id"], item["camera"], item["on"]) == (made["hold_id"], "hall", True)
    ended = client.post(f"/api/v1/privacy/holds/{made['hold_id']}/end", json={"reason": "over"})
    assert ended.json()["on"] is False
    again = client.post(f"/api/v1/privacy/holds/{made['hold_id']}/end", json={"reason": "over"})
    assert again.status_code == 404
    assert actions(served)[0] == "hold-ended"


def test_a_hold_covers_one_thing(served: Served) -> None:
    client = officer(served)
    for body in (
        {},
        {"subject": "serial:1", "camera": "hall"},
        {"camera": "hall", "since": "2026-01-02T11:00:00Z"},
        {"subject": "camera:hall"},
    ):
        assert hold(client, **body).status_code == 422, body
    assert hold(client, subject="serial:77").status_code == 404
    naive = hold(client, subject="serial:1", ends_at="2026-01-16T12:00:00")
    assert naive.status_code == 422


def test_boxes_are_told_what_to_forget(served: Served, box: FakeBox) -> None:
    other = enrol(served, "attic")
    one, two = seen_by(served, 1), seen_by(served, 2, after_secs=60)
    box.receipts(box.line(one), box.line(two))
    client = officer(served)
    erased = client.post(
        "/api/v1/privacy/erase", json={"subject": "serial:1", "reason": "asked for it"}
    ).json()
    assert erased["boxes_told"] == 1
    assert other.client.get("/api/v1/boxes/self/erasures").json()["items"] == []
    assert box.client.get("/api/v1/boxes/self/erasures").json()["items"] == [one.sighting_id]
    for known in (str(uuid.uuid4()), one.sighting_id):
        done = box.client.post("/api/v1/boxes/self/erasures", json={"forgotten": [known]})
        assert done.status_code == 204
    assert box.client.get("/api/v1/boxes/self/erasures").json()["items"] == []


def test_what_comes_after_an_erasure(served: Served, box: FakeBox) -> None:
    """Received before: refused. Never received: an anonymous stranger, for as long as those are
    kept."""
    first = seen_by(served, 1)
    line = box.line(first)
    box.receipts(line)
    officer(served).post("/api/v1/privacy/erase", json={"subject": "serial:1", "reason": "r"})
    later = box.line(seen_by(served, 1, revision=2, sighting_id=first.sighting_id))
    receipts = box.receipts(line, later)
    assert [(one.status, one.code) for one in receipts] == [
        ("duplicate", None),
        ("stored", "erased"),
    ]
    assert officer(served).get("/api/v1/sightings").json()["items"] == []
    box.receipts(box.line(seen_by(served, 1, after_secs=120)))
    (item,) = officer(served).get("/api/v1/sightings").json()["items"]
    assert (item["identity"], item["band"], item["person"]) == (2, "stranger", None)
    served.clock.now += timedelta(days=31)
    served.site.retention.run()
    assert officer(served).get("/api/v1/sightings").json()["items"] == []
