"""Boxes send, the server answers: over HTTP, sealed as boxes do it, decided and stored for real."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.server.conftest import Served, error_of
from tests.wire.sightings import jpeg, record, sighting

from sightgrid.domain.accounts import Role
from sightgrid.domain.faces import Embedding
from sightgrid.domain.presence import Sighting
from sightgrid.wire.content import Content
from sightgrid.wire.receipts import Receipt, Status, read_receipts
from sightgrid.wire.records import Gap, GapReason, Priority, encode
from sightgrid.wire.sealing import SealingKey

RUN, INSTANCE = str(uuid.uuid4()), str(uuid.uuid4())


@dataclass
class FakeBox:
    """A box by its token; seals what it sends."""

    client: TestClient
    box_id: str
    key: SealingKey

    def line(self, seen: Sighting, *, seq: int = 1, sealed: bool = True) -> bytes:
        plain = replace(record(seen, seq=seq), box_id=self.box_id)
        assert isinstance(plain.body, Content)
        if not sealed:
            return encode(plain)
        body = self.key.seal(
            plain.body,
            box_id=self.box_id,
            sighting_id=plain.sighting_id,
            revision=plain.revision,
        )
        return encode(replace(plain, body=body))

    def send(self, *lines: bytes, **headers: str) -> Any:
        return self.client.post(
            "/api/v1/sightings", content=b"".join(line + b"\n" for line in lines), headers=headers
        )

    def receipts(self, *lines: bytes) -> tuple[Receipt, ...]:
        answer = self.send(*lines)
        assert answer.status_code == 200, answer.text
        return read_receipts(answer.content)


def enrol(served: Served, name: str = "gate") -> FakeBox:
    served.site.keys.opening_keys()
    boss = served.program(Role.OWNER)
    code = boss.post("/api/v1/boxes", json={"name": name}).json()["code"]
    answer = served.client.post(
        "/api/v1/boxes/enrol", json={"code": code, "instance_id": INSTANCE, "version": "1"}
    ).json()
    client = TestClient(served.client.app, base_url="https://site.test")
    client.headers["Authorization"] = f"Bearer {answer['token']}"
    client.headers["Sightgrid-Instance"], client.headers["Sightgrid-Run"] = INSTANCE, RUN
    return FakeBox(client, answer["box_id"], SealingKey(base64.b64decode(answer["server_key"])))


@pytest.fixture
def box(served: Served) -> FakeBox:
    return enrol(served)


def seen_by(
    served: Served,
    face: int,
    *,
    camera: str = "hall",
    after_secs: float = 0.0,
    revision: int = 1,
    closed: bool = True,
    sighting_id: str | None = None,
) -> Sighting:
    """Somebody passes: a good sighting under the site's own contract."""
    contract = served.site.contract
    rng = np.random.default_rng(face)
    centre = rng.normal(size=contract.dimension)
    plain = sighting(
        sighting_id=sighting_id or str(uuid.uuid4()),
        revision=revision,
        camera=camera,
        start=served.clock() + timedelta(seconds=after_secs),
        closed=closed,
        contract=None,
    )
    looks = []
    for number, look in enumerate(plain.looks):
        vector = centre + 0.15 * rng.normal(size=contract.dimension)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        crop = replace(look.crop, captured_at=look.crop.captured_at + timedelta(seconds=number / 2))
        looks.append(replace(look, crop=crop, embedding=Embedding(unit, contract, 0.9)))
    return replace(plain, looks=tuple(looks))


def test_a_code_works_once_and_ten_minutes(served: Served) -> None:
    boss = served.program(Role.OWNER)
    made = boss.post("/api/v1/boxes", json={"name": "gate"}).json()
    body = {"code": made["code"].lower(), "instance_id": INSTANCE}
    assert served.client.post("/api/v1/boxes/enrol", json=body).status_code == 200
    assert served.client.post("/api/v1/boxes/enrol", json=body).status_code == 404
    late = boss.post("/api/v1/boxes", json={"name": "late"}).json()["code"]
    served.clock.forward(minutes=11)
    body = {"code": late, "instance_id": INSTANCE}
    assert served.client.post("/api/v1/boxes/enrol", json=body).status_code == 404


