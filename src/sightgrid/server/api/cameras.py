"""Cameras: how they lie, what they are for, how they are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, JsonValue

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.locations import redacted
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.store.cameras import cameras, grid

router = APIRouter(prefix="/cameras", tags=["cameras"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_CAMERAS))]


class CameraAnswer(BaseModel):
    """A camera. ``url`` is shown without its password, and only to those who manage cameras;
    ``from_file`` says that the configuration file owns it."""

    name: str
    from_file: bool
    url: str | None
    purposes: list[str]
    zone: str | None
    position: list[float] | None
    state: str | None
    reason: str | None
    health: dict[str, JsonValue] | None


class CameraList(BaseModel):
    """The caller's cameras, by name."""

    items: list[CameraAnswer]
    next_cursor: str | None = None


class LinkAnswer(BaseModel):
    """Two cameras one can walk between, and the seconds that takes."""

    origin: str
    target: str
    min_secs: float
    max_secs: float | None


class GridAnswer(BaseModel):
    """How the cameras lie to each other."""

    positions: dict[str, list[float]]
    links: list[LinkAnswer]
    apart: list[list[str]]


@router.get("")
def list_cameras(caller: Viewer, site: ThisSite) -> CameraList:
    """Every camera that has sent something or is configured."""
    with site.store.snapshot() as tx:
        names, places = cameras(tx), grid(tx).positions
    settings = {camera.name: camera for camera in site.configuration.cameras}
    reported = site.health.cameras(now=site.clock())
    items = []
    for name in sorted({*names, *settings}):
        if not caller.may_see_camera(name):
            continue
        known, health = settings.get(name), reported.get(name)
        may_manage = caller.may(Permission.MANAGE_CAMERAS)
        place = places.get(name)
        items.append(
            CameraAnswer(
                name=name,
                from_file=known is not None,
                url=None if known is None or not may_manage else redacted(known.url.reveal()),
                purposes=[] if known is None else [one.value for one in known.purposes],
                zone=None if known is None else known.zone,
                position=None if place is None else list(place),
                state=None if health is None else health.get("state"),
                reason=None if health is None else health.get("reason"),
                health=health,
            )
        )
    return CameraList(items=items)


@router.get("/grid")
def show_grid(caller: Viewer, site: ThisSite) -> GridAnswer:
    """Positions, links and pairs that are apart, of the caller's cameras."""
    with site.store.snapshot() as tx:
        found = grid(tx)
    return GridAnswer(
        positions={
            name: list(place)
            for name, place in found.positions.items()
            if caller.may_see_camera(name)
        },
        links=[
            LinkAnswer(
                origin=link.origin,
                target=link.target,
                min_secs=link.min_secs,
                max_secs=link.max_secs,
            )
            for link in found.links
            if caller.may_see_camera(link.origin) and caller.may_see_camera(link.target)
        ],
        apart=[
            sorted(pair)
            for pair in sorted(found.apart, key=sorted)
            if all(caller.may_see_camera(name) for name in pair)
        ],
    )
