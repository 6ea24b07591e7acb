"""The trajectory rows. A projection of the decisions: it can be written anew at any time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.presence import Visit
from sightgrid.store.identities import family_of, people_of
from sightgrid.store.schema import SIGHTING, VISIT, VISIT_SIGHTING
from sightgrid.store.session import Transaction


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
