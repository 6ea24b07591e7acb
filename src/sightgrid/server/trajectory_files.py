"""A trajectory as a file that other programs read: CSV and GeoJSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from sightgrid.domain.frames import format_time
from sightgrid.server.trajectories import Leg, Stay, Way

COLUMNS = (
    "number",
    "identity",
    "camera",
    "first_seen",
    "last_seen",
    "secs",
    "sightings",
    "band",
    "likeness",
    "unseen_secs_before",
    "possible",
)


def as_csv(way: Way) -> str:
    """A row a visit, in order of time. ``unseen_secs_before`` and ``possible`` are those of the
    way that led there; empty for the first."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    led_there = {leg.target: leg for leg in way.legs}
    for stay in way.stays:
        leg = led_there.get(stay.number)
        visit = stay.visit
        writer.writerow(
            [
                stay.number,
                way.serial,
                visit.camera,
                format_time(visit.first_seen),
                format_time(visit.last_seen),
                f"{(visit.last_seen - visit.first_seen).total_seconds():.3f}",
                len(visit.sighting_ids),
                stay.band.value,
                "" if stay.likeness is None else f"{stay.likeness:.4f}",
                "" if leg is None else f"{leg.hop.unseen_secs:.3f}",
                "" if leg is None else str(leg.hop.possible).lower(),
            ]
        )
    return lines.getvalue()


def as_geojson(way: Way) -> str:
    """A FeatureCollection: a point a visit, a line a hop. Coordinates are those of the floor plan,
    0-1 from the left and top, no degrees; null where a camera is not placed."""
    places = way.grid.positions
    camera_of = {stay.number: stay.visit.camera for stay in way.stays}

    def point(number: int) -> list[float] | None:
        place = places.get(camera_of[number])
        return None if place is None else [place[0], place[1]]

    features = [_visit_feature(way, stay, point(stay.number)) for stay in way.stays]
    features += [_hop_feature(leg, point(leg.origin), point(leg.target)) for leg in way.legs]
    return json.dumps(
        {
            "type": "FeatureCollection",
            "coordinates_of": "floor plan, 0-1 from the left and top",
            "features": features,
        },
        indent=1,
    )


def _visit_feature(way: Way, stay: Stay, place: list[float] | None) -> dict[str, Any]:
    visit = stay.visit
    return {
        "type": "Feature",
        "geometry": None if place is None else {"type": "Point", "coordinates": place},
        "properties": {
            "kind": "visit",
            "number": stay.number,
            "identity": way.serial,
            "camera": visit.camera,
            "first_seen": format_time(visit.first_seen),
            "last_seen": format_time(visit.last_seen),
            "sightings": len(visit.sighting_ids),
            "band": stay.band.value,
            "likeness": stay.likeness,
        },
    }


def _hop_feature(
    leg: Leg, origin: list[float] | None, target: list[float] | None
) -> dict[str, Any]:
    line = None
    if origin is not None and target is not None:
        line = {"type": "LineString", "coordinates": [origin, target]}
    return {
        "type": "Feature",
        "geometry": line,
        "properties": {
            "kind": "hop",
            "from": leg.origin,
            "to": leg.target,
            "unseen_secs": round(leg.hop.unseen_secs, 3),
            "possible": leg.hop.possible,
            "likeness": leg.likeness,
        },
    }
