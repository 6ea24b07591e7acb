"""A tiny model pack and the ways in which tests spoil it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sightgrid.vision.packs import file_sha256


def tiny_embedder(path: Path, *, seed: int = 0, dimension: int = 8, constants: bool = False) -> str:
    """A dense layer over 16 x 16 pixels; returns its SHA-256."""
    weights = np.random.default_rng(seed).standard_normal((dimension, 768)).astype(np.float32)
    tensor = numpy_helper.from_array(weights, "w")
    nodes = [
        helper.make_node("Flatten", ["x"], ["row"]),
        helper.make_node("Gemm", ["row", "w"], ["y"], transB=1),
    ]
    if constants:
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 16, 16))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", dimension))],
        [] if constants else [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString(deterministic=True))
    return file_sha256(path)


def change(folder: Path, alter: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    fields = json.loads(path.read_text("utf-8"))
    alter(fields)
    path.write_text(json.dumps(fields), "utf-8")


def put_embedder(folder: Path, **options: Any) -> None:
    digest = tiny_embedder(folder / "tiny.onnx", **options)
    change(folder, lambda fields: fields["embedder"].update(sha256=digest))


def leftovers(packs: Path) -> list[str]:
    return [item.name for item in packs.iterdir() if item.name.startswith(".")]
