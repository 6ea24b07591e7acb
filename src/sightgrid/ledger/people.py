"""The people of a site: added, changed, removed, put back; their consents, given and withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sightgrid.domain.attributes import BIRTHDAY, NAME, AttributeSet, age_at
from sightgrid.domain.errors import InvalidFields, InvalidValue
from sightgrid.domain.people import Consent, Method
from sightgrid.ledger.enrolling import stop_recognising, touch
from sightgrid.ledger.extending import reproject
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import grid
from sightgrid.store.consents import consents_of, lapsed_people, record_consent, withdraw_consent
from sightgrid.store.deleting import delete_person
from sightgrid.store.identities import family_of, serial_of_person
from sightgrid.store.people import change_details, contracts, details_of, insert_people
from sightgrid.store.person_changes import (
    ChangeKind,
    change_made,
    mark_change_undone,
    record_change,
)
from sightgrid.store.roster import (
    ids_apart,
    person_row,
    removed_before,
    set_method,
    set_removed,
)

REMOVAL_UNDOABLE = timedelta(hours=24)
OTHERS = tuple(method for method in Method if method is not Method.FACE)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a withdrawal came to: how the person shows from now on that they are here, and how many
    crops of sightings are gone beside the enrolled faces and photos."""

    method: Method
    crops: int


def add_person(
    tx: Transaction, values: Mapping[str, str], *, attributes: AttributeSet, at: datetime
) -> str:
    """Adds somebody to the roster; returns their id. It makes no template: that takes a consent.

    Raises:
        InvalidFields: a field is wrong, or somebody is there already with this key or name.
    """
    tx.lock_site()
    details = attributes.checked(values)
    apart = apart_key(attributes, details)
    if ids_apart(tx, [apart]):
        raise InvalidFields(taken(attributes, details))
    (person_id,) = insert_people(tx, [(apart, details)], added_at=at)
    return person_id


def change_person(
    tx: Transaction,
    person_id: str,
    values: Mapping[str, str],
    *,
    attributes: AttributeSet,
    by: str,
    at: datetime,
) -> str | None:
    """Changes some fields, an empty value takes one away; returns the change's id, ``None`` where
    everything was like that already.

    Raises:
        NotFound: there is no such person. InvalidValue: they were removed.
        InvalidFields: a field is wrong, or its value is somebody else's.
    """
    tx.lock_site()
    check_there(tx, person_id, at=at)
    before = details_of(tx, person_id)
    after = _changed(tx, person_id, before, values, attributes)
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    if not names:
        return None
    return record_change(
        tx,
        person_id,
        ChangeKind.UPDATED,
        before={name: before.get(name, "") for name in names},
        after={name: after.get(name, "") for name in names},
        at=at,
        by=by,
    )


def remove_person(tx: Transaction, person_id: str, *, by: str, at: datetime) -> str:
    """Takes somebody out of the roster; returns the change's id. They are recognised no more at
    once; for a day that can be undone, then everything of them but their sightings is deleted.

    Raises:
        NotFound: there is no such person. InvalidValue: they were removed before.
    """
    tx.lock_site()
    check_there(tx, person_id, at=at)
    set_removed(tx, person_id, at)
    _announce(tx, person_id)
    return record_change(tx, person_id, ChangeKind.REMOVED, before={}, after={}, at=at, by=by)


def undo_change(
    tx: Transaction, change_id: str, *, attributes: AttributeSet, by: str, at: datetime
) -> str:
    """Makes a change or a removal as if it had not been; returns whose it was.

    Raises:
        NotFound: there is no such change.
        InvalidValue: it was undone before, or a field was changed again since.
        InvalidFields: what a field held before is somebody else's by now.
    """
    tx.lock_site()
    change = change_made(tx, change_id)
    if change.undone_at is not None:
        raise InvalidValue("this change was undone before")
    if change.kind is ChangeKind.REMOVED:
        set_removed(tx, change.person_id, None)
        _announce(tx, change.person_id)
    else:
        now = details_of(tx, change.person_id)
        later = [name for name, value in change.after.items() if now.get(name, "") != value]
        if later:
            raise InvalidValue(
                f"{', '.join(sorted(later))} was changed again since",
                hint="undo the later change first",
            )
        _changed(tx, change.person_id, now, change.before, attributes)
    mark_change_undone(tx, change_id, at=at, by=by)
    return change.person_id


