"""Vectors and paths as bytes: how they are stored and how they travel.

A vector is its float32 numbers, little-endian, nothing else. Landmarks are the same, (5, 2) row by
row, 40 bytes.

A path is one byte for the version of its layout (1) and, zlib-compressed, the columns one after
another, all little-endian, N the number of detections::

    int64   (N,)    microseconds since 1970-01-01T00:00:00Z, each less the one before it
    int64   (N,)    frame index from 1, each less the one before it
    float32 (N, 4)  box: left, top, right, bottom in pixels of the source frame
    float32 (N,)    the detector's score

so 36 bytes a detection; the differences compress to almost nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.frames import EPOCH
from sightgrid.domain.geometry import Box, Floats
from sightgrid.domain.tracklets import PathPoint

PATH_VERSION = 1
BYTES_A_POINT = 36
MICROSECOND = timedelta(microseconds=1)
# 2200-01-01: later moments are damage, and timedelta must not overflow
_LATEST_MICROSECOND = 7_258_118_400_000_000


def pack_floats(numbers: Floats) -> bytes:
    """Any float32 array, row by row."""
    return numbers.astype("<f4", copy=False).tobytes()


def unpack_floats(packed: bytes) -> Floats:
    """A fresh, writable float32 array (N,).

    Raises:
        InvalidValue: the bytes are no whole number of float32.
    """
    if len(packed) % 4:
        raise InvalidValue(f"{len(packed)} bytes are no whole number of float32")
    return np.frombuffer(packed, "<f4").astype(np.float32)


def pack_path(path: Sequence[PathPoint]) -> bytes:
    """Boxes and scores are kept to float32 precision, times to the microsecond."""
    moments = np.array([(point.captured_at - EPOCH) // MICROSECOND for point in path], "<i8")
    frames = np.array([point.frame_index for point in path], "<i8")
    boxes = np.array(
        [(p.box.left, p.box.top, p.box.right, p.box.bottom) for p in path], "<f4"
    ).reshape(len(path), 4)
    scores = np.array([point.score for point in path], "<f4")
    columns = (
        _differences(moments).tobytes()
        + _differences(frames).tobytes()
        + boxes.tobytes()
        + scores.tobytes()
    )
    # level 1: noisy boxes shrink no further at 9, which takes five times as long
    return bytes([PATH_VERSION]) + zlib.compress(columns, 1)


def unpack_path(packed: bytes, *, most_points: int | None = None) -> tuple[PathPoint, ...]:
    """The detections in order. With ``most_points`` no more than so many are ever unfolded.

    Raises:
        InvalidValue: the bytes are damaged, of a later layout, or of too many detections.
    """
    if not packed or packed[0] != PATH_VERSION:
        raise InvalidValue("a path is of a layout that this version can't read")
    folded = zlib.decompressobj()
    # one byte more than allowed: enough to see that there is more
    most_bytes = 0 if most_points is None else most_points * BYTES_A_POINT + 1
    try:
        columns = folded.decompress(packed[1:], most_bytes)
    except zlib.error as error:
        raise InvalidValue("a path is damaged") from error
    if most_points is not None and len(columns) >= most_bytes:
        raise InvalidValue(f"a path has more than {most_points} detections")
    if not folded.eof or folded.unused_data or len(columns) % BYTES_A_POINT:
        raise InvalidValue("a path is damaged")
    count = len(columns) // BYTES_A_POINT
    moments = np.cumsum(np.frombuffer(columns, "<i8", count))
    frames = np.cumsum(np.frombuffer(columns, "<i8", count, offset=8 * count))
    boxes = np.frombuffer(columns, "<f4", 4 * count, offset=16 * count).reshape(count, 4)
    scores = np.frombuffer(columns, "<f4", count, offset=32 * count)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise InvalidValue("a path holds a number that is not finite")
    if count and not (moments.min() >= 0 and moments.max() <= _LATEST_MICROSECOND):
        raise InvalidValue("a path holds an impossible time")
    return tuple(
        PathPoint(frame, EPOCH + timedelta(microseconds=moment), Box(*box), score)
        for moment, frame, box, score in zip(
            moments.tolist(), frames.tolist(), boxes.tolist(), scores.tolist(), strict=True
        )
    )


def _differences(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diff(numbers, prepend=np.zeros(1, numbers.dtype)).astype("<i8", copy=False)
