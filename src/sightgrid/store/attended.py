"""Who of a class list was seen by a room's cameras, and who may have been."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.attendance import Seen
from sightgrid.domain.presence import Band
from sightgrid.store.batches import in_batches
from sightgrid.store.identities import DECIDED, roots
from sightgrid.store.schema import DECISION, IDENTITY, SIGHTING
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class Doubt:
    """An *unsure* sighting that comes closest to somebody of the class list."""

    sighting_id: str
    person_id: str
    camera: str
    first_seen: datetime
    last_seen: datetime
    score: float | None


def seen_on(
    tx: Transaction,
    cameras: Collection[str],
    people: Collection[str],
    *,
    since: datetime,
    until: datetime,
) -> list[Seen]:
    """What these cameras saw of these people in a span of time, in order."""
    owner = _owners(tx, people)
    rows = _rows(tx, cameras, since, until, (Band.CONFIRMED, Band.LIKELY))
    merged = roots(tx)
    found = []
    for row in rows:
        person = owner.get(merged.get(row.serial, row.serial))
        if person is not None:
            found.append(
                Seen(
                    person_id=person,
                    camera=row.camera,
                    first_seen=row.first_seen,
                    last_seen=row.last_seen,
                    sighting_id=row.sighting_id,
                    band=Band(row.band),
                    score=row.score,
                    margin=row.margin,
                )
            )
    return found


def doubts_on(
    tx: Transaction,
    cameras: Collection[str],
    people: Collection[str],
    *,
    since: datetime,
    until: datetime,
) -> list[Doubt]:
    """The *unsure* sightings of these cameras that come closest to one of these people."""
    owner = _owners(tx, people)
    rows = _rows(tx, cameras, since, until, (Band.UNSURE,))
    merged = roots(tx)
    found = []
    for row in rows:
        rival = row.runner_up_serial
        person = None if rival is None else owner.get(merged.get(rival, rival))
        if person is not None:
            found.append(
                Doubt(
                    row.sighting_id,
                    person,
                    row.camera,
                    row.first_seen,
                    row.last_seen,
                    row.runner_up_score,
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class SeenWhen:
    """Where and when a sighting was."""

    sighting_id: str
    camera: str
    first_seen: datetime
    last_seen: datetime


def seen_when(tx: Transaction, sighting_ids: Collection[str]) -> list[SeenWhen]:
    """Where and when these sightings were, as far as they are kept."""
    found = []
    for batch in in_batches(sorted(sighting_ids)):
        rows = tx.connection.execute(
            sa.select(
                SIGHTING.c.sighting_id,
                SIGHTING.c.camera,
                SIGHTING.c.first_seen,
                SIGHTING.c.last_seen,
            ).where(SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id.in_(batch))
        )
        found += [SeenWhen(*row) for row in rows]
    return found


def _owners(tx: Transaction, people: Collection[str]) -> dict[int, str]:
    """By root serial whose it is."""
    found: dict[int, str] = {}
    for batch in in_batches(sorted(set(people))):
        rows = tx.connection.execute(
            sa.select(IDENTITY.c.serial, IDENTITY.c.person_id).where(
                IDENTITY.c.site_id == tx.site_id,
                IDENTITY.c.alias_of.is_(None),
                IDENTITY.c.person_id.in_(batch),
            )
        )
        found.update((int(serial), str(person)) for serial, person in rows)
    return found


def _rows(
    tx: Transaction,
    cameras: Collection[str],
    since: datetime,
    until: datetime,
    bands: Collection[Band],
) -> list[sa.Row[Any]]:
    if not cameras:
        return []
    return list(
        tx.connection.execute(
            sa.select(
                SIGHTING.c.sighting_id,
                SIGHTING.c.camera,
                SIGHTING.c.first_seen,
                SIGHTING.c.last_seen,
                DECISION.c.serial,
                DECISION.c.band,
                DECISION.c.score,
                DECISION.c.margin,
                DECISION.c.runner_up_serial,
                DECISION.c.runner_up_score,
            )
            .join_from(SIGHTING, DECISION, DECIDED)
            .where(
                SIGHTING.c.site_id == tx.site_id,
                SIGHTING.c.camera.in_(sorted(set(cameras))),
                SIGHTING.c.first_seen <= until,
                SIGHTING.c.last_seen >= since,
                DECISION.c.band.in_(sorted(band.value for band in bands)),
            )
            .order_by(SIGHTING.c.first_seen, SIGHTING.c.sighting_id)
        )
    )
