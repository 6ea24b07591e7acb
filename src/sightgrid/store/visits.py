"""The trajectory rows. A projection of the decisions: it can be written anew at any time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.presence import Visit
from sightgrid.store.batches import in_batches
from sightgrid.store.identities import DECIDED, family_of, people_of, roots
from sightgrid.store.schema import DECISION, SIGHTING, VISIT, VISIT_SIGHTING
from sightgrid.store.session import Transaction

_HAS_SIGHTINGS = sa.exists().where(
    VISIT_SIGHTING.c.site_id == VISIT.c.site_id,
    VISIT_SIGHTING.c.serial == VISIT.c.serial,
    VISIT_SIGHTING.c.ordinal == VISIT.c.ordinal,
)
_SITE: sa.BindParameter[int] = sa.bindparam("its_site")
_REACHING = (
    sa.select(
        VISIT.c.serial, VISIT.c.ordinal, VISIT.c.camera, VISIT.c.first_seen, VISIT.c.last_seen
    )
    .where(
        VISIT.c.site_id == _SITE,
        VISIT.c.serial.in_(sa.bindparam("family", expanding=True)),
        VISIT.c.last_seen >= sa.bindparam("start"),
        VISIT.c.first_seen <= sa.bindparam("finish"),
        _HAS_SIGHTINGS,
    )
    .order_by(VISIT.c.first_seen, VISIT.c.serial, VISIT.c.ordinal)
)
_LAST = sa.select(sa.func.max(VISIT.c.ordinal)).where(
    VISIT.c.site_id == _SITE, VISIT.c.serial == sa.bindparam("its_serial")
)
_HIGHEST = _LAST.with_only_columns(sa.func.max(VISIT.c.ordinal).label("highest")).subquery()
_AROUND = sa.select(
    _HIGHEST.c.highest,
    VISIT.c.serial,
    VISIT.c.ordinal,
    VISIT.c.camera,
    VISIT.c.first_seen,
    VISIT.c.last_seen,
).select_from(
    _HIGHEST.outerjoin(
        VISIT,
        sa.and_(
            VISIT.c.site_id == _SITE,
            VISIT.c.serial.in_(sa.bindparam("family", expanding=True)),
            VISIT.c.last_seen >= sa.bindparam("start"),
            VISIT.c.first_seen <= sa.bindparam("finish"),
        ),
    )
)
_OF_THE_VISIT = sa.and_(
    VISIT_SIGHTING.c.site_id == _SITE,
    VISIT_SIGHTING.c.serial == sa.bindparam("its_serial"),
    VISIT_SIGHTING.c.ordinal == sa.bindparam("no"),
)
_SEEN_IN = (
    sa.select(
        SIGHTING.c.sighting_id, SIGHTING.c.camera, SIGHTING.c.first_seen, SIGHTING.c.last_seen
    )
    .join_from(
        VISIT_SIGHTING,
        SIGHTING,
        sa.and_(
            SIGHTING.c.site_id == VISIT_SIGHTING.c.site_id,
            SIGHTING.c.sighting_id == VISIT_SIGHTING.c.sighting_id,
        ),
    )
    .where(_OF_THE_VISIT)
)
_LEAVE_VISIT = sa.delete(VISIT_SIGHTING).where(_OF_THE_VISIT)
_END_VISIT = sa.delete(VISIT).where(
    VISIT.c.site_id == _SITE,
    VISIT.c.serial == sa.bindparam("its_serial"),
    VISIT.c.ordinal == sa.bindparam("no"),
)


def save_visits(tx: Transaction, visits: Iterable[Visit]) -> None:
    """Replaces the visits of every serial that occurs in ``visits`` by these; those of other
    serials stay. So all visits of a serial have to be given together.

    Raises:
        StoreError: a serial, camera or sighting that isn't stored, or a sighting in two visits.
    """
    by_serial: dict[int, list[Visit]] = {}
    for visit in visits:
        by_serial.setdefault(visit.serial, []).append(visit)
    if not by_serial:
        return
    its_serial: sa.BindParameter[int] = sa.bindparam("its_serial")
    for table in (VISIT_SIGHTING, VISIT):
        tx.connection.execute(
            sa.delete(table).where(table.c.site_id == tx.site_id, table.c.serial == its_serial),
            [{"its_serial": serial} for serial in by_serial],
        )
    rows: list[dict[str, Any]] = []
    members: list[dict[str, Any]] = []
    for serial, its_visits in by_serial.items():
        in_order = sorted(its_visits, key=lambda one: (one.first_seen, one.last_seen, one.camera))
        for ordinal, visit in enumerate(in_order, 1):
            key = {"site_id": tx.site_id, "serial": serial, "ordinal": ordinal}
            rows.append(
                key
                | {
                    "camera": visit.camera,
                    "first_seen": visit.first_seen,
                    "last_seen": visit.last_seen,
                }
            )
            members.extend(key | {"sighting_id": one} for one in visit.sighting_ids)
    tx.connection.execute(sa.insert(VISIT), rows)
    if members:
        tx.connection.execute(sa.insert(VISIT_SIGHTING), members)


def visits_between(tx: Transaction, since: datetime, until: datetime) -> list[Visit]:
    """Every visit that touches a span of time, in any order, under its root serial: for counting.
    It is not told whose they are (``person``), nor what they are made of (``sighting_ids``)."""
    merged = roots(tx)
    rows = tx.connection.execute(
        sa.select(VISIT.c.serial, VISIT.c.camera, VISIT.c.first_seen, VISIT.c.last_seen).where(
            VISIT.c.site_id == tx.site_id,
            VISIT.c.first_seen < until,
            VISIT.c.last_seen >= since,
        )
    )
    return [
        Visit(merged.get(serial, serial), None, camera, first, last, ())
        for serial, camera, first, last in rows
    ]


def visits_holding(tx: Transaction, sighting_ids: Iterable[str]) -> int:
    """How many visits these sightings are part of."""
    found: set[tuple[int, int]] = set()
    for batch in in_batches(sighting_ids):
        rows = tx.connection.execute(
            sa.select(VISIT_SIGHTING.c.serial, VISIT_SIGHTING.c.ordinal).where(
                VISIT_SIGHTING.c.site_id == tx.site_id,
                VISIT_SIGHTING.c.sighting_id.in_(batch),
            )
        )
        found.update((serial, ordinal) for serial, ordinal in rows)
    return len(found)


def visits_of(tx: Transaction, serial: int) -> list[Visit]:
    """Every visit of an identity in order of time, those of merged serials under the root's.

    Raises:
        NotFound: there is no such serial.
    """
    root, family = family_of(tx, serial)
    person = people_of(tx).get(root)
    members: dict[tuple[int, int], list[str]] = {}
    for its_serial, ordinal, sighting_id in tx.connection.execute(
        sa.select(VISIT_SIGHTING.c.serial, VISIT_SIGHTING.c.ordinal, VISIT_SIGHTING.c.sighting_id)
        .join_from(
            VISIT_SIGHTING,
            SIGHTING,
            sa.and_(
                SIGHTING.c.site_id == VISIT_SIGHTING.c.site_id,
                SIGHTING.c.sighting_id == VISIT_SIGHTING.c.sighting_id,
            ),
        )
        .where(VISIT_SIGHTING.c.site_id == tx.site_id, VISIT_SIGHTING.c.serial.in_(family))
        .order_by(SIGHTING.c.first_seen, SIGHTING.c.last_seen, SIGHTING.c.sighting_id)
    ):
        members.setdefault((its_serial, ordinal), []).append(sighting_id)
    rows = tx.connection.execute(
        sa.select(VISIT)
        .where(VISIT.c.site_id == tx.site_id, VISIT.c.serial.in_(family))
        .order_by(VISIT.c.first_seen, VISIT.c.last_seen, VISIT.c.camera)
    )
    return [
        Visit(
            serial=root,
            person=person,
            camera=row.camera,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            sighting_ids=tuple(members.get((row.serial, row.ordinal), ())),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class StoredVisit:
    """A visit by its key, ``(serial, ordinal)``."""

    serial: int
    ordinal: int
    camera: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class SeenInVisit:
    """As much of a visit's sighting as visits are made of."""

    sighting_id: str
    camera: str
    first_seen: datetime
    last_seen: datetime


