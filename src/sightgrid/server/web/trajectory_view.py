"""A trajectory laid out for its page: the plan with its numbered ways, the timeline, the table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sightgrid.server.api.trajectories import HopAnswer, PlannedTrajectory, VisitAnswer
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import lasted

WIDTH = 1000.0
_EDGE = 90.0
_NODE = 16.0
_TICKS = 5
# so narrow a bar can still be seen and pressed
_LEAST_BAR_PERCENT = 0.7


def laid_out(found: PlannedTrajectory, visitor: Visitor) -> dict[str, Any]:
    """Everything that ``trajectory.html`` shows; there is at least one visit."""
    first = found.visits[0].first_seen
    last = max(visit.last_seen for visit in found.visits)
    if last <= first:
        last = first + timedelta(seconds=1)
    return {
        "zone": str(visitor.zone),
        "first": _secs(first),
        "last": _secs(last),
        "last_told": visitor.when(last),
        "plan": _plan(found, visitor),
        "gantt": _gantt(found.visits, visitor, first, last),
        "stays": _stays(found, visitor),
    }


def line_width(likeness: float | None) -> float:
    """Pixels, 2 to 6: the more alike, the wider. ``None``: the identity began with it."""
    if likeness is None:
        return 6.0
    return round(2.0 + 4.0 * min(max((likeness - 0.2) / 0.6, 0.0), 1.0), 1)


def _plan(found: PlannedTrajectory, visitor: Visitor) -> dict[str, Any]:
    plan = found.plan
    height = round(WIDTH / plan.aspect)
    edge = 0.0 if plan.picture else _EDGE
    across, down = [one.x for one in plan.cameras], [one.y for one in plan.cameras]
    if plan.picture:
        across, down = [0.0, 1.0], [0.0, 1.0]
    at = {
        one.name: (
            round(edge + _share(one.x, across) * (WIDTH - 2 * edge), 1),
            round(edge * 0.6 + _share(one.y, down) * (height - 1.2 * edge), 1),
        )
        for one in plan.cameras
    }
    stays: dict[str, list[dict[str, float]]] = {}
    for visit in found.visits:
        stays.setdefault(visit.camera, []).append(
            {"begin": _secs(visit.first_seen), "end": _secs(visit.last_seen)}
        )
    legs = _legs(found, at, visitor)
    cameras = {visit.camera for visit in found.visits}
    return {
        "width": int(WIDTH),
        "height": height,
        "picture": plan.picture,
        "placed": plan.picture or any(one.placed for one in plan.cameras),
        "impossible": any(leg["kind"] == "impossible" for leg in legs),
        "spoken": f"Plan: {len(found.visits)} visits on {len(cameras)} cameras",
        "links": [
            {"x1": at[one][0], "y1": at[one][1], "x2": at[other][0], "y2": at[other][1]}
            for one, other in plan.links
        ],
        "legs": legs,
        "cameras": [
            {
                "name": one.name,
                "x": at[one.name][0],
                "y": at[one.name][1],
                "label_y": at[one.name][1] + (38 if at[one.name][1] < height - 50 else -26),
                "anchor": _anchor(at[one.name][0]),
                "visited": one.name in cameras,
                "stays": stays.get(one.name, []),
            }
            for one in plan.cameras
        ],
    }


def _share(value: float, of: Sequence[float]) -> float:
    """Where a value lies between the least and the most: without a picture the plan is filled."""
    least, most = min(of), max(of)
    return 0.5 if most - least < 1e-6 else (value - least) / (most - least)


def _anchor(x: float) -> str:
    if x < 60:
        return "start"
    return "end" if x > WIDTH - 60 else "middle"


def _legs(
    found: PlannedTrajectory, at: dict[str, tuple[float, float]], visitor: Visitor
) -> list[dict[str, Any]]:
    legs = []
    passed: Counter[tuple[str, str]] = Counter()
    for number, (hop, target) in enumerate(zip(found.hops, found.visits[1:], strict=True), 2):
        if hop.origin == hop.target:
            continue
        pair = (hop.origin, hop.target)
        path, (mx, my) = _curve(at[hop.origin], at[hop.target], passed[pair])
        passed[pair] += 1
        legs.append(
            {
                "number": number,
                "path": path,
                "mx": mx,
                "my": my,
                "half": 12 + 4 * (len(str(number)) - 1),
                "width": line_width(hop.likeness),
                "dashed": hop.unseen_secs > 0,
                "kind": "possible" if hop.possible else "impossible",
                "begin": round(_secs(target.first_seen) - hop.unseen_secs, 3),
                "end": _secs(target.first_seen),
                "goto": _secs(target.first_seen),
                "spoken": _leg_words(number, hop, target, visitor),
            }
        )
    return legs


def _leg_words(number: int, hop: HopAnswer, target: VisitAnswer, visitor: Visitor) -> str:
    words = f"{number}: {hop.origin} to {hop.target}, there at {visitor.clock(target.first_seen)}"
    if hop.unseen_secs > 0:
        words += f", unseen for {lasted(timedelta(seconds=hop.unseen_secs))}"
    return words if hop.possible else words + ", too quick to be possible"


def _curve(
    origin: tuple[float, float], target: tuple[float, float], nth: int
) -> tuple[str, tuple[float, float]]:
    """A bent line that stops short of both cameras, and where its number stands. The n-th way
    between the same two is bent further; the way back bends to the other side."""
    (x1, y1), (x2, y2) = origin, target
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    bend = min(length * (0.13 + 0.11 * nth), 190.0)
    cx, cy = (x1 + x2) / 2 + uy * bend, (y1 + y2) / 2 - ux * bend
    begin, end = _towards(origin, (cx, cy), _NODE), _towards(target, (cx, cy), _NODE + 6)
    middle = (
        round(0.25 * begin[0] + 0.5 * cx + 0.25 * end[0], 1),
        round(0.25 * begin[1] + 0.5 * cy + 0.25 * end[1], 1),
    )
    path = f"M{begin[0]:.1f} {begin[1]:.1f} Q{cx:.1f} {cy:.1f} {end[0]:.1f} {end[1]:.1f}"
    return path, middle


def _towards(
    point: tuple[float, float], other: tuple[float, float], by: float
) -> tuple[float, float]:
    dx, dy = other[0] - point[0], other[1] - point[1]
    length = math.hypot(dx, dy) or 1.0
    return point[0] + dx / length * by, point[1] + dy / length * by


def _gantt(
    visits: Sequence[VisitAnswer], visitor: Visitor, first: datetime, last: datetime
) -> dict[str, Any]:
    whole = (last - first).total_seconds()
    rows: dict[str, list[dict[str, Any]]] = {}
    for visit in visits:
        left = 100 * (visit.first_seen - first).total_seconds() / whole
        width = 100 * (visit.last_seen - visit.first_seen).total_seconds() / whole
        stayed = lasted(visit.last_seen - visit.first_seen)
        rows.setdefault(visit.camera, []).append(
            {
                "left": round(min(left, 100 - _LEAST_BAR_PERCENT), 3),
                "width": round(max(width, _LEAST_BAR_PERCENT), 3),
                "begin": _secs(visit.first_seen),
                "end": _secs(visit.last_seen),
                "goto": _secs(visit.first_seen),
                "tone": "known" if visit.band in ("confirmed", "likely") else "stranger",
                "spoken": f"{visit.camera}, {visitor.when(visit.first_seen)}, {stayed}",
            }
        )
    ticks = []
    for index in range(_TICKS):
        moment = first + (last - first) * index / (_TICKS - 1)
        ticks.append(
            {
                "left": round(100 * index / (_TICKS - 1), 2),
                "side": "first" if index == 0 else "last" if index == _TICKS - 1 else "",
                "text": visitor.clock(moment)
                if visitor.day(first) == visitor.day(last)
                else f"{visitor.day(moment)} {visitor.clock(moment)[:5]}",
            }
        )
    return {
        "ticks": ticks,
        "rows": [{"camera": camera, "bars": bars} for camera, bars in rows.items()],
        "spoken": f"Timeline of {len(visits)} visits on {len(rows)} cameras",
    }


def _stays(found: PlannedTrajectory, visitor: Visitor) -> list[dict[str, Any]]:
    stays = []
    hops: list[HopAnswer | None] = [None, *found.hops]
    for number, (visit, hop) in enumerate(zip(found.visits, hops, strict=True), 1):
        likeness = "began it" if visit.likeness is None else f"{visit.likeness:.2f}"
        shown = visit.best_sighting or (visit.sightings[0] if visit.sightings else None)
        stays.append(
            {
                "number": number,
                "camera": visit.camera,
                "crop": visit.best_sighting,
                "link": None
                if shown is None
                else f"/sightings?identity={found.identity}&sighting={shown}",
                "tone": "known" if visit.band in ("confirmed", "likely") else "stranger",
                "came": visitor.when(visit.first_seen),
                "stayed": lasted(visit.last_seen - visit.first_seen),
                "likeness": likeness,
                "unseen": ""
                if hop is None
                else lasted(timedelta(seconds=hop.unseen_secs))
                if hop.unseen_secs > 0
                else "seen all the time",
                "impossible": hop is not None and not hop.possible,
                "begin": _secs(visit.first_seen),
                "end": _secs(visit.last_seen),
                "goto": _secs(visit.first_seen),
            }
        )
    return stays


def _secs(moment: datetime) -> float:
    return round(moment.timestamp(), 3)
