from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakecameras import HttpCameras, RtspDoors, fake_cameras

from clips import pictures_of
from sightgrid.domain.geometry import Bytes

_SERVER = Path(__file__).parent / "gst_rtsp_server.py"
# GStreamer's Python is the system's, not that of the tests
_SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="session")
def footage() -> Path:
    folder = os.environ.get("SIGHTGRID_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the real footage")
    return Path(folder)


@pytest.fixture(scope="session")
def somebody(footage: Path) -> list[Bytes]:
    """Ten pictures a second, 7 s that join at their ends, of one person in an office."""
    pictures = list(pictures_of(footage / "vid_office_signers" / "book.mkv", every=3, most=105))
    back_and_forth = pictures + pictures[::-1]
    return [np.ascontiguousarray(picture) for picture in back_and_forth]


@pytest.fixture
def cameras() -> Iterator[tuple[HttpCameras, RtspDoors]]:
    with fake_cameras() as made:
        yield made


@pytest.fixture
def rtsp() -> Iterator[Callable[..., str]]:
    """Starts GStreamer's RTSP server with ``name=clip`` and tells where it is."""
    running: list[subprocess.Popen[str]] = []

    def serve(port: int, *, once: bool = True, **clips: Path) -> str:
        if not Path(_SYSTEM_PYTHON).exists():
            pytest.skip(f"{_SYSTEM_PYTHON} is missing, which GStreamer's Python belongs to")
        command = [_SYSTEM_PYTHON, str(_SERVER), *(["--once"] if once else []), str(port)]
        command += [f"{name}={clip}" for name, clip in clips.items()]
        # none of our paths: it is another Python
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, stderr=subprocess.DEVNULL
        )
        running.append(server)
        assert server.stdout is not None
        answer = server.stdout.readline().strip()
        if answer != "ready":
            pytest.skip(f"GStreamer's RTSP server is not there: {answer or 'it does not start'}")
        time.sleep(0.2)
        return f"rtsp://127.0.0.1:{port}"

    yield serve
    for server in running:
        server.kill()
        server.wait()
