"""Erases people and strangers for good: rows, keys, what the gallery knows of them.

Who was erased is entered, as keyed hashes, into the erasure ledger and into a copy of it in a file
beside the site key, first of all: an erasure that is interrupted is finished by the next one or by
a restore, and never undone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sightgrid.domain.errors import NotFound, StoreError, UnderHold
from sightgrid.domain.frames import format_time
from sightgrid.domain.retention import HeldView, Hold
from sightgrid.ledger.extending import reproject
from sightgrid.ledger.holding import holds_over
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import grid
from sightgrid.store.deleting import (
    Deleted,
    delete_person,
    delete_sightings,
    disown,
    forget_identities,
    forget_visits,
    serials_in_use,
    serials_of,
    sightings_of,
    stored_ids,
)
from sightgrid.store.edits import forget_words
from sightgrid.store.erasure import Entry, enter_hashes, erased_among, note_erased
from sightgrid.store.forgetting import ask_boxes_to_forget
from sightgrid.store.holds import forget_hold
from sightgrid.store.identities import family_of, serial_of_person, serials_of_people
from sightgrid.store.keys import SiteKeys
from sightgrid.store.people import details_of
from sightgrid.store.sealing import of_person, of_sighting
from sightgrid.store.sightings import spans_of


@dataclass(frozen=True, slots=True)
class Erased:
    """The receipt of an erasure: what is gone. ``ledger_entries`` are kept instead.

    ``boxes`` were asked to drop what they hold of it; ``holds`` were overridden for it.
    ``traces_wiped`` is false where somebody was reading just then: the next run of retention wipes
    what is left of deleted rows.
    """

    at: datetime
    serials: tuple[int, ...]
    deleted: Deleted
    ledger_entries: int
    boxes: int = 0
    holds: tuple[Hold, ...] = ()
    traces_wiped: bool = True


Also = Callable[[Transaction, Erased], None]
"""What is to be written in the same transaction, such as the audit's row."""


@dataclass(frozen=True, slots=True)
class _Order:
    at: datetime
    despite_holds: bool
    also: Also | None


def erase_person(
    store: Store,
    person_id: str,
    *,
    at: datetime,
    despite_holds: bool = False,
    also: Also | None = None,
) -> Erased:
    """Erases an enrolled person and every sighting that is theirs.

    Raises:
        NotFound: there is no such person.
        UnderHold: a legal hold covers some of it, and it was not to be overridden.
    """
    with store.snapshot() as tx:
        details_of(tx, person_id)
        serial = serial_of_person(tx, person_id)
    return _erase(store, serial, person_id, _Order(at, despite_holds, also))


def erase_serial(
    store: Store,
    serial: int,
    *,
    at: datetime,
    despite_holds: bool = False,
    also: Also | None = None,
) -> Erased:
    """Erases a stranger: every sighting of this serial and of those merged with it.

    Raises:
        NotFound: there is no such serial, or it is an enrolled person's.
        UnderHold: a legal hold covers some of it, and it was not to be overridden.
    """
    with store.snapshot() as tx:
        root, _ = family_of(tx, serial)
        if root in serials_of_people(tx):
            raise NotFound(f"identity {serial} is an enrolled person", hint="erase the person")
    return _erase(store, serial, None, _Order(at, despite_holds, also))


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
    return replace(erased, traces_wiped=store.wipe_traces(keys_too=True))


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


def _erase(store: Store, serial: int | None, person_id: str | None, order: _Order) -> Erased:
    copy = _copy_of(store)

    def work(tx: Transaction) -> Erased:
        tx.lock_site()
        family: tuple[int, ...] = () if serial is None else family_of(tx, serial)[1]
        sightings = sightings_of(tx, family)
        people = [] if person_id is None else [person_id]
        spans = spans_of(tx, sightings)
        overridden = holds_over(tx, family, people, spans, at=order.at)
        if overridden and not order.despite_holds:
            raise _refusal(overridden)
        subjects = [*(of_sighting(one) for one in sightings), *(of_person(one) for one in people)]
        entries = note_erased(tx, subjects, at=order.at)
        _append(copy, entries)
        boxes = ask_boxes_to_forget(tx, sightings, at=order.at)
        deleted, serials = _delete(tx, sightings, people, family)
        for one in overridden:
            # whoever is gone can't be held; what else a camera saw goes on being held
            if not isinstance(one.scope, HeldView):
                deleted += Deleted(keys=forget_hold(tx, one.hold_id))
        done = Erased(
            order.at, serials, deleted, len(entries), boxes=boxes, holds=tuple(overridden)
        )
        if order.also is not None:
            order.also(tx, done)
        return done

    erased = store.run(work)
    return replace(erased, traces_wiped=store.wipe_traces(keys_too=True))


def _refusal(overridden: Collection[Hold]) -> UnderHold:
    last = max(one.ends_at for one in overridden)
    many = "a legal hold covers" if len(overridden) == 1 else f"{len(overridden)} legal holds cover"
    return UnderHold(
        f"{many} this until {format_time(last)}",
        hint="end the hold first, or erase despite it; both are written into the audit",
    )


def _delete(
    tx: Transaction,
    sightings: Collection[str],
    people: Collection[str],
    family: Collection[int],
) -> tuple[Deleted, tuple[int, ...]]:
    touched = serials_of(tx, sightings) | set(family)
    forget_visits(tx, family, holding=sightings)
    deleted = delete_sightings(tx, sightings)
    disown(tx, family)
    for person_id in people:
        deleted += delete_person(tx, person_id)
    # after a restore only sightings are named: a stranger of whom nothing is left is gone too
    gone = set(family) | (touched - serials_in_use(tx, touched) - serials_of_people(tx))
    deleted += Deleted(keys=forget_identities(tx, touched, gone=gone))
    forget_words(tx, gone, sightings)
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
