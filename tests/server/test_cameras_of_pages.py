"""Cameras, links and the site's name, changed over the API as the pages do it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.server.conftest import Clock, Served, error_of
from tests.server.test_ingest import FakeBox, enrol

from sightgrid.configuration import read_configuration
from sightgrid.domain.accounts import Role
from sightgrid.server.app import create_app
from sightgrid.server.site import Site, SiteSettings

URL = "rtsp://user:secret@10.0.0.9/stream"
CAMERAS = "/api/v1/cameras"


@pytest.fixture
def owner(served: Served) -> TestClient:
    return served.program(Role.OWNER)


def test_a_camera_is_added_changed_and_removed(served: Served, owner: TestClient) -> None:
    made = owner.post(CAMERAS, json={"name": "hall", "url": URL, "zone": "ground"})
    assert made.status_code == 201
    assert made.json()["from_file"] is False
    # its password is for nobody to read
    assert "secret" not in made.text
    mask = [0.0, 0.0, 0.5, 0.0, 0.5, 0.5]
    changed = owner.patch(f"{CAMERAS}/hall", json={"masks": [mask], "position": [0.2, 0.7]}).json()
    assert (changed["masks"], changed["position"]) == ([mask], [0.2, 0.7])
    assert changed["zone"] == "ground"
    assert owner.delete(f"{CAMERAS}/hall").status_code == 204
    known = {one["name"]: one for one in owner.get(CAMERAS).json()["items"]}
    assert known["hall"]["url"] is None
    assert error_of(owner.delete(f"{CAMERAS}/hall")) == "not_found"
    actions = [row["action"] for row in owner.get("/api/v1/audit").json()["items"]]
    assert {"camera-added", "camera-changed", "camera-placed", "camera-removed"} <= set(actions)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"name": "a b", "url": URL}, "name:"),
        ({"name": "a", "url": "/etc/passwd"}, "address:"),
        ({"name": "a", "url": "file:///etc/passwd"}, "address:"),
        ({"name": "a", "url": "webcam:0"}, "address:"),
        ({"name": "a", "url": "http://else.test/{SIGHTGRID_CAM_PASSWORD}"}, "braces"),
        ({"name": "a", "url": URL, "transport": "smoke"}, "transport"),
    ],
)
def test_what_cannot_be_a_camera_is_refused(
    owner: TestClient, body: dict[str, object], word: str
) -> None:
    answer = owner.post(CAMERAS, json=body)
    assert answer.status_code == 422
    assert word in answer.json()["error"]["message"]


def test_its_box_is_told_and_no_other(served: Served, owner: TestClient) -> None:
    gate, yard = enrol(served, "gate"), enrol(served, "yard")
    owner.post(CAMERAS, json={"name": "hall", "url": URL, "box": "gate"})
    told = gate.client.get("/api/v1/boxes/self").json()["configuration"]["cameras"]
    assert told["hall"]["url"] == URL
    assert yard.client.get("/api/v1/boxes/self").json()["configuration"]["cameras"] == {}


def test_a_camera_that_names_no_box_is_the_own_machines(served: Served, owner: TestClient) -> None:
    local, gate = enrol(served, "local"), enrol(served, "gate")
    owner.post(CAMERAS, json={"name": "hall", "url": URL})
    assert "hall" in local.client.get("/api/v1/boxes/self").json()["configuration"]["cameras"]
    assert gate.client.get("/api/v1/boxes/self").json()["configuration"]["cameras"] == {}


JPEG = b"\xff\xd8\xff\xe0 a picture"


def send_still(served: Served, box: FakeBox, camera: str = "hall") -> int:
    at = served.clock().isoformat()
    return box.client.put(
        f"/api/v1/boxes/self/stills/{camera}",
        content=JPEG,
        headers={"Sightgrid-Taken": at, "Sightgrid-Frame": "1280x720"},
    ).status_code


def test_stills_are_shown_to_whoever_may_see_the_camera(served: Served, owner: TestClient) -> None:
    owner.post(CAMERAS, json={"name": "hall", "url": URL, "box": "gate"})
    gate = enrol(served, "gate")
    assert send_still(served, gate) == 200
    assert send_still(served, gate, "vault") == 404
    assert owner.get(f"{CAMERAS}/hall/still").content == JPEG
    # sees cameras, but no faces
    manager = served.program(Role.ATTENDANCE_MANAGER)
    assert manager.get(f"{CAMERAS}/hall/still").status_code == 403
    served.account("bound", Role.OPERATOR, ["yard"])
    assert served.browser("bound").get(f"{CAMERAS}/hall/still").status_code == 404
    served.clock.forward(minutes=11)
    assert owner.get(f"{CAMERAS}/hall/still").status_code == 404


def test_a_change_of_masks_takes_the_old_picture_away(served: Served, owner: TestClient) -> None:
    owner.post(CAMERAS, json={"name": "hall", "url": URL, "box": "gate"})
    assert send_still(served, enrol(served, "gate")) == 200
    owner.patch(f"{CAMERAS}/hall", json={"masks": [[0, 0, 1, 0, 1, 1]]})
    assert owner.get(f"{CAMERAS}/hall/still").status_code == 404


def test_links_are_replaced_and_checked(served: Served, owner: TestClient) -> None:
    for name in ("hall", "yard"):
        owner.post(CAMERAS, json={"name": name, "url": URL})
    link = {"origin": "hall", "target": "yard", "min_secs": 4, "max_secs": 60}
    assert owner.put(f"{CAMERAS}/links", json={"links": [link]}).status_code == 204
    assert owner.get(f"{CAMERAS}/grid").json()["links"] == [link]
    wrong = {"links": [link | {"target": "attic"}]}
    assert "attic" in owner.put(f"{CAMERAS}/links", json=wrong).json()["error"]["message"]
    assert owner.put(f"{CAMERAS}/links", json={"links": []}).status_code == 204
    assert owner.get(f"{CAMERAS}/grid").json()["links"] == []


FILE = """\
site: {name: Old}
cameras:
  door: {url: "rtsp://10.0.0.1/x", position: [0.1, 0.1]}
  till: {url: "rtsp://10.0.0.2/x"}
