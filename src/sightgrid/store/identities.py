"""Serials: minted from a counter row, never renumbered, never reused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue, NotFound, StoreError
from sightgrid.domain.presence import Identity
from sightgrid.store.batches import in_batches
from sightgrid.store.people import names_of, person_id
from sightgrid.store.schema import (
    DECISION,
    IDENTITY,
    SIGHTING,
    VISIT,
)
from sightgrid.store.sealing import load_keys, of_identity, seal, unseal
from sightgrid.store.session import Transaction

LARGEST_SERIAL = 2**31 - 1

DECIDED = sa.and_(
    SIGHTING.c.site_id == DECISION.c.site_id,
    SIGHTING.c.sighting_id == DECISION.c.sighting_id,
    SIGHTING.c.revision == DECISION.c.revision,
)
"""Joins each sighting with the answer for its newest revision."""


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """An identity and where it was. ``cameras`` are in the order they first saw it; ``best_crop``
    is the path, relative to the run's folder, of its best sighting that has one.

    A merged serial (``alias_of``) has nothing of its own: what it saw counts for its root.
    """

    serial: int
    person: str | None
    alias_of: int | None
    cameras: tuple[str, ...]
    visits: int
    sightings: int
    first_seen: datetime | None
    last_seen: datetime | None
    best_crop: str | None


def mint(
    tx: Transaction, *, minted_at: datetime, person: str | None = None, of_id: str | None = None
) -> Identity:
    """Gives out the next serial, to an enrolled person or a stranger. Serials start at 1.

    Args:
        person: the name of who gets it. of_id: their id, where names need not be one person's.

    Raises:
        NotFound: nobody named ``person`` is enrolled.
        InvalidValue: that person has a serial already.
    """
    key = of_id
    if person is not None and key is None:
        key = person_id(tx, person)
    if key is not None:
        taken = tx.connection.scalar(
            sa.select(IDENTITY.c.serial).where(
                IDENTITY.c.site_id == tx.site_id,
                IDENTITY.c.person_id == key,
                IDENTITY.c.alias_of.is_(None),
            )
        )
        if taken is not None:
            raise InvalidValue(f"'{person or key}' has the serial {taken} already")
    serial = tx.take_serial()
    row = {"site_id": tx.site_id, "serial": serial, "person_id": key, "minted_at": minted_at}
    tx.insert_later(IDENTITY, [row])
    return Identity(serial, person)


def set_alias(tx: Transaction, serial: int, into: int | None) -> None:
    """Merges a serial into another, or makes it stand for itself again."""
    tx.connection.execute(
        sa.update(IDENTITY)
        .where(IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial == serial)
        .values(alias_of=into)
    )


def set_hidden(tx: Transaction, serial: int, hidden: bool) -> None:
    """Keeps an identity out of lists, or shows it."""
    tx.connection.execute(
        sa.update(IDENTITY)
        .where(IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial == serial)
        .values(hidden=hidden)
    )


def set_label(tx: Transaction, serial: int, label: str) -> None:
    """Gives an identity a word of the site's own, sealed; empty takes it away."""
    sealed = None
    if label:
        sealed = seal(tx, label.encode(), subject=of_identity(serial), purpose="label")
    tx.connection.execute(
        sa.update(IDENTITY)
        .where(IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial == serial)
        .values(label=sealed)
    )


def marks_of(
    tx: Transaction, serials: Collection[int] | None = None
) -> dict[int, tuple[bool, str]]:
    """By serial whether it is hidden, and its label; those with neither are left out. Of all
    identities, or of some."""
    marked = sa.select(IDENTITY.c.serial, IDENTITY.c.hidden, IDENTITY.c.label).where(
        IDENTITY.c.site_id == tx.site_id,
        sa.or_(IDENTITY.c.hidden.is_(True), IDENTITY.c.label.is_not(None)),
    )
    if serials is None:
        rows = list(tx.connection.execute(marked))
    else:
        rows = [
            row
            for batch in in_batches(sorted(serials))
            for row in tx.connection.execute(marked.where(IDENTITY.c.serial.in_(batch)))
        ]
    load_keys(tx, (of_identity(serial) for serial, _, label in rows if label is not None))
    return {
        serial: (
            bool(hidden),
            ""
            if label is None
            else unseal(tx, label, subject=of_identity(serial), purpose="label").decode(),
        )
        for serial, hidden, label in rows
    }


