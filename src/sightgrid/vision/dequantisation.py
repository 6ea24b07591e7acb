"""Turns the block-quantised files of OpenCV's model zoo into plain float32 graphs.

The zoo's ``*_int8bq.onnx`` store every weight as int8 blocks behind ``DequantizeLinear`` and
``Reshape`` nodes (opset 21). ONNX Runtime refuses the recogniser as it is: stale graph inputs
without a value, and a ``Dropout`` with an attribute of an older opset. Both nets are read once,
their weights multiplied out, and everything that only mattered for training is taken away.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats

# PRelu, BatchNormalization, Flatten and the rest mean the same in every opset from here on
_PLAIN_OPSET = 17
_PLAIN_IR = 8


def dequantise(source: Path, target: Path) -> None:
    """Writes ``source`` as a plain float32 graph to ``target``.

    Batch and picture size are left free: dimensions 0, 2 and 3 of the input for a detector of any
    size, dimension 0 for an embedder with a fixed input.

    Raises:
        PackError: the file is no ONNX graph or holds something this conversion does not know.
    """
    try:
        model = onnx.load(source)
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise PackError(f"{source.name} can't be read as an ONNX file: {error}") from error
    except DecodeError as error:
        raise PackError(f"{source.name} is no ONNX file") from error
    try:
        _make_plain(model)
        onnx.checker.check_model(model)
    except (
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        AttributeError,
        onnx.checker.ValidationError,
    ) as error:
        # an empty or cut-off file may still be read as a graph with nothing in it
        raise PackError(f"{source.name} is no network this can convert: {error}") from error
    target.write_bytes(model.SerializeToString(deterministic=True))


def _make_plain(model: onnx.ModelProto) -> None:
    """Changes the graph in place; an unfamiliar one may raise about anything."""
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes = _multiply_out(graph.node, constants)
    results = {item.name for item in graph.output}
    nodes = _fold_batch_norms(_drop_dropouts(nodes, results), constants, results)

    used = {name for node in nodes for name in node.input}
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.initializer[:]
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(constants[name]), name)
        for name in sorted(constants.keys() & used)
    )
    inputs = [item for item in graph.input if item.name in used and item.name not in constants]
    del graph.input[:]
    graph.input.extend(inputs)
    del graph.value_info[:]
    _free_dimensions(graph)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", _PLAIN_OPSET))
    model.ir_version = _PLAIN_IR


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def _multiply_out(
    nodes: Iterable[onnx.NodeProto], constants: dict[str, NDArray[np.generic]]
) -> list[onnx.NodeProto]:
    """Computes every node whose inputs are weights; returns the nodes that remain."""
    remaining = []
    for node in nodes:
        known = all(name in constants for name in node.input)
        if node.op_type == "DequantizeLinear" and known:
            values = [constants[name] for name in node.input]
            attributes = _attributes(node)
            constants[node.output[0]] = _scaled(
                values[0],
                values[1].astype(np.float32),
                values[2].astype(np.float32) if len(values) > 2 else None,
                axis=int(str(attributes.get("axis", 1))),
                block_size=int(str(attributes.get("block_size", 0))),
            )
        elif node.op_type == "Reshape" and known:
            shape = [int(side) for side in constants[node.input[1]]]
            constants[node.output[0]] = constants[node.input[0]].reshape(shape)
        elif node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        else:
            remaining.append(node)
    return remaining


def _scaled(
    quantised: NDArray[np.generic],
    scales: Floats,
    zero_points: Floats | None,
    *,
    axis: int,
    block_size: int,
) -> Floats:
    """``(quantised - zero_point) * scale`` with one scale a tensor, a channel or a block."""
    values = quantised.astype(np.float32)
    zeros = np.zeros_like(scales) if zero_points is None else zero_points
    if scales.size > 1:
        if block_size:
            window = tuple(slice(0, side) for side in values.shape)
            scales = np.repeat(scales, block_size, axis)[window]
            zeros = np.repeat(zeros, block_size, axis)[window]
        else:
            sides = [1] * values.ndim
            sides[axis] = -1
            scales, zeros = scales.reshape(sides), zeros.reshape(sides)
    plain: Floats = ((values - zeros) * scales).astype(np.float32)
    return plain


def _drop_dropouts(nodes: list[onnx.NodeProto], results: set[str]) -> list[onnx.NodeProto]:
    renamed: dict[str, str] = {}
    kept = []
    for node in nodes:
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
        if node.op_type != "Dropout":
            kept.append(node)
        elif node.output[0] in results:
            kept.append(onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]]))
        else:
            renamed[node.output[0]] = node.input[0]
    return kept


def _fold_batch_norms(
    nodes: list[onnx.NodeProto], constants: dict[str, NDArray[np.generic]], results: set[str]
) -> list[onnx.NodeProto]:
    """Moves each normalisation that follows a convolution or a dense layer into its weights."""
    makers = {node.output[0]: node for node in nodes if node.op_type in ("Conv", "Gemm")}
    readers = dict.fromkeys(results, 1)
    for node in nodes:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    kept = []
    for node in nodes:
        maker = makers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if maker is None or readers[node.input[0]] > 1:
            kept.append(node)
            continue
        gamma, beta, mean, variance = (
            constants[name].astype(np.float64) for name in node.input[1:]
        )
        epsilon = float(str(_attributes(node).get("epsilon", 1e-5)))
        factor = gamma / np.sqrt(variance + epsilon)
        weight = constants[maker.input[1]].astype(np.float64)
        bias = constants[maker.input[2]].astype(np.float64) if len(maker.input) > 2 else 0.0
        told = _attributes(maker)
        plain = told.get("alpha", 1.0) == told.get("beta", 1.0) == 1.0 and not told.get("transA", 0)
        if maker.op_type == "Gemm" and (told.get("transB", 0) != 1 or not plain):
            raise PackError(f"dense layer {maker.name} is stored in a way this can't fold")
        sides = [-1] + [1] * (weight.ndim - 1)
        names = (f"{node.output[0]}_folded_weight", f"{node.output[0]}_folded_bias")
        constants[names[0]] = (weight * factor.reshape(sides)).astype(np.float32)
        constants[names[1]] = ((bias - mean) * factor + beta).astype(np.float32)
        data = maker.input[0]
        del maker.input[:]
        maker.input.extend([data, *names])
        maker.output[0] = node.output[0]
    return kept


def _free_dimensions(graph: onnx.GraphProto) -> None:
    """Frees the batch, and the picture's sides where the net has no dense layer."""
    convolutional = all(node.op_type != "Gemm" for node in graph.node)
    sides = graph.input[0].type.tensor_type.shape.dim
    if convolutional:
        sides[2].dim_param, sides[3].dim_param = "height", "width"
        for output in graph.output:
            # (1, anchors, values): how many anchors there are follows from the picture
            output.type.tensor_type.shape.dim[1].dim_param = f"{output.name}_anchors"
    else:
        sides[0].dim_param = "faces"
        for output in graph.output:
            output.type.tensor_type.shape.dim[0].dim_param = "faces"
