"""What each identity's sightings add up to, and in which order that changed.

One row an identity and contract: the templates of its sightings times their worths, summed. The
row is also the log of the gallery's changes, folded to the last one of each identity: a process
that has replayed everything up to some change number asks for the rows beyond it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from sightgrid.domain.geometry import Floats
from sightgrid.store.batches import in_batches
from sightgrid.store.encoding import pack_floats, unpack_floats
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, IDENTITY, SERIAL_COUNTER, SIGHTING
from sightgrid.store.schema_ledger import PROTOTYPE
from sightgrid.store.sealing import (
    expect_new,
    load_keys,
    of_identity,
    of_sighting,
    seal,
    unseal,
)
from sightgrid.store.session import Transaction

Doubles = NDArray[np.float64]

_TEMPLATE = (
    sa.update(SIGHTING)
    .where(
        SIGHTING.c.site_id == sa.bindparam("its_site"),
        SIGHTING.c.sighting_id == sa.bindparam("its_id"),
    )
    .values(
        template=sa.bindparam("its_template"),
        template_worth=sa.bindparam("its_worth"),
        template_contract=sa.bindparam("its_contract"),
    )
)


_OF_CONTRACT = sa.and_(
    PROTOTYPE.c.site_id == sa.bindparam("its_site"),
    PROTOTYPE.c.contract_id == sa.bindparam("its_contract"),
)
_REMOVAL = sa.delete(PROTOTYPE).where(
    _OF_CONTRACT, PROTOTYPE.c.serial.in_(sa.bindparam("serials", expanding=True))
)
_CHANGES = (
    sa.select(PROTOTYPE)
    .where(
        _OF_CONTRACT,
        PROTOTYPE.c.change_no > sa.bindparam("known"),
        sa.or_(
            PROTOTYPE.c.last_seen.is_(None),
            PROTOTYPE.c.last_seen >= sa.bindparam("since"),
            sa.exists().where(
                IDENTITY.c.site_id == PROTOTYPE.c.site_id,
                IDENTITY.c.serial == PROTOTYPE.c.serial,
                IDENTITY.c.person_id.is_not(None),
            ),
        ),
    )
    .order_by(PROTOTYPE.c.change_no)
    .limit(sa.bindparam("most"))
)


@dataclass(frozen=True, slots=True, eq=False)
class Prototype:
    """``total`` is the weighted sum of the sightings' templates, float64 (D,); ``None`` where there
    is none. ``worth`` is the sum of the weights, ``best_worth`` the highest of them."""

    serial: int
    contract_id: str
    total: Doubles | None = None
    worth: float = 0.0
    best_worth: float = 0.0
    sightings: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    change_no: int = 0

    def direction(self) -> Floats | None:
        """The unit vector of ``total``, float32 (D,), which others are compared with."""
        if self.total is None:
            return None
        length = float(np.linalg.norm(self.total))
        if length < 1e-9:
            return None
        unit: Floats = (self.total / length).astype(np.float32)
        return unit


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """What one sighting adds to its identity: its template (D,) and how much that counts."""

    vector: Floats
    worth: float
    first_seen: datetime
    last_seen: datetime


def prototype(tx: Transaction, serial: int, contract_id: str) -> Prototype | None:
    """What is known of an identity under a contract."""
    row = tx.connection.execute(
        sa.select(PROTOTYPE).where(_its_row(tx, serial, contract_id))
    ).first()
    return None if row is None else _prototype(tx, row)


def save_prototype(tx: Transaction, changed: Prototype) -> Prototype:
    """Stores it as the gallery's newest change. The site has to be locked."""
    saved = replace(changed, change_no=tx.take_change())
    tx.do_later(_write, (saved.serial, saved.contract_id), saved)
    return saved


