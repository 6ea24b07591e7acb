"""A stranger of real clips is found by a photo from another clip: trajectory, merge, undo, name.

Needs the videos that ``SIGHTGRID_DATA`` points to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import av
import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.cli.scenery import call
from tests.server.conftest import Clock, Served

from sightgrid.configuration import Configuration
from sightgrid.domain.accounts import Role
from sightgrid.domain.presence import Sighting
from sightgrid.ledger.taking_in import Arrived
from sightgrid.offline.watching import watch
from sightgrid.server.app import create_app
from sightgrid.server.site import Site, SiteSettings
from sightgrid.vision.sources import open_source

pytestmark = pytest.mark.footage

BEGAN = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
# what the cameras show, one after another; the photos are from other clips of the same people
PLAYED = ("brother", "milk", "book")
PHOTO_FROM = {"brother": "again", "milk": "bird", "book": "learn"}
CONSENT = {
    "text_version": "1",
    "text": "I agree.",
    "channel": "paper",
    "evidence": "folder 3",
    "given_by": "P1",
}


@pytest.fixture(scope="module")
def clips() -> Path:
    folder = os.environ.get("SIGHTGRID_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the real footage")
    return Path(folder) / "vid_office_signers"


def sightings(site: Site, clip: Path, starts_at: datetime) -> list[Sighting]:
    source = open_source(str(clip), camera=clip.stem, starts_at=starts_at)
    with ThreadPoolExecutor(2) as workers:
        seen = list(
            watch(
                source,
                detector=site.engine.detector,
                view=site.engine.view(clip.stem),
                workers=workers,
            )
        )
    return [
        Sighting(
            str(uuid5(NAMESPACE_URL, f"{clip.stem} {n}")), 1, True, one.camera, one.group,
            one.path, one.looks,
        )
        for n, one in enumerate(seen)
    ]  # fmt: skip


def photo(clips: Path, name: str) -> bytes:
    """The frame in the middle of a clip, as JPEG."""
    with av.open(str(clips / f"{name}.mkv")) as clip:
        frames = [frame.to_ndarray(format="bgr24") for frame in clip.decode(video=0)]
    done, jpeg = cv2.imencode(".jpg", frames[len(frames) // 2])
    assert done
    return jpeg.tobytes()


@pytest.fixture(scope="module")
def office(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site that has seen three people, an hour apart, each on a camera of their own."""
    folder = tmp_path_factory.mktemp("office")
    clock = Clock(BEGAN)
    site = Site(SiteSettings(Configuration.default(folder / "sightgrid.yml"), folder, clock))
    for number, name in enumerate(PLAYED):
        at = BEGAN + timedelta(hours=number)
        for one in sightings(site, clips / f"{name}.mkv", at):
            clock.now = one.last_seen
            crops = tuple(b"crop" for _ in one.looks)
            digest = sha256(one.sighting_id.encode()).hexdigest()
            site.intake.take_in("box", [Arrived(one, digest, crops)])
    clock.forward(days=3)
    with TestClient(create_app(site), base_url="https://site.test") as client:
        yield Served(site, clock, client)
    site.close()


@pytest.fixture(scope="module")
def owner(office: Served) -> TestClient:
    return office.program(Role.OWNER)


def search(client: TestClient, picture: bytes, reason: str = "a lost child") -> dict[str, Any]:
    """Whom the largest face of a photo is most like."""
    answer = client.post("/api/v1/search", content=picture, params={"reason": reason, "limit": 3})
    assert answer.status_code == 200, answer.text
    faces = answer.json()["faces"]
    face = max(faces, key=lambda one: one["box"][2] - one["box"][0])
    found: dict[str, Any] = face["found"][0]
    return found


def cameras(client: TestClient, serial: int) -> list[str]:
    answer = client.get(f"/api/v1/identities/{serial}/trajectory").json()
    return [visit["camera"] for visit in answer["visits"]]


def test_each_stranger_is_found_by_a_photo_from_another_clip(
    office: Served, owner: TestClient, clips: Path
) -> None:
    found = {name: search(owner, photo(clips, other)) for name, other in PHOTO_FROM.items()}
    assert len({one["identity"] for one in found.values()}) == 3
    for name, one in found.items():
        assert (one["wording"], one["band"], one["person"]) == ("same", "stranger", None), name
        assert one["cameras"] == [name]
        assert {seen["camera"] for seen in one["sightings"]} == {name}
        assert cameras(owner, one["identity"])[:1] == [name]
    (row,) = [
        row for row in owner.get("/api/v1/audit").json()["items"] if row["action"] == "photo-search"
    ][:1]
    assert row["reason"] == "a lost child"
    assert row["details"]["photo_sha256"] == sha256(photo(clips, "learn")).hexdigest()


