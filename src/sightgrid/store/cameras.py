"""The cameras of the site and how they lie to each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.store.schema import CAMERA, CAMERA_APART, CAMERA_LINK
from sightgrid.store.sealing import THE_SITE, seal, unseal
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
_ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class StoredCamera:
    """A camera that was added on the site's pages: ``fields`` are in the words of
    ``sightgrid.yml``, but for the address, which may hold a password."""

    name: str
    url: str
    fields: Mapping[str, object]

    def __repr__(self) -> str:
        return f"StoredCamera({self.name!r})"


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


def keep_camera(tx: Transaction, camera: StoredCamera) -> None:
    """Adds a camera with its settings, or replaces those of the one of this name."""
    add_cameras(tx, [camera.name])
    tx.connection.execute(
        sa.update(CAMERA)
        .where(CAMERA.c.site_id == tx.site_id, CAMERA.c.name == camera.name)
        .values(
            settings=json.dumps(dict(camera.fields), sort_keys=True),
            address=seal(tx, camera.url.encode(), subject=THE_SITE, purpose=_ADDRESS),
        )
    )


def kept_cameras(tx: Transaction) -> list[StoredCamera]:
    """The cameras that have settings here, by name."""
    rows = tx.connection.execute(
        sa.select(CAMERA.c.name, CAMERA.c.settings, CAMERA.c.address)
        .where(CAMERA.c.site_id == tx.site_id, CAMERA.c.address.is_not(None))
        .order_by(CAMERA.c.name)
    )
    return [
        StoredCamera(
            row.name,
            unseal(tx, row.address, subject=THE_SITE, purpose=_ADDRESS).decode(),
            json.loads(row.settings or "{}"),
        )
        for row in rows
    ]


def let_camera_go(tx: Transaction, name: str) -> None:
    """Takes a camera's settings and its links away. Its name stays while sightings bear it.

    Raises:
        NotFound: no such camera has settings here.
    """
    mine = (CAMERA.c.site_id == tx.site_id, CAMERA.c.name == name)
    done = tx.connection.execute(
        sa.update(CAMERA)
        .where(*mine, CAMERA.c.address.is_not(None))
        .values(settings=None, address=None, position_x=None, position_y=None)
    )
    if done.rowcount == 0:
        raise NotFound(f"there is no camera '{name}' that was added here")
    tx.connection.execute(
        sa.delete(CAMERA_LINK).where(
            CAMERA_LINK.c.site_id == tx.site_id,
            sa.or_(CAMERA_LINK.c.origin == name, CAMERA_LINK.c.target == name),
        )
    )


def place_camera(tx: Transaction, name: str, place: tuple[float, float] | None) -> None:
    """Puts a camera on the plan, 0-1 from the left and top; ``None`` takes it off.

    Raises:
        NotFound: there is no such camera.
    """
    x, y = (None, None) if place is None else place
    done = tx.connection.execute(
        sa.update(CAMERA)
        .where(CAMERA.c.site_id == tx.site_id, CAMERA.c.name == name)
        .values(position_x=x, position_y=y)
    )
    if done.rowcount == 0 and name not in cameras(tx):
        raise NotFound(f"there is no camera '{name}'")
