"""The stream of events over real connections: told after commit, taken up again without loss, only
to who may see it, and cheap."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from tests.server.conftest import Served
from tests.server.test_ingest import FakeBox, enrol, seen_by
from tests.server.test_telling import happen, until

from sightgrid.domain.accounts import Role
from sightgrid.server.api import events
from sightgrid.server.callers import COOKIE

WAIT_SECS = 20.0


@dataclass(frozen=True)
class Told:
    """One event as it came over the line."""

    number: int
    kind: str
    data: dict[str, Any]


class Stream:
    """Listens in a thread of its own."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.told: queue.Queue[Told] = queue.Queue()
        self.open = threading.Event()
        self.ended = threading.Event()
        self._client = httpx.Client(timeout=WAIT_SECS)
        self._url, self._headers = url, headers
        self._closing = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self.open.wait(WAIT_SECS)

    def next(self) -> Told:
        return self.told.get(timeout=WAIT_SECS)

    def close(self) -> None:
        self._closing = True
        self._client.close()

    def _listen(self) -> None:
        try:
            with self._client.stream("GET", self._url, headers=self._headers) as answer:
                assert answer.status_code == 200
                fields: dict[str, str] = {}
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if line:
                        fields[name] = value
                    elif "data" in fields:
                        data = json.loads(fields["data"])
                        self.told.put(Told(int(fields["id"]), fields["event"], data))
                        fields = {}
                    # the first line of all is a comment
                    self.open.set()
        except (httpx.HTTPError, RuntimeError, OSError):
            # closed by the test; anything else shows as an event that never comes
            if not self._closing:
                raise
        finally:
            self.ended.set()


@dataclass
class Line:
    """The site on a port of this machine."""

    served: Served
    url: str
    closing: ExitStack

    def listen(self, headers: dict[str, str], *, since: int | None = None) -> Stream:
        asked = dict(headers)
        if since is not None:
            asked["Last-Event-ID"] = str(since)
        stream = Stream(f"{self.url}/api/v1/events", asked)
        self.closing.callback(stream.close)
        return stream


@contextmanager
def on_a_port(served: Served) -> Iterator[str]:
    # the application was started by the fixture already
    config = uvicorn.Config(
        served.client.app, port=0, lifespan="off", log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(WAIT_SECS)


@pytest.fixture
def line(served: Served) -> Iterator[Line]:
    with on_a_port(served) as url, ExitStack() as closing:
        yield Line(served, url, closing)


@pytest.fixture
def box(served: Served) -> FakeBox:
    return enrol(served)


@pytest.fixture
def boss(served: Served) -> dict[str, str]:
    client = served.program(Role.OWNER)
    return {"Authorization": client.headers["Authorization"]}


def test_new_update_and_end_come_after_their_commit(
    line: Line, box: FakeBox, boss: dict[str, str]
) -> None:
    stream, served = line.listen(boss), line.served
    first = seen_by(served, 1, closed=False)
    box.receipts(box.line(first))
    told = stream.next()
    assert (told.kind, told.data["id"], told.data["serial"]) == ("new", first.sighting_id, 1)
    # whoever is told can ask for it at once
    found = httpx.get(f"{line.url}/api/v1/sightings/{first.sighting_id}", headers=boss)
    assert found.json()["identity"] == 1
    for revision, closed, kind in ((2, False, "update"), (3, True, "end")):
        later = seen_by(served, 1, revision=revision, closed=closed, sighting_id=first.sighting_id)
        box.receipts(box.line(later, seq=revision))
        told = stream.next()
        assert (told.kind, told.data["id"]) == (kind, first.sighting_id)
        assert told.data["revision"] == revision


def test_a_stream_goes_on_where_it_broke_off(line: Line, boss: dict[str, str]) -> None:
    store, stream = line.served.site.store, line.listen(boss)
    happen(store, "new", 1)
    last = stream.next().number
    stream.close()
    # more than the database is asked for at once
    many = events._AT_ONCE + 30
    for number in range(many):
        happen(store, "new", number)
    again = line.listen(boss, since=last)
    happen(store, "end", 1)
    numbers = [again.next().number for _ in range(many + 1)]
    assert numbers == list(range(last + 1, last + many + 2))


def test_what_happens_right_after_the_start_is_told(line: Line, boss: dict[str, str]) -> None:
    fan = line.served.client.app.state.events  # type: ignore[attr-defined]
    fan.stop()
    stream = line.listen(boss)
    time.sleep(0.5)
    fan._stop.clear()
    fan.start()
    happen(line.served.site.store, "new", 1)
    assert stream.next().number == 1


def test_who_comes_back_while_the_server_starts_misses_nothing(
    line: Line, boss: dict[str, str]
) -> None:
    """What happens before the reading thread has begun comes all the same."""
    store = line.served.site.store
    happen(store, "new", 1)
    fan = line.served.client.app.state.events  # type: ignore[attr-defined]
    fan.stop()
    stream = line.listen(boss, since=0)
    assert stream.next().number == 1
    happen(store, "new", 2)
    fan._stop.clear()
    fan.start()
    time.sleep(0.6)
    happen(store, "new", 3)
    assert [stream.next().number for _ in range(2)] == [2, 3]


def test_a_number_that_this_database_never_gave_is_as_none(
    line: Line, boss: dict[str, str]
) -> None:
    """As after a restore of an older backup."""
    stream = line.listen(boss, since=1_000_000)
    time.sleep(0.6)
    happen(line.served.site.store, "new", 1)
    assert stream.next().number == 1
    wrong = httpx.get(f"{line.url}/api/v1/events", headers=boss | {"Last-Event-ID": "x"})
    assert wrong.status_code == 422


def test_an_operator_hears_of_the_own_cameras_only(line: Line) -> None:
    served = line.served
    served.account("guard", Role.OPERATOR, ["stairs"])
    cookies = served.browser("guard").cookies
    stream = line.listen({"Cookie": f"{COOKIE}={cookies[COOKIE]}"})
    time.sleep(0.6)
    happen(served.site.store, "new", 1, camera="hall")
    happen(served.site.store, "new", 2, camera="stairs")
    assert stream.next().data["camera"] == "stairs"
    # nor what happened while nobody listened
    again = line.listen({"Cookie": f"{COOKIE}={cookies[COOKIE]}"}, since=0)
    assert again.next().number == 2


def test_who_is_signed_out_hears_nothing_more(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_CHECK_EVERY_SECS", 0.3)
    monkeypatch.setattr(events, "_ALIVE_EVERY_SECS", 0.2)
    served = line.served
    served.account("ada", Role.OWNER)
    browser = served.browser("ada")
    stream = line.listen({"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"})
    assert not stream.ended.wait(1.0)
    assert browser.post("/api/v1/auth/logout").status_code in (200, 204)
    assert stream.ended.wait(WAIT_SECS)


def test_twenty_listeners_read_the_database_once(
    line: Line, boss: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = line.served.site.store
    streams = [line.listen(boss) for _ in range(20)]
    time.sleep(0.6)
    reads, snapshot = 0, store.snapshot

    def counted() -> Any:
        nonlocal reads
        reads += 1
        return snapshot()

    monkeypatch.setattr(store, "snapshot", counted)
    began, cpu = time.monotonic(), time.process_time()
    for number in range(30):
        happen(store, "new", number)
        time.sleep(0.05)
    for stream in streams:
        assert [stream.next().data["serial"] for _ in range(30)] == list(range(30))
    took = time.monotonic() - began
    # four a second, and one beside it for what comes from elsewhere
    assert reads <= 8 * took + 5
    # the listeners' own side is counted too
    assert (time.process_time() - cpu) < 2.0
