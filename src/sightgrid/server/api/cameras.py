"""Cameras: how they lie, what they are for, how they are."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, JsonValue

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.cameras import Purpose
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.frames import format_time
from sightgrid.domain.grid import CameraLink
from sightgrid.domain.locations import redacted
from sightgrid.server.callers import ThisSite, allowed, hide_foreign
from sightgrid.server.cameras import (
    add_camera,
    cameras_of,
    change_camera,
    checked_url,
    put_on_plan,
    remove_camera,
    set_links,
    try_camera,
)
from sightgrid.store.cameras import cameras, grid

router = APIRouter(prefix="/cameras", tags=["cameras"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_CAMERAS))]
Watcher = Annotated[Caller, Depends(allowed(Permission.SEE_SIGHTINGS))]
Manager = Annotated[Caller, Depends(allowed(Permission.MANAGE_CAMERAS))]
CameraName = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[list[Fraction], Field(min_length=6, max_length=200)]


class CameraAnswer(BaseModel):
    """A camera. ``url`` is shown without its password, and only to those who manage cameras;
    ``from_file`` says that the configuration file owns it."""

    name: str
    from_file: bool
    url: str | None
    purposes: list[str]
    zone: str | None
    box: str | None
    enabled: bool
    masks: list[list[float]]
    position: list[float] | None
    state: str | None
    reason: str | None
    health: dict[str, JsonValue] | None


class NewCamera(BaseModel):
    """A camera to be added. ``url`` begins with rtsp://, rtsps://, http:// or https://; ``box`` is
    the name of the box that watches it, null the one of the server's own machine."""

    name: str = Field(min_length=1, max_length=100)
    url: str = Field(min_length=1, max_length=1000)
    purposes: list[Purpose] = Field(default_factory=lambda: [Purpose.TRAJECTORIES], min_length=1)
    zone: str | None = Field(default=None, min_length=1, max_length=200)
    box: str | None = Field(default=None, min_length=1, max_length=200)
    transport: str = Field(default="tcp", pattern="^(tcp|udp)$")


class CameraChange(BaseModel):
    """What is to change; what is left out stays. A mask is a polygon x, y, x, y, … in fractions of
    the picture; ``position`` is 0-1 from the left and the top of the plan."""

    url: str | None = Field(default=None, min_length=1, max_length=1000)
    purposes: list[Purpose] | None = Field(default=None, min_length=1)
    zone: str | None = Field(default=None, min_length=1, max_length=200)
    box: str | None = Field(default=None, min_length=1, max_length=200)
    masks: list[Polygon] | None = Field(default=None, max_length=50)
    enabled: bool | None = None
    position: list[Fraction] | None = Field(default=None, min_length=2, max_length=2)


class CameraToTry(BaseModel):
    """An address to be tried, or the name of a camera that is there."""

    url: str | None = Field(default=None, min_length=1, max_length=1000)
    name: str | None = Field(default=None, min_length=1, max_length=100)


class TrialAnswer(BaseModel):
    """What the camera showed: a picture as base64 JPEG, and the faces found in it as left, top,
    right, bottom in fractions of it."""

    width: int
    height: int
    faces: list[list[float]]
    picture: str


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


class NewLink(BaseModel):
    """Two cameras and the seconds from one to the other, in either direction."""

    origin: str = Field(min_length=1, max_length=100)
    target: str = Field(min_length=1, max_length=100)
    min_secs: float = Field(ge=0, le=86_400)
    max_secs: float | None = Field(default=None, ge=0, le=86_400)


class NewLinks(BaseModel):
    """Every link that was made on the pages; those of the file stay as they are."""

    links: list[NewLink] = Field(max_length=2000)


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
    settings = {camera.name: camera for camera in cameras_of(site)}
    of_file = {camera.name for camera in site.configuration.cameras}
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
                from_file=name in of_file,
                url=None if known is None or not may_manage else redacted(known.url.reveal()),
                purposes=[] if known is None else [one.value for one in known.purposes],
                zone=None if known is None else known.zone,
                box=None if known is None else known.box,
                enabled=known is None or known.enabled,
                masks=[]
                if known is None
                else [[round(x, 4) for point in mask for x in point] for mask in known.masks],
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


