"""The way of one identity through the cameras that somebody may see, with how sure each part is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sightgrid.domain.accounts import Caller
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Band, Visit
from sightgrid.store import Transaction
from sightgrid.store.cameras import grid as grid_of
from sightgrid.store.listing import SightingRow, sightings_named
from sightgrid.store.visits import visits_of
from sightgrid.trajectory.routes import Hop, route


@dataclass(frozen=True, slots=True)
class Stay:
    """A visit on a way, numbered from 1. ``likeness`` is the mean similarity of its sightings to
    the identity, ``None`` where they began it; ``band`` the surest of their bands;
    ``best_sighting`` the one with the best picture that is kept."""

    number: int
    visit: Visit
    likeness: float | None
    band: Band
    best_sighting: str | None


@dataclass(frozen=True, slots=True)
class Leg:
    """From one stay to the next. ``likeness`` is the lower of the two stays'."""

    origin: int
    target: int
    hop: Hop
    likeness: float | None


@dataclass(frozen=True, slots=True)
class Way:
    """Everything there is to draw or write down of one identity's way."""

    serial: int
    stays: tuple[Stay, ...]
    legs: tuple[Leg, ...]
    grid: CameraGrid


_SUREST = (Band.CONFIRMED, Band.LIKELY, Band.STRANGER, Band.UNSURE)


def way_of(
    tx: Transaction,
    serial: int,
    caller: Caller,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Way:
    """The way of a root serial: its visits that touch the span, on the caller's cameras."""
    visits = [
        visit
        for visit in visits_of(tx, serial)
        if caller.may_see_camera(visit.camera)
        and (since is None or visit.last_seen >= since)
        and (until is None or visit.first_seen < until)
    ]
    grid = grid_of(tx)
    if not visits:
        return Way(serial, (), (), grid)
    rows = {
        row.sighting_id: row
        for row in sightings_named(tx, (one for visit in visits for one in visit.sighting_ids))
    }
    found = route(visits, grid=grid)
    stays = tuple(
        _stay(number, visit, [rows[one] for one in visit.sighting_ids if one in rows])
        for number, visit in enumerate(found.visits, 1)
    )
    legs = tuple(
        Leg(stay.number, following.number, hop, _lower(stay.likeness, following.likeness))
        for stay, following, hop in zip(stays, stays[1:], found.hops, strict=False)
    )
    return Way(serial, stays, legs, grid)


def _stay(number: int, visit: Visit, rows: list[SightingRow]) -> Stay:
    scores = [row.score for row in rows if row.score is not None]
    bands = {row.band for row in rows}
    best = max(
        (row for row in rows if row.crop_path is not None),
        key=lambda row: row.quality,
        default=None,
    )
    return Stay(
        number=number,
        visit=visit,
        likeness=round(sum(scores) / len(scores), 4) if scores else None,
        band=next((band for band in _SUREST if band in bands), Band.UNSURE),
        best_sighting=None if best is None else best.sighting_id,
    )


def _lower(one: float | None, other: float | None) -> float | None:
    known = [likeness for likeness in (one, other) if likeness is not None]
    return min(known) if known else None