def stored_visits(
    tx: Transaction, family: Collection[int], start: datetime, end: datetime
) -> list[StoredVisit]:
    """The visits of these serials that reach into a span of time, in order; without those whose
    sightings have all expired, which nothing can change any more."""
    rows = _reading(tx, family).execute(
        _REACHING, {"its_site": tx.site_id, "family": list(family), "start": start, "finish": end}
    )
    return [StoredVisit(*row) for row in rows]


def visits_around(
    tx: Transaction, serial: int, family: Collection[int], start: datetime, end: datetime
) -> tuple[int, list[StoredVisit]]:
    """The highest ordinal among a serial's visits, 0 if it has none, and with it what
    :func:`stored_visits` finds, in one question."""
    asked = {"its_site": tx.site_id, "its_serial": serial, "family": list(family)}
    connection = _reading(tx, {serial, *family})
    rows = connection.execute(_AROUND, asked | {"start": start, "finish": end}).all()
    # one row without a visit, where none reaches into the span
    found = [StoredVisit(*row[1:]) for row in rows if row[1] is not None]
    found.sort(key=lambda one: (one.first_seen, one.serial, one.ordinal))
    return int(rows[0][0] or 0), found


def _reading(tx: Transaction, family: Collection[int]) -> sa.Connection:
    """The connection, on which these serials' visits are all written."""
    waits = any(row["serial"] in family for row in tx.waiting(VISIT))
    return tx.connection if waits else tx.beside


