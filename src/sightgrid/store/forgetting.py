"""What boxes are to forget: asked for when somebody is erased, gone when the box has done it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from sightgrid.store.batches import in_batches
from sightgrid.store.schema import SIGHTING
from sightgrid.store.schema_arrival import BOX
from sightgrid.store.schema_privacy import BOX_ERASURE
from sightgrid.store.session import Transaction


def ask_boxes_to_forget(tx: Transaction, sighting_ids: Collection[str], *, at: datetime) -> int:
    """Asks the boxes that sent these stored sightings to drop what they still hold of them;
    returns how many boxes those are. Call it before the sightings are deleted."""
    asked: set[tuple[str, str]] = set()
    for batch in in_batches(sighting_ids):
        sent = tx.connection.execute(
            sa.select(SIGHTING.c.box_id, SIGHTING.c.sighting_id)
            .join_from(
                SIGHTING,
                BOX,
                sa.and_(BOX.c.site_id == SIGHTING.c.site_id, BOX.c.box_id == SIGHTING.c.box_id),
            )
            .where(
                SIGHTING.c.site_id == tx.site_id,
                SIGHTING.c.sighting_id.in_(batch),
                BOX.c.revoked_at.is_(None),
            )
        )
        asked.update((box_id, sighting_id) for box_id, sighting_id in sent)
    rows = tx.connection.execute(
        sa.select(BOX_ERASURE.c.box_id, BOX_ERASURE.c.sighting_id).where(
            BOX_ERASURE.c.site_id == tx.site_id
        )
    )
    there = {(box_id, sighting_id) for box_id, sighting_id in rows}
    new = [
        {"site_id": tx.site_id, "box_id": box_id, "sighting_id": sighting_id, "asked_at": at}
        for box_id, sighting_id in sorted(asked - there)
    ]
    if new:
        tx.connection.execute(sa.insert(BOX_ERASURE), new)
    return len({box_id for box_id, _ in asked})


def to_be_forgotten(tx: Transaction, box_id: str, *, most: int) -> list[str]:
    """The ids of sightings that a box is to forget, those asked for first in front."""
    rows = tx.connection.scalars(
        sa.select(BOX_ERASURE.c.sighting_id)
        .where(BOX_ERASURE.c.site_id == tx.site_id, BOX_ERASURE.c.box_id == box_id)
        .order_by(BOX_ERASURE.c.asked_at, BOX_ERASURE.c.sighting_id)
        .limit(most)
    )
    return list(rows)


def note_forgotten(tx: Transaction, box_id: str, sighting_ids: Collection[str]) -> int:
    """A box has forgotten these; returns how many of them it had been asked for."""
    done = 0
    for batch in in_batches(sighting_ids):
        done += tx.connection.execute(
            sa.delete(BOX_ERASURE).where(
                BOX_ERASURE.c.site_id == tx.site_id,
                BOX_ERASURE.c.box_id == box_id,
                BOX_ERASURE.c.sighting_id.in_(batch),
            )
        ).rowcount
    return done


def stop_asking(tx: Transaction, *, before: datetime) -> int:
    """Gives up on boxes that have not been heard of since; what they still send of the erased is
    refused all the same. Returns how many rows are gone."""
    return tx.connection.execute(
        sa.delete(BOX_ERASURE).where(
            BOX_ERASURE.c.site_id == tx.site_id, BOX_ERASURE.c.asked_at < before
        )
    ).rowcount
