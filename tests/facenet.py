"""Weights of FaceNet's public layout, random ones, as the real ones can't be shipped: they show
shapes, names and that the chain runs, never accuracy."""

from __future__ import annotations

import json
import struct

import numpy as np

from sightgrid.domain.geometry import Floats

Shapes = dict[str, tuple[int, ...]]


def convolution(name: str, inputs: int, outputs: int, height: int, width: int) -> Shapes:
    shapes: Shapes = {f"{name}.conv.weight": (outputs, inputs, height, width)}
    parts = ("weight", "bias", "running_mean", "running_var")
    return shapes | {f"{name}.bn.{part}": (outputs,) for part in parts}


def residual(
    name: str, around: int, branches: list[list[tuple[int, int, int, int]]], joined: int
) -> Shapes:
    shapes: Shapes = {}
    for number, steps in enumerate(branches):
        for place, step in enumerate(steps):
            step_name = f"{name}.branch{number}" + (f".{place}" if len(steps) > 1 else "")
            shapes |= convolution(step_name, *step)
    if joined:
        shapes[f"{name}.conv2d.weight"] = (around, joined, 1, 1)
        shapes[f"{name}.conv2d.bias"] = (around,)
    return shapes


def layout() -> Shapes:
    """Names and shapes of the public state dict 20180402-114759, in its order."""
    shapes: Shapes = {}
    for name, inputs, outputs, side in (
        ("conv2d_1a", 3, 32, 3),
        ("conv2d_2a", 32, 32, 3),
        ("conv2d_2b", 32, 64, 3),
        ("conv2d_3b", 64, 80, 1),
        ("conv2d_4a", 80, 192, 3),
        ("conv2d_4b", 192, 256, 3),
    ):
        shapes |= convolution(name, inputs, outputs, side, side)
    one, three = (256, 32, 1, 1), (32, 32, 3, 3)
    for number in range(5):
        branches = [[one], [one, three], [one, three, three]]
        shapes |= residual(f"repeat_1.{number}", 256, branches, 96)
    shapes |= residual(
        "mixed_6a",
        0,
        [[(256, 384, 3, 3)], [(256, 192, 1, 1), (192, 192, 3, 3), (192, 256, 3, 3)]],
        0,
    )
    long = [(896, 128, 1, 1), (128, 128, 1, 7), (128, 128, 7, 1)]
    for number in range(10):
        shapes |= residual(f"repeat_2.{number}", 896, [[(896, 128, 1, 1)], long], 256)
    first = (896, 256, 1, 1)
    shapes |= residual(
        "mixed_7a",
        0,
        [
            [first, (256, 384, 3, 3)],
            [first, (256, 256, 3, 3)],
            [first, (256, 256, 3, 3), (256, 256, 3, 3)],
        ],
        0,
    )
    short = [(1792, 192, 1, 1), (192, 192, 1, 3), (192, 192, 3, 1)]
    for name in [*(f"repeat_3.{number}" for number in range(5)), "block8"]:
        shapes |= residual(name, 1792, [[(1792, 192, 1, 1)], short], 384)
    shapes["last_linear.weight"] = (512, 1792)
    shapes |= {f"last_bn.{p}": (512,) for p in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {"logits.weight": (8631, 512), "logits.bias": (8631,)}


def random_weights(seed: int = 0) -> dict[str, Floats]:
    """Of such sizes that the values neither grow nor vanish on their way."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, Floats] = {}
    for name, shape in layout().items():
        if name.startswith("logits"):
            values = np.zeros(shape)
        elif name.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, shape)
        elif name.endswith(("bn.weight", "last_bn.weight")):
            values = rng.uniform(0.8, 1.2, shape)
        elif len(shape) == 1:
            values = rng.normal(0, 0.1, shape)
        else:
            values = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        tensors[name] = values.astype(np.float32)
    return tensors


def as_safetensors(tensors: dict[str, Floats]) -> bytes:
    header, parts, at = {}, [], 0
    for name, tensor in tensors.items():
        data = tensor.astype("<f4").tobytes()
        offsets = [at, at + len(data)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        parts.append(data)
        at += len(data)
    told = json.dumps(header).encode()
    return struct.pack("<Q", len(told)) + told + b"".join(parts)