def _write(tx: Transaction, changed: Sequence[Prototype]) -> None:
    """Puts each in the place of the row of its serial and contract."""
    subjects = [of_identity(one.serial) for one in changed if one.total is not None]
    load_keys(tx, subjects)
    expect_new(tx, subjects)
    by_contract: dict[str, list[int]] = {}
    for one in changed:
        by_contract.setdefault(one.contract_id, []).append(one.serial)
    for contract_id, serials in by_contract.items():
        for batch in in_batches(serials):
            its_rows = {"its_site": tx.site_id, "its_contract": contract_id, "serials": batch}
            tx.beside.execute(_REMOVAL, its_rows)
    tx.insert_later(
        PROTOTYPE,
        (
            {
                "site_id": tx.site_id,
                "serial": one.serial,
                "contract_id": one.contract_id,
                "change_no": one.change_no,
                "total": None if one.total is None else _sealed(tx, one, one.total),
                "worth": float(one.worth),
                "best_worth": float(one.best_worth),
                "sightings": one.sightings,
                "first_seen": one.first_seen,
                "last_seen": one.last_seen,
            }
            for one in changed
        ),
    )


def changes_after(
    tx: Transaction, change_no: int, contract_id: str, *, seen_since: datetime, most: int
) -> list[Prototype]:
    """The next changes of the gallery in order, at most ``most``; one for each identity that
    changed, its last. Strangers not seen since ``seen_since`` are left out."""
    rows = tx.connection.execute(
        _CHANGES,
        {
            "its_site": tx.site_id,
            "its_contract": contract_id,
            "known": change_no,
            "since": seen_since,
            "most": most,
        },
    ).all()
    return _unsealed(tx, rows)


def prototypes_of(tx: Transaction, serials: Collection[int], contract_id: str) -> list[Prototype]:
    """Those of some identities, as far as they have one."""
    rows: list[Any] = []
    for batch in in_batches(sorted(serials)):
        rows += tx.connection.execute(
            sa.select(PROTOTYPE).where(
                PROTOTYPE.c.site_id == tx.site_id,
                PROTOTYPE.c.contract_id == contract_id,
                PROTOTYPE.c.serial.in_(batch),
            )
        )
    return _unsealed(tx, rows)


def _unsealed(tx: Transaction, rows: Sequence[Any]) -> list[Prototype]:
    load_keys(tx, (of_identity(row.serial) for row in rows if row.total is not None))
    return [_prototype(tx, row) for row in rows]


def last_change(tx: Transaction) -> int:
    """The number of the newest change; 0 before the first."""
    counter = sa.select(SERIAL_COUNTER.c.next_change).where(SERIAL_COUNTER.c.site_id == tx.site_id)
    return int(tx.connection.execute(counter).scalar_one()) - 1


def with_sighting(before: Prototype, seen: Contribution) -> Prototype:
    """The prototype and one more sighting."""
    weighted = seen.vector.astype(np.float64) * seen.worth
    return replace(
        before,
        total=weighted if before.total is None else before.total + weighted,
        worth=before.worth + seen.worth,
        best_worth=max(before.best_worth, seen.worth),
        sightings=before.sightings + 1,
        first_seen=_earliest(before.first_seen, seen.first_seen),
        last_seen=_latest(before.last_seen, seen.last_seen),
    )


def without_sighting(before: Prototype, seen: Contribution) -> Prototype:
    """The prototype as if one of its sightings had not been. The span and the best worth stay, as
    the others' are not known here; :func:`added_up` makes them exact."""
    if before.sightings <= 1 or before.total is None:
        return Prototype(before.serial, before.contract_id)
    weighted = seen.vector.astype(np.float64) * seen.worth
    return replace(
        before,
        total=before.total - weighted,
        worth=before.worth - seen.worth,
        sightings=before.sightings - 1,
    )


