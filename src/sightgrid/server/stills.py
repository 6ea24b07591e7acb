"""The last picture of every camera, as boxes send them: in memory only, and not for long."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

SHOWN_FOR = timedelta(minutes=10)
"""A picture that is older says nothing of what the camera sees, and is let go."""
WATCHED_FOR = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Still:
    """One picture (JPEG, masks painted over) and when it was taken. ``width`` and ``height`` are
    those of the frame it was made from, in which faces are measured; 0 where they are not known.
    ``stays``: no later one comes, so it is shown for as long as the server runs."""

    taken_at: datetime
    jpeg: bytes
    width: int = 0
    height: int = 0
    stays: bool = False

    def __repr__(self) -> str:
        return f"Still({self.taken_at})"


class StillBoard:
    """The last picture of each camera, and whether anybody is looking; thread-safe."""

    def __init__(self) -> None:
        self._stills: dict[str, Still] = {}
        self._looked_at: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def put(self, camera: str, still: Still) -> None:
        """A picture has come; an older one than the last is not kept."""
        with self._lock:
            known = self._stills.get(camera)
            if known is None or known.taken_at <= still.taken_at:
                self._stills[camera] = still

    def of(self, camera: str, *, now: datetime) -> Still | None:
        """A camera's last picture, unless it is too old."""
        with self._lock:
            known = self._stills.get(camera)
            if known is not None and not known.stays and now - known.taken_at > SHOWN_FOR:
                del self._stills[camera]
                return None
            return known

    def note_viewer(self, cameras: tuple[str, ...], *, now: datetime) -> None:
        """Somebody has these cameras before them: their boxes may send pictures at activity."""
        with self._lock:
            for camera in cameras:
                self._looked_at[camera] = now

    def watched(self, *, now: datetime) -> frozenset[str]:
        """The cameras that somebody has before them."""
        with self._lock:
            return frozenset(
                camera for camera, at in self._looked_at.items() if now - at <= WATCHED_FOR
            )

    def forget(self, camera: str) -> None:
        """A camera is gone, or its masks have changed: its picture is not shown any more."""
        with self._lock:
            self._stills.pop(camera, None)
