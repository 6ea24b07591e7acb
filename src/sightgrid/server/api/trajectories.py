"""Where an identity was, in which order: as an answer and as files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path as PathOnDisk
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.presence import Band
from sightgrid.server.api.answers import Moment, TimeText, moment_of
from sightgrid.server.api.identities import seen_by
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.site import Site
from sightgrid.server.trajectories import Leg, Stay, Way, way_of
from sightgrid.server.trajectory_files import as_csv, as_geojson
from sightgrid.store.audit import note_event
from sightgrid.store.cameras import cameras
from sightgrid.store.crops import crop
from sightgrid.store.visits import visits_of
from sightgrid.trajectory.placing import links_between, place_cameras

router = APIRouter(prefix="/identities", tags=["identities"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_SIGHTINGS))]
Serial = Annotated[int, Path(ge=1, le=2**31 - 1)]
_USUAL_ASPECT = 1.9


class VisitAnswer(BaseModel):
    """The identity was on a camera from ``first_seen`` to ``last_seen``. ``likeness`` is the mean
    similarity of its sightings to the identity, null where they began it."""

    camera: str
    first_seen: Moment
    last_seen: Moment
    sightings: list[str]
    band: Band
    likeness: float | None
    best_sighting: str | None


class HopAnswer(BaseModel):
    """From one visit to the next; ``unseen_secs`` lie between them. ``possible`` says whether the
    building allows it; ``likeness`` is the lower of the two visits'."""

    origin: str
    target: str
    unseen_secs: float
    possible: bool
    likeness: float | None


class PlacedCamera(BaseModel):
    """Where a camera lies on the plan, 0-1 from the left and top; ``placed`` is false where nobody
    said so and it was laid out by the links."""

    name: str
    x: float
    y: float
    placed: bool


class PlanAnswer(BaseModel):
    """The cameras that the caller may see, and the pairs one can walk between. ``picture`` says
    whether there is one of the floor plan, ``aspect`` its width by its height."""

    cameras: list[PlacedCamera]
    links: list[tuple[str, str]]
    picture: bool
    aspect: float


class DayList(BaseModel):
    """The days of the site's own time zone on which an identity was seen, ``2026-02-03``."""

    items: list[str]
    next_cursor: str | None = None


class TrajectoryAnswer(BaseModel):
    """The way of an identity through the cameras that the caller may see."""

    identity: int
    person: str | None
    visits: list[VisitAnswer]
    hops: list[HopAnswer]


class PlannedTrajectory(TrajectoryAnswer):
    """The same with the plan to draw it on."""

    plan: PlanAnswer


@router.get("/{serial}/trajectory")
def show_trajectory(
    serial: Serial,
    caller: Viewer,
    site: ThisSite,
    since: TimeText = None,
    until: TimeText = None,
) -> TrajectoryAnswer:
    """The visits of an identity in order of time, and the hops between them."""
    way, person, _ = _way(site, caller, serial, moment_of(since), moment_of(until))
    return TrajectoryAnswer(
        identity=way.serial,
        person=person,
        visits=[_visit(stay) for stay in way.stays],
        hops=[_hop(leg) for leg in way.legs],
    )


@router.get("/{serial}/trajectory/plan")
def show_planned_trajectory(
    serial: Serial,
    caller: Viewer,
    site: ThisSite,
    since: TimeText = None,
    until: TimeText = None,
) -> PlannedTrajectory:
    """The trajectory with the places of the cameras, those that did not see the identity too."""
    way, person, mine = _way(site, caller, serial, moment_of(since), moment_of(until))
    places = place_cameras(mine, way.grid)
    shape = plan_shape(site.configuration.site.floor_plan)
    return PlannedTrajectory(
        identity=way.serial,
        person=person,
        visits=[_visit(stay) for stay in way.stays],
        hops=[_hop(leg) for leg in way.legs],
        plan=PlanAnswer(
            cameras=[
                PlacedCamera(name=name, x=x, y=y, placed=name in way.grid.positions)
                for name, (x, y) in sorted(places.items())
            ],
            links=links_between(mine, way.grid),
            picture=shape is not None,
            aspect=_USUAL_ASPECT if shape is None else round(shape, 4),
        ),
    )


