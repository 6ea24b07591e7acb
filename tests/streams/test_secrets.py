"""A camera's password is nowhere: not in files, logs, metrics, or lists of processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from fakecameras import HttpCameras, RtspDoors, Scene, remuxed

from clips import write_clip
from sightgrid.domain.geometry import Bytes

pytestmark = pytest.mark.streams

USER, PASSWORD = "canary-user", "c4n@ry/p#ss:w0rd"
TRACES = (USER, PASSWORD, "c4n%40ry", "p%23ss", "c4n@ry")
METRICS_PORT = 19108


def test_a_password_leaves_no_trace(
    tmp_path: Path, cameras: tuple[HttpCameras, RtspDoors], somebody: list[Bytes]
) -> None:
    http, doors = cameras
    clip = write_clip(tmp_path / "clip.ts", somebody, fps=10, container="mpegts")
    live = http.add("live", remuxed(Scene(clip)))
    refused = doors.add("refused", (401, 'WWW-Authenticate: Basic realm="x"\r\n'))
    missing = doors.add("missing", (404, ""))
    page = http.add("page", lambda out: out.write(b"<html></html>" * 400), "text/html")
    urls = {"live": live, "refused": refused, "missing": missing, "page": page, "lost": live + "x"}
    userinfo = "{SIGHTGRID_CANARY_USER}:{SIGHTGRID_CANARY_PASSWORD}@127"
    lines = [
        f"  {name}: {{url: '{url.replace('127', userinfo, 1)}'}}" for name, url in urls.items()
    ]
    # resolved only once, and written with a password in its query as some cameras want it
    lines.append(
        f"  query: {{url: 'http://127.0.0.1:{http.port}/x?pwd={{SIGHTGRID_CANARY_PASSWORD}}'}}"
    )
    folder = tmp_path / "box"
    config = tmp_path / "sightgrid.yml"
    config.write_text(
        "cameras:\n" + "\n".join(lines) + "\n"
        f"box: {{data_folder: {folder}, networks: [127.0.0.0/8],"
        f" metrics: '127.0.0.1:{METRICS_PORT}'}}\n",
        "utf-8",
    )
    environment = {
        **os.environ,
        "SIGHTGRID_CANARY_USER": USER,
        "SIGHTGRID_CANARY_PASSWORD": PASSWORD,
    }
    log = tmp_path / "box.log"
    with log.open("wb") as stream:
        box = subprocess.Popen(
            [sys.executable, "-m", "sightgrid", "edge", "--config", str(config)],
            stdout=stream,
            stderr=stream,
            env=environment,
        )
    shown: dict[str, str] = {}
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and len(_told(log)) < len(urls) + 1:
            time.sleep(0.5)
        assert len(_told(log)) == len(urls) + 1, log.read_text("utf-8")
        time.sleep(3)
        children = psutil.Process(box.pid).children(recursive=True)
        assert len(children) >= len(urls)
        for process in [psutil.Process(box.pid), *children]:
            shown[f"command line of {process.pid}"] = " ".join(process.cmdline())
        for process in children:
            shown[f"environment of {process.pid}"] = str(process.environ())
        with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics") as answer:
            shown["metrics"] = answer.read().decode()
        assert 'sightgrid_camera_state{camera="live",state="live"} 1.0' in shown["metrics"]
        listed = subprocess.run(
            [
                sys.executable,
                "-m",
                "sightgrid",
                "camera",
                "list",
                "--config",
                str(config),
                "--json",
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        shown["camera list"] = listed.stdout + listed.stderr
        shown["ps"] = subprocess.run(
            ["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True
        ).stdout
    finally:
        box.terminate()
        box.wait(30)
    for path in [log, *(p for p in folder.rglob("*") if p.is_file())]:
        shown[path.name] = path.read_bytes().decode("latin-1")
    assert any(name.endswith(".npz") for name in shown)
    found = [(name, trace) for name, text in shown.items() for trace in TRACES if trace in text]
    assert not found
    # what is said of the cameras is still of use
    assert "refused" in shown["box.log"]
    assert "rtsp://***@127.0.0.1" in shown["box.log"]


def _told(log: Path) -> set[str]:
    """The cameras of which the log has said anything."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line[:1] == "{"]
    return {line["camera"] for line in lines if "camera" in line}