def give_consent(
    tx: Transaction, person_id: str, consent: Consent, *, adult_at: int, at: datetime
) -> str:
    """Writes down that somebody agreed to be recognised; returns the consent's id.

    Raises:
        NotFound: there is no such person. InvalidValue: they were removed.
        InvalidFields: it does not hold now, or a child's lacks who agreed for them.
    """
    tx.lock_site()
    check_there(tx, person_id, at=at)
    problems = {}
    if consent.given_at > at:
        problems["given_at"] = "lies in the future"
    if consent.expires_at is not None and consent.expires_at <= at:
        problems["expires_at"] = "is over already"
    birthday = details_of(tx, person_id).get(BIRTHDAY)
    if (
        birthday is not None
        and not consent.guardian
        and age_at(birthday, consent.given_at.date()) < adult_at
    ):
        problems["guardian"] = f"is required: the person is under {adult_at}"
    if problems:
        raise InvalidFields(problems)
    consent_id = record_consent(tx, person_id, consent)
    set_method(tx, person_id, Method.FACE)
    _announce(tx, person_id)
    return consent_id


def withdraw(
    tx: Transaction, person_id: str, consent_id: str, *, method: Method, at: datetime
) -> Withdrawn:
    """The person agrees no more: without another consent that holds, what they look like is
    deleted at once, and they show by another method that they are here.

    Raises:
        NotFound: there is no such person or consent of theirs, or it was withdrawn before.
        InvalidFields: the other method is the face.
    """
    tx.lock_site()
    if method is Method.FACE:
        raise InvalidFields({"method": f"is one of: {', '.join(OTHERS)}"})
    person_row(tx, person_id, at=at)
    withdraw_consent(tx, consent_id, at=at, of=person_id)
    if any(one.holds(at) for one in consents_of(tx, person_id).values()):
        return Withdrawn(Method.FACE, 0)
    crops = stop_recognising(tx, person_id)
    set_method(tx, person_id, method)
    return Withdrawn(method, crops)


def forget_lapsed(store: Store, *, at: datetime) -> int:
    """Forgets the faces of everybody whose last consent has run out, as if they had withdrawn it;
    returns how many those were."""

    def work(tx: Transaction) -> int:
        tx.lock_site()
        lapsed = lapsed_people(tx, at=at)
        for person_id in lapsed:
            lapse(tx, person_id)
        return len(lapsed)

    done = store.run(work)
    if done:
        store.wipe_traces()
    return done


def lapse(tx: Transaction, person_id: str) -> None:
    """Forgets the face of somebody whose last consent has run out; they show by a tap from now on
    that they are here."""
    stop_recognising(tx, person_id)
    set_method(tx, person_id, Method.TAP)


def finish_removals(store: Store, *, at: datetime, held: Collection[str] = ()) -> int:
    """Deletes everybody who was removed more than a day ago, but those ``held``: photos, faces,
    consents, key. Their serial stays as nobody's, and its sightings for as long as a stranger's;
    returns how many."""

    def work(tx: Transaction) -> int:
        tx.lock_site()
        gone = [one for one in removed_before(tx, at - REMOVAL_UNDOABLE) if one not in held]
        for person_id in gone:
            serial = serial_of_person(tx, person_id)
            stop_recognising(tx, person_id)
            delete_person(tx, person_id)
            if serial is not None:
                reproject(tx, family_of(tx, serial)[1], grid=grid(tx))
        return len(gone)

    done = store.run(work)
    if done:
        store.wipe_traces()
    return done


def check_there(tx: Transaction, person_id: str, *, at: datetime) -> None:
    """A person that something can be done about.

    Raises:
        NotFound: there is no such person.
        InvalidValue: they were removed.
    """
    if person_row(tx, person_id, at=at).removed_at is not None:
        raise InvalidValue("this person was removed", hint="undo the removal first")


def apart_key(attributes: AttributeSet, details: Mapping[str, str]) -> str:
    """What no two people share, as one text."""
    field, value = attributes.apart(details)
    return value if field == NAME else f"{field}\0{value.casefold()}"


def taken(attributes: AttributeSet, details: Mapping[str, str]) -> dict[str, str]:
    """The problem with a person who is there already, at its field."""
    field, value = attributes.apart(details)
    if field == NAME and attributes.key is not None:
        tell = f"; give a {attributes.key} to tell them apart"
        return {field: f"somebody named '{value}' is there already{tell}"}
    return {field: f"'{value}' is somebody else's already"}


def _changed(
    tx: Transaction,
    person_id: str,
    before: Mapping[str, str],
    values: Mapping[str, str],
    attributes: AttributeSet,
) -> dict[str, str]:
    known = set(attributes.names)
    # what an earlier set of attributes had stays as it is
    old = {name: value for name, value in before.items() if name not in known}
    asked = {name: value for name, value in before.items() if name in known} | dict(values)
    after = attributes.checked(asked)
    apart = apart_key(attributes, after)
    if ids_apart(tx, [apart]).get(apart, person_id) != person_id:
        raise InvalidFields(taken(attributes, after))
    change_details(tx, person_id, {**old, **after}, apart=apart)
    return {**old, **after}


def _announce(tx: Transaction, person_id: str) -> None:
    """Every process reads anew whether this person may be recognised."""
    serial = serial_of_person(tx, person_id)
    if serial is not None:
        touch(tx, serial, contracts(tx))
