"""Who of a site is told of events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sightgrid.configuration import Configuration
from sightgrid.server.couriers import Couriers, Subscriber
from sightgrid.store import Store
from sightgrid.store.cameras import cameras
from sightgrid.store.telling import Webhook, webhooks


def couriers_of(
    store: Store, configuration: Configuration, *, clock: Callable[[], datetime]
) -> Couriers:
    """The couriers for a site's broker and webhooks; none has begun yet."""

    def names() -> list[str]:
        with store.snapshot() as tx:
            return sorted({*cameras(tx), *(camera.name for camera in configuration.cameras)})

    def broker() -> Subscriber:
        from sightgrid.server.mqtt import MqttSubscriber

        if configuration.mqtt is None:
            raise ValueError("there is no broker")
        return MqttSubscriber(configuration.mqtt.url, cameras=names)

    def post(webhook: Webhook) -> Callable[[], Subscriber]:
        def make() -> Subscriber:
            from sightgrid.server.webhooks import WebhookSubscriber

            return WebhookSubscriber(webhook, clock=clock)

        return make

    def subscribers() -> dict[str, Callable[[], Subscriber]]:
        with store.snapshot() as tx:
            found = {f"webhook {one.webhook_id}": post(one) for one in webhooks(tx)}
        return found if configuration.mqtt is None else found | {"mqtt": broker}

    return Couriers(store, subscribers=subscribers, clock=clock)
