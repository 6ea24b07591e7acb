"""Legal holds: what they cover at a moment, however identities were merged since."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.retention import Held, HeldPerson, HeldSerial, HeldView, Hold, HoldScope
from sightgrid.store import Transaction
from sightgrid.store.cameras import cameras
from sightgrid.store.expiring import serials_in_view
from sightgrid.store.holds import add_hold, holds
from sightgrid.store.identities import family_of, links_of, serial_of_person
from sightgrid.store.people import details_of


def hold(
    tx: Transaction,
    scope: HoldScope,
    *,
    owner: str,
    reason: str,
    made_by: str,
    at: datetime,
    ends_at: datetime,
) -> Hold:
    """Begins to hold what ``scope`` covers, until ``ends_at``.

    Raises:
        NotFound: there is no such serial, person or camera.
        InvalidValue: it would be over already, or covers no time.
    """
    if not owner.strip() or not reason.strip():
        raise InvalidValue("a hold needs an owner and a reason")
    if ends_at <= at:
        raise InvalidValue("the hold would be over already", hint="give a later end")
    match scope:
        case HeldSerial(serial):
            family_of(tx, serial)
        case HeldPerson(person_id):
            details_of(tx, person_id)
        case HeldView(camera, since, until):
            if camera not in cameras(tx):
                raise NotFound(f"there is no camera '{camera}'")
            if until <= since:
                raise InvalidValue("the hold covers no time: its span ends before it begins")
    return add_hold(tx, scope, owner=owner, reason=reason, made_by=made_by, at=at, ends_at=ends_at)


def held_at(tx: Transaction, at: datetime) -> Held:
    """Everything that the holds of a moment cover."""
    return _covered_by(tx, (one for one in holds(tx) if one.is_on(at)))


def serials_kept(tx: Transaction, held: Held) -> set[int]:
    """Every serial whose looks and label must stay: those that are held, and those that a held
    view of a camera shows, with all that they are merged with."""
    shown = serials_in_view(tx, held)
    return set(held.serials) | {one for serial in shown for one in family_of(tx, serial)[1]}


def holds_over(
    tx: Transaction,
    serials: Collection[int],
    people: Collection[str],
    views: Collection[tuple[str, datetime, datetime]],
    *,
    at: datetime,
) -> list[Hold]:
    """The holds that cover one of these identities, people or sightings; a sighting is given as
    its camera and from when to when it lasted."""
    found = []
    for one in holds(tx):
        if not one.is_on(at):
            continue
        held = _covered_by(tx, [one])
        if (
            held.serials & set(serials)
            or held.people & set(people)
            or any(
                view.camera == camera and first < view.until and last >= view.since
                for view in held.views
                for camera, first, last in views
            )
        ):
            found.append(one)
    return found


def _covered_by(tx: Transaction, some: Iterable[Hold]) -> Held:
    serials: set[int] = set()
    people: set[str] = set()
    views: list[HeldView] = []
    for one in some:
        match one.scope:
            case HeldSerial(serial):
                root, family = family_of(tx, serial)
                serials.update(family)
                person_id = links_of(tx, [root])[root][0]
                people.update([] if person_id is None else [person_id])
            case HeldPerson(person_id):
                people.add(person_id)
                root_serial = serial_of_person(tx, person_id)
                if root_serial is not None:
                    serials.update(family_of(tx, root_serial)[1])
            case HeldView() as view:
                views.append(view)
    return Held(frozenset(serials), frozenset(people), tuple(views))