def test_two_serials_are_merged_and_undone_over_the_api(owner: TestClient, clips: Path) -> None:
    brother, milk = photo(clips, "again"), photo(clips, "bird")
    one, other = search(owner, brother)["identity"], search(owner, milk)["identity"]
    body = {"into": one, "reason": "trying"}
    told = owner.post(
        f"/api/v1/identities/{other}/merge", json=body, params={"preview": True}
    ).json()
    assert told["sightings"] >= 1
    made = owner.post(f"/api/v1/identities/{other}/merge", json=body).json()
    assert search(owner, milk)["identity"] == one
    assert set(cameras(owner, one)) == {"brother", "milk"}
    assert owner.post(f"/api/v1/edits/{made['edit_id']}/undo").status_code == 200
    assert search(owner, milk)["identity"] == other
    assert set(cameras(owner, one)) == {"brother"}


def test_the_same_on_the_command_line(
    office: Served,
    owner: TestClient,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = office.site.settings.data_folder
    monkeypatch.chdir(folder)
    (tmp_path / "again.jpg").write_bytes(photo(clips, "again"))
    (tmp_path / "bird.jpg").write_bytes(photo(clips, "bird"))

    def found(name: str) -> dict[str, Any]:
        asked = call("identity", "search", tmp_path / name, "--reason", "a lost child", "--json")
        assert asked.code == 0, asked.err
        faces = json.loads(asked.out)["faces"]
        face = max(faces, key=lambda one: one["box"][2] - one["box"][0])
        best: dict[str, Any] = face["found"][0]
        return best

    refused = call("identity", "search", tmp_path / "again.jpg")
    assert "--reason" in refused.failed_in_one_line(2)
    one, other = found("again.jpg"), found("bird.jpg")
    assert one["sightings"][0]["camera"] == "brother"
    into = ("--into", str(one["identity"]))
    made = call("identity", "merge", str(other["identity"]), *into)
    assert made.code == 0, made.err
    shown = json.loads(call("identity", "show", str(one["identity"]), "--json").out)
    assert {visit["camera"] for visit in shown["visits"]} == {"brother", "milk"}
    assert found("bird.jpg")["identity"] == one["identity"]
    undone = call("identity", "undo", made.out.strip())
    assert undone.code == 0, undone.err
    assert found("bird.jpg")["identity"] == other["identity"]
    assert search(owner, photo(clips, "bird"))["identity"] == other["identity"]


def test_a_stranger_gets_the_name_of_somebody_who_agreed(
    office: Served, owner: TestClient, clips: Path
) -> None:
    picture = photo(clips, "learn")
    serial = search(owner, picture)["identity"]
    person_id = owner.post("/api/v1/people", json={"fields": {"name": "P3"}}).json()["person_id"]
    body = {"person_id": person_id}
    assert owner.post(f"/api/v1/identities/{serial}/name", json=body).status_code == 422
    given = owner.post(f"/api/v1/people/{person_id}/consents", json=CONSENT).json()
    made = owner.post(f"/api/v1/identities/{serial}/name", json=body).json()
    assert made["sightings"] >= 1
    hit = search(owner, picture)
    assert (hit["person"], hit["person_id"], hit["cameras"]) == ("P3", person_id, ["book"])
    taken = owner.post(f"/api/v1/people/{person_id}/faces", content=picture).json()
    assert taken["taken"] is True, taken
    path = f"/api/v1/people/{person_id}/consents/{given['consent_id']}/withdraw"
    assert owner.post(path, json={"method": "tap"}).status_code == 200
    assert search(owner, picture)["person"] is None


def test_photos_that_can_not_be_used_say_why(owner: TestClient, clips: Path) -> None:
    one = owner.post("/api/v1/people", json={"fields": {"name": "A"}}).json()["person_id"]
    two = owner.post("/api/v1/people", json={"fields": {"name": "B"}}).json()["person_id"]
    for person_id in (one, two):
        assert owner.post(f"/api/v1/people/{person_id}/consents", json=CONSENT).status_code == 201

    def enrol(person_id: str, picture: bytes, **params: Any) -> dict[str, Any]:
        answer = owner.post(f"/api/v1/people/{person_id}/faces", content=picture, params=params)
        assert answer.status_code == 200, answer.text
        done: dict[str, Any] = answer.json()
        return done

    good = photo(clips, "again")
    assert enrol(one, good)["taken"] is True
    pixels = cv2.imdecode(np.frombuffer(good, np.uint8), cv2.IMREAD_COLOR)
    small = cv2.resize(pixels, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    spoilt = {
        "no-face": pixels[:120, :120],
        "too-small": small,
        "blurred": cv2.GaussianBlur(pixels, (0, 0), 6),
        "several-faces": cv2.hconcat([pixels, pixels]),
        "badly-lit": pixels // 12,
    }
    told = {
        code: enrol(one, cv2.imencode(".png", picture)[1].tobytes())["code"]
        for code, picture in spoilt.items()
    }
    assert told == {code: code for code in spoilt}
    other = enrol(two, photo(clips, "help"))
    assert (other["taken"], other["code"], other["nearer_to"]["person_id"]) == (
        False,
        "nearer-to-another",
        one,
    )
    assert enrol(two, photo(clips, "help"), anyway=True)["taken"] is True
