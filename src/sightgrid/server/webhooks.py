"""Events posted to an address of the site's own choosing, signed so that it knows them for ours.

``Sightgrid-Signature: t=SECONDS,v1=HEX``: HMAC-SHA256 with the webhook's secret over the time, a
dot and the body. A receiver compares it and refuses what is older than a few minutes.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

import httpx

from sightgrid.domain.errors import InvalidValue
from sightgrid.server.couriers import DeliveryFailed
from sightgrid.store.outbox import StoredEvent
from sightgrid.store.telling import Webhook

SIGNATURE_HEADER = "Sightgrid-Signature"
_TIMEOUT_SECS = 10.0


def signature(secret: str, *, seconds: int, body: bytes) -> str:
    """The value of the signature's header."""
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
    return f"t={seconds},v1={signed}"


def check_url(url: str) -> None:
    """Whether events can be posted there.

    Raises:
        InvalidValue: it is no address of a web server; the message doesn't repeat it, since it may
            hold a password.
    """
    try:
        read = httpx.URL(url)
        # the one lets a bracket pass that the other doesn't
        urlsplit(url)
    except (httpx.InvalidURL, ValueError):
        raise InvalidValue("url: can't be read as an address") from None
    if read.scheme not in ("http", "https") or not read.host:
        raise InvalidValue("url: only http:// and https:// can be posted to")


class WebhookSubscriber:
    """One webhook. Any answer of 2xx acknowledges."""

    def __init__(self, webhook: Webhook, *, clock: Callable[[], datetime]) -> None:
        self.name = f"webhook {webhook.webhook_id}"
        self._webhook = webhook
        self._clock = clock
        # a redirect could send what is meant for one host to another
        self._client = httpx.Client(timeout=_TIMEOUT_SECS, follow_redirects=False)

    def deliver(self, events: Sequence[StoredEvent]) -> None:
        body = json.dumps({"events": [event_document(event) for event in events]}).encode()
        stamp = signature(
            self._webhook.secret.reveal(), seconds=int(self._clock().timestamp()), body=body
        )
        try:
            answer = self._client.post(
                self._webhook.url.reveal(),
                content=body,
                headers={"Content-Type": "application/json", SIGNATURE_HEADER: stamp},
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            # its message may hold the URL, and with it a password
            raise DeliveryFailed(f"{self._webhook.url}: {type(error).__name__}") from None
        if not answer.is_success:
            raise DeliveryFailed(f"{self._webhook.url} answered {answer.status_code}")

    def close(self) -> None:
        self._client.close()


def event_document(event: StoredEvent) -> dict[str, object]:
    """An event as it is told outside: no names, no pictures."""
    body = {key: value for key, value in event.body.items() if key != "before"}
    return {"event_no": event.event_no, "kind": event.kind, "id": event.event_id, **body}
