"""The roster: everybody written down, with what else is known of them in short."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sightgrid.domain.attributes import NAME
from sightgrid.domain.errors import NotFound
from sightgrid.domain.people import Method
from sightgrid.store.batches import in_batches
from sightgrid.store.people import name_key, written_down
from sightgrid.store.schema import ENROLLED_FACE, IDENTITY, PERSON
from sightgrid.store.schema_subjects import CONSENT, ENROLLED_PHOTO
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody of the roster. ``serial`` is ``None`` until they are enrolled or named; ``agreed``
    says whether one of their consents holds, ``faces`` how many enrolled ones there are."""

    person_id: str
    details: Mapping[str, str]
    method: Method
    serial: int | None
    agreed: bool
    faces: int
    photos: int
    added_at: datetime | None
    removed_at: datetime | None

    @property
    def name(self) -> str:
        return self.details[NAME]


def roster(tx: Transaction, *, at: datetime, removed: bool = False) -> list[PersonRow]:
    """Everybody, by name; with ``removed`` those who were taken out instead.

    Args:
        at: for which moment consents are asked.
    """
    gone = PERSON.c.removed_at
    found = _rows(tx, gone.is_not(None) if removed else gone.is_(None), at)
    return sorted(found, key=lambda row: (row.name.casefold(), row.person_id))


def person_row(tx: Transaction, person_id: str, *, at: datetime) -> PersonRow:
    """One person, removed or not.

    Raises:
        NotFound: there is no such person.
    """
    for row in _rows(tx, PERSON.c.person_id == person_id, at):
        return row
    raise NotFound("there is no such person", hint="'sightgrid people list' names them all")


def _rows(tx: Transaction, which: sa.ColumnElement[bool], at: datetime) -> list[PersonRow]:
    rows = tx.connection.execute(
        sa.select(PERSON).where(PERSON.c.site_id == tx.site_id, which)
    ).all()
    one = rows[0].person_id if len(rows) == 1 else None
    details = written_down(tx, rows)
    serials = _by_person(tx, IDENTITY, IDENTITY.c.serial, one, IDENTITY.c.alias_of.is_(None))
    faces = _by_person(tx, ENROLLED_FACE, sa.func.count(), one)
    photos = _by_person(tx, ENROLLED_PHOTO, sa.func.count(), one)
    agreed = _by_person(
        tx,
        CONSENT,
        sa.func.count(),
        one,
        CONSENT.c.given_at <= at,
        sa.or_(CONSENT.c.expires_at.is_(None), CONSENT.c.expires_at > at),
        sa.or_(CONSENT.c.withdrawn_at.is_(None), CONSENT.c.withdrawn_at > at),
    )
    return [
        PersonRow(
            person_id=row.person_id,
            details=details[row.person_id],
            method=Method(row.method or Method.FACE),
            serial=serials.get(row.person_id),
            agreed=agreed.get(row.person_id, 0) > 0,
            faces=faces.get(row.person_id, 0),
            photos=photos.get(row.person_id, 0),
            added_at=row.added_at,
            removed_at=row.removed_at,
        )
        for row in rows
    ]


def _by_person(
    tx: Transaction,
    table: sa.Table,
    told: sa.ColumnElement[int],
    one: str | None,
    *conditions: sa.ColumnElement[bool],
) -> dict[str, int]:
    """A number for each person that has rows in a table."""
    where: Iterable[sa.ColumnElement[bool]] = conditions
    if one is not None:
        where = [*where, table.c.person_id == one]
    asked = sa.select(table.c.person_id, told).where(
        table.c.site_id == tx.site_id, table.c.person_id.is_not(None), *where
    )
    if isinstance(told, sa.sql.functions.Function):
        asked = asked.group_by(table.c.person_id)
    return {person_id: int(number) for person_id, number in tx.connection.execute(asked)}


def ids_apart(tx: Transaction, keys: Collection[str]) -> dict[str, str]:
    """Who has these already: person ids by what tells them apart."""
    found: dict[str, str] = {}
    by_column = {name_key(tx, key): key for key in keys}
    for batch in in_batches(by_column):
        rows = tx.connection.execute(
            sa.select(PERSON.c.name, PERSON.c.person_id).where(
                PERSON.c.site_id == tx.site_id, PERSON.c.name.in_(batch)
            )
        )
        found.update((by_column[column], person_id) for column, person_id in rows)
    return found


def recognisable(tx: Transaction, person_ids: Collection[str]) -> set[str]:
    """Those who are recognised by their face: neither removed nor with another method."""
    found: set[str] = set()
    for batch in in_batches(sorted(person_ids)):
        found.update(
            tx.connection.scalars(
                sa.select(PERSON.c.person_id).where(
                    PERSON.c.site_id == tx.site_id,
                    PERSON.c.person_id.in_(batch),
                    PERSON.c.removed_at.is_(None),
                    sa.or_(PERSON.c.method.is_(None), PERSON.c.method == Method.FACE.value),
                )
            )
        )
    return found


def set_method(tx: Transaction, person_id: str, method: Method) -> None:
    """How a person shows from now on that they are here."""
    tx.connection.execute(
        sa.update(PERSON)
        .where(PERSON.c.site_id == tx.site_id, PERSON.c.person_id == person_id)
        .values(method=method.value)
    )


def set_removed(tx: Transaction, person_id: str, at: datetime | None) -> None:
    """Takes a person out of the roster, or puts them back."""
    tx.connection.execute(
        sa.update(PERSON)
        .where(PERSON.c.site_id == tx.site_id, PERSON.c.person_id == person_id)
        .values(removed_at=at)
    )


def removed_before(tx: Transaction, moment: datetime) -> list[str]:
    """The ids of people who were removed before a moment."""
    rows = tx.connection.scalars(
        sa.select(PERSON.c.person_id)
        .where(PERSON.c.site_id == tx.site_id, PERSON.c.removed_at < moment)
        .order_by(PERSON.c.person_id)
    )
    return list(rows)
