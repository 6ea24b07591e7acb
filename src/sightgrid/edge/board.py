"""The board where every camera's state stands, and what is told when it changes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.edge.logs import note
from sightgrid.edge.states import CameraStatus

_COUNTED = (
    "packets",
    "frames",
    "skipped",
    "damaged",
    "suspect",
    "sent",
    "received_bytes",
    "connections",
    "cpu_secs",
)
# a camera that shows pictures but takes no more of them for this long hangs, however alive
_LEAST_PROGRESS_SECS = 120.0
_GAPS = 6.0
_EXPECTED = (CameraState.LIVE, CameraState.IMPAIRED)


@dataclass(slots=True)
class _Entry:
    status: CameraStatus
    earlier: CameraStatus  # the counts of processes that have ended
    frames_at: float
    attempt: int = 0


class StatusBoard:
    """The states of a box's cameras. ``now`` tells the time."""

    def __init__(self, cameras: Iterable[str], now: Callable[[], datetime]) -> None:
        self._now = now
        at = now()
        self._entries = {}
        for camera in cameras:
            blank = CameraStatus(camera, CameraState.STARTING, None, "", at, at)
            self._entries[camera] = _Entry(blank, blank, time.monotonic())
        self.all_down = False

    def statuses(self) -> list[CameraStatus]:
        """Every camera, with counts since the box began."""
        return [_sum(entry.earlier, entry.status) for entry in self._entries.values()]

    def attempt(self, camera: str) -> int:
        """How often in a row the camera was tried in vain, for the process that comes next."""
        return self._entries[camera].attempt

    def heard(self, message: bytes) -> bool:
        """Takes a camera's report; whether it shows progress."""
        fresh = CameraStatus.from_bytes(message)
        entry = self._entries[fresh.camera]
        before, entry.status = entry.status, fresh
        entry.attempt = fresh.attempt
        now = time.monotonic()
        if fresh.frames != before.frames or fresh.state not in _EXPECTED:
            entry.frames_at = now
        self._tell(before, fresh)
        patience = max(_LEAST_PROGRESS_SECS, _GAPS / fresh.fps if fresh.fps else 0.0)
        return now - entry.frames_at < patience

    def ended(self, camera: str, how: str) -> None:
        """A camera's process has ended; its counts are kept."""
        entry = self._entries[camera]
        before = entry.status
        entry.earlier = _sum(entry.earlier, before)
        trouble, reason = Trouble.CRASHED, f"its process was started anew: {how}"
        if before.trouble in (Trouble.CRASHED, Trouble.HUNG):
            trouble, reason = before.trouble, before.reason
        elif how.startswith("no progress"):
            trouble, reason = Trouble.HUNG, f"its process hung: {how}"
        zero = dict.fromkeys(_COUNTED, 0)
        entry.status = replace(
            before.turned(CameraState.OFFLINE, trouble, reason, self._now()),
            **zero,  # type: ignore[arg-type]
        )
        entry.attempt += 1
        entry.frames_at = time.monotonic()
        self._tell(before, entry.status)

    def _tell(self, before: CameraStatus, after: CameraStatus) -> None:
        if (before.state, before.trouble) == (after.state, after.trouble):
            return
        good = after.state in (CameraState.LIVE, CameraState.PAUSED, CameraState.ENDED)
        note(
            logging.INFO if good or self.all_down else logging.WARNING,
            "camera-state",
            camera=after.camera,
            state=after.state.value,
            trouble=None if after.trouble is None else after.trouble.value,
            reason=after.reason,
            before=before.state.value,
        )
        self._look_at_all()

    def _look_at_all(self) -> None:
        """One alarm for all cameras in place of one for each: then it is the switch, or the box."""
        wanted = [
            entry.status
            for entry in self._entries.values()
            if entry.status.state not in (CameraState.PAUSED, CameraState.ENDED)
        ]
        down = [s for s in wanted if s.state is CameraState.OFFLINE]
        all_down = len(wanted) > 1 and len(down) == len(wanted)
        if all_down and not self.all_down:
            note(
                logging.ERROR,
                "all-cameras-down",
                reason=f"{len(down)} of {len(wanted)} cameras are down: "
                "look at the network and the power first",
            )
        elif self.all_down and not all_down:
            note(logging.INFO, "cameras-back", up=len(wanted) - len(down), of=len(wanted))
        self.all_down = all_down


def _sum(earlier: CameraStatus, status: CameraStatus) -> CameraStatus:
    counts = {name: getattr(earlier, name) + getattr(status, name) for name in _COUNTED}
    return replace(status, **counts)
