"""Boxes: one-time codes, tokens, who is in contact, and whether there are suddenly two of one.

Codes and tokens are stored as SHA-256 only; both are random enough that this needs no salt.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.store.schema_arrival import BOX, BOX_CODE
from sightgrid.store.session import Transaction

CODE_VALID = timedelta(minutes=10)
# without letters and digits that are mistaken for each other when read aloud
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH = 12
TOKEN_BYTES = 32
PAST_BOOTS = 50


@dataclass(frozen=True, slots=True)
class Box:
    """An enrolled box. ``facts`` are what it tells of itself, nothing secret; ``cloned_at`` is when
    two machines were first seen using its token."""

    box_id: str
    name: str
    facts: Mapping[str, str]
    instance_id: str
    boot_id: str | None
    enrolled_at: datetime
    last_contact_at: datetime | None
    cloned_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class EnrolledBox:
    """What a box gets for its code. The token is shown this once."""

    box_id: str
    name: str
    token: str


def make_code(
    tx: Transaction, box_name: str, *, at: datetime, valid: timedelta = CODE_VALID
) -> str:
    """A code that one box can enrol with, once, for a few minutes.

    Raises:
        InvalidValue: there is a box of that name that is not revoked.
    """
    if any(box.name == box_name and box.revoked_at is None for box in boxes(tx)):
        raise InvalidValue(
            f"there is a box '{box_name}' already", hint="revoke it first, or choose another name"
        )
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    code = "-".join(letters[start : start + 4] for start in range(0, CODE_LENGTH, 4))
    tx.connection.execute(
        sa.delete(BOX_CODE).where(BOX_CODE.c.site_id == tx.site_id, BOX_CODE.c.expires_at < at)
    )
    tx.connection.execute(
        sa.insert(BOX_CODE),
        {
            "site_id": tx.site_id,
            "code_hash": _hash(_plain(code)),
            "box_name": box_name,
            "expires_at": at + valid,
        },
    )
    return code


def redeem_code(
    tx: Transaction, code: str, *, instance_id: str, facts: Mapping[str, str], at: datetime
) -> EnrolledBox:
    """Enrols a box. The code is spent, whatever happens to the answer.

    Raises:
        NotFound: no such code, spent, or too old; which of these is not told.
    """
    its_code = sa.and_(
        BOX_CODE.c.site_id == tx.site_id,
        BOX_CODE.c.code_hash == _hash(_plain(code)),
        BOX_CODE.c.redeemed_at.is_(None),
        BOX_CODE.c.expires_at >= at,
    )
    name = tx.connection.scalar(sa.select(BOX_CODE.c.box_name).where(its_code))
    # of two that redeem it at once, one finds it spent
    spent = tx.connection.execute(sa.update(BOX_CODE).where(its_code).values(redeemed_at=at))
    if name is None or spent.rowcount != 1:
        raise NotFound("this code is not valid", hint="make a new one: sightgrid box add NAME")
    box_id, token = str(uuid4()), secrets.token_urlsafe(TOKEN_BYTES)
    tx.connection.execute(
        sa.insert(BOX),
        {
            "site_id": tx.site_id,
            "box_id": box_id,
            "name": name,
            "token_hash": _hash(token),
            "facts": json.dumps(dict(facts)),
            "instance_id": instance_id,
            "past_boots": "[]",
            "enrolled_at": at,
        },
    )
    return EnrolledBox(box_id, str(name), token)


def box_by_token(tx: Transaction, token: str) -> Box | None:
    """Whose token this is; ``None`` for a wrong or revoked one."""
    row = tx.connection.execute(
        sa.select(BOX).where(
            BOX.c.site_id == tx.site_id,
            BOX.c.token_hash == _hash(token),
            BOX.c.revoked_at.is_(None),
        )
    ).first()
    return None if row is None else _box(row)


def note_contact(
    tx: Transaction, box_id: str, *, instance_id: str, boot_id: str, at: datetime
) -> bool:
    """Writes down that a box called; ``False`` if it is not the one that was enrolled alone.

    A copy of its disk has the same token. It shows when it runs beside the first: a start (boot id)
    that another start had followed calls again. From then on neither is believed until somebody
    revokes the box and enrols it anew.

    Raises:
        NotFound: there is no such box.
    """
    row = tx.connection.execute(
        sa.select(BOX).where(BOX.c.site_id == tx.site_id, BOX.c.box_id == box_id).with_for_update()
    ).first()
    if row is None:
        raise NotFound("there is no such box")
    past: list[str] = json.loads(row.past_boots)
    cloned = row.cloned_at is not None or row.instance_id != instance_id or boot_id in past
    changes: dict[str, Any] = {"last_contact_at": at}
    if cloned:
        changes = {"cloned_at": row.cloned_at or at}
    elif row.boot_id != boot_id:
        past = [*past, row.boot_id][-PAST_BOOTS:] if row.boot_id is not None else past
        changes |= {"boot_id": boot_id, "past_boots": json.dumps(past)}
    tx.connection.execute(
        sa.update(BOX).where(BOX.c.site_id == tx.site_id, BOX.c.box_id == box_id).values(changes)
    )
    return not cloned


def boxes(tx: Transaction) -> list[Box]:
    """Every box, revoked ones too, in order of enrolment."""
    rows = tx.connection.execute(
        sa.select(BOX).where(BOX.c.site_id == tx.site_id).order_by(BOX.c.enrolled_at, BOX.c.box_id)
    )
    return [_box(row) for row in rows]


def revoke_box(tx: Transaction, box_id: str, *, at: datetime) -> None:
    """Its token is worth nothing from now on; what it sent stays.

    Raises:
        NotFound: there is no such box.
    """
    done = tx.connection.execute(
        sa.update(BOX)
        .where(BOX.c.site_id == tx.site_id, BOX.c.box_id == box_id)
        .values(revoked_at=sa.func.coalesce(BOX.c.revoked_at, at))
    )
    if done.rowcount == 0 and all(box.box_id != box_id for box in boxes(tx)):
        raise NotFound("there is no such box")


def _box(row: Any) -> Box:
    return Box(
        box_id=row.box_id,
        name=row.name,
        facts=json.loads(row.facts),
        instance_id=row.instance_id,
        boot_id=row.boot_id,
        enrolled_at=row.enrolled_at,
        last_contact_at=row.last_contact_at,
        cloned_at=row.cloned_at,
        revoked_at=row.revoked_at,
    )


def _plain(code: str) -> str:
    return "".join(letter for letter in code.upper() if letter in CODE_LETTERS)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