def links_of(tx: Transaction, serials: Collection[int]) -> dict[int, tuple[str | None, int | None]]:
    """By serial whose it is (a person's id) and what it is merged into."""
    found: dict[int, tuple[str | None, int | None]] = {}
    for batch in in_batches(sorted(serials)):
        rows = tx.connection.execute(
            sa.select(IDENTITY.c.serial, IDENTITY.c.person_id, IDENTITY.c.alias_of).where(
                IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial.in_(batch)
            )
        )
        found.update((serial, (person, alias)) for serial, person, alias in rows)
    return found


def serial_of_person(tx: Transaction, person_id: str) -> int | None:
    """The root serial of an enrolled person."""
    serial = tx.connection.scalar(
        sa.select(IDENTITY.c.serial).where(
            IDENTITY.c.site_id == tx.site_id,
            IDENTITY.c.person_id == person_id,
            IDENTITY.c.alias_of.is_(None),
        )
    )
    return None if serial is None else int(serial)


def identities(tx: Transaction) -> list[IdentityRow]:
    """Every serial in order, merged ones too."""
    return _rows(tx, None, roots(tx))


def identities_named(tx: Transaction, serials: Collection[int]) -> dict[int, IdentityRow]:
    """Some identities by their root serials; those that are merged or unknown are left out."""
    members = _members_of(tx, serials)
    merged = {member: root for root, some in members.items() for member in some}
    family = [*members, *merged]
    rows = {row.serial: row for row in _rows(tx, family, merged)} if family else {}
    return {serial: rows[serial] for serial in serials if serial in rows}


def identity(tx: Transaction, serial: int) -> IdentityRow:
    """The identity that ``serial`` stands for: for a merged serial, its root.

    Raises:
        NotFound: there is no such serial.
    """
    root, family = family_of(tx, serial)
    merged = dict.fromkeys(family[1:], root)
    return next(row for row in _rows(tx, family, merged) if row.serial == root)


def family_of(tx: Transaction, serial: int) -> tuple[int, tuple[int, ...]]:
    """The root of ``serial`` and every serial that stands for the same identity.

    Raises:
        NotFound: there is no such serial.
    """
    known = None
    # a larger number isn't even a question that every database can be asked
    if 0 < serial <= LARGEST_SERIAL:
        known = tx.connection.scalar(
            sa.select(IDENTITY.c.serial).where(
                IDENTITY.c.site_id == tx.site_id, IDENTITY.c.serial == serial
            )
        )
    if known is None:
        raise NotFound(
            f"there is no identity {serial}", hint="'sightgrid identity list' names them all"
        )
    root, seen = serial, {serial}
    while (above := links_of(tx, [root]).get(root, (None, None))[1]) is not None:
        if above in seen:
            raise StoreError(f"the database is damaged: serial {serial} is merged in a circle")
        root = above
        seen.add(root)
    return root, (root, *_members_of(tx, [root])[root])


def _members_of(tx: Transaction, some_roots: Collection[int]) -> dict[int, list[int]]:
    """For each root the serials that were merged into it, at whatever remove, in order."""
    whose = {root: root for root in some_roots}
    pending = list(whose)
    while pending:
        found: list[int] = []
        for batch in in_batches(pending):
            rows = tx.connection.execute(
                sa.select(IDENTITY.c.serial, IDENTITY.c.alias_of).where(
                    IDENTITY.c.site_id == tx.site_id, IDENTITY.c.alias_of.in_(batch)
                )
            )
            for serial, target in rows:
                if serial not in whose:
                    whose[serial] = whose[target]
                    found.append(serial)
        pending = found
    members: dict[int, list[int]] = {root: [] for root in some_roots}
    for serial in sorted(whose):
        if whose[serial] != serial:
            members[whose[serial]].append(serial)
    return members


def roots(tx: Transaction) -> dict[int, int]:
    """For every merged serial the one that it ends up at.

    Raises:
        StoreError: serials are merged in a circle.
    """
    rows = tx.connection.execute(
        sa.select(IDENTITY.c.serial, IDENTITY.c.alias_of).where(
            IDENTITY.c.site_id == tx.site_id, IDENTITY.c.alias_of.is_not(None)
        )
    )
    alias = {int(serial): int(target) for serial, target in rows}
    ends: dict[int, int] = {}
    for serial in alias:
        end, steps = serial, 0
        while end in alias:
            end, steps = alias[end], steps + 1
            if steps > len(alias):
                raise StoreError(f"the database is damaged: serial {serial} is merged in a circle")
        ends[serial] = end
    return ends


