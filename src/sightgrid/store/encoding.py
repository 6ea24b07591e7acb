"""Vectors and paths as bytes (the layouts: :mod:`sightgrid.domain.paths`), read from a database."""

from __future__ import annotations

from sightgrid.domain import paths
from sightgrid.domain.errors import InvalidValue, StoreError
from sightgrid.domain.paths import pack_floats, pack_path, unpack_floats
from sightgrid.domain.tracklets import PathPoint

__all__ = ["pack_floats", "pack_path", "unpack_floats", "unpack_path"]


def unpack_path(packed: bytes) -> tuple[PathPoint, ...]:
    """The detections in order.

    Raises:
        StoreError: the bytes are damaged or of a later layout.
    """
    try:
        return paths.unpack_path(packed)
    except InvalidValue as error:
        raise StoreError(f"stored data: {error}") from error