def test_codes_can_not_be_guessed_at_speed(served: Served) -> None:
    body = {"code": "AAAAA-AAAAA", "instance_id": INSTANCE}
    tried = [served.client.post("/api/v1/boxes/enrol", json=body).status_code for _ in range(7)]
    assert tried[0] == 404
    assert tried[-1] == 429


def test_what_a_box_sends_is_stored_and_decided(served: Served, box: FakeBox) -> None:
    one, again = seen_by(served, 1), seen_by(served, 1, camera="stairs", after_secs=30)
    other = seen_by(served, 2, after_secs=60)
    receipts = box.receipts(*(box.line(one_of) for one_of in (one, again, other)))
    assert [receipt.status for receipt in receipts] == [Status.STORED] * 3
    boss = served.program(Role.OWNER)
    listed = boss.get("/api/v1/sightings", params={"order": "oldest"}).json()["items"]
    assert [item["identity"] for item in listed] == [1, 1, 2]
    trajectory = boss.get("/api/v1/identities/1/trajectory").json()
    assert [visit["camera"] for visit in trajectory["visits"]] == ["hall", "stairs"]
    crop = boss.get(f"/api/v1/sightings/{one.sighting_id}/crop")
    assert crop.content == jpeg(seed=0)


def test_a_record_sent_again_is_a_duplicate_for_ever(served: Served, box: FakeBox) -> None:
    line = box.line(seen_by(served, 1))
    assert box.receipts(line)[0].status is Status.STORED
    served.clock.forward(days=60)
    (again,) = box.receipts(line)
    assert again.status is Status.DUPLICATE
    boss = served.program(Role.OWNER)
    assert len(boss.get("/api/v1/sightings").json()["items"]) == 1


def test_the_same_revision_with_other_content_is_a_conflict(served: Served, box: FakeBox) -> None:
    seen = seen_by(served, 1)
    # sealing the same content twice gives other bytes, which is a conflict too: a box keeps bytes
    assert box.receipts(box.line(seen))[0].status is Status.STORED
    (conflict,) = box.receipts(box.line(seen))
    assert (conflict.status, conflict.code) == (Status.REJECTED, "conflict")


def test_a_bad_record_does_not_stop_the_others(served: Served, box: FakeBox) -> None:
    good = box.line(seen_by(served, 1))
    broken = json.dumps({"v": 1, "nothing": True}).encode()
    foreign = replace(record(seen_by(served, 2)), box_id="somebody-else")
    receipts = box.receipts(broken, good, encode(foreign), b"not json")
    assert [receipt.status for receipt in receipts] == [
        Status.REJECTED,
        Status.STORED,
        Status.REJECTED,
        Status.REJECTED,
    ]
    assert receipts[2].code == "wrong_box"


def test_sealed_content_of_another_record_is_refused(served: Served, box: FakeBox) -> None:
    one, other = seen_by(served, 1), seen_by(served, 2)
    stolen = json.loads(box.line(one))["sealed"]
    forged = json.loads(box.line(other)) | {"sealed": stolen}
    (receipt,) = box.receipts(json.dumps(forged).encode())
    assert (receipt.status, receipt.code) == (Status.REJECTED, "sealed_unreadable")


def test_crops_without_vectors_are_embedded_here(served: Served, box: FakeBox) -> None:
    plain = sighting(sighting_id=str(uuid.uuid4()), contract=None, start=served.clock())
    assert box.receipts(box.line(plain))[0].status is Status.STORED
    with served.site.store.snapshot() as tx:
        from sightgrid.store.sightings import sighting as stored

        looks = stored(tx, plain.sighting_id).looks
    assert {look.embedding.contract.id for look in looks if look.embedding is not None} == {
        served.site.contract.id
    }


