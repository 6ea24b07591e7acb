"""Identities: who was seen, where, in which order."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.frames import parse_time
from sightgrid.server.api.answers import Cursor, Limit, Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.store import Transaction
from sightgrid.store.cards import (
    CardFilter,
    CardKind,
    CardOrder,
    CardPlace,
    IdentityCard,
    card_of,
    identity_cards,
    serials_matching,
)
from sightgrid.store.identities import family_of

router = APIRouter(prefix="/identities", tags=["identities"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_SIGHTINGS))]
Serial = Annotated[int, Path(ge=1, le=2**31 - 1)]


class IdentityAnswer(BaseModel):
    """A serial in short. ``alias_of`` names the serial it was merged into; ``known`` says that it
    is an enrolled person, also to who may not see names; ``label`` is the site's own word for a
    stranger; ``best_sighting`` the one with the best picture that is still kept."""

    identity: int
    person: str | None
    person_id: str | None
    label: str
    known: bool
    hidden: bool
    alias_of: int | None
    cameras: list[str]
    visits: int
    sightings: int
    first_seen: Moment | None
    last_seen: Moment | None
    best_sighting: str | None


class IdentityList(BaseModel):
    """A page of identities."""

    items: list[IdentityAnswer]
    next_cursor: str | None = None


@router.get("")
def list_identities(
    caller: Viewer,
    site: ThisSite,
    limit: Limit = 100,
    cursor: Cursor = None,
    merged: Annotated[bool, Query(description="Merged serials too.")] = False,
    kind: Annotated[
        CardKind | None, Query(description="Without it, all but the hidden ones.")
    ] = None,
    text: Annotated[
        str | None, Query(max_length=200, description="A serial, or part of a name or label.")
    ] = None,
    order: CardOrder = CardOrder.SERIAL,
) -> IdentityList:
    """Identities by serial, or those seen last first; those that the caller's cameras never saw are
    left out."""
    after = read_card_cursor(cursor, order)
    named = caller.may(Permission.SEE_NAMES)
    with site.store.snapshot() as tx:
        serials = None
        if text is not None and text.strip():
            serials = serials_matching(tx, text, names=named)
        wanted = CardFilter(
            cameras=caller.account.cameras,
            kind=kind,
            serials=serials,
            merged=merged,
            order=order,
        )
        cards = identity_cards(tx, wanted, after=after, limit=limit + 1)
    more = len(cards) > limit
    cards = cards[:limit]
    return IdentityList(
        items=[identity_answer(card, caller) for card in cards],
        next_cursor=write_card_cursor(cards[-1], order) if more else None,
    )


@router.get("/{serial}")
def show_identity(serial: Serial, caller: Viewer, site: ThisSite) -> IdentityAnswer:
    """One identity; for a merged serial, the one it belongs to now."""
    with site.store.snapshot() as tx:
        return identity_answer(seen_by(tx, serial, caller), caller)


def seen_by(tx: Transaction, serial: int, caller: Caller) -> IdentityCard:
    """The identity that ``serial`` stands for, as far as the caller's cameras saw it: when somebody
    was where the caller may not look is not told either.

    Raises:
        NotFound: there is none, or no camera of the caller's ever saw it.
    """
    unknown = NotFound(f"there is no identity {serial}")
    try:
        root, _ = family_of(tx, serial)
    except NotFound:
        raise unknown from None
    card = card_of(tx, root, cameras=caller.account.cameras)
    if card is None:
        raise unknown
    return card


def identity_answer(card: IdentityCard, caller: Caller) -> IdentityAnswer:
    """An identity as this caller may see it."""
    named = caller.may(Permission.SEE_NAMES)
    return IdentityAnswer(
        identity=card.serial,
        person=card.person if named else None,
        person_id=card.person_id if named else None,
        label=card.label if named else "",
        known=card.person is not None,
        hidden=card.hidden,
        alias_of=card.alias_of,
        cameras=list(card.cameras),
        visits=card.visits,
        sightings=card.sightings,
        first_seen=card.first_seen,
        last_seen=card.last_seen,
        best_sighting=card.best_sighting,
    )


def write_card_cursor(card: IdentityCard, order: CardOrder) -> str:
    """Where a page of identities ended."""
    if order is CardOrder.SERIAL:
        return str(card.serial)
    place = card.place
    moment = "" if place.last_seen is None else place.last_seen.isoformat()
    return base64.urlsafe_b64encode(f"{place.serial} {moment}".encode()).decode().rstrip("=")


def read_card_cursor(cursor: str | None, order: CardOrder) -> CardPlace | None:
    """What :func:`write_card_cursor` wrote.

    Raises:
        InvalidValue: it wasn't.
    """
    if cursor is None:
        return None
    try:
        text = cursor
        if order is CardOrder.LAST_SEEN:
            text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        serial, _, moment = text.partition(" ")
        if not serial.isascii() or not serial.isdecimal() or len(serial) > 10:
            raise InvalidValue("cursor")
        return CardPlace(int(serial), parse_time(moment) if moment else None)
    except (ValueError, InvalidValue):
        raise InvalidValue("cursor: not one that an answer gave") from None
