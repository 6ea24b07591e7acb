"""People with their rows in the audit, which names nobody: for the API and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sightgrid.domain.people import Consent, Method
from sightgrid.ledger import people
from sightgrid.ledger.people import Withdrawn
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import Detail, note_event
from sightgrid.store.roster import PersonRow, person_row
from sightgrid.store.sealing import keyed_hash


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody as they are now, and the change that made them so; ``None`` where nothing did."""

    person: PersonRow
    change_id: str | None


def add(site: Site, values: Mapping[str, str], *, actor: str) -> PersonRow:
    """Adds somebody to the roster.

    Raises:
        InvalidFields: a field is wrong, or they are there already.
    """
    now = site.clock()

    def work(tx: Transaction) -> PersonRow:
        person_id = people.add_person(
            tx, values, attributes=site.configuration.people.attributes, at=now
        )
        note(tx, site, person_id, "person-added", actor)
        return person_row(tx, person_id, at=now)

    return site.store.run(work)


def change(site: Site, person_id: str, values: Mapping[str, str], *, actor: str) -> Changed:
    """Changes some fields; an empty value takes one away.

    Raises:
        NotFound: there is no such person. InvalidValue: they were removed.
        InvalidFields: a field is wrong, or its value is somebody else's.
    """
    now = site.clock()

    def work(tx: Transaction) -> Changed:
        change_id = people.change_person(
            tx,
            person_id,
            values,
            attributes=site.configuration.people.attributes,
            by=actor,
            at=now,
        )
        if change_id is not None:
            fields = ", ".join(sorted(values))
            note(tx, site, person_id, "person-changed", actor, fields=fields[:500])
        return Changed(person_row(tx, person_id, at=now), change_id)

    return site.store.run(work)


def remove(site: Site, person_id: str, *, actor: str, reason: str = "") -> str:
    """Takes somebody out of the roster; returns the change, which can be undone for a day.

    Raises:
        NotFound: there is no such person. InvalidValue: they were removed before.
    """
    now = site.clock()

    def work(tx: Transaction) -> str:
        change_id = people.remove_person(tx, person_id, by=actor, at=now)
        note(tx, site, person_id, "person-removed", actor, reason=reason)
        return change_id

    return site.store.run(work)


def removal_final(removed_at: datetime) -> datetime:
    """When a removal can be undone no more."""
    return removed_at + people.REMOVAL_UNDOABLE


def undo(site: Site, change_id: str, *, actor: str) -> PersonRow:
    """Makes a change or a removal as if it had not been.

    Raises:
        NotFound: there is no such change.
        InvalidValue: it was undone before, or overtaken by a later one.
    """
    now = site.clock()

    def work(tx: Transaction) -> PersonRow:
        attributes = site.configuration.people.attributes
        person_id = people.undo_change(tx, change_id, attributes=attributes, by=actor, at=now)
        note(tx, site, person_id, "person-change-undone", actor)
        return person_row(tx, person_id, at=now)

    return site.store.run(work)


def consent(site: Site, person_id: str, given: Consent, *, actor: str) -> str:
    """Writes down that somebody agreed to be recognised; returns the consent's id.

    Raises:
        NotFound: there is no such person. InvalidValue: they were removed.
        InvalidFields: it does not hold now, or a child's lacks who agreed for them.
    """
    now = site.clock()

    def work(tx: Transaction) -> str:
        adult_at = site.configuration.people.adult_at
        consent_id = people.give_consent(tx, person_id, given, adult_at=adult_at, at=now)
        note(tx, site, person_id, "consent-given", actor, text_version=given.text_version)
        return consent_id

    return site.store.run(work)


def withdraw(
    site: Site, person_id: str, consent_id: str, *, method: Method, actor: str, reason: str = ""
) -> Withdrawn:
    """The person agrees no more: what they look like is deleted at once.

    Raises:
        NotFound: there is no such person or consent of theirs, or it was withdrawn before.
        InvalidFields: the other method is the face.
    """
    now = site.clock()

    def work(tx: Transaction) -> Withdrawn:
        done = people.withdraw(tx, person_id, consent_id, method=method, at=now)
        note(
            tx,
            site,
            person_id,
            "consent-withdrawn",
            actor,
            reason=reason,
            method=done.method.value,
            crops=done.crops,
        )
        return done

    done = site.store.run(work)
    site.store.wipe_traces()
    return done


def note(
    tx: Transaction,
    site: Site,
    person_id: str,
    action: str,
    actor: str,
    *,
    reason: str = "",
    **details: Detail,
) -> None:
    """Adds a row about a person to the audit, who stands in it as a keyed hash."""
    note_event(
        tx,
        at=site.clock(),
        actor=actor,
        action=action,
        subject=keyed_hash(tx, f"person:{person_id}", purpose="audit"),
        reason=reason,
        details=details,
    )