def test_a_gap_is_stored(served: Served, box: FakeBox) -> None:
    plain = replace(record(seen_by(served, 1)), box_id=box.box_id)
    gap = replace(
        plain,
        sighting_id=str(uuid.uuid4()),
        body=Gap(GapReason.SPOOL_FULL, Priority.ANALYTICS, 41),
    )
    assert box.receipts(encode(gap))[0].status is Status.STORED
    with served.site.store.snapshot() as tx:
        from sightgrid.store.gaps import gaps

        (found,) = gaps(tx, since=served.clock() - timedelta(days=1))
    assert (found.dropped, found.reason) == (41, "spool_full")


def test_nobody_without_a_valid_token_sends(served: Served, box: FakeBox) -> None:
    line = box.line(seen_by(served, 1))
    assert served.client.post("/api/v1/sightings", content=line + b"\n").status_code == 401
    boss = served.program(Role.OWNER)
    assert boss.post("/api/v1/sightings", content=line + b"\n").status_code == 401
    assert boss.delete(f"/api/v1/boxes/{box.box_id}").status_code == 204
    assert box.send(line).status_code == 401


def test_a_cloned_box_is_noticed(served: Served, box: FakeBox) -> None:
    line = box.line(seen_by(served, 1))
    assert box.send(line).status_code == 200
    other = box.send(line, **{"Sightgrid-Instance": str(uuid.uuid4())})
    assert (other.status_code, error_of(other)) == (409, "cloned")
    assert served.program(Role.OWNER).get("/api/v1/boxes").json()["items"][0]["cloned"] is True


def test_bodies_that_are_too_large_are_refused_unread(served: Served, box: FakeBox) -> None:
    answer = box.send(b"x" * (8 * 1024 * 1024 + 1))
    assert (answer.status_code, error_of(answer)) == (413, "too_large")

    def endless() -> Any:
        for _ in range(200):
            yield b"x" * 100_000

    answer = box.client.post("/api/v1/sightings", content=endless())
    assert (answer.status_code, error_of(answer)) == (413, "too_large")


def test_times_of_a_box_that_lost_its_clock_are_put_right(served: Served, box: FakeBox) -> None:
    from sightgrid.wire.records import Clock, ClockState

    seen = replace(seen_by(served, 1), sighting_id=str(uuid.uuid4()))
    made = replace(record(seen), box_id=box.box_id)
    years_ago = timedelta(days=20_000)
    old = seen_by(served, 1, after_secs=-years_ago.total_seconds(), sighting_id=seen.sighting_id)
    made = replace(
        made,
        first_seen=old.first_seen,
        last_seen=old.last_seen,
        clock=Clock(ClockState.UNSYNCED, 5_000_000_000, old.last_seen),
        body=Content.of(old, [jpeg()] * len(old.looks)),
    )
    answer = box.send(
        encode(made),
        **{"Sightgrid-Boot": made.boot_id, "Sightgrid-Monotonic-Ns": "65000000000"},
    )
    assert read_receipts(answer.content)[0].status is Status.STORED
    (item,) = served.program(Role.OWNER).get("/api/v1/sightings").json()["items"]
    # it was read 60 s before it was sent
    assert item["last_seen"] == "2026-01-02T11:59:00.000Z"


def test_a_box_gets_its_configuration_once(served: Served, box: FakeBox) -> None:
    answer = box.client.get("/api/v1/boxes/self")
    assert answer.status_code == 200
    again = box.client.get("/api/v1/boxes/self", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_box_says_how_it_is(served: Served, box: FakeBox) -> None:
    cameras = {"hall": {"state": "impaired", "reason": "blurred"}}
    health = {"pending": 3, "oldest_unacknowledged_secs": 1.5, "cameras": cameras}
    assert box.client.post("/api/v1/boxes/self/health", json=health).status_code == 204
    boss = served.program(Role.OWNER)
    (item,) = boss.get("/api/v1/boxes").json()["items"]
    assert item["health"]["pending"] == 3
    box.receipts(box.line(seen_by(served, 1)))
    (camera,) = boss.get("/api/v1/cameras").json()["items"]
    assert (camera["state"], camera["reason"]) == ("impaired", "blurred")
    served.clock.forward(minutes=10)
    (camera,) = boss.get("/api/v1/cameras").json()["items"]
    assert camera["state"] == "offline"
