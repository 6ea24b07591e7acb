"""Long lists, a page at a time: sightings with their answers, newest first or in order of time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.presence import Band
from sightgrid.store.batches import in_batches
from sightgrid.store.identities import DECIDED, family_of, people_of, roots
from sightgrid.store.schema import DECISION, SIGHTING
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class SightingFilter:
    """Which sightings are asked for; ``None`` everywhere means all of them.

    ``cameras`` are those that may be seen; ``since`` and ``until`` bound the time of the first
    detection, the second one not included.
    """

    cameras: frozenset[str] | None = None
    serial: int | None = None
    bands: frozenset[Band] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the next begins after it."""

    first_seen: datetime
    sighting_id: str


@dataclass(frozen=True, slots=True)
class SightingRow:
    """A sighting in short with the answer for its newest revision; ``serial`` is the root's.

    ``band`` is ``None`` where nothing has been decided yet.
    """

    sighting_id: str
    revision: int
    closed: bool
    camera: str
    group: int
    first_seen: datetime
    last_seen: datetime
    first_frame: int
    last_frame: int
    faces: int
    quality: float
    serial: int | None
    person: str | None
    band: Band | None
    score: float | None
    margin: float | None
    runner_up_serial: int | None
    runner_up_score: float | None
    reason: str
    crop_path: str | None


def sightings_page(
    tx: Transaction,
    wanted: SightingFilter,
    *,
    after: Place | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> list[SightingRow]:
    """One page of sightings.

    Raises:
        NotFound: the filter names a serial that isn't there.
    """
    # who asks for an answer wants no sighting without one; the database may then begin with it
    answered = wanted.serial is not None or wanted.bands is not None
    asked = _decided(answered=answered).where(
        SIGHTING.c.site_id == tx.site_id, *_conditions(tx, wanted)
    )
    key = sa.tuple_(SIGHTING.c.first_seen, SIGHTING.c.sighting_id)
    if after is not None:
        moment = sa.bindparam("after_moment", after.first_seen, type_=SIGHTING.c.first_seen.type)
        beyond = SIGHTING.c.first_seen < moment if newest_first else SIGHTING.c.first_seen > moment
        tie = (
            SIGHTING.c.sighting_id < after.sighting_id
            if newest_first
            else SIGHTING.c.sighting_id > after.sighting_id
        )
        asked = asked.where(sa.or_(beyond, sa.and_(SIGHTING.c.first_seen == moment, tie)))
    order = [column.desc() if newest_first else column for column in key.clauses]
    return _rows(tx, asked.order_by(*order).limit(limit))


def sightings_named(tx: Transaction, sighting_ids: Iterable[str]) -> list[SightingRow]:
    """Some sightings by their ids, in order of time; unknown ones are left out."""
    found = []
    for batch in in_batches(sighting_ids):
        found += _rows(
            tx,
            _decided().where(SIGHTING.c.site_id == tx.site_id, SIGHTING.c.sighting_id.in_(batch)),
        )
    return sorted(found, key=lambda row: (row.first_seen, row.sighting_id))


def cameras_of_identity(tx: Transaction, serial: int) -> frozenset[str]:
    """Every camera that has a sighting of an identity or of what was merged into it.

    Raises:
        NotFound: there is no such serial.
    """
    _, family = family_of(tx, serial)
    rows = tx.connection.execute(
        sa.select(SIGHTING.c.camera)
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(family))
        .distinct()
    )
    return frozenset(camera for (camera,) in rows)


def _decided(*, answered: bool = False) -> sa.Select[Any]:
    return sa.select(
        SIGHTING.c.sighting_id,
        SIGHTING.c.revision,
        SIGHTING.c.closed,
        SIGHTING.c.camera,
        SIGHTING.c.group_no,
        SIGHTING.c.first_seen,
        SIGHTING.c.last_seen,
        SIGHTING.c.first_frame,
        SIGHTING.c.last_frame,
        SIGHTING.c.faces,
        SIGHTING.c.quality,
        SIGHTING.c.crop_path,
        DECISION.c.serial,
        DECISION.c.band,
        DECISION.c.score,
        DECISION.c.margin,
        DECISION.c.runner_up_serial,
        DECISION.c.runner_up_score,
        DECISION.c.reason,
    ).select_from(SIGHTING.join(DECISION, DECIDED, isouter=not answered))


def _conditions(tx: Transaction, wanted: SightingFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.cameras is not None:
        conditions.append(SIGHTING.c.camera.in_(sorted(wanted.cameras)))
    if wanted.serial is not None:
        _, family = family_of(tx, wanted.serial)
        conditions.append(DECISION.c.serial.in_(family))
    if wanted.bands is not None:
        conditions.append(DECISION.c.band.in_(sorted(band.value for band in wanted.bands)))
    if wanted.since is not None:
        conditions.append(SIGHTING.c.first_seen >= wanted.since)
    if wanted.until is not None:
        conditions.append(SIGHTING.c.first_seen < wanted.until)
    return conditions


def _rows(tx: Transaction, asked: sa.Select[Any]) -> list[SightingRow]:
    merged, found = roots(tx), tx.connection.execute(asked).all()
    names = people_of(tx, {merged.get(row.serial, row.serial) for row in found} - {None})
    return [
        SightingRow(
            sighting_id=row.sighting_id,
            revision=row.revision,
            closed=row.closed,
            camera=row.camera,
            group=row.group_no,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            first_frame=row.first_frame,
            last_frame=row.last_frame,
            faces=row.faces,
            quality=row.quality,
            serial=merged.get(row.serial, row.serial),
            person=names.get(merged.get(row.serial, row.serial)),
            band=None if row.band is None else Band(row.band),
            score=row.score,
            margin=row.margin,
            runner_up_serial=merged.get(row.runner_up_serial, row.runner_up_serial),
            runner_up_score=row.runner_up_score,
            reason=row.reason or "",
            crop_path=row.crop_path,
        )
        for row in found
    ]