links: [{from: door, to: till, secs: [4, 60]}]
"""


@pytest.fixture
def filed(tmp_path: Path, fresh_site: Path) -> Served:
    """A site whose configuration file names cameras."""
    shutil.copytree(fresh_site, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "sightgrid.yml"
    path.write_text(FILE, "utf-8")
    clock = Clock()
    site = Site(SiteSettings(read_configuration(path), tmp_path, clock))
    site.load_grid()
    return Served(site, clock, TestClient(create_app(site), base_url="https://site.test"))


def test_what_the_file_says_counts_and_the_rest_stays(filed: Served) -> None:
    owner = filed.program(Role.OWNER)
    answer = owner.patch(f"{CAMERAS}/door", json={"enabled": False})
    assert "sightgrid.yml" in answer.json()["error"]["message"]
    owner.post(CAMERAS, json={"name": "yard", "url": URL})
    assert owner.patch(f"{CAMERAS}/yard", json={"position": [0.5, 0.5]}).status_code == 200
    assert owner.patch(f"{CAMERAS}/door", json={"position": [0.5, 0.5]}).status_code == 422
    ours = {"origin": "till", "target": "yard", "min_secs": 2, "max_secs": None}
    owner.put(f"{CAMERAS}/links", json={"links": [ours]})
    # as the next start does
    filed.site.load_grid()
    grid = owner.get(f"{CAMERAS}/grid").json()
    assert grid["positions"] == {"door": [0.1, 0.1], "yard": [0.5, 0.5]}
    assert [(one["origin"], one["target"]) for one in grid["links"]] == [
        ("door", "till"),
        ("till", "yard"),
    ]


def test_the_sites_name_goes_into_the_file(filed: Served) -> None:
    owner = filed.program(Role.OWNER)
    told = owner.patch("/api/v1/site", json={"name": "Mill", "timezone": "Europe/Paris"}).json()
    assert (told["name"], told["timezone"]) == ("Mill", "Europe/Paris")
    text = filed.site.configuration.path.read_text("utf-8")
    assert 'name: "Mill"' in text
    assert text.endswith(FILE.split("\n", 1)[1])
    answer = owner.patch("/api/v1/site", json={"timezone": "Middle/Earth"})
    assert "Middle/Earth" in answer.json()["error"]["message"]
    assert filed.site.configuration.site.name == "Mill"


def test_the_demo_is_for_a_site_without_cameras(filed: Served) -> None:
    owner = filed.program(Role.OWNER)
    assert "without cameras" in owner.post("/api/v1/site/demo").json()["error"]["message"]
    assert owner.get("/api/v1/site/demo").json()["running"] is False
