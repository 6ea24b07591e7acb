"""Lengths of time as the configuration writes them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))
_HOURS_UP_TO = timedelta(days=3)


def spelled_span(span: timedelta) -> str:
    """``72h``, ``30d``, ``90s``: up to three days in hours."""
    for unit, size in _UNITS:
        if span >= size and not span % size and not (unit == "d" and span <= _HOURS_UP_TO):
            return f"{span // size}{unit}"
    return f"{span.total_seconds():g}s"
