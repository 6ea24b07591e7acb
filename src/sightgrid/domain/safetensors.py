"""Reads and writes tensors in files in the format *safetensors*: numbers and their shapes, no code.

Eight bytes give the length of a JSON header, ``{"name": {"dtype", "shape", "data_offsets"}}``;
after it the values lie one after another (https://github.com/huggingface/safetensors). Texts about
the file may lie in the header under ``__metadata__``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sightgrid.domain.errors import OutputError, PackError
from sightgrid.domain.geometry import Floats

_FLOATS: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_LONGEST_HEADER_BYTES = 100_000_000
_LARGEST_BYTES = 2 << 30


def read_tensors(path: Path) -> dict[str, Floats]:
    """The floating-point tensors by name, as float32; whole numbers (counters of a training) are
    left out.

    Raises:
        PackError: the file can't be read, or is no such file.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise PackError(f"{path.name} is larger than any model")
        data = path.read_bytes()
    except OSError as error:
        raise PackError(f"{path} can't be read: {error.strerror or error}") from error
    try:
        return decode_tensors(data)[0]
    except ValueError as error:
        raise PackError(f"{path.name} is no file of tensors (safetensors): {error}") from error


def write_tensors(path: Path, tensors: Mapping[str, Floats]) -> None:
    """Writes float32 tensors in order of their names; the same tensors give the same bytes.

    Raises:
        OutputError: the file can't be written.
    """
    try:
        with path.open("wb") as stream:
            stream.writelines(_pieces(tensors, {}))
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror or error}") from error


def encode_tensors(tensors: Mapping[str, Floats], texts: Mapping[str, str]) -> bytes:
    """The bytes of a file that holds float32 tensors and texts about them."""
    return b"".join(_pieces(tensors, texts))


def decode_tensors(data: bytes) -> tuple[dict[str, Floats], dict[str, str]]:
    """The floating-point tensors and the texts of such a file.

    Raises:
        ValueError: it is no such file, breaks off, or holds values that are no numbers.
    """
    try:
        return _decoded(data)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _pieces(tensors: Mapping[str, Floats], texts: Mapping[str, str]) -> Iterator[bytes]:
    """The bytes of a file, a tensor at a time: some are larger than one likes to hold twice."""
    header: dict[str, object] = {"__metadata__": dict(sorted(texts.items()))} if texts else {}
    at = 0
    for name in sorted(tensors):
        size = 4 * tensors[name].size
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [at, at + size],
        }
        at += size
    told = json.dumps(header, separators=(",", ":")).encode()
    # values begin at a multiple of eight bytes
    told += b" " * (-len(told) % 8)
    yield len(told).to_bytes(8, "little") + told
    for name in sorted(tensors):
        yield np.ascontiguousarray(tensors[name], "<f4").tobytes()


def _decoded(data: bytes) -> tuple[dict[str, Floats], dict[str, str]]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(_LONGEST_HEADER_BYTES, len(data) - 8):
        raise ValueError("its header breaks off")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    texts = {str(name): str(text) for name, text in header.pop("__metadata__", {}).items()}
    values = memoryview(data)[8 + length :]
    found = {}
    for name, fields in header.items():
        tensor = _tensor(values, fields, name)
        if tensor is not None:
            found[name] = tensor
    return found, texts


def _tensor(values: memoryview, fields: dict[str, Any], name: str) -> Floats | None:
    kind, shape = str(fields["dtype"]), [int(side) for side in fields["shape"]]
    begin, end = (int(offset) for offset in fields["data_offsets"])
    if not 0 <= begin <= end <= len(values) or min(shape, default=0) < 0:
        raise ValueError(f"tensor '{name}' lies outside of the file")
    if kind not in _FLOATS:
        if kind in ("I64", "I32", "I16", "I8", "U8", "BOOL"):
            return None
        raise ValueError(f"tensor '{name}' is of type {kind}")
    if (end - begin) != math.prod(shape) * _FLOATS[kind].itemsize:
        raise ValueError(f"tensor '{name}' has another size than its shape")
    tensor: Floats = (
        np.frombuffer(values[begin:end], _FLOATS[kind]).reshape(shape).astype(np.float32)
    )
    if not np.isfinite(tensor).all():
        raise ValueError(f"tensor '{name}' holds values that are no numbers")
    return tensor