def serials_of_people(tx: Transaction) -> set[int]:
    """The serials that are an enrolled person's own."""
    return set(
        tx.connection.scalars(
            sa.select(IDENTITY.c.serial).where(
                IDENTITY.c.site_id == tx.site_id, IDENTITY.c.person_id.is_not(None)
            )
        )
    )


def people_of(tx: Transaction, serials: Collection[int] | None = None) -> dict[int, str]:
    """The names of the enrolled people by serial; of all of them, or of those among some."""
    enrolled = sa.select(IDENTITY.c.serial, IDENTITY.c.person_id).where(
        IDENTITY.c.site_id == tx.site_id, IDENTITY.c.person_id.is_not(None)
    )
    if serials is None:
        rows = list(tx.connection.execute(enrolled))
        names = names_of(tx)
    else:
        rows = [
            row
            for batch in in_batches(sorted(serials))
            for row in tx.connection.execute(enrolled.where(IDENTITY.c.serial.in_(batch)))
        ]
        names = names_of(tx, {row.person_id for row in rows}) if rows else {}
    return {int(serial): names[person_id] for serial, person_id in rows}


def _rows(
    tx: Transaction, family: Collection[int] | None, merged: Mapping[int, int]
) -> list[IdentityRow]:
    names = people_of(tx, family)

    def of_family(serial: sa.Column[Any]) -> sa.ColumnElement[bool]:
        return serial.in_(family) if family is not None else serial.is_not(None)

    seen: dict[int, list[tuple[datetime, datetime, str, int]]] = {}
    for serial, camera, count, first, last in tx.connection.execute(
        sa.select(
            DECISION.c.serial,
            SIGHTING.c.camera,
            sa.func.count(),
            sa.func.min(SIGHTING.c.first_seen),
            sa.func.max(SIGHTING.c.last_seen),
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(DECISION.c.site_id == tx.site_id, of_family(DECISION.c.serial))
        .group_by(DECISION.c.serial, SIGHTING.c.camera)
    ):
        seen.setdefault(merged.get(serial, serial), []).append((first, last, camera, count))

    visits: dict[int, int] = {}
    for serial, count in tx.connection.execute(
        sa.select(VISIT.c.serial, sa.func.count())
        .where(VISIT.c.site_id == tx.site_id, of_family(VISIT.c.serial))
        .group_by(VISIT.c.serial)
    ):
        root = merged.get(serial, serial)
        visits[root] = visits.get(root, 0) + count

    crops: dict[int, tuple[float, str]] = {}
    for serial, quality, crop in tx.connection.execute(_best_crops(tx, of_family)):
        root = merged.get(serial, serial)
        if root not in crops or quality > crops[root][0]:
            crops[root] = (quality, crop)

    rows = []
    for serial, alias_of in tx.connection.execute(
        sa.select(IDENTITY.c.serial, IDENTITY.c.alias_of)
        .where(IDENTITY.c.site_id == tx.site_id, of_family(IDENTITY.c.serial))
        .order_by(IDENTITY.c.serial)
    ):
        spans = sorted(seen.get(serial, []))
        rows.append(
            IdentityRow(
                serial=serial,
                person=names.get(merged.get(serial, serial)),
                alias_of=alias_of,
                cameras=tuple(dict.fromkeys(camera for _, _, camera, _ in spans)),
                visits=visits.get(serial, 0),
                sightings=sum(count for *_, count in spans),
                first_seen=min((first for first, *_ in spans), default=None),
                last_seen=max((last for _, last, *_ in spans), default=None),
                best_crop=crops[serial][1] if serial in crops else None,
            )
        )
    return rows


def _best_crops(
    tx: Transaction, of_family: Callable[[sa.Column[Any]], sa.ColumnElement[bool]]
) -> sa.Select[Any]:
    """One row a serial: the crop of its best sighting that has one."""
    place = sa.func.row_number().over(
        partition_by=DECISION.c.serial,
        order_by=(SIGHTING.c.quality.desc(), SIGHTING.c.sighting_id),
    )
    ranked = (
        sa.select(DECISION.c.serial, SIGHTING.c.quality, SIGHTING.c.crop_path, place.label("place"))
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(
            DECISION.c.site_id == tx.site_id,
            of_family(DECISION.c.serial),
            SIGHTING.c.crop_path.is_not(None),
        )
        .subquery()
    )
    return sa.select(ranked.c.serial, ranked.c.quality, ranked.c.crop_path).where(
        ranked.c.place == 1
    )
