"""Draws networks as ONNX graphs, in float32 or in eight bits.

In eight bits every result is rounded to 256 steps between the least and the greatest value it takes
(unsigned, with a zero point), every kernel to 255 steps a filter (signed, symmetric), each written
as a pair of nodes ``QuantizeLinear`` and ``DequantizeLinear`` (Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018). Both runtimes
fuse the pairs into integer arithmetic. Only processors with dot products of bytes compute it
without saturating (:mod:`sightgrid.vision.processor`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats

Range = tuple[float, float]
"""The least and the greatest value of a result."""
_OPSET, _IR = 17, 8


class Drawing:
    """A graph in the making, in float32. Each method adds nodes and returns the name of the
    result."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], out: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, list(inputs), [out], out, **attributes))
        return out

    def convolution(
        self,
        data: str,
        name: str,
        weights: Floats,
        bias: Floats,
        stride: tuple[int, int],
        pad: tuple[int, int],
    ) -> str:
        """``weights`` (out, in, height, width); ``stride`` and ``pad`` down and across."""
        return self.node(
            "Conv",
            [data, *self._kernel(data, name, weights, bias)],
            f"{name}_sum",
            kernel_shape=list(weights.shape[2:]),
            strides=list(stride),
            pads=[*pad, *pad],
        )

    def rectified(self, data: str) -> str:
        return self.node("Relu", [data], f"{data}_rectified")

    def joined(self, parts: Sequence[str], out: str) -> str:
        """The channels of several maps one after another."""
        return self.node("Concat", parts, out, axis=1)

    def pooled(self, kind: str, data: str, out: str, *, side: int) -> str:
        """Pools windows of ``side`` in steps of two, which leaves the range as it was."""
        pooled = self.node(kind, [data], out, kernel_shape=[side, side], strides=[2, 2])
        return self._as_before(pooled, data)

    def padded(self, data: str, *, channels: int = 0, sides: int = 0) -> str:
        """Adds zeros: further channels, and rows and columns at the bottom right."""
        if not channels and not sides:
            return data
        amounts = np.array([0, 0, 0, 0, 0, channels, sides, sides], np.int64)
        pads = self.constant(f"{data}_pads", amounts)
        return self._as_before(self.node("Pad", [data, pads], f"{data}_padded"), data)

    def settled(self, data: str, *, as_: str) -> str:
        """The result under a name of its own; in eight bits, rounded to its range."""
        return self.node("Identity", [data], as_)

    def model(
        self,
        name: str,
        *,
        inputs: Mapping[str, Sequence[str | int]],
        outputs: Mapping[str, Sequence[str | int]],
    ) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()],
            [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in outputs.items()],
            self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _kernel(self, data: str, name: str, weights: Floats, bias: Floats) -> tuple[str, str]:
        return self.constant(f"{name}_weight", weights), self.constant(f"{name}_bias", bias)

    def _as_before(self, result: str, source: str) -> str:
        return result


class QuantisedDrawing(Drawing):
    """A graph in the making, in eight bits."""

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        super().__init__()
        self._ranges = ranges
        self._steps: dict[str, tuple[str, str, float]] = {}

    def settled(self, data: str, *, as_: str) -> str:
        """The result, rounded to 256 steps over its range.

        Raises:
            PackError: its range is not known.
        """
        if as_ not in self._ranges:
            raise PackError(f"the range of {as_} is not known")
        low, high = self._ranges[as_]
        # zero must be one of the steps: it is what padding adds
        low, high = min(low, 0.0), max(high, 0.0)
        step = np.float32(max(high - low, 1e-6) / 255)
        zero = np.uint8(np.clip(round(-low / float(step)), 0, 255))
        names = (
            self.constant(f"{as_}_step", np.array(step)),
            self.constant(f"{as_}_zero", np.array(zero)),
        )
        return self._rounded(data, as_, (*names, float(step)))

    def _as_before(self, result: str, source: str) -> str:
        return self._rounded(result, f"{result}_settled", self._steps[source])

    def _rounded(self, data: str, out: str, steps: tuple[str, str, float]) -> str:
        rounded = self.node("QuantizeLinear", [data, *steps[:2]], f"{out}_bytes")
        self._steps[out] = steps
        return self.node("DequantizeLinear", [rounded, *steps[:2]], out)

    def _kernel(self, data: str, name: str, weights: Floats, bias: Floats) -> tuple[str, str]:
        largest = np.abs(weights).reshape(len(weights), -1).max(axis=1).astype(np.float64)
        steps = np.maximum(largest / 127, 1e-12).astype(np.float32)
        values = np.round(weights.astype(np.float64) / steps[:, None, None, None])
        sums = np.round(bias.astype(np.float64) / (steps.astype(np.float64) * self._steps[data][2]))
        return (
            self._filters(f"{name}_weight", np.clip(values, -127, 127).astype(np.int8), steps),
            self._filters(
                f"{name}_bias",
                np.clip(sums, -(2**31) + 1, 2**31 - 1).astype(np.int32),
                (steps * np.float32(self._steps[data][2])).astype(np.float32),
            ),
        )

    def _filters(self, name: str, values: NDArray[np.generic], steps: Floats) -> str:
        inputs = [
            self.constant(f"{name}_values", values),
            self.constant(f"{name}_steps", steps),
            self.constant(f"{name}_zeros", np.zeros(len(steps), values.dtype)),
        ]
        return self.node("DequantizeLinear", inputs, name, axis=0)
