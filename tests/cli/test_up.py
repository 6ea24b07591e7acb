"""``sightgrid up`` and cameras that are added while it runs."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sightgrid.cli.edge import has_cameras
from sightgrid.cli.up import ask_for_cameras
from sightgrid.configuration import Configuration
from sightgrid.edge.enrolment import Enrolment, load, save
from sightgrid.edge.uploader import ServerAccess
from sightgrid.wire.sealing import OpeningKey

KEY = OpeningKey.generate().sealing.public
CAMERAS = {"cameras": {"hall": {"url": "rtsp://10.0.0.9/x"}}}


class _Server(BaseHTTPRequestHandler):
    """Tells a box its part: a camera; to a wrong token, nothing."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer t"
        body = json.dumps(
            {
                "box_id": "b",
                "server_key": base64.b64encode(KEY).decode(),
                "configuration": CAMERAS,
                "configuration_version": "2",
            }
        ).encode()
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def enrolled(folder: Path, url: str, *, known: bool = True) -> Configuration:
    access = ServerAccess(url, "t" if known else "wrong", "i")
    save(Enrolment(access, "b", KEY, {}, "1"), folder)
    local = Configuration.default(folder / "sightgrid.yml")
    return replace(local, box=replace(local.box, data_folder=folder))


def test_a_camera_added_in_the_browser_is_noticed(tmp_path: Path, url: str) -> None:
    local = enrolled(tmp_path, url)
    assert not has_cameras(local)
    ask_for_cameras(tmp_path)
    assert has_cameras(local)
    kept = load(tmp_path)
    assert kept is not None
    assert kept.access.token == "t"


@pytest.mark.parametrize("away", [True, False], ids=["no server", "refused"])
def test_what_is_no_answer_changes_nothing(tmp_path: Path, url: str, away: bool) -> None:
    where = "http://127.0.0.1:1" if away else url
    local = enrolled(tmp_path, where, known=away)
    ask_for_cameras(tmp_path)
    assert not has_cameras(local)
