"""A box becomes known to a real server, and its records arrive there."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from tests.edge.real_server import RealServer, free_port

from sightgrid.domain.errors import InvalidValue, SettingsError
from sightgrid.edge.enrolment import checked_url, enrol, load


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
def test_a_box_is_enrolled_by_its_code_and_keeps_its_token_to_itself(tmp_path: Path) -> None:
    server, folder = RealServer(tmp_path / "site"), tmp_path / "box"
    server.start()
    try:
        with pytest.raises(SettingsError, match="code"):
            enrol(server.url, "WRONG-CODE", folder)
        enrolled = enrol(server.url, server.code(), folder)
    finally:
        server.stop()
    assert load(folder) == enrolled
    assert stat.S_IMODE((folder / "server.json").stat().st_mode) == 0o600
    assert enrolled.access.token not in repr(enrolled)


@pytest.mark.reliability
def test_one_command_runs_server_and_box_and_ends_both(tmp_path: Path) -> None:
    """Pictures of a face in, a sighting at the server; Ctrl-C ends every process."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image's photos are not installed (requirements/photos.txt)")
    film(Path(spec.origin).with_name("data") / "astronaut.png", tmp_path / "desk.mp4")
    (tmp_path / "sightgrid.yml").write_text("cameras:\n  desk: {url: desk.mp4, loop: true}\n")
    port = free_port()
    order = [sys.executable, "-m", "sightgrid", "up", "--listen", f"127.0.0.1:{port}"]
    up = subprocess.Popen(
        order, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    server = RealServer(tmp_path, port=port)
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if (tmp_path / "sightgrid.db").exists():
                try:
                    if server.ids():
                        break
                except sa.exc.DBAPIError:
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
