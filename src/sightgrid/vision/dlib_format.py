"""Reads the trained layers of dlib's face recognition network out of its ``.dat`` file.

dlib (Davis King, "Dlib-ml: A Machine Learning Toolkit", 2009) writes a network from its innermost
layer outwards, so the file's order is the order of the forward pass. Integers are a control byte
(low four bits: how many bytes follow; highest bit: minus) and little-endian bytes; a tensor is a
version, four sides and little-endian float32. Between the trained layers stands bookkeeping of the
training, which is passed over: the name of the next layer is looked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats

_TENSOR_VERSION = 2
_LARGEST_SIDE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """``weights`` (out, in, height, width) and ``bias`` (out,), float32; ``stride`` and ``pad``
    down and across."""

    weights: Floats
    bias: Floats
    stride: tuple[int, int]
    pad: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A frozen batch normalisation: ``gain`` and ``shift``, float32 (channels,)."""

    gain: Floats
    shift: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A dense layer without bias: ``weights`` float32 (in, out)."""

    weights: Floats


Layer = Convolution | Affine | Dense


def read_layers(data: bytes) -> list[Layer]:
    """The trained layers, in the order of the forward pass.

    Raises:
        PackError: the bytes break off or are no such file.
    """
    layers: list[Layer] = []
    at = 0
    while (found := _next_layer(data, at)) is not None:
        name, start = found
        reader = _Reader(data, start)
        try:
            layers.append(_READERS[name](reader))
        except (IndexError, ValueError) as error:
            raise PackError(f"the dlib file is damaged at byte {start}: {error}") from error
        at = reader.at
    if not layers:
        raise PackError("the file holds no layer of a dlib network")
    return layers


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def integer(self) -> int:
        control = self._data[self.at]
        length = control & 0x0F
        if not 1 <= length <= 8:
            raise ValueError("no integer where one is due")
        value = int.from_bytes(self._data[self.at + 1 : self.at + 1 + length], "little")
        self.at += 1 + length
        return -value if control & 0x80 else value

    def integers(self, count: int) -> list[int]:
        return [self.integer() for _ in range(count)]

    def tensor(self) -> Floats:
        if self.integer() != _TENSOR_VERSION:
            raise ValueError("a tensor of an unknown version")
        sides = self.integers(4)
        if not all(0 <= side <= _LARGEST_SIDE for side in sides):
            raise ValueError(f"a tensor of sides {sides}")
        count = math.prod(sides)
        values = np.frombuffer(self._data, "<f4", count, self.at)
        self.at += values.nbytes
        return values.reshape(sides).astype(np.float32)


def _convolution(reader: _Reader) -> Convolution:
    values = reader.tensor().ravel()
    filters, height, width, stride_down, stride_across, pad_down, pad_across = reader.integers(7)
    weights, bias = values[: values.size - filters], values[values.size - filters :]
    return Convolution(
        weights.reshape(filters, -1, height, width),
        bias,
        stride=(stride_down, stride_across),
        pad=(pad_down, pad_across),
    )


def _affine(reader: _Reader) -> Affine:
    gain, shift = reader.tensor().ravel().reshape(2, -1)
    return Affine(gain, shift)


def _dense(reader: _Reader) -> Dense:
    outputs, inputs = reader.integers(2)
    return Dense(reader.tensor().reshape(inputs, outputs))


_READERS: dict[str, Callable[[_Reader], Layer]] = {
    "con_4": _convolution,
    "affine_": _affine,
    "fc_2": _dense,
}
# a name is written as the integer of its length and its letters
_NAMED = re.compile(
    b"|".join(re.escape(bytes([1, len(name)]) + name.encode()) for name in _READERS)
)


def _next_layer(data: bytes, at: int) -> tuple[str, int] | None:
    """The name of the next trained layer and where its values begin."""
    found = _NAMED.search(data, at)
    return None if found is None else (found.group()[2:].decode(), found.end())