@router.get("/{serial}/trajectory/days")
def list_days(serial: Serial, caller: Viewer, site: ThisSite) -> DayList:
    """The days on which the caller's cameras saw an identity, the first first."""
    zone = site.configuration.site.zone
    with site.store.snapshot() as tx:
        card = seen_by(tx, serial, caller)
        visits = visits_of(tx, card.serial)
    days = {
        moment.astimezone(zone).date().isoformat()
        for visit in visits
        if caller.may_see_camera(visit.camera)
        for moment in (visit.first_seen, visit.last_seen)
    }
    return DayList(items=sorted(days))


@router.get("/{serial}/trajectory.csv", response_class=Response)
def export_csv(
    serial: Serial, caller: Viewer, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> Response:
    """A row a visit; noted in the audit."""
    way, _, _ = _way(site, caller, serial, moment_of(since), moment_of(until))
    _note_export(site, caller, way, "csv")
    return _file(as_csv(way), "text/csv; charset=utf-8", f"identity-{way.serial}.csv")


@router.get("/{serial}/trajectory.geojson", response_class=Response)
def export_geojson(
    serial: Serial, caller: Viewer, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> Response:
    """Points and lines on the floor plan; noted in the audit."""
    way, _, _ = _way(site, caller, serial, moment_of(since), moment_of(until))
    _note_export(site, caller, way, "geojson")
    return _file(as_geojson(way), "application/geo+json", f"identity-{way.serial}.geojson")


@router.get("/{serial}/trajectory.pdf", response_class=Response)
def export_pdf(
    serial: Serial, caller: Viewer, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> Response:
    """Plan, timeline and table on paper; noted in the audit."""
    # a second of imports that no other route needs
    from sightgrid.server.trajectory_pdf import Sheet, as_pdf

    way, person, mine = _way(site, caller, serial, moment_of(since), moment_of(until))
    _note_export(site, caller, way, "pdf")
    best = max(
        (stay for stay in way.stays if stay.best_sighting is not None),
        key=lambda stay: stay.likeness or 1.0,
        default=None,
    )
    face = None
    if best is not None and best.best_sighting is not None:
        with site.store.snapshot() as tx:
            face = crop(tx, best.best_sighting)
    sheet = Sheet(
        site=site.configuration.site.name,
        zone=site.configuration.site.zone,
        person=person,
        places=place_cameras(mine, way.grid),
        links=tuple(links_between(mine, way.grid)),
        face=face,
        made_at=site.clock(),
    )
    return _file(as_pdf(way, sheet), "application/pdf", f"identity-{way.serial}.pdf")


def _way(
    site: Site, caller: Caller, serial: int, since: datetime | None, until: datetime | None
) -> tuple[Way, str | None, list[str]]:
    """The way, whose it is as far as the caller may know, and the caller's cameras."""
    with site.store.snapshot() as tx:
        card = seen_by(tx, serial, caller)
        way = way_of(tx, card.serial, caller, since=since, until=until)
        mine = [name for name in cameras(tx) if caller.may_see_camera(name)]
    person = card.person if caller.may(Permission.SEE_NAMES) else None
    return way, person, mine


def _note_export(site: Site, caller: Caller, way: Way, kind: str) -> None:
    now = site.clock()
    site.store.run(
        lambda tx: note_event(
            tx,
            at=now,
            actor=caller.known_as,
            action="trajectory-exported",
            subject=f"serial:{way.serial}",
            details={"format": kind, "visits": len(way.stays)},
        )
    )


def plan_shape(picture: PathOnDisk | None) -> float | None:
    """Width by height of the floor plan's picture; ``None`` where there is none to be read."""
    if picture is None:
        return None
    try:
        with Image.open(picture) as opened:
            return opened.width / max(opened.height, 1)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _file(content: str | bytes, media_type: str, name: str) -> Response:
    return Response(
        content,
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _visit(stay: Stay) -> VisitAnswer:
    visit = stay.visit
    return VisitAnswer(
        camera=visit.camera,
        first_seen=visit.first_seen,
        last_seen=visit.last_seen,
        sightings=list(visit.sighting_ids),
        band=stay.band,
        likeness=stay.likeness,
        best_sighting=stay.best_sighting,
    )


def _hop(leg: Leg) -> HopAnswer:
    hop = leg.hop
    return HopAnswer(
        origin=hop.origin.camera,
        target=hop.target.camera,
        unseen_secs=round(hop.unseen_secs, 3),
        possible=hop.possible,
        likeness=leg.likeness,
    )