def added_up(tx: Transaction, serial: int, family: Collection[int], contract_id: str) -> Prototype:
    """The prototype from the rows: every sighting given to one of ``family``, added up anew."""
    found = Prototype(serial, contract_id)
    rows = tx.connection.execute(
        sa.select(
            SIGHTING.c.sighting_id,
            SIGHTING.c.template,
            SIGHTING.c.template_worth,
            SIGHTING.c.first_seen,
            SIGHTING.c.last_seen,
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(
            DECISION.c.site_id == tx.site_id,
            DECISION.c.serial.in_(family),
            SIGHTING.c.template_contract == contract_id,
        )
        .order_by(SIGHTING.c.first_seen, SIGHTING.c.sighting_id)
    ).all()
    load_keys(tx, (of_sighting(row.sighting_id) for row in rows))
    for row in rows:
        found = with_sighting(found, _contribution(tx, row, contract_id))
    return found


def contracts_of(tx: Transaction, family: Collection[int]) -> list[str]:
    """The contracts under which anything is known, or was, of these identities."""
    kept = sa.select(PROTOTYPE.c.contract_id).where(
        PROTOTYPE.c.site_id == tx.site_id, PROTOTYPE.c.serial.in_(family)
    )
    seen = (
        sa.select(SIGHTING.c.template_contract)
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(
            DECISION.c.site_id == tx.site_id,
            DECISION.c.serial.in_(family),
            SIGHTING.c.template_contract.is_not(None),
        )
    )
    return sorted({*tx.connection.scalars(kept), *tx.connection.scalars(seen.distinct())})


def contribution_of(tx: Transaction, sighting_id: str, contract_id: str) -> Contribution | None:
    """What a stored sighting adds; ``None`` without a template under this contract."""
    row = tx.connection.execute(
        sa.select(
            SIGHTING.c.sighting_id,
            SIGHTING.c.template,
            SIGHTING.c.template_worth,
            SIGHTING.c.first_seen,
            SIGHTING.c.last_seen,
        ).where(
            SIGHTING.c.site_id == tx.site_id,
            SIGHTING.c.sighting_id == sighting_id,
            SIGHTING.c.template_contract == contract_id,
        )
    ).first()
    return None if row is None else _contribution(tx, row, contract_id)


def worth_of_sighting(tx: Transaction, sighting_id: str) -> float | None:
    """How much a stored sighting counts for its identity, under whichever contract."""
    worth = tx.connection.scalar(
        sa.select(SIGHTING.c.template_worth).where(
            SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id == sighting_id
        )
    )
    return None if worth is None else float(worth)


def save_template(
    tx: Transaction, sighting_id: str, vector: Floats | None, worth: float, contract_id: str
) -> None:
    """Keeps what a stored sighting adds to an identity."""
    sealed = (
        None
        if vector is None
        else seal(
            tx,
            pack_floats(vector),
            subject=of_sighting(sighting_id),
            purpose="template",
            contract_id=contract_id,
        )
    )
    values = {
        "template": sealed,
        "template_worth": None if vector is None else float(worth),
        "template_contract": None if vector is None else contract_id,
    }
    for row in reversed(tx.waiting(SIGHTING)):
        if row["sighting_id"] == sighting_id:
            row.update(values)
            return
    tx.beside.execute(
        _TEMPLATE,
        {
            "its_site": tx.site_id,
            "its_id": sighting_id,
            "its_template": values["template"],
            "its_worth": values["template_worth"],
            "its_contract": values["template_contract"],
        },
    )


def _contribution(tx: Transaction, row: Any, contract_id: str) -> Contribution:
    plain = unseal(
        tx,
        row.template,
        subject=of_sighting(row.sighting_id),
        purpose="template",
        contract_id=contract_id,
    )
    return Contribution(unpack_floats(plain), row.template_worth, row.first_seen, row.last_seen)


def _sealed(tx: Transaction, changed: Prototype, total: Doubles) -> bytes:
    return seal(
        tx,
        total.astype("<f8").tobytes(),
        subject=of_identity(changed.serial),
        purpose="prototype",
        contract_id=changed.contract_id,
    )


def _prototype(tx: Transaction, row: Any) -> Prototype:
    total = None
    if row.total is not None:
        plain = unseal(
            tx,
            row.total,
            subject=of_identity(row.serial),
            purpose="prototype",
            contract_id=row.contract_id,
        )
        total = np.frombuffer(plain, "<f8").astype(np.float64)
    return Prototype(
        serial=row.serial,
        contract_id=row.contract_id,
        total=total,
        worth=row.worth,
        best_worth=row.best_worth,
        sightings=row.sightings,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        change_no=row.change_no,
    )


def _its_row(tx: Transaction, serial: int, contract_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        PROTOTYPE.c.site_id == tx.site_id,
        PROTOTYPE.c.serial == serial,
        PROTOTYPE.c.contract_id == contract_id,
    )


def _earliest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _latest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
