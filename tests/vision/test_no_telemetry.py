"""Nothing is called at run time that the operator did not name (invariant 12)."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# OpenVINO's telemetry forks a process to make its call, so forks count as much as sockets
_PROBE = """
import sys, time

called = []
watched = ("socket.", "os.fork", "os.posix_spawn", "subprocess.")
sys.addaudithook(lambda event, _: called.append(event) if event.startswith(watched) else None)
from sightgrid.offline.engine import open_engine

open_engine("default")
time.sleep(0.5)
print(sorted(set(called)))
"""


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra 'openvino'")
def test_opening_the_networks_calls_nobody_and_leaves_no_id(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"HOME": str(home), "SIGHTGRID_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", _PROBE],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=environment,
    )
    assert done.stdout.strip() == "[]"
    # a cache of compiled code may lie there; an id to be recognised by may not
    assert {entry.name for entry in home.iterdir()} <= {".cache"}
