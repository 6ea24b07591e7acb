"""Footfall, dwell and flows; counts under 10 are hidden with what would give them away."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.presence import Visit
from sightgrid.server.api.answers import Moment, TimeText, moment_of
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.site import Site
from sightgrid.store.visits import visits_between
from sightgrid.trajectory.analytics import dwell, flows, footfall

router = APIRouter(prefix="/analytics", tags=["analytics"])
Analyst = Annotated[Caller, Depends(allowed(Permission.SEE_ANALYTICS))]
_USUAL_SPAN = timedelta(days=1)
_LONGEST_SPAN = timedelta(days=92)


class FootfallAnswer(BaseModel):
    """Different identities by hour and camera; null where the count is hidden."""

    hours: list[str]
    cameras: list[str]
    counts: list[list[int | None]]
    unique: int | None
    since: Moment
    until: Moment


class DwellRow(BaseModel):
    """How long visits to a camera lasted; null where too few people were there."""

    camera: str
    visits: int | None
    median_secs: float | None
    mean_secs: float | None
    p90_secs: float | None


class DwellAnswer(BaseModel):
    """How long visits lasted, by camera."""

    items: list[DwellRow]
    since: Moment
    until: Moment


class FlowsAnswer(BaseModel):
    """From which camera (row) people went to which (column) next; null where hidden."""

    cameras: list[str]
    counts: list[list[int | None]]
    out_of: list[int | None]
    into: list[int | None]
    whole: int | None
    since: Moment
    until: Moment


@router.get("/footfall")
def show_footfall(
    caller: Analyst, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> FootfallAnswer:
    """How many different people were on each camera in each hour."""
    return _footfall(site, *_visits(site, caller, since, until))


def show_overview(
    caller: Analyst, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> tuple[FootfallAnswer, DwellAnswer, FlowsAnswer]:
    """All three of the same visits, which are read once: what the page shows."""
    visits, begin, end = _visits(site, caller, since, until)
    return (
        _footfall(site, visits, begin, end),
        _dwell(visits, begin, end),
        _flows(visits, begin, end),
    )


def _footfall(site: Site, visits: Sequence[Visit], begin: Moment, end: Moment) -> FootfallAnswer:
    found = footfall(visits, zone=site.configuration.site.zone)
    return FootfallAnswer(
        hours=[hour.isoformat() for hour in found.hours],
        cameras=list(found.cameras),
        counts=[list(row) for row in found.counts],
        unique=found.unique,
        since=begin,
        until=end,
    )


@router.get("/dwell")
def show_dwell(
    caller: Analyst, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> DwellAnswer:
    """How long people stayed on each camera."""
    return _dwell(*_visits(site, caller, since, until))


def _dwell(visits: Sequence[Visit], begin: Moment, end: Moment) -> DwellAnswer:
    return DwellAnswer(
        items=[
            DwellRow(
                camera=row.camera,
                visits=row.visits,
                median_secs=row.median_secs,
                mean_secs=row.mean_secs,
                p90_secs=row.p90_secs,
            )
            for row in dwell(visits)
        ],
        since=begin,
        until=end,
    )


@router.get("/flows")
def show_flows(
    caller: Analyst, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> FlowsAnswer:
    """Where people went next, from camera to camera."""
    return _flows(*_visits(site, caller, since, until))


def _flows(visits: Sequence[Visit], begin: Moment, end: Moment) -> FlowsAnswer:
    found = flows(visits)
    return FlowsAnswer(
        cameras=list(found.cameras),
        counts=[list(row) for row in found.counts],
        out_of=list(found.out_of),
        into=list(found.into),
        whole=found.whole,
        since=begin,
        until=end,
    )


@router.get("/footfall.csv", response_class=Response)
def export_footfall(
    caller: Analyst, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> Response:
    """The same as a table: a row an hour, a column a camera; hidden counts are empty."""
    found = show_footfall(caller, site, since, until)
    rows = [[hour, *counts] for hour, counts in zip(found.hours, found.counts, strict=True)]
    return _csv("footfall", ["hour", *found.cameras], rows)


@router.get("/dwell.csv", response_class=Response)
def export_dwell(
    caller: Analyst, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> Response:
    """The same as a table: a row a camera; hidden figures are empty."""
    found = show_dwell(caller, site, since, until)
    columns = ["camera", "visits", "median_secs", "mean_secs", "p90_secs"]
    rows = [
        [row.camera, row.visits, row.median_secs, row.mean_secs, row.p90_secs]
        for row in found.items
    ]
    return _csv("dwell", columns, rows)


@router.get("/flows.csv", response_class=Response)
def export_flows(
    caller: Analyst, site: ThisSite, since: TimeText = None, until: TimeText = None
) -> Response:
    """The same as a table: from the camera of the row to that of the column; hidden counts are
    empty."""
    found = show_flows(caller, site, since, until)
    rows = [[camera, *counts] for camera, counts in zip(found.cameras, found.counts, strict=True)]
    return _csv("flows", ["from", *found.cameras], rows)


def _csv(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Response:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    # None is written as nothing
    writer.writerows(rows)
    return Response(
        lines.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "Cache-Control": "no-store",
        },
    )


def _visits(
    site: Site, caller: Caller, since: str | None, until: str | None
) -> tuple[list[Visit], Moment, Moment]:
    """The visits of the caller's cameras; the last day where no time is given."""
    end = moment_of(until) or site.clock()
    begin = moment_of(since) or end - _USUAL_SPAN
    if not timedelta() < end - begin <= _LONGEST_SPAN:
        raise InvalidValue(f"since, until: between them may lie at most {_LONGEST_SPAN.days} days")
    with site.store.snapshot() as tx:
        visits = visits_between(tx, begin, end)
    return [visit for visit in visits if caller.may_see_camera(visit.camera)], begin, end
