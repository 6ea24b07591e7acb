"""A tiny model pack and the ways in which tests spoil it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from sightgrid.vision.manifests import manifest_fields
from sightgrid.vision.packs import Pack, file_sha256


def use_own_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Points sightgrid at a cache of the test's own; returns where its packs will lie."""
    monkeypatch.setenv("SIGHTGRID_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    return folder / "packs"


def stock(folder: Path, pack: Pack) -> Path:
    """A pack folder as an operator has it: the real detector and a tiny embedder."""
    folder.mkdir()
    fields = manifest_fields(pack.manifest)
    fields |= {"name": "mine", "version": "3", "title": "ours"}
    shutil.copyfile(pack.detector_path, folder / "faces.onnx")
    for part in ("detector", "embedder"):
        del fields[part]["carried_by"]
    fields["detector"] |= {"file": "faces.onnx", "sha256": file_sha256(folder / "faces.onnx")}
    fields["embedder"] |= {
        "file": "tiny.onnx",
        "sha256": tiny_embedder(folder / "tiny.onnx"),
        "input_px": 16,
        "dimension": 8,
        "template": [[4.123456, 5], [11, 5], [8, 8], [5, 11], [10, 11]],
    }
    (folder / "manifest.json").write_text(json.dumps(fields), "utf-8")
    return folder


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
