"""Sightings: taken in from boxes, listed for people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import NotFound
from sightgrid.domain.presence import Band
from sightgrid.server.api.answers import (
    Cursor,
    Limit,
    Moment,
    TimeText,
    moment_of,
    read_cursor,
    write_cursor,
)
from sightgrid.server.callers import ThisBox, ThisSite, allowed, hide_foreign
from sightgrid.server.contacts import note_box
from sightgrid.server.ingest_queue import Body, BoxClock, IngestQueue
from sightgrid.server.metrics import ServerMetrics
from sightgrid.server.refusals import SlowDown
from sightgrid.store.crops import crop
from sightgrid.store.listing import (
    Place,
    SightingFilter,
    SightingRow,
    sightings_named,
    sightings_page,
)
from sightgrid.wire.receipts import write_receipts

router = APIRouter(prefix="/sightings", tags=["sightings"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_SIGHTINGS))]
SightingId = Annotated[str, Path(min_length=1, max_length=36)]
_NDJSON = "application/x-ndjson"
# a box gives up after as long, and sends smaller bodies then
_LONGEST_READ_SECS = 120


class SightingAnswer(BaseModel):
    """One sighting with its answer. ``person`` is null for strangers, and for callers who may not
    see names."""

    sighting_id: str
    revision: int
    closed: bool
    camera: str
    group: int
    first_seen: Moment
    last_seen: Moment
    first_frame: int
    last_frame: int
    faces: int
    quality: float
    identity: int | None
    person: str | None
    band: Band | None
    score: float | None
    margin: float | None
    runner_up: int | None
    runner_up_score: float | None
    reason: str
    has_crop: bool


class SightingList(BaseModel):
    """A page of sightings; ``next_cursor`` is null on the last."""

    items: list[SightingAnswer]
    next_cursor: str | None = None


def sighting_answer(row: SightingRow, caller: Caller) -> SightingAnswer:
    """A sighting as this caller may see it."""
    named = caller.may(Permission.SEE_NAMES)
    return SightingAnswer(
        sighting_id=row.sighting_id,
        revision=row.revision,
        closed=row.closed,
        camera=row.camera,
        group=row.group,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        first_frame=row.first_frame,
        last_frame=row.last_frame,
        faces=row.faces,
        quality=round(row.quality, 3),
        identity=row.serial,
        person=row.person if named else None,
        band=row.band,
        score=None if row.score is None else round(row.score, 4),
        margin=None if row.margin is None else round(row.margin, 4),
        runner_up=row.runner_up_serial,
        runner_up_score=None if row.runner_up_score is None else round(row.runner_up_score, 4),
        reason=row.reason,
        has_crop=row.crop_path is not None,
    )


@router.post(
    "",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "A record a line; see docs/wire.md.",
            "content": {_NDJSON: {"schema": {"type": "string"}}},
        }
    },
)
async def take_in(request: Request, box: ThisBox, site: ThisSite) -> Response:
    """Takes records of a box in; answers with a receipt for each, once they are stored."""
    queue: IngestQueue = request.app.state.ingest
    metrics: ServerMetrics = request.app.state.metrics
    told = request.headers.get("content-length", "")
    try:
        with queue.room(int(told) if told.isdecimal() else None):
            lines = await _body_of(request)
            await anyio.to_thread.run_sync(note_box, site, box, request.headers)
            with metrics.batch_secs.time():
                clock = BoxClock.read(request.headers)
                future = queue.submit(Body(box.box_id, lines, clock))
                receipts = await asyncio.wrap_future(future)
    except SlowDown:
        metrics.busy.inc()
        raise
    metrics.count(receipts)
    return Response(write_receipts(receipts), media_type="application/json")


async def _body_of(request: Request) -> bytes:
    try:
        async with asyncio.timeout(_LONGEST_READ_SECS):
            return await request.body()
    except TimeoutError:
        raise SlowDown(timedelta(seconds=_LONGEST_READ_SECS), busy=False) from None


@router.get("")
def list_sightings(
    caller: Viewer,
    site: ThisSite,
    limit: Limit = 100,
    cursor: Cursor = None,
    camera: Annotated[str | None, Query(max_length=200)] = None,
    identity: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    band: Annotated[list[Band] | None, Query(max_length=4)] = None,
    since: TimeText = None,
    until: TimeText = None,
    order: Annotated[str, Query(pattern="^(newest|oldest)$")] = "newest",
) -> SightingList:
    """Sightings of the cameras that the caller may see, a page at a time."""
    cameras = caller.account.cameras
    if camera is not None:
        hide_foreign(camera, caller)
        cameras = frozenset({camera})
    wanted = SightingFilter(
        cameras=cameras,
        serial=identity,
        bands=None if not band else frozenset(band),
        since=moment_of(since),
        until=moment_of(until),
    )
    with site.store.snapshot() as tx:
        rows = sightings_page(
            tx,
            wanted,
            after=read_cursor(cursor),
            limit=limit + 1,
            newest_first=order == "newest",
        )
    more = len(rows) > limit
    rows = rows[:limit]
    following = Place(rows[-1].first_seen, rows[-1].sighting_id) if more else None
    return SightingList(
        items=[sighting_answer(row, caller) for row in rows],
        next_cursor=None if following is None else write_cursor(following),
    )


@router.get("/{sighting_id}")
def show_sighting(sighting_id: SightingId, caller: Viewer, site: ThisSite) -> SightingAnswer:
    """One sighting."""
    with site.store.snapshot() as tx:
        rows = sightings_named(tx, [sighting_id])
    if not rows:
        raise NotFound("there is no such thing here, or it is not yours to see")
    hide_foreign(rows[0].camera, caller)
    return sighting_answer(rows[0], caller)


@router.get("/{sighting_id}/crop", response_class=Response)
def show_crop(
    sighting_id: SightingId,
    caller: Viewer,
    site: ThisSite,
    rank: Annotated[int, Query(ge=1, le=100, description="1 is the best look.")] = 1,
) -> Response:
    """The picture of one look, JPEG."""
    with site.store.snapshot() as tx:
        rows = sightings_named(tx, [sighting_id])
        if not rows:
            raise NotFound("there is no such thing here, or it is not yours to see")
        hide_foreign(rows[0].camera, caller)
        jpeg = crop(tx, sighting_id, rank)
    if jpeg is None:
        raise NotFound("there is no such thing here, or it is not yours to see")
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=60"})
