"""Moments and decoded frames of a made-up stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import av
import numpy as np

from sightgrid.domain.geometry import Bytes

BEGAN = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)


def at(secs: float) -> datetime:
    """A moment so many seconds into the stream."""
    return BEGAN + timedelta(seconds=secs)


def decoded(pixels: Bytes, *, name: str = "yuv420p") -> av.VideoFrame:
    """The picture as a decoder would give it."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
    return frame.reformat(format=name)
