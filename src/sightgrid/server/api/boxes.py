"""Boxes: enrolled by a one-time code, asked how they are, revoked."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, Field, JsonValue

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.frames import parse_time
from sightgrid.server.api.answers import Moment
from sightgrid.server.boxconfig import box_configuration
from sightgrid.server.boxes import code_for, redeem, revoke
from sightgrid.server.callers import ThisBox, ThisSite, allowed
from sightgrid.server.contacts import note_box
from sightgrid.server.stills import Still
from sightgrid.store import boxes as rows
from sightgrid.store.forgetting import note_forgotten, to_be_forgotten

router = APIRouter(prefix="/boxes", tags=["boxes"])
MOST_ERASURES = 1000
Manager = Annotated[Caller, Depends(allowed(Permission.MANAGE_BOXES))]


class NewBox(BaseModel):
    """A box to be enrolled."""

    name: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_-]+$")


class CodeAnswer(BaseModel):
    """A one-time code, told this once."""

    name: str
    code: str
    expires_at: Moment


class Enrolling(BaseModel):
    """What a box says when it brings its code."""

    code: str = Field(min_length=1, max_length=100)
    instance_id: str = Field(min_length=1, max_length=64)
    name: str | None = Field(default=None, max_length=200)
    version: str = Field(default="", max_length=40)


class Enrolled(BaseModel):
    """What a box needs from now on; the token is told this once."""

    box_id: str
    token: str
    server_key: str
    wire: list[int]
    configuration: dict[str, JsonValue]
    configuration_version: str


class SelfAnswer(BaseModel):
    """What a box asks for every minute."""

    box_id: str
    server_key: str
    configuration: dict[str, JsonValue]
    configuration_version: str
    health: bool = True


class Health(BaseModel):
    """How a box is."""

    oldest_unacknowledged_secs: float | None = Field(default=None, ge=0)
    pending: int = Field(default=0, ge=0)
    pending_bytes: int = Field(default=0, ge=0)
    quarantined: int = Field(default=0, ge=0)
    dropped: int = Field(default=0, ge=0)
    clock: str = Field(default="", max_length=40)
    cameras: dict[str, dict[str, JsonValue]] = Field(default_factory=dict, max_length=500)


class StillWanted(BaseModel):
    """Which cameras somebody has before them: their next pictures may come at activity."""

    watched: list[str]


class ErasureList(BaseModel):
    """Ids of sightings."""

    items: list[str]
    next_cursor: str | None = None


class Forgotten(BaseModel):
    """Ids of sightings of which a box holds nothing any more."""

    forgotten: list[Annotated[str, Field(max_length=36)]] = Field(max_length=MOST_ERASURES)


class BoxAnswer(BaseModel):
    """A box as people see it."""

    box_id: str
    name: str
    enrolled_at: Moment
    last_seen_at: Moment | None
    revoked: bool
    cloned: bool
    health: dict[str, JsonValue] | None


class BoxList(BaseModel):
    """Every box, by name."""

    items: list[BoxAnswer]
    next_cursor: str | None = None


@router.post("/enrol", status_code=200)
def enrol(body: Enrolling, request: Request, site: ThisSite) -> Enrolled:
    """Exchanges a one-time code for the box's token."""
    address = request.client.host if request.client is not None else ""
    box = redeem(
        site, body.code, instance_id=body.instance_id, version=body.version, address=address
    )
    configuration, version = box_configuration(site, box.name)
    return Enrolled(
        box_id=box.box_id,
        token=box.token,
        server_key=_server_key(site),
        wire=[1],
        configuration=configuration,
        configuration_version=version,
    )


