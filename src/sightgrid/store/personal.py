"""What lets somebody without an account show that they are themselves: a PIN, a personal link."""

from __future__ import annotations

import hmac
from datetime import datetime

import sqlalchemy as sa

from sightgrid.domain.errors import NotFound
from sightgrid.store.schema import PERSON
from sightgrid.store.schema_attendance import PERSON_PIN, PERSONAL_LINK
from sightgrid.store.sealing import keyed_hash
from sightgrid.store.session import Transaction


def set_pin(tx: Transaction, person_id: str, pin: str, *, at: datetime) -> None:
    """Gives somebody a PIN, in the place of the one they had.

    Raises:
        NotFound: there is no such person.
    """
    _check_person(tx, person_id)
    tx.connection.execute(
        sa.delete(PERSON_PIN).where(
            PERSON_PIN.c.site_id == tx.site_id, PERSON_PIN.c.person_id == person_id
        )
    )
    tx.connection.execute(
        sa.insert(PERSON_PIN),
        {
            "site_id": tx.site_id,
            "person_id": person_id,
            "pin_hash": _pin_hash(tx, person_id, pin),
            "made_at": at,
        },
    )


def pin_fits(tx: Transaction, person_id: str, pin: str) -> bool:
    """Whether it is their PIN; without one, none fits."""
    stored = tx.connection.scalar(
        sa.select(PERSON_PIN.c.pin_hash).where(
            PERSON_PIN.c.site_id == tx.site_id, PERSON_PIN.c.person_id == person_id
        )
    )
    return stored is not None and hmac.compare_digest(stored, _pin_hash(tx, person_id, pin))


def add_link(
    tx: Transaction, person_id: str, token_hash: str, *, at: datetime, expires_at: datetime
) -> None:
    """Lets whoever has the token see what concerns this person; links of before end.

    Raises:
        NotFound: there is no such person.
    """
    _check_person(tx, person_id)
    end_links(tx, person_id)
    tx.connection.execute(
        sa.insert(PERSONAL_LINK),
        {
            "site_id": tx.site_id,
            "token_hash": token_hash,
            "person_id": person_id,
            "made_at": at,
            "expires_at": expires_at,
        },
    )


def end_links(tx: Transaction, person_id: str) -> int:
    """Makes somebody's links void; returns how many there were."""
    return tx.connection.execute(
        sa.delete(PERSONAL_LINK).where(
            PERSONAL_LINK.c.site_id == tx.site_id, PERSONAL_LINK.c.person_id == person_id
        )
    ).rowcount


def person_of_link(tx: Transaction, token_hash: str, *, at: datetime) -> str | None:
    """Whose link it is; ``None`` if it is unknown or expired."""
    found = tx.connection.scalar(
        sa.select(PERSONAL_LINK.c.person_id).where(
            PERSONAL_LINK.c.site_id == tx.site_id,
            PERSONAL_LINK.c.token_hash == token_hash,
            PERSONAL_LINK.c.expires_at > at,
        )
    )
    return None if found is None else str(found)


def _check_person(tx: Transaction, person_id: str) -> None:
    known = tx.connection.scalar(
        sa.select(PERSON.c.person_id).where(
            PERSON.c.site_id == tx.site_id, PERSON.c.person_id == person_id
        )
    )
    if known is None:
        raise NotFound(f"there is no person {person_id}")


def _pin_hash(tx: Transaction, person_id: str, pin: str) -> str:
    return keyed_hash(tx, f"{person_id} {pin}", purpose="pin")
