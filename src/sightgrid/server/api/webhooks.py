"""Addresses that events are posted to."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.locations import redacted
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.webhooks import check_url
from sightgrid.store import Transaction
from sightgrid.store import telling as rows
from sightgrid.store.audit import note_event

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
Manager = Annotated[Caller, Depends(allowed(Permission.MANAGE_SETTINGS))]


class NewWebhook(BaseModel):
    """An address to be told of events."""

    url: str = Field(min_length=8, max_length=2000)


class WebhookAnswer(BaseModel):
    """An address, without the passwords that it may hold."""

    webhook_id: str
    url: str
    made_at: Moment


class NewWebhookAnswer(BaseModel):
    """A new webhook; the secret that signs what it gets is told this once."""

    webhook_id: str
    secret: str


class WebhookList(BaseModel):
    """Every webhook."""

    items: list[WebhookAnswer]
    next_cursor: str | None = None


@router.get("")
def list_webhooks(caller: Manager, site: ThisSite) -> WebhookList:
    """Every webhook, in the order they were added."""
    with site.store.snapshot() as tx:
        found = rows.webhooks(tx)
    return WebhookList(
        items=[
            WebhookAnswer(
                webhook_id=one.webhook_id, url=redacted(one.url.reveal()), made_at=one.made_at
            )
            for one in found
        ]
    )


@router.post("", status_code=201)
def add_webhook(body: NewWebhook, caller: Manager, site: ThisSite) -> NewWebhookAnswer:
    """Adds an address; it is told of what happens from now on."""
    check_url(body.url)
    secret, now = secrets.token_urlsafe(32), site.clock()

    def add(tx: Transaction) -> str:
        webhook_id = rows.add_webhook(tx, body.url, secret, at=now)
        rows.told_up_to(tx, f"webhook {webhook_id}", at=now)
        note_event(
            tx,
            at=now,
            actor=caller.known_as,
            action="webhook-added",
            subject=f"webhook:{webhook_id}",
        )
        return webhook_id

    webhook_id = site.store.run(add)
    site.couriers.refresh()
    return NewWebhookAnswer(webhook_id=webhook_id, secret=secret)


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(
    webhook_id: Annotated[str, Path(max_length=36)], caller: Manager, site: ThisSite
) -> None:
    """Takes an address away; what it has not been told yet it is not told any more."""
    now = site.clock()

    def remove(tx: Transaction) -> None:
        rows.remove_webhook(tx, webhook_id)
        note_event(
            tx,
            at=now,
            actor=caller.known_as,
            action="webhook-removed",
            subject=f"webhook:{webhook_id}",
        )

    site.store.run(remove)
    site.couriers.refresh()
