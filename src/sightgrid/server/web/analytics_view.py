"""Analytics laid out for their page: a field of hours and cameras, and flows as ribbons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sightgrid.server.api.analytics import FlowsAnswer, FootfallAnswer
from sightgrid.trajectory.suppression import LEAST

SANKEY_WIDTH = 900
_NODE_WIDTH = 12
_GAP = 14
_LEAST_NODE = 14
_TALL = 420
_WITH_NUMBERS = 26
_LABEL = 150
_COLOURS = 8


def field_of_hours(found: FootfallAnswer) -> dict[str, Any]:
    """Cameras by hours, with the hours in between in which nobody was seen."""
    hours = [datetime.fromisoformat(hour) for hour in found.hours]
    at = {hour: index for index, hour in enumerate(hours)}
    every = []
    if hours:
        hour = hours[0]
        while hour <= hours[-1]:
            every.append(hour)
            hour = (hour + timedelta(hours=1)).astimezone(hours[0].tzinfo)
        every = sorted({*every, *hours})
    most = max((count for row in found.counts for count in row if count), default=0)
    numbers = len(every) <= _WITH_NUMBERS
    rows = []
    for column, camera in enumerate(found.cameras):
        cells = []
        for hour in every:
            count = found.counts[at[hour]][column] if hour in at else 0
            told = f"under {LEAST}, not shown" if count is None else str(count)
            cells.append(
                {
                    "text": str(count) if numbers and count else "",
                    "hidden": count is None,
                    "strength": 0 if not count else round(12 + 78 * count / most),
                    "spoken": f"{camera}, {_hour_words(hour)}: {told}",
                }
            )
        rows.append({"camera": camera, "cells": cells})
    return {
        "rows": rows,
        "wide": not numbers,
        "heads": [
            {
                "text": f"{hour:%H}" if numbers or hour.hour % 6 == 0 else "",
                "day": f"{hour:%a} {hour.day}" if index == 0 or hour.hour == 0 else "",
            }
            for index, hour in enumerate(every)
        ],
    }


def ribbons(found: FlowsAnswer) -> dict[str, Any]:
    """From which camera (left) people went to which (right) next; what is hidden is left out."""
    flows = [
        (row, column, count)
        for row, counts in enumerate(found.counts)
        for column, count in enumerate(counts)
        if count
    ]
    hidden = sum(count is None for counts in found.counts for count in counts)
    out = _added([(row, count) for row, _, count in flows])
    into = _added([(column, count) for _, column, count in flows])
    if not flows:
        return {"ribbons": [], "nodes": [], "hidden": hidden, "width": SANKEY_WIDTH, "height": 0}
    nodes = max(len(out), len(into))
    scale = _TALL / sum(count for *_, count in flows)
    left = _stacked(out, scale)
    right = _stacked(into, scale)
    height = round(max(_foot(left, out, scale), _foot(right, into, scale)))
    left_at = {row: top for row, top in left.items()}
    right_at = {column: top for column, top in right.items()}
    x1, x2 = _LABEL + _NODE_WIDTH, SANKEY_WIDTH - _LABEL - _NODE_WIDTH
    drawn = []
    for row, column, count in sorted(flows, key=lambda flow: (flow[0], right[flow[1]])):
        thick = max(count * scale, 1.0)
        begin, end = left_at[row], right_at[column]
        left_at[row] += thick
        right_at[column] += thick
        middle = (x1 + x2) / 2
        path = (
            f"M{x1} {begin:.1f} C{middle} {begin:.1f} {middle} {end:.1f} {x2} {end:.1f} "
            f"L{x2} {end + thick:.1f} C{middle} {end + thick:.1f} {middle} {begin + thick:.1f} "
            f"{x1} {begin + thick:.1f} Z"
        )
        words = f"{found.cameras[row]} to {found.cameras[column]}: {count}"
        drawn.append({"path": path, "colour": row % _COLOURS, "spoken": words})
    return {
        "ribbons": drawn,
        "nodes": [
            *_nodes(found.cameras, left, out, scale, x=_LABEL, side="left"),
            *_nodes(found.cameras, right, into, scale, x=x2, side="right"),
        ],
        "hidden": hidden,
        "width": SANKEY_WIDTH,
        "height": height if nodes else 0,
    }


def _added(parts: Sequence[tuple[int, int]]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for key, count in parts:
        sums[key] = sums.get(key, 0) + count
    return sums


def _stacked(sums: dict[int, int], scale: float) -> dict[int, float]:
    """Where each node begins, from the top."""
    tops, top = {}, 8.0
    for key in sorted(sums):
        tops[key] = top
        top += max(sums[key] * scale, _LEAST_NODE) + _GAP
    return tops


def _foot(tops: dict[int, float], sums: dict[int, int], scale: float) -> float:
    last = max(tops)
    return tops[last] + max(sums[last] * scale, _LEAST_NODE) + 8


def _nodes(
    cameras: Sequence[str],
    tops: dict[int, float],
    sums: dict[int, int],
    scale: float,
    *,
    x: int,
    side: str,
) -> list[dict[str, Any]]:
    return [
        {
            "x": x,
            "y": round(top, 1),
            "width": _NODE_WIDTH,
            "height": round(max(sums[key] * scale, 3.0), 1),
            "colour": key % _COLOURS,
            "name": cameras[key],
            "count": sums[key],
            "side": side,
            "text_x": x - 8 if side == "left" else x + _NODE_WIDTH + 8,
            "text_y": round(top + max(sums[key] * scale, _LEAST_NODE) / 2 + 4, 1),
        }
        for key, top in tops.items()
    ]


def _hour_words(hour: datetime) -> str:
    return f"{hour:%a} {hour.day} {hour:%b}, {hour:%H}:00"