def sightings_of_visits(tx: Transaction, some: Iterable[StoredVisit]) -> list[SeenInVisit]:
    """The sightings that these visits are made of, as they are stored now."""
    found = []
    for visit in some:
        rows = _reading(tx, [visit.serial]).execute(
            _SEEN_IN, {"its_site": tx.site_id, "its_serial": visit.serial, "no": visit.ordinal}
        )
        found += [SeenInVisit(*row) for row in rows]
    return found


def all_visits(tx: Transaction, family: Collection[int]) -> list[StoredVisit]:
    """Every visit kept under these serials, without those whose sightings have all expired."""
    rows = tx.connection.execute(
        sa.select(
            VISIT.c.serial,
            VISIT.c.ordinal,
            VISIT.c.camera,
            VISIT.c.first_seen,
            VISIT.c.last_seen,
        ).where(VISIT.c.site_id == tx.site_id, VISIT.c.serial.in_(family), _HAS_SIGHTINGS)
    )
    return [StoredVisit(*row) for row in rows]


def seen_of(tx: Transaction, family: Collection[int]) -> list[SeenInVisit]:
    """Every sighting that was given to one of these serials."""
    rows = tx.connection.execute(
        sa.select(
            SIGHTING.c.sighting_id,
            SIGHTING.c.camera,
            SIGHTING.c.first_seen,
            SIGHTING.c.last_seen,
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(DECISION.c.site_id == tx.site_id, DECISION.c.serial.in_(family))
    )
    return [SeenInVisit(*row) for row in rows]


def replace_visits(
    tx: Transaction,
    serial: int,
    old: Sequence[StoredVisit],
    new: Sequence[Visit],
    *,
    last: int | None = None,
) -> None:
    """Puts ``new`` visits of ``serial`` in the place of some old ones. A new one keeps the key of
    the old one of its own serial and camera that it overlaps, so that visits can be referred to.

    Args:
        last: the highest ordinal of the serial's visits before, where it is known.
    """
    free = [visit for visit in old if visit.serial == serial]
    kept: list[tuple[StoredVisit | None, Visit]] = []
    for visit in new:
        its_old = next(
            (
                one
                for one in free
                if one.camera == visit.camera
                and one.first_seen <= visit.last_seen
                and one.last_seen >= visit.first_seen
            ),
            None,
        )
        if its_old is not None:
            free.remove(its_old)
        kept.append((its_old, visit))
    connection = _reading(tx, {serial, *(one.serial for one in old)})
    for one in old:
        its_rows = {"its_site": tx.site_id, "its_serial": one.serial, "no": one.ordinal}
        connection.execute(_LEAVE_VISIT, its_rows)
        connection.execute(_END_VISIT, its_rows)
    if not kept:
        return
    if last is None:
        last = connection.scalar(_LAST, {"its_site": tx.site_id, "its_serial": serial})
    following = max([last or 0, *(one.ordinal for one in old if one.serial == serial)]) + 1
    rows, members = [], []
    for its_old, visit in kept:
        ordinal = following if its_old is None else its_old.ordinal
        following += its_old is None
        key = {"site_id": tx.site_id, "serial": serial, "ordinal": ordinal}
        rows.append(
            key
            | {
                "camera": visit.camera,
                "first_seen": visit.first_seen,
                "last_seen": visit.last_seen,
            }
        )
        members += [key | {"sighting_id": one} for one in visit.sighting_ids]
    tx.insert_later(VISIT, rows)
    tx.insert_later(VISIT_SIGHTING, members)