@router.get("/self", responses={304: {"description": "Nothing has changed."}})
def show_self(
    request: Request,
    response: Response,
    box: ThisBox,
    site: ThisSite,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Any:
    """A box's own part of the configuration; 304 where it has it already."""
    note_box(site, box, request.headers)
    configuration, version = box_configuration(site, box.name)
    if if_none_match is not None and if_none_match.strip('"') == version:
        return Response(status_code=304, headers={"ETag": f'"{version}"'})
    response.headers["ETag"] = f'"{version}"'
    return SelfAnswer(
        box_id=box.box_id,
        server_key=_server_key(site),
        configuration=configuration,
        configuration_version=version,
    )


@router.post("/self/health", status_code=204)
def take_health(body: Health, request: Request, box: ThisBox, site: ThisSite) -> None:
    """A box says how it and its cameras are."""
    note_box(site, box, request.headers)
    site.health.note(box.box_id, body.model_dump(), at=site.clock())


@router.put(
    "/self/stills/{camera}",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def take_still(
    camera: Annotated[str, Path(max_length=100)],
    request: Request,
    box: ThisBox,
    site: ThisSite,
    sightgrid_taken: Annotated[str, Header(max_length=40)],
    sightgrid_frame: Annotated[str, Header(pattern=r"^\d{1,5}x\d{1,5}$")],
) -> StillWanted:
    """The last picture of one of the box's cameras, JPEG with its masks painted over;
    ``Sightgrid-Frame`` is the size of the frame it was made from, as ``1920x1080``."""
    jpeg = await request.body()
    if jpeg[:3] != b"\xff\xd8\xff":
        raise InvalidValue("the body is no JPEG")
    taken_at = min(parse_time(sightgrid_taken), site.clock())
    mine = await anyio.to_thread.run_sync(_cameras_of_box, site, box.name)
    if camera not in mine:
        raise NotFound(f"the box has no camera '{camera}'")
    width, _, height = sightgrid_frame.partition("x")
    site.stills.put(camera, Still(taken_at, jpeg, int(width), int(height)))
    return StillWanted(watched=sorted(site.stills.watched(now=site.clock()) & mine))


def _cameras_of_box(site: ThisSite, box_name: str) -> frozenset[str]:
    cameras = box_configuration(site, box_name)[0]["cameras"]
    return frozenset(cameras if isinstance(cameras, dict) else ())


@router.get("/self/erasures")
def show_erasures(box: ThisBox, site: ThisSite) -> ErasureList:
    """Sightings that a box is to forget: whoever they show was erased."""
    with site.store.snapshot() as tx:
        return ErasureList(items=to_be_forgotten(tx, box.box_id, most=MOST_ERASURES))


@router.post("/self/erasures", status_code=204)
def note_erasures(body: Forgotten, box: ThisBox, site: ThisSite) -> None:
    """A box has dropped whatever it held of these sightings."""
    site.store.run(lambda tx: note_forgotten(tx, box.box_id, body.forgotten))


@router.get("")
def list_boxes(caller: Manager, site: ThisSite) -> BoxList:
    """Every box with how it was when last heard of."""
    with site.store.snapshot() as tx:
        found = rows.boxes(tx)
    return BoxList(
        items=[
            BoxAnswer(
                box_id=box.box_id,
                name=box.name,
                enrolled_at=box.enrolled_at,
                last_seen_at=box.last_contact_at,
                revoked=box.revoked_at is not None,
                cloned=box.cloned_at is not None,
                health=site.health.of(box.box_id),
            )
            for box in found
        ]
    )


@router.post("", status_code=201)
def add_box(body: NewBox, caller: Manager, site: ThisSite) -> CodeAnswer:
    """A one-time code for a new box, valid for ten minutes."""
    code, expires_at = code_for(site, body.name, actor=caller.known_as)
    return CodeAnswer(name=body.name, code=code, expires_at=expires_at)


@router.delete("/{box_id}", status_code=204)
def revoke_box(
    box_id: Annotated[str, Path(max_length=36)], caller: Manager, site: ThisSite
) -> None:
    """Makes a box's token void; what it sends from now on is refused."""
    revoke(site, box_id, actor=caller.known_as)


def _server_key(site: ThisSite) -> str:
    return base64.b64encode(list(site.opening_keys.values())[-1].sealing.public).decode()