@router.get("/plan", response_class=FileResponse)
def show_plan(caller: Viewer, site: ThisSite) -> FileResponse:
    """The picture of the floor plan."""
    plan = site.configuration.site.floor_plan
    if plan is None or not plan.is_file():
        raise NotFound("the site has no floor plan", hint="set site.floor_plan in sightgrid.yml")
    return FileResponse(plan, headers={"Cache-Control": "private, max-age=300"})


@router.get("/{name}/still", response_class=Response)
def show_still(name: CameraName, caller: Watcher, site: ThisSite) -> Response:
    """The last picture of a camera, JPEG, its masks painted over; ten minutes old at most."""
    hide_foreign(name, caller)
    now = site.clock()
    site.stills.note_viewer((name,), now=now)
    still = site.stills.of(name, now=now)
    if still is None:
        raise NotFound("there is no picture of this camera yet")
    return Response(
        still.jpeg,
        media_type="image/jpeg",
        headers={"Cache-Control": "no-store", "Sightgrid-Taken": format_time(still.taken_at)},
    )


@router.post("", status_code=201)
def add(body: NewCamera, caller: Manager, site: ThisSite) -> CameraAnswer:
    """Adds a camera; its box is told within a minute."""
    fields: dict[str, object] = {
        "purposes": [one.value for one in body.purposes],
        "zone": body.zone,
        "box": body.box,
        "transport": body.transport,
    }
    add_camera(site, body.name, body.url, fields, actor=caller.known_as)
    return _one(body.name, caller, site)


@router.post("/test")
def try_out(body: CameraToTry, caller: Manager, site: ThisSite) -> TrialAnswer:
    """Fetches one picture of a camera and looks for faces in it. Only what the site's own box may
    open is opened."""
    if (body.url is None) == (body.name is None):
        raise InvalidValue("give url or name, not both")
    if body.url is not None:
        url = checked_url(body.url)
    else:
        found = [one.url.reveal() for one in cameras_of(site) if one.name == body.name]
        if not found:
            raise NotFound(f"there is no camera '{body.name}'")
        url = found[0]
    test = try_camera(site, url)
    return TrialAnswer(
        width=test.width,
        height=test.height,
        faces=[[round(value, 4) for value in box] for box in test.faces],
        picture=base64.b64encode(test.jpeg).decode(),
    )


@router.put("/links", status_code=204)
def change_links(body: NewLinks, caller: Manager, site: ThisSite) -> None:
    """Replaces the links that were made on the pages."""
    links = [CameraLink(one.origin, one.target, one.min_secs, one.max_secs) for one in body.links]
    set_links(site, links, actor=caller.known_as)


@router.patch("/{name}")
def change(name: CameraName, body: CameraChange, caller: Manager, site: ThisSite) -> CameraAnswer:
    """Changes a camera. Where it is on the plan can be set for those of the file, too."""
    given = body.model_dump(exclude_unset=True, mode="json")
    moved, place = "position" in given, given.pop("position", None)
    url = given.pop("url", None)
    if given or url is not None:
        change_camera(site, name, given, url=url, actor=caller.known_as)
    if moved:
        put_on_plan(
            site, name, None if place is None else (place[0], place[1]), actor=caller.known_as
        )
    return _one(name, caller, site)


@router.delete("/{name}", status_code=204)
def remove(name: CameraName, caller: Manager, site: ThisSite) -> None:
    """Takes a camera away; what it saw is kept."""
    remove_camera(site, name, actor=caller.known_as)


def _one(name: str, caller: Caller, site: ThisSite) -> CameraAnswer:
    for camera in list_cameras(caller, site).items:
        if camera.name == name:
            return camera
    raise NotFound(f"there is no camera '{name}'")
