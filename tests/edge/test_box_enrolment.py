"""A box becomes known to a real server, and its records arrive there."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random

import httpx
import pytest
from tests.edge.spools import sighting_id
from tests.edge.test_spooling import coloured
from tests.edge.test_uploader import Running

from sightgrid.domain.errors import InvalidValue, SettingsError
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.enrolment import checked_url, enrol, load
from sightgrid.edge.spooling import SpoolOrder, SpoolSink
from sightgrid.edge.uploader import BackOff


@dataclass
class RealServer:
    """``sightgrid server`` in a process of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "sightgrid", *words, "--config", str(self.folder / "s.yml")]

    def start(self) -> None:
        order = self.command("server", "--listen", f"127.0.0.1:{self.port}")
        self.process = subprocess.Popen(order, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/api/v1/health").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        pytest.fail("the server never answered")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def code(self) -> str:
        told = subprocess.run(
            self.command("box", "add", "hall"), capture_output=True, text=True, check=True
        )
        return told.stdout.split("--code ")[1].strip()

    def ids(self) -> list[str]:
        """The sightings that the server holds."""
        database = sqlite3.connect(self.folder / "sightgrid.db")
        try:
            return [one for (one,) in database.execute("SELECT sighting_id FROM sighting")]
        finally:
            database.close()

    def received(self) -> list[tuple[str, int]]:
        database = sqlite3.connect(self.folder / "sightgrid.db")
        try:
            return database.execute("SELECT sighting_id, revision FROM received").fetchall()
        finally:
            database.close()


@pytest.fixture
def real_server(tmp_path: Path) -> Iterator[RealServer]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "s.yml").write_text("site: {name: Test}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = RealServer(folder, port)
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.process.terminate()
        server.process.wait(20)


def test_a_token_never_goes_to_another_machine_unencrypted() -> None:
    assert checked_url("https://sightgrid.example/") == "https://sightgrid.example"
    assert checked_url("http://127.0.0.1:8420") == "http://127.0.0.1:8420"
    for bad in ("http://10.0.0.5:8420", "http://sightgrid.example", "sightgrid.example", "ftp://x"):
        with pytest.raises(InvalidValue):
            checked_url(bad)


def test_a_damaged_enrolment_is_said(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    (tmp_path / "server.json").write_text("{")
    with pytest.raises(SettingsError, match="damaged"):
        load(tmp_path)


@pytest.mark.reliability
def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(
    real_server: RealServer, tmp_path: Path
) -> None:
    """A box enrols, fills its spool and uploads while the server is killed at any moment."""
    kills = int(os.environ.get("KILLS", "5"))
    folder = tmp_path / "box"
    with pytest.raises(SettingsError, match="code"):
        enrol(real_server.url, "WRONG-CODE", folder)
    enrolled = enrol(real_server.url, real_server.code(), folder)
    assert load(folder) == enrolled
    assert stat.S_IMODE((folder / "server.json").stat().st_mode) == 0o600
    assert enrolled.access.token not in repr(enrolled)
    path = folder / enrolled.spool_name
    clock = BoxClock.anchored()
    sink = SpoolSink(SpoolOrder(path, enrolled.box_id, enrolled.server_key, clock, {}))
    rng = Random(5)
    number = 0
    quick = BackOff(base_secs=0.05, cap_secs=0.2)
    with Running(path, "", access=enrolled.access, box_id=enrolled.box_id, back_off=quick) as box:
        for _ in range(kills):
            until = time.monotonic() + rng.uniform(0.1, 0.8)
            while time.monotonic() < until:
                sink.put(coloured(number))
                number += 1
                time.sleep(0.01)
            real_server.kill()
            real_server.start()
        sink.close()
        deadline = time.monotonic() + 120
        while box.uploader.delivered < sink.kept and time.monotonic() < deadline:
            time.sleep(0.1)
        assert box.uploader.delivered == sink.kept
    assert sink.kept == number > 10 * kills
    wanted = sorted(sighting_id(n) for n in range(number))
    assert sorted(real_server.ids()) == wanted
    assert sorted(who for who, _ in real_server.received()) == wanted
    database = sqlite3.connect(real_server.folder / "sightgrid.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    orphans = (
        "SELECT count(*) FROM crop WHERE sighting_id NOT IN (SELECT sighting_id FROM sighting)"
    )
    assert database.execute(orphans).fetchone() == (0,)
    database.close()


@pytest.mark.reliability
def test_one_command_runs_server_and_box_and_ends_both(tmp_path: Path) -> None:
    """Pictures of a face in, a sighting at the server; Ctrl-C ends every process."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image's photos are not installed (requirements/photos.txt)")
    film(Path(spec.origin).with_name("data") / "astronaut.png", tmp_path / "desk.mp4")
    (tmp_path / "sightgrid.yml").write_text("cameras:\n  desk: {url: desk.mp4, loop: true}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    order = [sys.executable, "-m", "sightgrid", "up", "--listen", f"127.0.0.1:{port}"]
    up = subprocess.Popen(
        order, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    server = RealServer(tmp_path, port)
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if (tmp_path / "sightgrid.db").exists():
                try:
                    if server.ids():
                        break
                except sqlite3.Error:
                    pass  # its tables are being made
            time.sleep(0.3)
        else:
            pytest.fail("nobody was seen")
    finally:
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=60)
    assert up.returncode == 130, said
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{port}/api/v1/health")
    assert (tmp_path / "sightgrid-box" / "server.json").exists()


def film(picture: Path, path: Path) -> None:
    """A face that moves about, 12 seconds."""
    import av
    import cv2
    import numpy as np

    face = cv2.resize(cv2.imread(str(picture)), (360, 360))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for i in range(120):
            frame = np.full((480, 640, 3), 90, np.uint8)
            at = 20 + 2 * i
            frame[60:420, at : at + 360] = face[:, : 640 - at]
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
