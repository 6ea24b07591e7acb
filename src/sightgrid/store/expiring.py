"""What is past its time: found, counted, taken out. What a hold covers is never among it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.retention import Held
from sightgrid.store.batches import in_batches
from sightgrid.store.deleting import forget_looks
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, IDENTITY, LOOK, SIGHTING, VISIT
from sightgrid.store.schema_arrival import GAP, QUARANTINE
from sightgrid.store.schema_ledger import EDIT
from sightgrid.store.schema_subjects import CROP, DATA_KEY
from sightgrid.store.sealing import destroy_keys, of_sighting
from sightgrid.store.session import Transaction

Which = sa.ColumnElement[bool]
"""A choice among sightings, joined with their answers."""


def with_crops(before: datetime) -> Which:
    """Sightings that ended before a moment and still have pictures."""
    return sa.and_(SIGHTING.c.last_seen < before, _has_crop())


def of_strangers(before: datetime, *, named: Collection[int]) -> Which:
    """Sightings of nobody enrolled that ended before a moment and still have vectors or pictures;
    ``named`` are the serials that stand for enrolled people."""
    has_vector = sa.exists().where(
        LOOK.c.site_id == SIGHTING.c.site_id,
        LOOK.c.sighting_id == SIGHTING.c.sighting_id,
        LOOK.c.vector.is_not(None),
    )
    return sa.and_(
        SIGHTING.c.last_seen < before,
        sa.not_(_is_among(DECISION.c.serial, named)),
        sa.or_(SIGHTING.c.template.is_not(None), has_vector, _has_crop()),
    )


def ended(before: datetime) -> Which:
    """Sightings that ended before a moment."""
    return SIGHTING.c.last_seen < before


def some_of(
    tx: Transaction, which: Which, held: Held, *, most: int, among: Collection[str] | None = None
) -> list[str]:
    """The ids of some sightings of a choice, the oldest first, without those under a hold."""
    asked = (
        sa.select(SIGHTING.c.sighting_id)
        .select_from(SIGHTING.outerjoin(DECISION, DECIDED))
        .where(SIGHTING.c.site_id == tx.site_id, which, sa.not_(_covered(held)))
        .order_by(SIGHTING.c.last_seen)
        .limit(most)
    )
    if among is not None:
        asked = asked.where(SIGHTING.c.sighting_id.in_(among))
    return list(tx.connection.scalars(asked))


def how_many(tx: Transaction, which: Which, held: Held) -> tuple[int, int]:
    """How many sightings of a choice are free to go, and how many a hold keeps."""
    return _counted(
        tx, SIGHTING.outerjoin(DECISION, DECIDED), SIGHTING.c.site_id, which, _covered(held)
    )


def crops_among(tx: Transaction, which: Which, held: Held) -> int:
    """How many pictures the sightings of a choice have that are free to go."""
    chosen = (
        sa.select(SIGHTING.c.sighting_id)
        .select_from(SIGHTING.outerjoin(DECISION, DECIDED))
        .where(SIGHTING.c.site_id == tx.site_id, which, sa.not_(_covered(held)))
    )
    return int(
        tx.connection.scalar(
            sa.select(sa.func.count())
            .select_from(CROP)
            .where(CROP.c.site_id == tx.site_id, CROP.c.sighting_id.in_(chosen))
        )
        or 0
    )


def strip_faces(tx: Transaction, sighting_ids: Collection[str]) -> int:
    """Takes vectors and pictures from sightings, and destroys their keys; when and where they were
    stays. Returns how many pictures are gone."""
    crops = forget_looks(tx, sighting_ids)
    destroy_keys(tx, [of_sighting(one) for one in sighting_ids])
    return crops


def serials_unseen(tx: Transaction, before: datetime) -> set[int]:
    """The serials that still have a key, for what they look like or are called, and of which no
    sighting ended at or after a moment."""
    seen = (
        sa.exists()
        .where(
            DECISION.c.site_id == IDENTITY.c.site_id,
            DECISION.c.serial == IDENTITY.c.serial,
            DECIDED,
            SIGHTING.c.last_seen >= before,
        )
        .correlate(IDENTITY)
    )
    subject = sa.literal("identity:").concat(sa.cast(IDENTITY.c.serial, sa.String(20)))
    rows = tx.connection.scalars(
        sa.select(IDENTITY.c.serial)
        .join_from(
            IDENTITY,
            DATA_KEY,
            sa.and_(DATA_KEY.c.site_id == IDENTITY.c.site_id, DATA_KEY.c.subject == subject),
        )
        .where(IDENTITY.c.site_id == tx.site_id, IDENTITY.c.minted_at < before, sa.not_(seen))
    )
    return set(rows)


def serials_seen_since(tx: Transaction, serials: Collection[int], before: datetime) -> set[int]:
    """Those of the serials of which a sighting ended at or after a moment."""
    found: set[int] = set()
    for batch in in_batches(sorted(serials)):
        found.update(
            tx.connection.scalars(
                sa.select(DECISION.c.serial)
                .distinct()
                .join_from(DECISION, SIGHTING, DECIDED)
                .where(
                    DECISION.c.site_id == tx.site_id,
                    DECISION.c.serial.in_(batch),
                    SIGHTING.c.last_seen >= before,
                )
            )
        )
    return found


def serials_in_view(tx: Transaction, held: Held) -> set[int]:
    """The serials that a held view of a camera shows."""
    if not held.views:
        return set()
    rows = tx.connection.scalars(
        sa.select(DECISION.c.serial)
        .distinct()
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(
            DECISION.c.site_id == tx.site_id,
            DECISION.c.serial.is_not(None),
            _covered(Held(views=held.views)),
        )
    )
    return set(rows)


def count_visits(tx: Transaction, before: datetime, held: Held) -> tuple[int, int]:
    """How many visits that ended before a moment are free to go, and how many a hold keeps."""
    return _counted(
        tx, VISIT, VISIT.c.site_id, VISIT.c.last_seen < before, _covered(held, of_visits=True)
    )


def delete_visits(tx: Transaction, before: datetime, held: Held, *, most: int) -> int:
    """Deletes some visits that ended before a moment; returns how many."""
    keys = tx.connection.execute(
        sa.select(VISIT.c.serial, VISIT.c.ordinal)
        .where(
            VISIT.c.site_id == tx.site_id,
            VISIT.c.last_seen < before,
            sa.not_(_covered(held, of_visits=True)),
        )
        .order_by(VISIT.c.last_seen)
        .limit(most)
    ).all()
    if keys:
        # what it was made of goes with it
        tx.connection.execute(
            sa.delete(VISIT).where(
                VISIT.c.site_id == tx.site_id,
                VISIT.c.serial == sa.bindparam("its_serial"),
                VISIT.c.ordinal == sa.bindparam("its_ordinal"),
            ),
            [{"its_serial": serial, "its_ordinal": ordinal} for serial, ordinal in keys],
        )
    return len(keys)


def delete_refusals(tx: Transaction, before: datetime) -> int:
    """Deletes notes of refused and lost records of before a moment; returns how many."""
    gone = tx.connection.execute(
        sa.delete(QUARANTINE).where(
            QUARANTINE.c.site_id == tx.site_id, QUARANTINE.c.received_at < before
        )
    ).rowcount
    gone += tx.connection.execute(
        sa.delete(GAP).where(GAP.c.site_id == tx.site_id, GAP.c.last_seen < before)
    ).rowcount
    return int(gone)


def blank_edits(tx: Transaction, before: datetime) -> int:
    """Takes author and reason from edits made before a moment: they go on counting, and nobody
    knows any more who made them and why. Returns how many those were."""
    return tx.connection.execute(
        sa.update(EDIT)
        .where(
            EDIT.c.site_id == tx.site_id,
            EDIT.c.made_at < before,
            sa.or_(EDIT.c.reason != "", EDIT.c.made_by.like("account:%")),
        )
        .values(reason="", made_by="expired", undone_by=None)
    ).rowcount


def _has_crop() -> Which:
    return sa.exists().where(
        CROP.c.site_id == SIGHTING.c.site_id, CROP.c.sighting_id == SIGHTING.c.sighting_id
    )


def _is_among(serial: sa.Column[Any], serials: Collection[int]) -> Which:
    # never NULL, so that it can be turned round
    return sa.and_(serial.is_not(None), serial.in_(sorted(serials))) if serials else sa.false()


def _covered(held: Held, *, of_visits: bool = False) -> Which:
    """Whether a hold covers a sighting or a visit."""
    rows = VISIT if of_visits else SIGHTING
    parts: list[Which] = [
        sa.and_(
            rows.c.camera == view.camera,
            rows.c.first_seen < view.until,
            rows.c.last_seen >= view.since,
        )
        for view in held.views
    ]
    if held.serials:
        parts.append(_is_among((VISIT if of_visits else DECISION).c.serial, held.serials))
    return sa.or_(*parts) if parts else sa.false()


def _counted(
    tx: Transaction,
    source: sa.FromClause,
    site: sa.Column[Any],
    which: Which,
    covered: Which,
) -> tuple[int, int]:
    free, kept = (
        int(
            tx.connection.scalar(
                sa.select(sa.func.count()).select_from(source).where(site == tx.site_id, which, one)
            )
            or 0
        )
        for one in (sa.not_(covered), covered)
    )
    return free, kept
