"""A picture from a camera and the moment it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Bytes

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_time(moment: datetime) -> str:
    """ISO-8601 in UTC with milliseconds and ``Z``: ``2026-01-02T03:04:05.678Z``."""
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def parse_time(text: str) -> datetime:
    """Reads ISO-8601; a time without a zone is taken as UTC.

    Raises:
        InvalidValue: the text is no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        # OverflowError: a zone that moves it before year 1 or after year 9999
        raise InvalidValue(
            f"'{text}' is not a time", hint="write it as 2026-01-02T03:04:05Z"
        ) from None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of one camera.

    ``captured_at`` is stamped once, where the frame arrives, and survives to the last row.
    ``index`` counts the camera's frames from 1. ``pixels`` are (H, W, 3) uint8, BGR, read-only.
    """

    camera: str
    captured_at: datetime
    index: int
    pixels: Bytes

    def __post_init__(self) -> None:
        if self.captured_at.tzinfo is None:
            raise InvalidValue("captured_at needs a time zone")
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise InvalidValue(
                f"pixels: expected uint8 (H, W, 3), got {self.pixels.dtype} {self.pixels.shape}"
            )
        self.pixels.setflags(write=False)

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])
