"""Erases people and strangers for good: rows, keys, what the gallery knows of them.

Who was erased is entered, as keyed hashes, into the erasure ledger and into a copy of it in a file
beside the site key, first of all: an erasure that is interrupted is finished by the next one or by
a restore, and never undone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sightgrid.domain.errors import NotFound, StoreError
from sightgrid.ledger.extending import reproject
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import grid
from sightgrid.store.deleting import (
    Deleted,
    delete_person,
    delete_sightings,
    forget_identities,
    serials_in_use,
    serials_of,
    sightings_given_to,
    stored_ids,
)
from sightgrid.store.erasure import Entry, enter_hashes, erased_among, note_erased
from sightgrid.store.identities import family_of, people_of, serial_of_person
from sightgrid.store.keys import SiteKeys
from sightgrid.store.sealing import of_person, of_sighting


@dataclass(frozen=True, slots=True)
class Erased:
    """The receipt of an erasure: what is gone. ``ledger_entries`` are kept instead."""

    at: datetime
    serials: tuple[int, ...]
    deleted: Deleted
    ledger_entries: int


Also = Callable[[Transaction, Erased], None]
"""What is to be written in the same transaction, such as the audit's row."""


def erase_person(store: Store, person_id: str, *, at: datetime, also: Also | None = None) -> Erased:
    """Erases an enrolled person and every sighting that was ever given to them.

    Raises:
        NotFound: there is no such person.
    """
    with store.snapshot() as tx:
        serial = serial_of_person(tx, person_id)
    if serial is None:
        raise NotFound("there is no such person")
    return _erase(store, serial, person_id, at, also)


def erase_serial(store: Store, serial: int, *, at: datetime, also: Also | None = None) -> Erased:
    """Erases a stranger: every sighting that was ever given to this serial or one merged with it.

    Raises:
        NotFound: there is no such serial, or it is an enrolled person's.
    """
    with store.snapshot() as tx:
        family_of(tx, serial)
        if any(serial_of_person(tx, one) == serial for one in stored_ids(tx)[1]):
            raise NotFound(f"identity {serial} is an enrolled person", hint="erase the person")
    return _erase(store, serial, None, at, also)


def replay_erasures(store: Store, *, at: datetime) -> Erased:
    """Erases again whatever the erasure ledger or its copy names: after a restore, always."""
    entries = read_copy(_copy_of(store))

    def work(tx: Transaction) -> Erased:
        tx.lock_site()
        enter_hashes(tx, entries)
        sightings, people = stored_ids(tx)
        gone = erased_among(
            tx, [*(of_sighting(one) for one in sightings), *(of_person(one) for one in people)]
        )
        lost = [one for one in people if of_person(one) in gone]
        deleted, serials = _delete(
            tx,
            [one for one in sightings if of_sighting(one) in gone],
            lost,
            [serial for one in lost if (serial := serial_of_person(tx, one)) is not None],
        )
        return Erased(at, serials, deleted, len(entries))

    erased = store.run(work)
    store.wipe_traces()
    return erased


def read_copy(path: Path) -> list[Entry]:
    """The erasure ledger's copy beside the site key; a line that was cut off is left out."""
    if not path.exists():
        return []
    entries: list[Entry] = []
    for line in path.read_text("ascii", errors="replace").splitlines():
        try:
            its_hash, kind, at = json.loads(line)
            entries.append((str(its_hash), str(kind), datetime.fromisoformat(at)))
        except (ValueError, TypeError):
            continue
    return entries


def copy_path(keys: SiteKeys) -> Path:
    """Where the copy of the erasure ledger lies: beside the site key."""
    return keys.path.with_name(f"{keys.path.name}.erasures")


def _erase(
    store: Store, serial: int, person_id: str | None, at: datetime, also: Also | None
) -> Erased:
    copy = _copy_of(store)

    def work(tx: Transaction) -> Erased:
        tx.lock_site()
        _, family = family_of(tx, serial)
        sightings = sightings_given_to(tx, family)
        subjects = [of_sighting(one) for one in sightings]
        people = [] if person_id is None else [person_id]
        subjects += [of_person(one) for one in people]
        entries = note_erased(tx, subjects, at=at)
        _append(copy, entries)
        deleted, serials = _delete(tx, sightings, people, family)
        done = Erased(at, serials, deleted, len(entries))
        if also is not None:
            also(tx, done)
        return done

    erased = store.run(work)
    store.wipe_traces()
    return erased


def _delete(
    tx: Transaction,
    sightings: Collection[str],
    people: Collection[str],
    family: Collection[int],
) -> tuple[Deleted, tuple[int, ...]]:
    touched = serials_of(tx, sightings) | set(family)
    deleted = delete_sightings(tx, sightings)
    for person_id in people:
        deleted += delete_person(tx, person_id)
    # after a restore only sightings are named: a stranger of whom nothing is left is gone too
    gone = set(family) | (touched - serials_in_use(tx, touched) - set(people_of(tx)))
    deleted += Deleted(keys=forget_identities(tx, touched, gone=gone))
    reproject(tx, touched, grid=grid(tx))
    return deleted, tuple(sorted(family))


def _copy_of(store: Store) -> Path:
    if store.keys is None:
        raise StoreError(
            "nobody is erased from the plain database of a run",
            hint="remove the run's folder",
        )
    return copy_path(store.keys)


def _append(path: Path, entries: Collection[Entry]) -> None:
    """Adds entries durably, before what they name is deleted."""
    text = "".join(
        json.dumps([its_hash, kind, at.astimezone(UTC).isoformat()]) + "\n"
        for its_hash, kind, at in entries
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"the erasure ledger {path} can't be written ({error})") from error
