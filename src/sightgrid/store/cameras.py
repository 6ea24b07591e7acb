"""The cameras of the site and how they lie to each other."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.store.schema import CAMERA, CAMERA_APART, CAMERA_LINK
from sightgrid.store.session import Transaction

_SITE: sa.BindParameter[int] = sa.bindparam("its_site")
_PURPOSES = sa.select(CAMERA.c.name, CAMERA.c.purposes).where(CAMERA.c.site_id == _SITE)
_PLACES = sa.select(CAMERA.c.name, CAMERA.c.position_x, CAMERA.c.position_y).where(
    CAMERA.c.site_id == _SITE, CAMERA.c.position_x.is_not(None)
)
_LINKS = (
    sa.select(
        CAMERA_LINK.c.origin, CAMERA_LINK.c.target, CAMERA_LINK.c.min_secs, CAMERA_LINK.c.max_secs
    )
    .where(CAMERA_LINK.c.site_id == _SITE)
    .order_by(CAMERA_LINK.c.ordinal)
)
_APART = sa.select(CAMERA_APART.c.one, CAMERA_APART.c.other).where(CAMERA_APART.c.site_id == _SITE)


def save_grid(tx: Transaction, grid: CameraGrid, cameras: Iterable[str]) -> None:
    """Replaces positions, links and pairs that are apart. Cameras named in the grid or in
    ``cameras`` are added; those known already stay.

    Raises:
        InvalidValue: a pair that is apart has not two cameras.
    """
    for pair in grid.apart:
        if len(pair) != 2:
            raise InvalidValue(f"cameras that are apart come in pairs, got {sorted(pair)}")
    named = {*cameras, *grid.positions, *(name for pair in grid.apart for name in pair)}
    named.update(name for link in grid.links for name in (link.origin, link.target))
    add_cameras(tx, named)

    here = {"site_id": tx.site_id}
    for table in (CAMERA_LINK, CAMERA_APART):
        tx.connection.execute(sa.delete(table).where(table.c.site_id == tx.site_id))
    tx.connection.execute(
        sa.update(CAMERA)
        .where(CAMERA.c.site_id == tx.site_id)
        .values(position_x=None, position_y=None)
    )
    for name, (x, y) in grid.positions.items():
        tx.connection.execute(
            sa.update(CAMERA)
            .where(CAMERA.c.site_id == tx.site_id, CAMERA.c.name == name)
            .values(position_x=float(x), position_y=float(y))
        )
    if grid.links:
        tx.connection.execute(
            sa.insert(CAMERA_LINK),
            [
                here
                | {
                    "ordinal": ordinal,
                    "origin": link.origin,
                    "target": link.target,
                    "min_secs": link.min_secs,
                    "max_secs": link.max_secs,
                }
                for ordinal, link in enumerate(grid.links, 1)
            ],
        )
    if grid.apart:
        pairs = sorted(sorted(pair) for pair in grid.apart)
        tx.connection.execute(
            sa.insert(CAMERA_APART), [here | {"one": one, "other": other} for one, other in pairs]
        )


def add_cameras(tx: Transaction, names: Iterable[str]) -> None:
    """Makes sure that every camera has a row; those that have one keep it."""
    unsure = set(names) - tx.cameras
    if not unsure:
        return
    tx.cameras.update(cameras(tx))
    missing = sorted(unsure - tx.cameras)
    tx.insert_later(CAMERA, [{"site_id": tx.site_id, "name": name} for name in missing])
    tx.cameras.update(missing)


def cameras(tx: Transaction) -> tuple[str, ...]:
    """The names of all cameras, in order."""
    names = sa.select(CAMERA.c.name).where(CAMERA.c.site_id == tx.site_id).order_by(CAMERA.c.name)
    return tuple(tx.connection.scalars(names))


def set_purposes(tx: Transaction, camera: str, purposes: Iterable[str]) -> None:
    """What a camera may be used for; none means everything.

    Raises:
        NotFound: there is no such camera.
    """
    done = tx.connection.execute(
        sa.update(CAMERA)
        .where(CAMERA.c.site_id == tx.site_id, CAMERA.c.name == camera)
        .values(purposes=" ".join(sorted(set(purposes))) or None)
    )
    if done.rowcount == 0 and camera not in cameras(tx):
        raise NotFound(f"there is no camera '{camera}'")


def purposes_of(tx: Transaction) -> dict[str, frozenset[str]]:
    """What each camera may be used for; empty means everything."""
    rows = tx.connection.execute(_PURPOSES, {"its_site": tx.site_id}).all()
    tx.cameras.update(name for name, _ in rows)
    return {name: frozenset((purposes or "").split()) for name, purposes in rows}


def grid(tx: Transaction) -> CameraGrid:
    """The grid as it was saved; an empty one if none was."""
    its_site = {"its_site": tx.site_id}
    places = tx.connection.execute(_PLACES, its_site)
    links = tx.connection.execute(_LINKS, its_site)
    apart = tx.connection.execute(_APART, its_site)
    return CameraGrid(
        positions={name: (x, y) for name, x, y in places},
        links=tuple(CameraLink(*link) for link in links),
        apart=frozenset(frozenset(pair) for pair in apart),
    )
