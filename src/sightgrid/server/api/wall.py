"""The wall of cameras: each with its state and its last picture's faces; the last sightings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.presence import Band
from sightgrid.server.api.answers import Moment
from sightgrid.server.api.cameras import CameraAnswer, list_cameras
from sightgrid.server.api.sightings import SightingAnswer, sighting_answer
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.stills import Still
from sightgrid.store import Transaction
from sightgrid.store.faces_at import faces_at
from sightgrid.store.listing import SightingFilter, sightings_named, sightings_page

router = APIRouter(prefix="/wall", tags=["cameras"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_CAMERAS))]
_STRIP = 24


class FaceBox(BaseModel):
    """A face in a camera's last picture: left, top, right, bottom in fractions of it."""

    box: list[float]
    sighting_id: str
    band: Band | None
    identity: int | None
    person: str | None


class WallCamera(BaseModel):
    """A camera on the wall. ``taken_at`` is when its last picture was taken, null without one."""

    name: str
    state: str | None
    reason: str | None
    zone: str | None
    enabled: bool
    taken_at: Moment | None
    aspect: float
    faces: list[FaceBox]
    last_seen: Moment | None


class WallAnswer(BaseModel):
    """The caller's cameras, and the last sightings for those who may see them."""

    cameras: list[WallCamera]
    sightings: list[SightingAnswer]


@router.get("")
def show_wall(caller: Viewer, site: ThisSite) -> WallAnswer:
    """Every camera of the caller with its state and its last picture's faces."""
    now = site.clock()
    known = list_cameras(caller, site).items
    seeing = caller.may(Permission.SEE_SIGHTINGS)
    if not seeing:
        return WallAnswer(cameras=[_on_wall(one, None, [], None) for one in known], sightings=[])
    site.stills.note_viewer(tuple(one.name for one in known), now=now)
    with site.store.snapshot() as tx:
        rows = sightings_page(tx, SightingFilter(cameras=caller.account.cameras), limit=_STRIP)
        last: dict[str, datetime] = {}
        for row in rows:
            last.setdefault(row.camera, row.last_seen)
        shown = []
        for one in known:
            still = site.stills.of(one.name, now=now)
            faces = [] if still is None else _faces(tx, one.name, still, caller)
            shown.append(_on_wall(one, still, faces, last.get(one.name)))
    return WallAnswer(cameras=shown, sightings=[sighting_answer(row, caller) for row in rows])


def _faces(tx: Transaction, camera: str, still: Still, caller: Caller) -> list[FaceBox]:
    if not still.width or not still.height:
        return []
    boxes = faces_at(tx, camera, still.taken_at)
    named = caller.may(Permission.SEE_NAMES)
    found = []
    for row in sightings_named(tx, boxes):
        box = boxes[row.sighting_id]
        found.append(
            FaceBox(
                box=[
                    round(box.left / still.width, 4),
                    round(box.top / still.height, 4),
                    round(box.right / still.width, 4),
                    round(box.bottom / still.height, 4),
                ],
                sighting_id=row.sighting_id,
                band=row.band,
                identity=row.serial,
                person=row.person if named else None,
            )
        )
    return found


def _on_wall(
    camera: CameraAnswer, still: Still | None, faces: list[FaceBox], last_seen: datetime | None
) -> WallCamera:
    sized = still is not None and still.width and still.height
    return WallCamera(
        name=camera.name,
        state=camera.state,
        reason=camera.reason,
        zone=camera.zone,
        enabled=camera.enabled,
        taken_at=None if still is None else still.taken_at,
        aspect=round(still.width / still.height, 4) if still is not None and sized else 16 / 9,
        faces=faces,
        last_seen=last_seen,
    )
