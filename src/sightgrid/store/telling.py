"""Who is told of events, and how far they have been told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.domain.locations import Location
from sightgrid.store.outbox import last_event_no
from sightgrid.store.schema_telling import SUBSCRIBER, WEBHOOK
from sightgrid.store.sealing import THE_SITE, seal, unseal
from sightgrid.store.session import Transaction

_PURPOSE = "webhook"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that events are posted to, signed with ``secret``."""

    webhook_id: str
    url: Location
    secret: Location
    made_at: datetime


def told_up_to(tx: Transaction, subscriber: str, *, at: datetime) -> int:
    """The last event that a subscriber was told of. One that is new is told from now on."""
    known = tx.connection.scalar(
        sa.select(SUBSCRIBER.c.event_no).where(
            SUBSCRIBER.c.site_id == tx.site_id, SUBSCRIBER.c.name == subscriber
        )
    )
    if known is not None:
        return int(known)
    now = last_event_no(tx)
    tx.connection.execute(
        sa.insert(SUBSCRIBER),
        {"site_id": tx.site_id, "name": subscriber, "event_no": now, "told_at": at},
    )
    return now


def note_told(tx: Transaction, subscriber: str, event_no: int, *, at: datetime) -> None:
    """A subscriber has acknowledged everything up to this event."""
    tx.connection.execute(
        sa.update(SUBSCRIBER)
        .where(SUBSCRIBER.c.site_id == tx.site_id, SUBSCRIBER.c.name == subscriber)
        .values(event_no=event_no, told_at=at)
    )


def forget_subscriber(tx: Transaction, subscriber: str) -> None:
    """Nobody by this name is told any more."""
    tx.connection.execute(
        sa.delete(SUBSCRIBER).where(
            SUBSCRIBER.c.site_id == tx.site_id, SUBSCRIBER.c.name == subscriber
        )
    )


def add_webhook(tx: Transaction, url: str, secret: str, *, at: datetime) -> str:
    """Adds an address; returns its id."""
    webhook_id = str(uuid4())
    tx.connection.execute(
        sa.insert(WEBHOOK),
        {
            "site_id": tx.site_id,
            "webhook_id": webhook_id,
            "url": seal(tx, url.encode(), subject=THE_SITE, purpose=_PURPOSE),
            "secret": seal(tx, secret.encode(), subject=THE_SITE, purpose=_PURPOSE),
            "made_at": at,
        },
    )
    return webhook_id


def webhooks(tx: Transaction) -> list[Webhook]:
    """Every address, in the order they were added."""
    rows = tx.connection.execute(
        sa.select(WEBHOOK)
        .where(WEBHOOK.c.site_id == tx.site_id)
        .order_by(WEBHOOK.c.made_at, WEBHOOK.c.webhook_id)
    )

    def opened(sealed: bytes) -> Location:
        return Location(unseal(tx, sealed, subject=THE_SITE, purpose=_PURPOSE).decode())

    return [
        Webhook(row.webhook_id, opened(row.url), opened(row.secret), row.made_at) for row in rows
    ]


def remove_webhook(tx: Transaction, webhook_id: str) -> None:
    """Takes an address away.

    Raises:
        NotFound: there is no such webhook.
    """
    gone = tx.connection.execute(
        sa.delete(WEBHOOK).where(
            WEBHOOK.c.site_id == tx.site_id, WEBHOOK.c.webhook_id == webhook_id
        )
    )
    if gone.rowcount == 0:
        raise NotFound(f"there is no webhook {webhook_id}")
    forget_subscriber(tx, f"webhook {webhook_id}")
