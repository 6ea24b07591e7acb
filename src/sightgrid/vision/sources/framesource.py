"""What every source of frames is: one camera's pictures, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sightgrid.domain.frames import Frame

PICTURES_PER_SEC = 25
"""The rate of what does not tell its own."""


class Clock(StrEnum):
    """Where a source's start time comes from."""

    GIVEN = "given"
    CONTAINER = "container"
    ARRIVAL = "arrival"
    RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a source once it is open. ``frame_count`` is ``None`` if not told."""

    width: int
    height: int
    fps: float
    frame_count: int | None
    codec: str
    starts_at: datetime
    clock: Clock


@dataclass(slots=True)
class Ending:
    """How the last reading ended; ``broken_off`` says why it stopped before the end."""

    broken_off: str | None = None
    damaged: int = 0


class FrameSource(Protocol):
    """One camera's pictures. ``frames`` may be called again to read from the start."""

    camera: str
    ending: Ending

    @property
    def label(self) -> str:
        """The path or redacted URL, fit to be shown."""

    def facts(self) -> SourceFacts:
        """Opens the source if need be and tells what it is."""

    def frames(self) -> Iterator[Frame]:
        """Every frame in order of time."""
