"""How a sighting stands so far, and who else was about at the time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from sightgrid.domain.geometry import Floats
from sightgrid.domain.presence import Band
from sightgrid.domain.tracklets import PathPoint
from sightgrid.store.batches import in_batches
from sightgrid.store.encoding import unpack_floats, unpack_path
from sightgrid.store.identities import DECIDED
from sightgrid.store.schema import DECISION, SIGHTING
from sightgrid.store.sealing import load_keys, of_sighting, unseal
from sightgrid.store.session import Transaction

# no sighting is longer: the wire bounds its path, a box closes it long before
LONGEST_SIGHTING = timedelta(hours=2)


_SITE: sa.BindParameter[int] = sa.bindparam("its_site")
_STANDINGS = (
    sa.select(
        SIGHTING.c.sighting_id,
        SIGHTING.c.revision,
        SIGHTING.c.closed,
        SIGHTING.c.box_id,
        DECISION.c.band,
        DECISION.c.serial,
        DECISION.c.own_band,
        DECISION.c.own_serial,
    )
    .select_from(SIGHTING.outerjoin(DECISION, DECIDED))
    .where(
        SIGHTING.c.site_id == _SITE,
        SIGHTING.c.sighting_id.in_(sa.bindparam("ids", expanding=True)),
    )
)
_NEAR = (
    sa.select(
        SIGHTING.c.sighting_id,
        DECISION.c.serial,
        SIGHTING.c.camera,
        SIGHTING.c.first_seen,
        SIGHTING.c.last_seen,
        sa.case((SIGHTING.c.camera == sa.bindparam("its_camera"), SIGHTING.c.path)).label("path"),
    )
    .join_from(SIGHTING, DECISION, DECIDED)
    .where(
        SIGHTING.c.site_id == _SITE,
        SIGHTING.c.camera.in_(sa.bindparam("cameras", expanding=True)),
        SIGHTING.c.last_seen.between(sa.bindparam("start"), sa.bindparam("latest")),
        SIGHTING.c.first_seen <= sa.bindparam("finish"),
        SIGHTING.c.sighting_id != sa.bindparam("besides"),
        DECISION.c.serial.is_not(None),
    )
)
_UNSURE = (
    sa.select(SIGHTING.c.sighting_id, DECISION.c.unsure_at, SIGHTING.c.template)
    .join_from(DECISION, SIGHTING, DECIDED)
    .where(
        DECISION.c.site_id == _SITE,
        DECISION.c.unsure_at.between(sa.bindparam("start"), sa.bindparam("finish")),
        DECISION.c.band == Band.UNSURE.value,
        SIGHTING.c.closed,
        SIGHTING.c.template_contract == sa.bindparam("its_contract"),
    )
    .order_by(DECISION.c.unsure_at.desc(), SIGHTING.c.sighting_id)
    .limit(sa.bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest stored revision of a sighting and what was decided about it. ``serial`` is the one
    given then, before any merge; ``own`` is the ledger's answer where an edit says otherwise."""

    revision: int
    closed: bool
    box_id: str | None
    band: Band | None
    serial: int | None
    own: tuple[Band, int | None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """A decided sighting of about the same time; ``path`` only if it is on the camera asked for."""

    sighting_id: str
    serial: int
    camera: str
    first_seen: datetime
    last_seen: datetime
    path: tuple[PathPoint, ...]


def standing_of(tx: Transaction, sighting_id: str) -> Standing | None:
    """How it stands; ``None`` if nothing of it is stored."""
    return standings_of(tx, [sighting_id]).get(sighting_id)


def standings_of(tx: Transaction, sighting_ids: Iterable[str]) -> dict[str, Standing]:
    """How sightings stand, by id; those of which nothing is stored are left out."""
    found: dict[str, Standing] = {}
    for batch in in_batches(sighting_ids):
        rows = tx.connection.execute(_STANDINGS, {"its_site": tx.site_id, "ids": batch})
        for row in rows:
            band = None if row.band is None else Band(row.band)
            given, own = (row.band, row.serial), None
            if row.own_band is not None and given != (row.own_band, row.own_serial):
                own = (Band(row.own_band), row.own_serial)
            found[row.sighting_id] = Standing(
                row.revision, row.closed, row.box_id, band, row.serial, own
            )
    return found


def decided_near(
    tx: Transaction,
    start: datetime,
    end: datetime,
    *,
    camera: str,
    others: Collection[str],
    besides: str,
) -> list[Near]:
    """The sightings with a serial that were about between two moments on a camera or some others;
    all but ``besides``. Rows of this transaction that are still to be written are not looked at."""
    rows = tx.beside.execute(
        _NEAR,
        {
            "its_site": tx.site_id,
            "its_camera": camera,
            "cameras": [camera, *others],
            "start": start,
            "finish": end,
            "latest": end + LONGEST_SIGHTING,
            "besides": besides,
        },
    )
    return [_near(*row) for row in rows]


def decided_of(
    tx: Transaction, family: Collection[int], *, since: datetime, until: datetime
) -> list[Near]:
    """The sightings of an identity between two moments, with their paths, in order of time."""
    rows = tx.connection.execute(
        sa.select(
            SIGHTING.c.sighting_id,
            DECISION.c.serial,
            SIGHTING.c.camera,
            SIGHTING.c.first_seen,
            SIGHTING.c.last_seen,
            SIGHTING.c.path,
        )
        .join_from(DECISION, SIGHTING, DECIDED)
        .where(
            DECISION.c.site_id == tx.site_id,
            DECISION.c.serial.in_(family),
            SIGHTING.c.last_seen >= since,
            SIGHTING.c.first_seen <= until,
        )
        .order_by(SIGHTING.c.first_seen, SIGHTING.c.sighting_id)
    )
    return [_near(*row) for row in rows]


@dataclass(frozen=True, slots=True, eq=False)
class Unsure:
    """A closed sighting that is nobody's yet; ``vector`` (D,) is what its looks come to."""

    sighting_id: str
    last_seen: datetime
    vector: Floats


def unsure_between(
    tx: Transaction, start: datetime, end: datetime, *, contract_id: str, most: int
) -> list[Unsure]:
    """The unsure closed sightings that ended between two moments, the newest first. Rows of this
    transaction that are still to be written are not looked at."""
    rows = tx.beside.execute(
        _UNSURE,
        {
            "its_site": tx.site_id,
            "its_contract": contract_id,
            "start": start,
            "finish": end,
            "most": most,
        },
    ).all()
    load_keys(tx, (of_sighting(row.sighting_id) for row in rows))
    return [
        Unsure(
            row.sighting_id,
            row.unsure_at,
            unpack_floats(
                unseal(
                    tx,
                    row.template,
                    subject=of_sighting(row.sighting_id),
                    purpose="template",
                    contract_id=contract_id,
                )
            ),
        )
        for row in rows
    ]


def _near(
    sighting_id: str,
    serial: int,
    camera: str,
    first_seen: datetime,
    last_seen: datetime,
    path: bytes | None,
) -> Near:
    return Near(
        sighting_id,
        serial,
        camera,
        first_seen,
        last_seen,
        () if path is None else unpack_path(path),
    )
