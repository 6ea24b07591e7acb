"""FaceNet's network, Inception-ResNet-v1, as ONNX: 160 x 160 pixels of a face to 512 numbers.

Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering"
(2015); Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning" (2016). Built from weights under the names of the public state dict 20180402-114759
(``conv2d_1a.conv.weight`` and so on). Normalisations are folded into the convolutions, and the
pixels are prewhitened inside the network: less their mean, by their deviation, over all three
channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats
from sightgrid.domain.safetensors import read_tensors
from sightgrid.vision.drawing import Drawing

INPUT_PX = 160
DIMENSION = 512
_EPSILON = 1e-3
Side = int | tuple[int, int]


def convert_inception_resnet(source: Path, target: Path) -> None:
    """Writes the network with the weights in ``source`` (safetensors) as ONNX to ``target``.

    Raises:
        PackError: the file can't be read, a tensor is missing, of another shape or unknown.
    """
    model = inception_resnet(read_tensors(source))
    target.write_bytes(model.SerializeToString(deterministic=True))


def inception_resnet(tensors: Mapping[str, Floats]) -> onnx.ModelProto:
    """The network: ``face`` (faces, 3, 160, 160) RGB 0-255 to ``embedding`` (faces, 512), not of
    unit length.

    Raises:
        PackError: a tensor is missing, of another shape or unknown.
    """
    layers = _Layers(tensors)
    data = layers.prewhitened("face")
    data = layers.convolution(data, "conv2d_1a", 3, 32, 3, stride=2)
    data = layers.convolution(data, "conv2d_2a", 32, 32, 3)
    data = layers.convolution(data, "conv2d_2b", 32, 64, 3, pad=1)
    data = layers.drawing.pooled("MaxPool", data, "maxpool_3a", side=3)
    data = layers.convolution(data, "conv2d_3b", 64, 80, 1)
    data = layers.convolution(data, "conv2d_4a", 80, 192, 3)
    data = layers.convolution(data, "conv2d_4b", 192, 256, 3, stride=2)
    for number in range(5):
        data = layers.block_35(data, f"repeat_1.{number}")
    data = layers.mixed_6a(data, "mixed_6a")
    for number in range(10):
        data = layers.block_17(data, f"repeat_2.{number}")
    data = layers.mixed_7a(data, "mixed_7a")
    for number in range(5):
        data = layers.block_8(data, f"repeat_3.{number}", scale=0.2)
    data = layers.block_8(data, "block8", scale=1.0, rectified=False)
    layers.head(data)
    layers.check_used()
    return layers.drawing.model(
        "inception_resnet_v1",
        inputs={"face": ["faces", 3, INPUT_PX, INPUT_PX]},
        outputs={"embedding": ["faces", DIMENSION]},
    )


class _Layers:
    """Draws the parts of the network by the names of their weights."""

    def __init__(self, tensors: Mapping[str, Floats]) -> None:
        self.drawing = Drawing()
        self._tensors = tensors
        self._used: set[str] = set()

    def prewhitened(self, data: str) -> str:
        draw = self.drawing
        axes = [1, 2, 3]
        mean = draw.node("ReduceMean", [data], "pixel_mean", axes=axes)
        centred = draw.node("Sub", [data, mean], "pixels_centred")
        squares = draw.node("Mul", [centred, centred], "pixel_squares")
        variance = draw.node("ReduceMean", [squares], "pixel_variance", axes=axes)
        deviation = draw.node("Sqrt", [variance], "pixel_deviation")
        least = 1.0 / math.sqrt(3 * INPUT_PX * INPUT_PX)
        floor = draw.constant("least_deviation", np.array(least, np.float32))
        bounded = draw.node("Max", [deviation, floor], "pixel_deviation_bounded")
        return draw.node("Div", [centred, bounded], "pixels_prewhitened")

    def convolution(
        self,
        data: str,
        name: str,
        inputs: int,
        outputs: int,
        side: Side,
        *,
        stride: int = 1,
        pad: Side = 0,
    ) -> str:
        """A convolution, its normalisation folded in, rectified."""
        height, width = (side, side) if isinstance(side, int) else side
        down, across = (pad, pad) if isinstance(pad, int) else pad
        weights = self._tensor(f"{name}.conv.weight", outputs, inputs, height, width)
        gain, shift = self._normalisation(f"{name}.bn", outputs)
        summed = self.drawing.convolution(
            data,
            name,
            (weights * gain[:, None, None, None]).astype(np.float32),
            shift.astype(np.float32),
            (stride, stride),
            (down, across),
        )
        return self.drawing.rectified(summed)

    def block_35(self, data: str, name: str) -> str:
        first = self.convolution(data, f"{name}.branch0", 256, 32, 1)
        second = self.convolution(data, f"{name}.branch1.0", 256, 32, 1)
        second = self.convolution(second, f"{name}.branch1.1", 32, 32, 3, pad=1)
        third = self.convolution(data, f"{name}.branch2.0", 256, 32, 1)
        third = self.convolution(third, f"{name}.branch2.1", 32, 32, 3, pad=1)
        third = self.convolution(third, f"{name}.branch2.2", 32, 32, 3, pad=1)
        return self._residual(data, name, [first, second, third], 96, 256, scale=0.17)

    def block_17(self, data: str, name: str) -> str:
        first = self.convolution(data, f"{name}.branch0", 896, 128, 1)
        second = self.convolution(data, f"{name}.branch1.0", 896, 128, 1)
        second = self.convolution(second, f"{name}.branch1.1", 128, 128, (1, 7), pad=(0, 3))
        second = self.convolution(second, f"{name}.branch1.2", 128, 128, (7, 1), pad=(3, 0))
        return self._residual(data, name, [first, second], 256, 896, scale=0.1)

    def block_8(self, data: str, name: str, *, scale: float, rectified: bool = True) -> str:
        first = self.convolution(data, f"{name}.branch0", 1792, 192, 1)
        second = self.convolution(data, f"{name}.branch1.0", 1792, 192, 1)
        second = self.convolution(second, f"{name}.branch1.1", 192, 192, (1, 3), pad=(0, 1))
        second = self.convolution(second, f"{name}.branch1.2", 192, 192, (3, 1), pad=(1, 0))
        return self._residual(
            data, name, [first, second], 384, 1792, scale=scale, rectified=rectified
        )

    def mixed_6a(self, data: str, name: str) -> str:
        first = self.convolution(data, f"{name}.branch0", 256, 384, 3, stride=2)
        second = self.convolution(data, f"{name}.branch1.0", 256, 192, 1)
        second = self.convolution(second, f"{name}.branch1.1", 192, 192, 3, pad=1)
        second = self.convolution(second, f"{name}.branch1.2", 192, 256, 3, stride=2)
        third = self.drawing.pooled("MaxPool", data, f"{name}.branch2", side=3)
        return self.drawing.joined([first, second, third], name)

    def mixed_7a(self, data: str, name: str) -> str:
        first = self.convolution(data, f"{name}.branch0.0", 896, 256, 1)
        first = self.convolution(first, f"{name}.branch0.1", 256, 384, 3, stride=2)
        second = self.convolution(data, f"{name}.branch1.0", 896, 256, 1)
        second = self.convolution(second, f"{name}.branch1.1", 256, 256, 3, stride=2)
        third = self.convolution(data, f"{name}.branch2.0", 896, 256, 1)
        third = self.convolution(third, f"{name}.branch2.1", 256, 256, 3, pad=1)
        third = self.convolution(third, f"{name}.branch2.2", 256, 256, 3, stride=2)
        fourth = self.drawing.pooled("MaxPool", data, f"{name}.branch3", side=3)
        return self.drawing.joined([first, second, third, fourth], name)

    def head(self, data: str) -> None:
        """The mean over the map, a dense layer and its normalisation folded in."""
        weights = self._tensor("last_linear.weight", DIMENSION, 1792)
        gain, shift = self._normalisation("last_bn", DIMENSION)
        draw = self.drawing
        mean = draw.node("Flatten", [draw.node("GlobalAveragePool", [data], "means")], "mean")
        dense = draw.constant("dense_weight", (weights * gain[:, None]).astype(np.float32))
        bias = draw.constant("dense_bias", shift.astype(np.float32))
        draw.node("Gemm", [mean, dense, bias], "embedding", transB=1)

    def check_used(self) -> None:
        """Raises PackError if there are weights that this network has no place for."""
        # the classifier of the training and the counters of its normalisations are not needed
        rest = {
            name
            for name in self._tensors.keys() - self._used
            if not name.startswith("logits.") and not name.endswith(".num_batches_tracked")
        }
        if rest:
            raise PackError(f"the weights are of another network: unknown tensor '{min(rest)}'")

    def _residual(
        self,
        data: str,
        name: str,
        branches: list[str],
        inputs: int,
        outputs: int,
        *,
        scale: float,
        rectified: bool = True,
    ) -> str:
        weights = self._tensor(f"{name}.conv2d.weight", outputs, inputs, 1, 1)
        bias = self._tensor(f"{name}.conv2d.bias", outputs)
        joined = self.drawing.joined(branches, f"{name}.joined")
        scaled = self.drawing.convolution(
            joined,
            f"{name}.conv2d",
            (weights * scale).astype(np.float32),
            (bias * scale).astype(np.float32),
            (1, 1),
            (0, 0),
        )
        total = self.drawing.node("Add", [scaled, data], f"{name}.total")
        return self.drawing.rectified(total) if rectified else total

    def _normalisation(
        self, name: str, channels: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gain and shift, (channels,) float64, of a normalisation."""
        gamma, beta, mean, variance = (
            self._tensor(f"{name}.{part}", channels).astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        if variance.min() < 0:
            raise PackError(f"the weights are damaged: {name}.running_var is negative")
        gain = gamma / np.sqrt(variance + _EPSILON)
        return gain, beta - mean * gain

    def _tensor(self, name: str, *shape: int) -> Floats:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise PackError(f"the weights are of another network: tensor '{name}' is missing")
        if tensor.shape != shape:
            raise PackError(f"tensor '{name}' has shape {tensor.shape}, expected {shape}")
        self._used.add(name)
        return tensor
