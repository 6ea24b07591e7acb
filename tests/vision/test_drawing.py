from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats
from sightgrid.vision.drawing import Drawing, QuantisedDrawing
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.processor import multiplies_bytes

RNG = np.random.default_rng(3)
WEIGHTS = RNG.standard_normal((4, 2, 3, 3)).astype(np.float32) * [
    [[[1.0]]],
    [[[0.1]]],
    [[[3.0]]],
    [[[9.0]]],
]
BIAS = np.array([0.5, -0.1, 2.0, -4.0], np.float32)


def draw(drawing: Drawing) -> onnx.ModelProto:
    data = drawing.settled("x", as_="in")
    summed = drawing.convolution(data, "one", WEIGHTS.astype(np.float32), BIAS, (1, 1), (1, 1))
    data = drawing.settled(drawing.rectified(summed), as_="rectified")
    data = drawing.pooled("MaxPool", data, "pooled", side=2)
    data = drawing.padded(data, channels=2, sides=1)
    drawing.node("GlobalAveragePool", [data], "y")
    return drawing.model("small", inputs={"x": ["n", 2, 8, 8]}, outputs={"y": ["n", 6, 1, 1]})


def run(model: onnx.ModelProto, folder: Path, batch: Floats) -> Floats:
    path = folder / "small.onnx"
    onnx.save(model, path)
    network = open_network(path, runtime=Runtime.ONNXRUNTIME, threads=1)
    return network.run(batch)["y"][..., 0, 0]


def test_what_is_drawn_is_what_is_computed(tmp_path: Path) -> None:
    batch = RNG.uniform(-1, 2, (3, 2, 8, 8)).astype(np.float32)
    padded = np.pad(batch, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    summed = np.einsum("nchwij,ocij->nohw", windows, WEIGHTS) + BIAS[:, None, None]
    pooled = np.maximum(summed, 0).reshape(3, 4, 4, 2, 4, 2).max(axis=(3, 5))
    expected = np.zeros((3, 6))
    expected[:, :4] = pooled.sum(axis=(2, 3)) / 25  # a row and a column of zeros more
    np.testing.assert_allclose(run(draw(Drawing()), tmp_path, batch), expected, rtol=1e-4)


@pytest.mark.skipif(not multiplies_bytes(), reason="no dot products of bytes")
def test_in_eight_bits_it_is_nearly_so(tmp_path: Path) -> None:
    batch = RNG.uniform(-1, 2, (3, 2, 8, 8)).astype(np.float32)
    whole = run(draw(Drawing()), tmp_path, batch)
    ranges = {"in": (-1.0, 2.0), "rectified": (0.0, 110.0)}
    eight = run(draw(QuantisedDrawing(ranges)), tmp_path, batch)
    assert np.abs(eight - whole).max() < 0.02 * np.abs(whole).max()
    assert np.abs(eight - whole).max() > 0


def test_a_missing_range_is_told() -> None:
    with pytest.raises(PackError, match="the range of rectified is not known"):
        draw(QuantisedDrawing({"in": (0.0, 1.0)}))
