"""A server that is killed at any moment, on each database: nothing lost, nothing twice.

``KILLS=50`` kills as often; by itself it is a few times, so that ``make reliability`` stays short.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from random import Random

import pytest
from tests.edge.real_server import RealServer, times
from tests.edge.spools import sighting_id
from tests.edge.test_spooling import coloured
from tests.edge.test_uploader import Running

from sightgrid.edge.clock import BoxClock
from sightgrid.edge.enrolment import enrol
from sightgrid.edge.spooling import SpoolOrder, SpoolSink
from sightgrid.edge.uploader import BackOff

pytestmark = pytest.mark.reliability

QUICK = BackOff(base_secs=0.05, cap_secs=0.2)
DRAIN_SECS = 900


def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(
    database: str, backend: str, tmp_path: Path
) -> None:
    """A box enrols, fills its spool and uploads while the server is killed at any moment."""
    kills = times(5 if backend == "sqlite" else 2)
    server = RealServer(tmp_path / "site", database)
    server.start()
    try:
        enrolled = enrol(server.url, server.code(), tmp_path / "box")
        path = tmp_path / "box" / enrolled.spool_name
        clock = BoxClock.anchored()
        sink = SpoolSink(SpoolOrder(path, enrolled.box_id, enrolled.server_key, clock, {}))
        rng, number = Random(5), 0
        with Running(
            path,
            "",
            access=enrolled.access,
            box_id=enrolled.box_id,
            back_off=QUICK,
            # on a busy machine the server may take long over a batch that it has to embed
            deadline_secs=30.0,
        ) as box:
            for _ in range(kills):
                until = time.monotonic() + rng.uniform(0.1, 0.8)
                while time.monotonic() < until:
                    sink.put(coloured(number))
                    number += 1
                    time.sleep(0.01)
                server.kill()
                server.start()
            sink.close()
            deadline = time.monotonic() + DRAIN_SECS
            while box.uploader.delivered < sink.kept and time.monotonic() < deadline:
                time.sleep(0.1)
            assert box.uploader.delivered == sink.kept
        assert sink.kept == number > kills
        wanted = sorted(sighting_id(n) for n in range(number))
        assert sorted(server.ids()) == wanted
        assert sorted(who for who, _ in server.received()) == wanted
        assert server.orphans() == {}
    finally:
        server.stop()
    if backend == "sqlite":
        connection = sqlite3.connect(tmp_path / "sightgrid.db")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
