"""The answer for each sighting as edits see it: the ledger's own, and the one that counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.presence import Band
from sightgrid.store.batches import in_batches
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, SIGHTING
from sightgrid.store.session import Transaction

# by this sightings are found that may be asked about again
_UNSURE_AT = (
    sa.update(DECISION)
    .where(
        DECISION.c.site_id == sa.bindparam("its_site"),
        DECISION.c.sighting_id.in_(sa.bindparam("ids", expanding=True)),
    )
    .values(
        unsure_at=sa.case(
            (
                DECISION.c.band == Band.UNSURE.value,
                sa.select(SIGHTING.c.last_seen)
                .where(DECIDED, SIGHTING.c.closed)
                .correlate(DECISION)
                .scalar_subquery(),
            )
        )
    )
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for the newest revision of a sighting, before any merge. ``own_serial`` and
    ``own_band`` are what the ledger said by itself."""

    sighting_id: str
    revision: int
    camera: str
    closed: bool
    serial: int | None
    band: Band
    own_serial: int | None
    own_band: Band


def answers_of_sightings(tx: Transaction, sighting_ids: Iterable[str]) -> list[Answer]:
    """The answers for some sightings; those that are unknown or undecided are left out."""
    return [
        answer
        for batch in in_batches(sorted(set(sighting_ids)))
        for answer in _answers(tx, SIGHTING.c.sighting_id.in_(batch))
    ]


def answers_of_serials(tx: Transaction, serials: Iterable[int]) -> list[Answer]:
    """The answers that name one of these serials."""
    return [
        answer
        for batch in in_batches(sorted(set(serials)))
        for answer in _answers(tx, DECISION.c.serial.in_(batch))
    ]


def give(tx: Transaction, answers: Iterable[Answer]) -> None:
    """Writes serial and band of answers down; the ledger's own stay."""
    rows = [
        {
            "its_id": answer.sighting_id,
            "its_revision": answer.revision,
            "its_serial": answer.serial,
            "its_band": answer.band.value,
        }
        for answer in answers
    ]
    if rows:
        tx.connection.execute(
            sa.update(DECISION)
            .where(
                DECISION.c.site_id == tx.site_id,
                DECISION.c.sighting_id == sa.bindparam("its_id"),
                DECISION.c.revision == sa.bindparam("its_revision"),
            )
            .values(serial=sa.bindparam("its_serial"), band=sa.bindparam("its_band")),
            rows,
        )
        for batch in in_batches(row["its_id"] for row in rows):
            tx.connection.execute(_UNSURE_AT, {"its_site": tx.site_id, "ids": batch})


def _answers(tx: Transaction, which: sa.ColumnElement[bool]) -> list[Answer]:
    rows: Iterable[Any] = tx.connection.execute(
        sa.select(
            SIGHTING.c.sighting_id,
            SIGHTING.c.revision,
            SIGHTING.c.camera,
            SIGHTING.c.closed,
            DECISION.c.serial,
            DECISION.c.band,
            DECISION.c.own_serial,
            DECISION.c.own_band,
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(DECISION.c.site_id == tx.site_id, which)
    )
    return [
        Answer(
            sighting_id=row.sighting_id,
            revision=row.revision,
            camera=row.camera,
            closed=row.closed,
            serial=row.serial,
            band=Band(row.band),
            # databases from before edits have no answer of the ledger's own beside the one given
            own_serial=row.serial if row.own_band is None else row.own_serial,
            own_band=Band(row.band if row.own_band is None else row.own_band),
        )
        for row in rows
    ]
