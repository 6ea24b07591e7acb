"""From visits to the way that an identity took from camera to camera."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Visit


@dataclass(frozen=True, slots=True)
class Hop:
    """From one visit to the next. ``unseen_secs`` is the time between them, 0 where they overlap.

    ``possible`` is whether the grid allows one person to be on both cameras so soon after each
    other; without a grid everything is.
    """

    origin: Visit
    target: Visit
    unseen_secs: float
    possible: bool


@dataclass(frozen=True, slots=True)
class Route:
    """An identity's visits in order of time and the hops between them, one fewer.

    ``transitions`` counts the hops from one camera to another, by (origin, target); coming back to
    the same camera is a hop but no transition.
    """

    serial: int
    person: str | None
    visits: tuple[Visit, ...]
    hops: tuple[Hop, ...]
    transitions: Mapping[tuple[str, str], int]


def route(visits: Iterable[Visit], *, grid: CameraGrid | None = None) -> Route:
    """The route of one identity, whatever the order of its visits.

    Raises:
        InvalidValue: no visit, or visits of several identities.
    """
    in_order = tuple(
        sorted(visits, key=lambda visit: (visit.first_seen, visit.last_seen, visit.camera))
    )
    serials = {visit.serial for visit in in_order}
    if len(serials) != 1:
        raise InvalidValue(f"a route is of one identity, got visits of {len(serials)}")
    hops = tuple(
        _hop(origin, target, grid or CameraGrid()) for origin, target in pairwise(in_order)
    )
    counted = Counter(
        (hop.origin.camera, hop.target.camera)
        for hop in hops
        if hop.origin.camera != hop.target.camera
    )
    return Route(
        serial=in_order[0].serial,
        person=next((visit.person for visit in in_order if visit.person is not None), None),
        visits=in_order,
        hops=hops,
        transitions=MappingProxyType(dict(sorted(counted.items()))),
    )


def _hop(origin: Visit, target: Visit, grid: CameraGrid) -> Hop:
    gap_secs = (target.first_seen - origin.last_seen).total_seconds()
    forbidden = grid.forbids(
        origin.camera,
        (origin.first_seen, origin.last_seen),
        target.camera,
        (target.first_seen, target.last_seen),
    )
    return Hop(origin, target, max(gap_secs, 0.0), not forbidden)
