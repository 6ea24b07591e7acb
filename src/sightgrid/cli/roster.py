"""What the commands about people share: whom an argument means, how a person is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sightgrid.server.site import Site
    from sightgrid.store import Transaction
    from sightgrid.store.roster import PersonRow

person_argument = click.argument("person", metavar="PERSON")


def values_of(settings: Sequence[str]) -> dict[str, str]:
    """Fields from ``FIELD=VALUE``.

    Raises:
        UsageError: one is not written like that, or stands twice.
    """
    values: dict[str, str] = {}
    for one in settings:
        name, sign, value = one.partition("=")
        if not sign or not name.strip():
            raise click.UsageError(f"--set {one}: write FIELD=VALUE, such as name='Anna Berg'")
        if name.strip() in values:
            raise click.UsageError(f"--set {name.strip()} stands twice")
        values[name.strip()] = value
    return values


def person_id_of(tx: Transaction, site: Site, word: str) -> str:
    """Whom a word means: a person's id, or what nobody else has, such as a student's number.

    Raises:
        NotFound: nobody.
    """
    from sightgrid.domain.attributes import NAME
    from sightgrid.domain.errors import NotFound
    from sightgrid.ledger.people import apart_key
    from sightgrid.store.people import details_of
    from sightgrid.store.roster import ids_apart

    attributes = site.configuration.people.attributes
    for details in ({attributes.key or NAME: word, NAME: word}, {NAME: word}):
        key = apart_key(attributes, details)
        found = ids_apart(tx, [key]).get(key)
        if found is not None:
            return found
    try:
        details_of(tx, word)
    except NotFound:
        raise NotFound(
            f"there is no person '{word}'", hint="'sightgrid people list' names them all"
        ) from None
    return word


def document_of(row: PersonRow) -> dict[str, Any]:
    """A person for machines."""
    from sightgrid.domain.frames import format_time

    return {
        "person_id": row.person_id,
        "name": row.name,
        "fields": dict(row.details),
        "method": row.method.value,
        "identity": row.serial,
        "agreed": row.agreed,
        "faces": row.faces,
        "photos": row.photos,
        "added_at": None if row.added_at is None else format_time(row.added_at),
        "removed_at": None if row.removed_at is None else format_time(row.removed_at),
    }
