"""What networks do between a box and the real server: nothing lost, nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.edge import plain_server as faults
from tests.edge.plain_server import FaultyProxy
from tests.edge.real_server import RealServer
from tests.edge.spools import open_spool, sighting_id
from tests.edge.test_spooling import coloured
from tests.edge.test_uploader import Running, certificates, empty, until

from sightgrid.edge.clock import BoxClock
from sightgrid.edge.enrolment import Enrolment, enrol
from sightgrid.edge.spooling import SpoolOrder, SpoolSink
from sightgrid.edge.uploader import UploadState

pytestmark = pytest.mark.reliability

COUNT = 25
PATIENCE_SECS = 60.0
CUTS = (faults.cut_mid_body, faults.cut_before_the_reply, faults.cut_within_the_reply)
STRANGERS = (
    (faults.a_captive_portal, UploadState.MISDIRECTED),
    (faults.a_portal_that_lies, UploadState.MISDIRECTED),
    (faults.a_bad_gateway, UploadState.FAILING),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    made = RealServer(tmp_path_factory.mktemp("network") / "site")
    made.start()
    yield made
    made.stop()


class FilledBox:
    """A box with something to send; its sightings' numbers begin at ``first``."""

    first = 0

    def __init__(self, server: RealServer, folder: Path) -> None:
        FilledBox.first += COUNT
        self.numbers = range(FilledBox.first, FilledBox.first + COUNT)
        self.enrolled: Enrolment = enrol(server.url, server.code(f"box-{self.numbers[0]}"), folder)
        self.path = folder / self.enrolled.spool_name
        clock = BoxClock.anchored()
        order = SpoolOrder(self.path, self.enrolled.box_id, self.enrolled.server_key, clock, {})
        sink = SpoolSink(order)
        for number in self.numbers:
            sink.put(coloured(number))
        sink.close()
        assert sink.kept == COUNT
        self.spool = open_spool(self.path, box_id=self.enrolled.box_id)

    def uploading(self, url: str, **options: Any) -> Running:
        access = replace(self.enrolled.access, url=url, ca_file=options.pop("ca_file", None))
        options = {"deadline_secs": 3.0} | options
        return Running(self.path, "", access=access, box_id=self.enrolled.box_id, **options)

    def is_all_there(self, server: RealServer) -> bool:
        mine = {sighting_id(number) for number in self.numbers}
        stored = [one for one in server.ids() if one in mine]
        received = [who for who, _ in server.received() if who in mine]
        return sorted(stored) == sorted(received) == sorted(mine)


@pytest.fixture
def box(server: RealServer, tmp_path: Path) -> Iterator[FilledBox]:
    made = FilledBox(server, tmp_path / "box")
    yield made
    made.spool.close()


@pytest.mark.parametrize("fault", CUTS)
def test_a_line_that_is_cut(fault: Any, server: RealServer, box: FilledBox) -> None:
    proxy = FaultyProxy(server.port)
    proxy.fault = fault
    with box.uploading(proxy.url) as running:
        until(lambda: running.uploader.state is UploadState.UNREACHABLE, PATIENCE_SECS)
        status = box.spool.status()
        assert status.pending + status.in_flight == COUNT, "no receipt, nothing freed"
        proxy.fault = None
        proxy.cut_all()
        until(empty(box.spool), PATIENCE_SECS)
    proxy.close()
    assert box.is_all_there(server)
    assert server.orphans() == {}


def test_what_was_stored_before_the_reply_was_lost_is_a_duplicate(
    server: RealServer, box: FilledBox
) -> None:
    proxy = FaultyProxy(server.port)
    proxy.fault = faults.cut_before_the_reply
    with box.uploading(proxy.url) as running:
        until(lambda: running.uploader.state is UploadState.UNREACHABLE, PATIENCE_SECS)
        until(lambda: box.is_all_there(server), PATIENCE_SECS)
        assert box.spool.status().acknowledged == 0, "stored, and the box does not know"
        proxy.fault = None
        proxy.cut_all()
        until(empty(box.spool), PATIENCE_SECS)
    proxy.close()
    assert box.is_all_there(server)
    assert box.spool.status().acknowledged == COUNT


@pytest.mark.parametrize(("fault", "state"), STRANGERS)
def test_somebody_else_answers(
    fault: Any, state: UploadState, server: RealServer, box: FilledBox
) -> None:
    proxy = FaultyProxy(server.port)
    proxy.fault = fault
    with box.uploading(proxy.url) as running:
        until(lambda: running.uploader.state is state, PATIENCE_SECS)
        time.sleep(0.3)
        status = box.spool.status()
        assert status.pending + status.in_flight == COUNT, "an HTML page is no receipt"
        proxy.fault = None
        proxy.cut_all()
        until(empty(box.spool), PATIENCE_SECS)
    proxy.close()
    assert box.is_all_there(server)


def test_a_slow_line(server: RealServer, box: FilledBox) -> None:
    proxy = FaultyProxy(server.port)
    proxy.fault = faults.slowly
    with box.uploading(proxy.url, deadline_secs=30.0):
        until(empty(box.spool), PATIENCE_SECS)
    proxy.close()
    assert box.is_all_there(server)


def test_a_certificate_that_has_expired(server: RealServer, box: FilledBox, tmp_path: Path) -> None:
    good, expired = certificates(tmp_path)
    proxy = FaultyProxy(server.port, context=expired)
    with box.uploading(proxy.url, ca_file=tmp_path / "ca.pem") as running:
        until(lambda: running.uploader.state is UploadState.UNREACHABLE, PATIENCE_SECS)
        status = box.spool.status()
        assert status.pending + status.in_flight == COUNT
    proxy.close()
    proxy = FaultyProxy(server.port, context=good)
    with box.uploading(proxy.url, ca_file=tmp_path / "ca.pem"):
        until(empty(box.spool), PATIENCE_SECS)
    proxy.close()
    assert box.is_all_there(server)
