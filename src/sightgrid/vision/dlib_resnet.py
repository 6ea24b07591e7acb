"""dlib's face recognition network as ONNX: 150 x 150 pixels of a face to 128 numbers.

A residual network of 29 convolutions after He et al. ("Deep Residual Learning for Image
Recognition", 2015) with half of the filters (Davis King, dlib's ``dnn_face_recognition_ex``, 2017;
the weights are in the public domain). The numbers are those of dlib's own program to about 1e-6 and
take a twentieth of its time. The batch normalisations, and the mean and scale of the pixels, are
folded into the convolutions, so that the network takes RGB 0-255.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import onnx

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats
from sightgrid.vision.dlib_format import Affine, Convolution, Dense, Layer, read_layers
from sightgrid.vision.drawing import Drawing, QuantisedDrawing, Range

INPUT_PX = 150
DIMENSION = 128
_PIXEL_MEAN = np.array([122.782, 117.001, 104.298])
_PIXEL_SCALE = 256.0
# filters, blocks, whether the first block halves the map's sides
_STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))


@dataclass(frozen=True, slots=True)
class Block:
    """A residual block in words: what goes in, comes out, and lies between.

    ``inner`` and ``branch`` are what its two convolutions give, ``out`` what it gives as a whole;
    ``pads`` is by how much the branch's map is too small for the skipped one, ``more`` how many
    channels the skipped one lacks.
    """

    number: int
    halves: bool
    pads: int
    more: int

    @property
    def out(self) -> str:
        return f"block{self.number}"

    @property
    def inner(self) -> str:
        return f"{self.out}_inner"

    @property
    def branch(self) -> str:
        return f"{self.out}_branch"

    @property
    def convolutions(self) -> tuple[str, str]:
        return f"{self.out}_conv1", f"{self.out}_conv2"


def blocks() -> Iterator[Block]:
    """The residual blocks in order."""
    side = ((INPUT_PX - 7) // 2 + 1 - 3) // 2 + 1
    channels, number = _STAGES[0][0], 0
    for filters, count, halved in _STAGES:
        for place in range(count):
            number += 1
            halves = halved and place == 0
            branch_side = (side - 3) // 2 + 1 if halves else side
            skip_side = (side - 2) // 2 + 1 if halves else side
            yield Block(number, halves, skip_side - branch_side, filters - channels)
            side, channels = skip_side, filters


@dataclass(frozen=True, slots=True, eq=False)
class FoldedConvolution:
    """A convolution with everything that follows it in a straight line folded in."""

    name: str
    weights: Floats
    bias: Floats
    stride: tuple[int, int]
    pad: tuple[int, int]


def folded(layers: Sequence[Layer]) -> tuple[list[FoldedConvolution], Floats]:
    """The 29 convolutions by name, and the weights (256, 128) of the dense layer.

    Raises:
        PackError: these are not the layers of this network.
    """
    names = ["stem", *(name for block in blocks() for name in block.convolutions)]
    *body, dense = layers
    pairs = list(zip(body[::2], body[1::2], strict=False))
    if len(body) != 2 * len(names) or not isinstance(dense, Dense):
        raise PackError(
            f"expected {2 * len(names) + 1} layers of dlib's network, got {len(layers)}"
        )
    result = []
    for name, (convolution, affine) in zip(names, pairs, strict=True):
        if not isinstance(convolution, Convolution) or not isinstance(affine, Affine):
            raise PackError(f"the layers around {name} are not those of dlib's network")
        weights = convolution.weights.astype(np.float64)
        bias = convolution.bias.astype(np.float64)
        if name == "stem":
            if convolution.pad != (0, 0) or weights.shape[1] != len(_PIXEL_MEAN):
                raise PackError("the first layer is not that of dlib's network")
            weights /= _PIXEL_SCALE
            bias -= (weights * _PIXEL_MEAN[None, :, None, None]).sum(axis=(1, 2, 3))
        gain = affine.gain.astype(np.float64)
        result.append(
            FoldedConvolution(
                name,
                (weights * gain[:, None, None, None]).astype(np.float32),
                (bias * gain + affine.shift).astype(np.float32),
                convolution.stride,
                convolution.pad,
            )
        )
    return result, dense.weights


def dlib_resnet(
    layers: Sequence[Layer], *, ranges: Mapping[str, Range] | None = None
) -> onnx.ModelProto:
    """The network: ``face`` (faces, 3, 150, 150) RGB 0-255 to ``embedding`` (faces, 128), not of
    unit length.

    Args:
        ranges: computes in eight bits, given the least and the greatest value that each result of
            :func:`measured_results` takes; in float32 without.

    Raises:
        PackError: these are not the layers of this network, or a range is missing.
    """
    convolutions, dense = folded(layers)
    by_name = {one.name: one for one in convolutions}
    drawing = Drawing() if ranges is None else QuantisedDrawing(ranges)

    def convolved(data: str, name: str, out: str, *, rectified: bool) -> str:
        one = by_name[name]
        summed = drawing.convolution(data, name, one.weights, one.bias, one.stride, one.pad)
        return drawing.settled(drawing.rectified(summed) if rectified else summed, as_=out)

    data = drawing.settled("face", as_="pixels")
    data = convolved(data, "stem", "stem_out", rectified=True)
    data = drawing.pooled("MaxPool", data, "pooled", side=3)
    for block in blocks():
        first, second = block.convolutions
        inner = convolved(data, first, block.inner, rectified=True)
        branch = convolved(inner, second, block.branch, rectified=False)
        skipped = data
        if block.halves:
            skipped = drawing.pooled("AveragePool", data, f"{block.out}_skipped", side=2)
        skipped = drawing.padded(skipped, channels=block.more)
        branch = drawing.padded(branch, sides=block.pads)
        summed = drawing.node("Add", [branch, skipped], f"{block.out}_sum")
        data = drawing.settled(drawing.rectified(summed), as_=block.out)
    data = drawing.node("GlobalAveragePool", [data], "means")
    data = drawing.node("Flatten", [data], "mean")
    drawing.node("MatMul", [data, drawing.constant("dense_weight", dense)], "embedding")
    return drawing.model(
        "dlib_resnet",
        inputs={"face": ["faces", 3, INPUT_PX, INPUT_PX]},
        outputs={"embedding": ["faces", DIMENSION]},
    )


def measured_results() -> list[str]:
    """The results of the float32 network whose ranges the one in eight bits needs; pixels are
    0-255 whatever they show."""
    names = [name for block in blocks() for name in (block.inner, block.branch, block.out)]
    return ["stem_out", *names]


PIXELS: Range = (0.0, 255.0)


def convert_dlib_resnet(source: Path, target: Path, *, numeric_class: str) -> None:
    """Writes the network in dlib's file ``source`` as ONNX to ``target``, in float32 (``fp32``) or
    with the ranges that ship with sightgrid in eight bits (``int8``).

    Raises:
        PackError: the file is no such network.
    """
    layers = read_layers(source.read_bytes())
    model = dlib_resnet(layers, ranges=_ranges() if numeric_class == "int8" else None)
    target.write_bytes(model.SerializeToString(deterministic=True))


def _ranges() -> dict[str, Range]:
    """Measured by ``python -m benchmarks.ranges``."""
    file = resources.files("sightgrid.vision") / "catalogue" / "ranges" / "dlib-resnet.json"
    fields = json.loads(file.read_text("utf-8"))["ranges"]
    return {"pixels": PIXELS} | {
        name: (float(low), float(high)) for name, (low, high) in fields.items()
    }
