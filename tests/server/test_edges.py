"""What was found by looking for it: codes left over, addresses that can't be read, streams of those
who have gone, a port that is taken."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request
from tests.server.conftest import PASSWORD, Served, error_of
from tests.server.test_telling import NOON, happen, until

from sightgrid.configuration import Configuration
from sightgrid.domain.accounts import Role
from sightgrid.domain.errors import InvalidValue, SettingsError
from sightgrid.domain.locations import Location
from sightgrid.server import running
from sightgrid.server.accounts import add_account
from sightgrid.server.api import events as api_events
from sightgrid.server.callers import COOKIE, caller_of
from sightgrid.server.couriers import Courier
from sightgrid.server.listening import Listen
from sightgrid.server.mqtt import MqttSubscriber
from sightgrid.server.running import Serving, serve
from sightgrid.server.site import SiteSettings
from sightgrid.store.audit import audit_events
from sightgrid.store.outbox import StoredEvent


def test_the_first_owners_code_is_void_once_there_is_an_account(served: Served) -> None:
    code, _ = served.site.door.setup_code(None)
    served.account("ada", Role.OWNER)
    second = {"code": code, "login": "mallory", "password": PASSWORD}
    answer = served.client.post("/api/v1/auth/setup", json=second)
    assert (answer.status_code, error_of(answer)) == (401, "not_signed_in")


@pytest.mark.parametrize("login", ["", " ", "ada ", "a\x00b", "a\nb", "x" * 201])
def test_logins_that_nobody_could_type_are_refused(served: Served, login: str) -> None:
    with pytest.raises(InvalidValue, match="login"):
        add_account(served.site, login, Role.OWNER, None, actor="test")


def test_cursors_of_odd_letters_are_refused(served: Served) -> None:
    boss = served.program(Role.OWNER)
    assert boss.get("/api/v1/sightings", params={"cursor": "é"}).status_code == 422


@pytest.mark.parametrize(
    "url", ["http://[bad", "http://user:ca/nary@host/", "https://", "http:///path", "http://a\0b/"]
)
def test_webhooks_need_an_address_that_can_be_read(served: Served, url: str) -> None:
    answer = served.program(Role.OWNER).post("/api/v1/webhooks", json={"url": url})
    assert (answer.status_code, error_of(answer)) == (422, "invalid")
    assert "nary" not in answer.text


class Stumbling:
    """A subscriber with a fault of its own at the first try."""

    name = "stumbling"

    def __init__(self) -> None:
        self.tries = 0

    def deliver(self, _events: Any) -> None:
        self.tries += 1
        if self.tries == 1:
            raise ZeroDivisionError("canary")

    def close(self) -> None:
        pass


def test_a_courier_goes_on_after_a_fault(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    stumbling = Stumbling()
    courier = Courier(served.site.store, stumbling, clock=served.clock)
    courier.start()
    # from when it first asked on, it is told
    until(lambda: _is_waiting(served))
    happen(served.site.store, "new", 1)
    until(lambda: stumbling.tries == 2)
    courier.stop()
    assert "canary" not in caplog.text


def _is_waiting(served: Served) -> bool:
    from sightgrid.store.schema_telling import SUBSCRIBER

    with served.site.store.snapshot() as tx:
        return tx.connection.execute(SUBSCRIBER.select()).first() is not None


def test_one_who_is_seen_by_two_cameras_at_once_moves_once() -> None:
    subscriber = MqttSubscriber(Location("mqtt://127.0.0.1:1"), cameras=list)
    moved = []
    for number, (kind, sighting, camera, since) in enumerate(
        [
            ("new", "one", "hall", "10:00:00"),
            ("new", "two", "stairs", "10:00:05"),
            # the hall's track closes seconds after the face was last seen there
            ("update", "one", "hall", "10:00:00"),
            ("end", "one", "hall", "10:00:00"),
            ("end", "two", "stairs", "10:00:05"),
        ]
    ):
        body = {
            "camera": camera,
            "serial": 7,
            "closed": kind == "end",
            "first_seen": f"2026-01-02T{since}.000Z",
        }
        event = StoredEvent(number, kind, sighting, body, NOON)
        moved += [topic for topic, _, _ in subscriber._messages(event) if topic.endswith("moved")]
    subscriber.close()
    assert moved == ["sightgrid/identities/7/moved"]


def _request(served: Served, cookie: str) -> Request:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""}
    return Request(scope, receive)


def _stream(served: Served, since: int | None) -> tuple[AsyncIterator[str], str]:
    cookie = served.site.door.sign_in("ada", PASSWORD, address="here").token
    request = _request(served, cookie)
    caller = caller_of(request, served.site)
    fan = served.client.app.state.events  # type: ignore[attr-defined]
    return api_events._stream(caller, served.site, fan, since, request), cookie


def test_a_stream_ends_when_its_session_does(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_events, "_ALIVE_EVERY_SECS", 0.05)
    monkeypatch.setattr(api_events, "_CHECK_EVERY_SECS", 0.05)
    served.account("ada", Role.OWNER)

    async def listen() -> int:
        stream, cookie = _stream(served, None)
        said = 0
        async with asyncio.timeout(10):
            async for _ in stream:
                said += 1
                if said == 4:
                    served.site.door.sign_out(cookie)
        return said

    assert asyncio.run(listen()) < 10


@pytest.mark.parametrize("since", [0, 700, 99_999_999_999_999_999_999])
def test_a_stream_goes_on_where_it_broke_off_however_much_was_missed(
    served: Served, since: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_events, "_ALIVE_EVERY_SECS", 0.05)
    monkeypatch.setattr(api_events, "_AT_ONCE", 3)
    served.account("ada", Role.OWNER)
    for number in range(1, 11):
        happen(served.site.store, "new", number)

    async def listen() -> list[int]:
        stream, _ = _stream(served, since)
        told = []
        async with asyncio.timeout(10):
            async for text in stream:
                if text.startswith("id: "):
                    told.append(int(text[4 : text.index("\n")]))
                elif text.startswith(": alive"):
                    if told and told[-1] == 11:
                        break
                    if not since_then and (since or len(told) == 10):
                        happen(served.site.store, "new", 11)
                        since_then.append(1)
        return told

    since_then: list[int] = []
    told = asyncio.run(listen())
    # a number that was never given is of a time before a restore: what is new is told all the same
    assert told == (list(range(1, 12)) if since == 0 else [11])


def test_who_makes_a_setup_link_is_in_the_audit(served: Served) -> None:
    served.account("ada", Role.OWNER)
    target = served.account("bob", Role.OPERATOR)
    boss = served.browser("ada")
    assert boss.post(f"/api/v1/accounts/{target}/setup-link").status_code == 201
    with served.site.store.snapshot() as tx:
        noted = [(one.action, one.subject) for one in audit_events(tx)]
    assert ("setup-link-made", f"account:{target}") in noted


def test_a_server_that_is_told_to_stop_does_not_wait_for_who_reads_events(
    tmp_path: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sightgrid", "server", "--listen", f"127.0.0.1:{port}"]
    server = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        code = next(m[1] for line in server.stderr if (m := re.search(r"code (\S{23}) ", line)))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            until(lambda: _answers(client))
            owner = {"login": "ada", "password": PASSWORD}
            assert client.post("/api/v1/auth/setup", json=owner | {"code": code}).is_success
            cookie = client.post("/api/v1/auth/login", json=owner).headers["set-cookie"]
            headers = {"Cookie": cookie.partition(";")[0]}
            with client.stream("GET", "/api/v1/events", headers=headers) as stream:
                lines = stream.iter_lines()
                assert next(lines) == ": hello"
                began = time.monotonic()
                server.terminate()
                assert list(lines) == [""]
            assert server.wait(20) == 0
            assert time.monotonic() - began < 6
            assert "Traceback" not in server.stderr.read()
    finally:
        server.kill()
        server.wait()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/v1/health").is_success
    except httpx.TransportError:
        return False


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    settings = SiteSettings(Configuration.default(tmp_path / "sightgrid.yml"), tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = Listen("127.0.0.1", taken.getsockname()[1])
        said: list[str] = []
        with pytest.raises(SettingsError, match="in use"):
            serve(Serving(settings, listen, None), say=said.append)
    # nor was it told that a server listens there, nor a database made
    assert said == []
    assert not list(tmp_path.glob("*.db"))
    assert running.SETUP_FILE not in {file.name for file in tmp_path.iterdir()}


def test_a_count_that_the_broker_kept_from_before_a_restart_is_put_right() -> None:
    # three were in view when the server was stopped; it begins anew as the last of them leaves
    subscriber = MqttSubscriber(Location("mqtt://127.0.0.1:1"), cameras=list)
    ended = StoredEvent(9, "end", "three", {"camera": "hall", "closed": True}, NOON)
    told = [(topic, text) for topic, text, _ in subscriber._messages(ended)]
    subscriber.close()
    assert ("sightgrid/hall/people", "0") in told


def test_a_search_without_a_reason_is_refused(served: Served) -> None:
    answer = served.program(Role.OWNER).post("/api/v1/search?reason=%20%20%20%20", content=b"x")
    assert (answer.status_code, error_of(answer)) == (422, "invalid")
