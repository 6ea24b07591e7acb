"""From decided sightings to visits, the rows of a trajectory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Decision, Sighting, Visit

Span = tuple[datetime, datetime]
GAP_SECS = 15.0


class Seen(Protocol):
    """As much of a sighting as visits need, stored or on its way."""

    @property
    def sighting_id(self) -> str: ...
    @property
    def camera(self) -> str: ...
    @property
    def first_seen(self) -> datetime: ...
    @property
    def last_seen(self) -> datetime: ...


def visits(
    decisions: Iterable[Decision], *, gap_secs: float = GAP_SECS, grid: CameraGrid | None = None
) -> tuple[Visit, ...]:
    """Joins the sightings of an identity on a camera into visits.

    Two that overlap always join; two with at most ``gap_secs`` between them join unless the
    identity was elsewhere meanwhile: then it left and came back. Elsewhere means a sighting on
    another camera that begins after the earlier one ended and ends before the later one begins. One
    that ``grid`` says can't be, because nobody walks there and back in that time, counts as a
    mistake and parts nothing. *Unsure* decisions are left out.

    Returns:
        Visits ordered by serial, first_seen and camera, whatever the order of ``decisions``; every
        sighting that has a serial is in exactly one. ``person`` is the name under which any
        sighting of the serial was decided.
    """
    by_serial: dict[int, list[Sighting]] = {}
    names: dict[int, str] = {}
    for decision in decisions:
        serial, person = decision.match.serial, decision.match.person
        if serial is None:
            continue
        by_serial.setdefault(serial, []).append(decision.sighting)
        if person is not None:
            # the least of several, so that the order of the decisions doesn't matter
            names[serial] = min(person, names.get(serial, person))
    found = [
        visit
        for serial, sightings in by_serial.items()
        for visit in visits_of_one(
            serial, names.get(serial), sightings, gap_secs=gap_secs, grid=grid
        )
    ]
    return tuple(sorted(found, key=lambda visit: (visit.serial, visit.first_seen, visit.camera)))


def visits_of_one(
    serial: int,
    person: str | None,
    sightings: Iterable[Seen],
    *,
    gap_secs: float = GAP_SECS,
    grid: CameraGrid | None = None,
) -> Iterable[Visit]:
    """The visits of one identity, camera by camera; see :func:`visits`."""
    in_order = sorted(sightings, key=lambda one: (one.first_seen, one.last_seen, one.sighting_id))
    starts = [one.first_seen for one in in_order]
    by_camera: dict[str, list[Seen]] = {}
    for sighting in in_order:
        by_camera.setdefault(sighting.camera, []).append(sighting)
    for camera, here in by_camera.items():
        together = [here[0]]
        first, last = here[0].first_seen, here[0].last_seen
        for sighting in here[1:]:
            pause = (sighting.first_seen - last).total_seconds()
            if pause <= 0 or (
                pause <= gap_secs
                and not _was_elsewhere(
                    camera, (first, last), _span(sighting), in_order, starts, grid or CameraGrid()
                )
            ):
                together.append(sighting)
                last = max(last, sighting.last_seen)
                continue
            yield _visit(serial, person, camera, together, last)
            together = [sighting]
            first, last = sighting.first_seen, sighting.last_seen
        yield _visit(serial, person, camera, together, last)


def _was_elsewhere(
    camera: str,
    before: Span,
    after: Span,
    in_order: Sequence[Seen],
    starts: Sequence[datetime],
    grid: CameraGrid,
) -> bool:
    """Whether the identity was on another camera after ``before`` ended, and had left it again
    before ``after`` began. ``starts`` are the first_seen of ``in_order``."""
    for position in range(bisect_right(starts, before[1]), len(in_order)):
        other = in_order[position]
        if other.first_seen >= after[0]:
            return False
        if (
            other.camera != camera
            and other.last_seen < after[0]
            and not grid.forbids(camera, before, other.camera, _span(other))
            and not grid.forbids(camera, after, other.camera, _span(other))
        ):
            return True
    return False


def _span(sighting: Seen) -> Span:
    return sighting.first_seen, sighting.last_seen


def _visit(
    serial: int, person: str | None, camera: str, together: Sequence[Seen], last: datetime
) -> Visit:
    return Visit(
        serial=serial,
        person=person,
        camera=camera,
        first_seen=together[0].first_seen,
        last_seen=last,
        sighting_ids=tuple(sighting.sighting_id for sighting in together),
    )
