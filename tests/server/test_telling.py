"""Events brought outside: to a real broker, to a real HTTP server; nothing lost while they are
away, and nobody else held up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.server.conftest import Served
from tests.server.proxy import CuttableLine

from sightgrid.domain.accounts import Role
from sightgrid.domain.frames import format_time
from sightgrid.domain.locations import Location
from sightgrid.server.couriers import Courier
from sightgrid.server.mqtt import MqttSubscriber
from sightgrid.server.webhooks import SIGNATURE_HEADER, signature
from sightgrid.store import Store
from sightgrid.store.outbox import write_events

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
_SECONDS = count()


def happen(store: Store, kind: str, number: int, **body: Any) -> None:
    """Something happens at the site, a second after what happened before."""
    given = {
        "camera": "hall",
        "serial": number,
        "closed": kind == "end",
        "before": None,
        "first_seen": format_time(NOON + timedelta(seconds=next(_SECONDS))),
    }
    with store.transaction() as tx:
        tx.lock_site()
        write_events(tx, [(kind, f"sighting-{number}", given | body)], at=NOON)


def until(true: Callable[[], bool], *, secs: float = 15.0) -> None:
    end = time.monotonic() + secs
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


# --- webhooks ---------------------------------------------------------------------------------


class Receiver:
    """Somebody's HTTP server; answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[tuple[bytes, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append((body, self.headers[SIGNATURE_HEADER]))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://user:canary@127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def told(self) -> list[int]:
        return [
            event["event_no"] for body, _ in self.bodies for event in json.loads(body)["events"]
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


def test_a_webhook_gets_signed_events_until_it_is_removed(
    served: Served, receiver: Receiver
) -> None:
    served.account("ada", Role.OWNER)
    boss = served.browser("ada")
    happen(served.site.store, "new", 1)
    made = boss.post("/api/v1/webhooks", json={"url": receiver.url}).json()
    (listed,) = boss.get("/api/v1/webhooks").json()["items"]
    assert "canary" not in json.dumps(listed)
    happen(served.site.store, "new", 2, camera="stairs")
    until(lambda: len(receiver.bodies) == 1)
    body, stamp = receiver.bodies[0]
    (event,) = json.loads(body)["events"]
    # what happened before it was added is not told
    assert (event["id"], event["camera"], event["kind"]) == ("sighting-2", "stairs", "new")
    seconds = int(served.clock().timestamp())
    assert stamp == signature(made["secret"], seconds=seconds, body=body)
    assert stamp != signature(made["secret"], seconds=seconds, body=body + b" ")
    assert boss.delete(f"/api/v1/webhooks/{made['webhook_id']}").status_code == 204
    happen(served.site.store, "new", 3)
    time.sleep(0.7)
    assert len(receiver.bodies) == 1
    assert boss.delete(f"/api/v1/webhooks/{made['webhook_id']}").status_code == 404


@pytest.mark.parametrize("status", [500, 302, 404])
def test_what_a_webhook_did_not_take_is_brought_again(
    served: Served, receiver: Receiver, status: int
) -> None:
    served.account("ada", Role.OWNER)
    receiver.status = status
    served.browser("ada").post("/api/v1/webhooks", json={"url": receiver.url})
    happen(served.site.store, "new", 1)
    happen(served.site.store, "end", 1)
    until(lambda: len(receiver.bodies) >= 1)
    receiver.status = 204
    until(lambda: receiver.told[-1:] == [2])
    assert sorted(set(receiver.told)) == [1, 2]


def test_one_webhook_that_is_away_does_not_hold_up_another(
    served: Served, receiver: Receiver
) -> None:
    served.account("ada", Role.OWNER)
    boss = served.browser("ada")
    boss.post("/api/v1/webhooks", json={"url": "http://127.0.0.1:1/nobody"})
    boss.post("/api/v1/webhooks", json={"url": receiver.url})
    happen(served.site.store, "new", 1)
    until(lambda: receiver.told == [1], secs=5)


# --- MQTT -------------------------------------------------------------------------------------


@pytest.fixture
def broker() -> tuple[str, int]:
    """A broker named by SIGHTGRID_TEST_MQTT, as mqtt://HOST:PORT."""
    url = os.environ.get("SIGHTGRID_TEST_MQTT")
    if not url:
        pytest.skip("no MQTT broker to test on: SIGHTGRID_TEST_MQTT names none")
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 1883


class Listener:
    """An independent client of the broker that writes down what it hears."""

    def __init__(self, broker: tuple[str, int]) -> None:
        self.heard: list[tuple[str, str, bool]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self._client.connect(*broker)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.subscribe([("sightgrid/#", 1), ("homeassistant/#", 1)])
        self._client.loop_start()
        assert ready.wait(5)

    def topics(self, topic: str) -> list[str]:
        return [payload for heard, payload, _ in self.heard if heard == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listener(broker: tuple[str, int]) -> Iterator[Listener]:
    opened = Listener(broker)
    time.sleep(0.3)
    # what earlier tests left retained
    opened.heard.clear()
    yield opened
    opened.close()


@pytest.mark.databases
def test_a_broker_hears_events_counts_and_moves(
    served: Served, broker: tuple[str, int], listener: Listener
) -> None:
    store = served.site.store
    url = Location(f"mqtt://{broker[0]}:{broker[1]}")
    courier = Courier(store, MqttSubscriber(url, cameras=lambda: ["hall"]), clock=served.clock)
    courier.start()
    until(lambda: "online" in listener.topics("sightgrid/available"))
    config = "homeassistant/sensor/sightgrid_hall/people/config"
    until(lambda: bool(listener.topics(config)))
    told = json.loads(listener.topics(config)[-1])
    assert told["state_topic"] == "sightgrid/hall/people"
    assert told["availability_topic"] == "sightgrid/available"
    time.sleep(0.5)
    happen(store, "new", 1)
    happen(store, "new", 2)
    happen(store, "end", 1)
    happen(store, "new", 1, camera="stairs")
    until(lambda: len(listener.topics("sightgrid/events")) == 4)
    until(lambda: listener.topics("sightgrid/hall/people")[-3:] == ["1", "2", "1"])
    until(lambda: bool(listener.topics("sightgrid/identities/1/moved")))
    moved = json.loads(listener.topics("sightgrid/identities/1/moved")[0])
    assert (moved["from"], moved["to"]) == ("hall", "stairs")
    courier.stop()
    until(lambda: listener.topics("sightgrid/available")[-1] == "offline")


@pytest.mark.databases
def test_a_broker_that_was_away_gets_everything_when_it_is_back(
    served: Served, broker: tuple[str, int], listener: Listener
) -> None:
    store, line = served.site.store, CuttableLine(broker)
    url = Location(f"mqtt://127.0.0.1:{line.port}")
    courier = Courier(store, MqttSubscriber(url, cameras=list), clock=served.clock)
    courier.start()
    until(lambda: "online" in listener.topics("sightgrid/available"))
    time.sleep(0.5)
    happen(store, "new", 1)
    until(lambda: len(listener.topics("sightgrid/events")) == 1)
    line.cut()
    # the last will: the broker noticed by itself
    until(lambda: listener.topics("sightgrid/available")[-1] == "offline", secs=60)
    began = time.monotonic()
    for number in range(2, 12):
        happen(store, "new", number)
    assert time.monotonic() - began < 5, "a broker that is away holds up the site"
    line.mend()

    def told() -> set[int]:
        return {json.loads(one)["event_no"] for one in listener.topics("sightgrid/events")}

    until(lambda: told() == set(range(1, 12)), secs=90)
    courier.stop()
    line.close()


@pytest.mark.databases
def test_the_last_will_is_told_when_the_server_is_killed(
    broker: tuple[str, int], listener: Listener
) -> None:
    program = textwrap.dedent(
        f"""
        import time
        from sightgrid.domain.locations import Location
        from sightgrid.server.mqtt import MqttSubscriber
        MqttSubscriber(Location("mqtt://{broker[0]}:{broker[1]}"), cameras=list)
        time.sleep(60)
        """
    )
    child = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: "online" in listener.topics("sightgrid/available"), secs=30)
    child.kill()
    child.wait()
    until(lambda: listener.topics("sightgrid/available")[-1] == "offline", secs=60)
