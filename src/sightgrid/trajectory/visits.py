"""From decided sightings to visits, the rows of a trajectory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Decision, Sighting, Visit

Span = tuple[datetime, datetime]


def visits(
    decisions: Iterable[Decision], *, gap_secs: float = 15.0, grid: CameraGrid | None = None
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
        for visit in _visits_of_one(serial, names.get(serial), sightings, gap_secs, grid)
    ]
    return tuple(sorted(found, key=lambda visit: (visit.serial, visit.first_seen, visit.camera)))


def _visits_of_one(
    serial: int,
    person: str | None,
    sightings: Iterable[Sighting],
    gap_secs: float,
    grid: CameraGrid | None,
) -> Iterable[Visit]:
    in_order = sorted(sightings, key=lambda one: (one.first_seen, one.last_seen, one.sighting_id))
    starts = [one.first_seen for one in in_order]
    by_camera: dict[str, list[Sighting]] = {}
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
    in_order: Sequence[Sighting],
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


def _span(sighting: Sighting) -> Span:
    return sighting.first_seen, sighting.last_seen


def _visit(
    serial: int, person: str | None, camera: str, together: Sequence[Sighting], last: datetime
) -> Visit:
    return Visit(
        serial=serial,
        person=person,
        camera=camera,
        first_seen=together[0].first_seen,
        last_seen=last,
        sighting_ids=tuple(sighting.sighting_id for sighting in together),
    )
