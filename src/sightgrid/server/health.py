"""How boxes and their cameras said they were, last: kept in memory, since it is old in a minute."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sightgrid.domain.frames import format_time

SILENT_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class BoxReport:
    """What a box said and when."""

    at: datetime
    said: Mapping[str, Any]


class HealthBoard:
    """The last report of every box; thread-safe."""

    def __init__(self) -> None:
        self._reports: dict[str, BoxReport] = {}
        self._lock = threading.Lock()

    def note(self, box_id: str, said: Mapping[str, Any], *, at: datetime) -> None:
        """A box has reported."""
        with self._lock:
            self._reports[box_id] = BoxReport(at, said)

    def of(self, box_id: str) -> dict[str, Any] | None:
        """What a box said last, with ``reported_at``; ``None`` since this process has begun."""
        with self._lock:
            report = self._reports.get(box_id)
        if report is None:
            return None
        return {"reported_at": format_time(report.at), **report.said}

    def cameras(self, *, now: datetime) -> dict[str, dict[str, Any]]:
        """Every reported camera by name; those of a box that went silent are *offline*."""
        with self._lock:
            reports = list(self._reports.values())
        found: dict[str, dict[str, Any]] = {}
        for report in sorted(reports, key=lambda one: one.at):
            for name, state in report.said.get("cameras", {}).items():
                found[name] = dict(state) | {"reported_at": format_time(report.at)}
                if now - report.at > SILENT_AFTER:
                    found[name] |= {"state": "offline", "reason": "its box has gone silent"}
        return found
