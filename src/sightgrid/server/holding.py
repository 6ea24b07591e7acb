"""Beginning and ending legal holds, with their rows in the audit."""

from __future__ import annotations

from datetime import datetime

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.retention import HeldPerson, HeldSerial, HeldView, Hold, HoldScope
from sightgrid.ledger import holding
from sightgrid.server.erasure import parse_subject
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store import holds as rows
from sightgrid.store.audit import note_event
from sightgrid.store.sealing import keyed_hash


def scope_of(
    subject: str | None, camera: str | None, since: datetime | None, until: datetime | None
) -> HoldScope:
    """What a hold is to cover: ``person:ID``, ``serial:N``, or a camera with a span of time.

    Raises:
        InvalidValue: it is neither one nor the other, or both.
    """
    if subject is not None and camera is None and since is None and until is None:
        kind, which = parse_subject(subject)
        return HeldPerson(which) if kind == "person" else HeldSerial(int(which))
    if subject is None and camera is not None and since is not None and until is not None:
        return HeldView(camera, since, until)
    raise InvalidValue(
        "a hold covers a person, an identity, or what a camera saw in a span of time",
        hint="give person:ID or serial:NUMBER; or a camera with since and until",
    )


def add_hold(
    site: Site, scope: HoldScope, *, owner: str, reason: str, ends_at: datetime, actor: str
) -> Hold:
    """Begins a hold.

    Raises:
        NotFound: there is no such serial, person or camera.
        InvalidValue: it would be over already, or covers no time.
    """
    now = site.clock()

    def add(tx: Transaction) -> Hold:
        made = holding.hold(
            tx, scope, owner=owner, reason=reason, made_by=actor, at=now, ends_at=ends_at
        )
        _note(tx, "hold-added", made, actor=actor, reason="", at=now)
        return made

    return site.store.run(add)


def all_holds(site: Site) -> list[Hold]:
    """Every hold that is on or not long over, in the order they were made."""
    with site.store.snapshot() as tx:
        return rows.holds(tx)


def end_hold(site: Site, hold_id: str, *, actor: str, reason: str) -> Hold:
    """Ends a hold before its time.

    Raises:
        NotFound: there is no such hold, or it is over already.
    """
    now = site.clock()

    def end(tx: Transaction) -> Hold:
        ended = rows.end_hold(tx, hold_id, by=actor, at=now)
        _note(tx, "hold-ended", ended, actor=actor, reason=reason, at=now)
        return ended

    return site.store.run(end)


def spelled_scope(scope: HoldScope) -> str:
    """What a hold covers, in words that can be typed again."""
    match scope:
        case HeldPerson(person_id):
            return f"person:{person_id}"
        case HeldSerial(serial):
            return f"serial:{serial}"
        case HeldView(camera, since, until):
            return f"camera {camera} {since:%Y-%m-%dT%H:%M:%SZ} to {until:%Y-%m-%dT%H:%M:%SZ}"


def _note(
    tx: Transaction, action: str, hold: Hold, *, actor: str, reason: str, at: datetime
) -> None:
    # the reason of the hold itself may name somebody: it stays sealed in the hold
    note_event(
        tx,
        at=at,
        actor=actor,
        action=action,
        subject=f"hold:{hold.hold_id}",
        reason=reason,
        details={
            "scope": keyed_hash(tx, spelled_scope(hold.scope), purpose="audit"),
            "ends_at": hold.ends_at.isoformat(),
        },
    )
