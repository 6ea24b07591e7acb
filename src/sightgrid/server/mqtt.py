"""Events on an MQTT broker, with a last will and Home Assistant's discovery.

Topics: ``sightgrid/available`` (retained; ``online``, and ``offline`` as the last will),
``sightgrid/events``, ``sightgrid/<camera>/people`` (retained; how many are in view),
``sightgrid/identities/<serial>/moved``, ``sightgrid/attendance/<session>/<status>`` (how many have
that status). No names and no pictures.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sightgrid.domain.attendance import Status
from sightgrid.domain.errors import SettingsError
from sightgrid.domain.locations import Location
from sightgrid.server.couriers import DeliveryFailed
from sightgrid.server.webhooks import event_document
from sightgrid.store.outbox import StoredEvent

ROOT = "sightgrid"
AVAILABLE = f"{ROOT}/available"
_KEEPALIVE_SECS = 30
_ACKNOWLEDGED_SECS = 10.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class MqttSubscriber:
    """The broker. It is connected to in the background and again whenever it comes back."""

    name = "mqtt"

    def __init__(self, url: Location, *, cameras: Callable[[], Sequence[str]]) -> None:
        """``cameras`` are asked for at every connection, to be told to Home Assistant.

        Raises:
            SettingsError: it is no address of a broker.
        """
        self._url = url
        self._cameras = cameras
        self._connected = threading.Event()
        self._in_view: dict[str, set[str]] = {}
        self._counted: dict[str, int] = {}
        # by serial, where it was last and since when: events of two cameras come mixed up
        self._last_camera: dict[int, tuple[str, str]] = {}
        parts = urlsplit(url.reveal())
        if parts.scheme not in _PORTS or not parts.hostname:
            raise SettingsError(
                f"mqtt.url: {url} is no address of a broker", hint="write it as mqtt://HOST:1883"
            )
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="", clean_session=True)
        if parts.username is not None:
            password = None if parts.password is None else unquote(parts.password)
            self._client.username_pw_set(unquote(parts.username), password)
        if parts.scheme == "mqtts":
            self._client.tls_set()
        self._client.will_set(AVAILABLE, "offline", qos=1, retain=True)
        self._client.on_connect = self._greet
        self._client.on_disconnect = self._lost
        self._client.reconnect_delay_set(1, 30)
        self._client.connect_async(
            parts.hostname, parts.port or _PORTS[parts.scheme], _KEEPALIVE_SECS
        )
        self._client.loop_start()

    def deliver(self, events: Sequence[StoredEvent]) -> None:
        if not self._connected.wait(_ACKNOWLEDGED_SECS):
            raise DeliveryFailed(f"{self._url}: no connection")
        sent = [
            self._client.publish(topic, payload, qos=1, retain=retain)
            for event in events
            for topic, payload, retain in self._messages(event)
        ]
        for message in sent:
            try:
                message.wait_for_publish(_ACKNOWLEDGED_SECS)
            except (ValueError, RuntimeError) as error:
                raise DeliveryFailed(f"{self._url}: {error}") from None
            if not message.is_published():
                raise DeliveryFailed(f"{self._url}: not acknowledged in time")

    def close(self) -> None:
        if self._connected.is_set():
            self._client.publish(AVAILABLE, "offline", qos=1, retain=True).wait_for_publish(2)
        self._client.disconnect()
        self._client.loop_stop()

    def _messages(self, event: StoredEvent) -> list[tuple[str, str, bool]]:
        told = event_document(event)
        messages = [(f"{ROOT}/events", json.dumps(told), False)]
        if "attendance" in event.body:
            return messages + _attendance_messages(event)
        camera, serial = event.body.get("camera"), event.body.get("serial")
        if isinstance(camera, str):
            in_view = self._in_view.setdefault(camera, set())
            if event.body.get("closed"):
                in_view.discard(event.event_id)
            else:
                in_view.add(event.event_id)
            # what the broker retains may be of before a restart, so the first event tells anew
            if self._counted.get(camera) != len(in_view):
                self._counted[camera] = len(in_view)
                messages.append((f"{ROOT}/{camera}/people", str(len(in_view)), True))
        since = event.body.get("first_seen")
        if isinstance(camera, str) and isinstance(serial, int) and isinstance(since, str):
            then, last = self._last_camera.get(serial, ("", None))
            if since > then:
                self._last_camera[serial] = since, camera
            if since > then and last is not None and last != camera:
                moved = {"from": last, "to": camera, "at": since}
                messages.append((f"{ROOT}/identities/{serial}/moved", json.dumps(moved), False))
        return messages

    def _greet(
        self,
        client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            return
        client.publish(AVAILABLE, "online", qos=1, retain=True)
        for camera in self._cameras():
            topic = f"homeassistant/sensor/sightgrid_{camera}/people/config"
            client.publish(topic, json.dumps(discovery(camera)), qos=1, retain=True)
        self._connected.set()

    def _lost(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._connected.clear()


def _attendance_messages(event: StoredEvent) -> list[tuple[str, str, bool]]:
    """How many of a session have which status; not retained: sessions come and go."""
    topic = f"{ROOT}/attendance/{event.event_id}"
    return [
        (f"{topic}/{status.value}", str(event.body[status.value]), False)
        for status in Status
        if status.value in event.body
    ]


def discovery(camera: str) -> dict[str, object]:
    """What Home Assistant is told of a camera: a sensor for how many people are in view."""
    return {
        "name": "People",
        "unique_id": f"sightgrid_{camera}_people",
        "state_topic": f"{ROOT}/{camera}/people",
        "availability_topic": AVAILABLE,
        "unit_of_measurement": "people",
        "state_class": "measurement",
        "icon": "mdi:account-multiple",
        "device": {
            "identifiers": [f"sightgrid_{camera}"],
            "name": f"sightgrid {camera}",
            "manufacturer": "sightgrid",
        },
        "origin": {"name": "sightgrid"},
    }
