"""Who waits, who is served together, who is told to come again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import wait

import pytest

from sightgrid.domain.errors import InvalidRecord, StoreBusy
from sightgrid.server.ingest_queue import (
    LONGEST_WAIT_SECS,
    MOST_BYTES_HELD,
    MOST_BYTES_TOGETHER,
    Body,
    IngestQueue,
    Served,
)
from sightgrid.server.refusals import SlowDown
from sightgrid.wire.receipts import Receipt, Status

PATIENCE_SECS = 30


class Server:
    """Takes bodies in when it is let; ``secs`` is how long each group takes by the clock."""

    def __init__(self, secs: float = 0.0) -> None:
        self.groups: list[list[str]] = []
        self.now = 100.0
        self.secs = secs
        self.busy = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def serve(self, bodies: Sequence[Body]) -> list[Served]:
        self.busy.set()
        assert self.go_on.wait(PATIENCE_SECS)
        self.now += self.secs
        self.groups.append([body.box_id for body in bodies])
        return [
            InvalidRecord("body_cut_off")
            if body.lines.startswith(b"cut")
            else [Receipt(body.box_id, 1, "0" * 64, Status.STORED)]
            for body in bodies
        ]

    def clock(self) -> float:
        return self.now


def queue_to(server: Server) -> IngestQueue:
    return IngestQueue(server.serve, clock=server.clock)


def test_those_who_wait_are_served_together_in_their_order() -> None:
    server = Server()
    queue = queue_to(server)
    server.go_on.clear()
    first = queue.submit(Body("first", b"x"))
    assert server.busy.wait(PATIENCE_SECS)
    others = [queue.submit(Body(name, b"x")) for name in ("b", "c", "d")]
    server.go_on.set()
    wait([first, *others], PATIENCE_SECS)
    assert [one.result()[0].sighting_id for one in (first, *others)] == ["first", "b", "c", "d"]
    assert server.groups == [["first"], ["b", "c", "d"]]
    queue.close()


def test_a_group_is_no_larger_than_it_may_be() -> None:
    server = Server()
    queue = queue_to(server)
    server.go_on.clear()
    half = b"x" * (MOST_BYTES_TOGETHER // 2)
    every = [queue.submit(Body("first", b"x"))]
    assert server.busy.wait(PATIENCE_SECS)
    every += [queue.submit(Body(str(n), half)) for n in range(4)]
    server.go_on.set()
    wait(every, PATIENCE_SECS)
    assert server.groups == [["first"], ["0", "1"], ["2", "3"]]
    queue.close()


def test_one_body_that_can_not_be_read_harms_no_other() -> None:
    server = Server()
    queue = queue_to(server)
    with pytest.raises(InvalidRecord):
        queue.submit(Body("a", b"cut")).result(PATIENCE_SECS)
    assert queue.submit(Body("a", b"x")).result(PATIENCE_SECS)[0].status is Status.STORED
    queue.close()


def test_when_the_database_fails_each_is_told_and_the_next_is_served() -> None:
    server, broken = Server(), [True]

    def serve(bodies: Sequence[Body]) -> list[Served]:
        if broken.pop():
            broken.append(False)
            raise StoreBusy("busy")
        broken.append(False)
        return server.serve(bodies)

    queue = IngestQueue(serve)
    with pytest.raises(StoreBusy):
        queue.submit(Body("a", b"x")).result(PATIENCE_SECS)
    assert queue.submit(Body("a", b"x")).result(PATIENCE_SECS)
    assert queue.wait_secs == 0
    queue.close()


def test_whoever_would_wait_too_long_is_told_at_once_when_to_come_again() -> None:
    server = Server(secs=2.0)
    queue = queue_to(server)
    body = Body("a", b"x" * 1000)
    # the server learns from every body how long one takes
    for _ in range(40):
        queue.submit(body).result(PATIENCE_SECS)
    assert queue.wait_secs == 0, "nobody waits now, so whoever comes is let in"
    server.go_on.clear()
    server.busy.clear()
    under_way = queue.submit(body)
    assert server.busy.wait(PATIENCE_SECS)
    assert queue.wait_secs > LONGEST_WAIT_SECS
    with pytest.raises(SlowDown) as told:
        queue.submit(body)
    assert told.value.busy
    assert 0 < told.value.wait.total_seconds() <= 3
    with pytest.raises(SlowDown), queue.room(10):
        pass
    server.go_on.set()
    assert under_way.result(PATIENCE_SECS)
    queue.close()


def test_bodies_held_in_memory_are_bounded_and_a_slow_one_takes_no_place() -> None:
    server = Server()
    queue = queue_to(server)
    with queue.room(MOST_BYTES_HELD - 100):
        # it is still being read, and others are served meanwhile
        with queue.room(100):
            assert queue.submit(Body("quick", b"x")).result(PATIENCE_SECS)
        with pytest.raises(SlowDown), queue.room(101):
            pass
        with pytest.raises(SlowDown), queue.room(None):
            pass
    with queue.room(None):
        pass
    queue.close()


def test_who_has_gone_away_is_not_served() -> None:
    server = Server()
    queue = queue_to(server)
    server.go_on.clear()
    first = queue.submit(Body("first", b"x"))
    assert server.busy.wait(PATIENCE_SECS)
    gone, stays = queue.submit(Body("gone", b"x" * 50)), queue.submit(Body("stays", b"x"))
    assert gone.cancel()
    server.go_on.set()
    wait([first, stays], PATIENCE_SECS)
    queue.close()
    assert server.groups == [["first"], ["stays"]]
    assert queue.wait_secs == 0
