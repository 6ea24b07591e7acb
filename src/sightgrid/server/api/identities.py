"""Identities: who was seen, where, in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.presence import Visit
from sightgrid.server.api.answers import Cursor, Limit, Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.store import Transaction
from sightgrid.store.cameras import grid as grid_of
from sightgrid.store.identities import IdentityRow, identities, identity
from sightgrid.store.visits import visits_of
from sightgrid.trajectory.routes import route

router = APIRouter(prefix="/identities", tags=["identities"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_SIGHTINGS))]
Serial = Annotated[int, Path(ge=1, le=2**31 - 1)]


class IdentityAnswer(BaseModel):
    """A serial in short. ``alias_of`` names the serial it was merged into."""

    identity: int
    person: str | None
    alias_of: int | None
    cameras: list[str]
    visits: int
    sightings: int
    first_seen: Moment | None
    last_seen: Moment | None


class IdentityList(BaseModel):
    """A page of identities."""

    items: list[IdentityAnswer]
    next_cursor: str | None = None


class VisitAnswer(BaseModel):
    """The identity was on a camera from ``first_seen`` to ``last_seen``."""

    camera: str
    first_seen: Moment
    last_seen: Moment
    sightings: list[str]


class HopAnswer(BaseModel):
    """From one visit to the next; ``unseen_secs`` lie between them. ``possible`` says whether the
    building allows it."""

    origin: str
    target: str
    unseen_secs: float
    possible: bool


class TrajectoryAnswer(BaseModel):
    """The way of an identity through the cameras that the caller may see."""

    identity: int
    person: str | None
    visits: list[VisitAnswer]
    hops: list[HopAnswer]


@router.get("")
def list_identities(
    caller: Viewer,
    site: ThisSite,
    limit: Limit = 100,
    cursor: Cursor = None,
    merged: Annotated[bool, Query(description="Merged serials too.")] = False,
) -> IdentityList:
    """Identities in order of serial; those that the caller's cameras never saw are left out."""
    after = _serial_of(cursor)
    with site.store.snapshot() as tx:
        rows = [
            row
            for row in identities(tx)
            if row.serial > after and (merged or row.alias_of is None) and _visible(row, caller)
        ]
        more = len(rows) > limit
        rows = rows[:limit]
        items = [_answer(tx, row, caller) for row in rows]
    return IdentityList(
        items=items,
        next_cursor=str(rows[-1].serial) if more else None,
    )


@router.get("/{serial}")
def show_identity(serial: Serial, caller: Viewer, site: ThisSite) -> IdentityAnswer:
    """One identity; for a merged serial, the one it belongs to now."""
    with site.store.snapshot() as tx:
        return _answer(tx, _seen_by(tx, serial, caller), caller)


@router.get("/{serial}/trajectory")
def show_trajectory(serial: Serial, caller: Viewer, site: ThisSite) -> TrajectoryAnswer:
    """The visits of an identity in order of time, and the hops between them."""
    with site.store.snapshot() as tx:
        row = _seen_by(tx, serial, caller)
        visits = [
            visit for visit in visits_of(tx, row.serial) if caller.may_see_camera(visit.camera)
        ]
        grid = grid_of(tx)
    hops = route(visits, grid=grid).hops if visits else ()
    return TrajectoryAnswer(
        identity=row.serial,
        person=row.person if caller.may(Permission.SEE_NAMES) else None,
        visits=[_visit(visit) for visit in visits],
        hops=[
            HopAnswer(
                origin=hop.origin.camera,
                target=hop.target.camera,
                unseen_secs=round(hop.unseen_secs, 3),
                possible=hop.possible,
            )
            for hop in hops
        ],
    )


def _seen_by(tx: Transaction, serial: int, caller: Caller) -> IdentityRow:
    row = identity(tx, serial)
    if not _visible(row, caller):
        raise NotFound(f"there is no identity {serial}")
    return row


def as_seen_by(tx: Transaction, row: IdentityRow, caller: Caller) -> IdentityRow:
    """An identity as far as the caller's cameras saw it: when somebody was where the caller may
    not look is not told either."""
    if caller.account.cameras is None:
        return row
    visits = [visit for visit in visits_of(tx, row.serial) if caller.may_see_camera(visit.camera)]
    return replace(
        row,
        cameras=tuple(camera for camera in row.cameras if caller.may_see_camera(camera)),
        visits=len(visits),
        sightings=sum(len(visit.sighting_ids) for visit in visits),
        first_seen=min((visit.first_seen for visit in visits), default=None),
        last_seen=max((visit.last_seen for visit in visits), default=None),
    )


def _visible(row: IdentityRow, caller: Caller) -> bool:
    cameras = caller.account.cameras
    return cameras is None or not cameras.isdisjoint(row.cameras)


def _answer(tx: Transaction, row: IdentityRow, caller: Caller) -> IdentityAnswer:
    row = as_seen_by(tx, row, caller)
    return IdentityAnswer(
        identity=row.serial,
        person=row.person if caller.may(Permission.SEE_NAMES) else None,
        alias_of=row.alias_of,
        cameras=list(row.cameras),
        visits=row.visits,
        sightings=row.sightings,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )


def _visit(visit: Visit) -> VisitAnswer:
    return VisitAnswer(
        camera=visit.camera,
        first_seen=visit.first_seen,
        last_seen=visit.last_seen,
        sightings=list(visit.sighting_ids),
    )


def _serial_of(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 10:
        raise InvalidValue("cursor: not one that an answer gave")
    return int(cursor)
