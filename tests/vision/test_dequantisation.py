from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sightgrid.domain.errors import PackError
from sightgrid.vision.dequantisation import dequantise

RANDOM = np.random.default_rng(7)


def tensor(name: str, values: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values), name)


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    *,
    shape: tuple[int, ...],
    out: tuple[int, ...],
    opset: int = 21,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


def run(path: Path, batch: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"x": batch})
    return np.asarray(answer)


def weights_of(path: Path) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer}


def blocks_multiplied_out(
    values: np.ndarray, scales: np.ndarray, zeros: np.ndarray, block: int
) -> np.ndarray:
    """The definition, a weight at a time; blocks lie along the second axis."""
    plain = np.zeros(values.shape, np.float32)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            at = row, column // block
            plain[row, column] = (float(values[row, column]) - float(zeros[at])) * float(scales[at])
    return plain


@pytest.mark.parametrize("with_zero_points", [True, False])
def test_blocks_are_multiplied_out(tmp_path: Path, with_zero_points: bool) -> None:
    # 10 columns in blocks of 4: the last block is not full
    values = RANDOM.integers(-128, 128, (6, 10), dtype=np.int8)
    scales = RANDOM.uniform(0.01, 0.2, (6, 3)).astype(np.float32)
    zeros = RANDOM.integers(-20, 20, (6, 3), dtype=np.int8)
    inputs = ["q", "s", "z"] if with_zero_points else ["q", "s"]
    source = save(
        tmp_path / "blocks.onnx",
        [
            helper.make_node("DequantizeLinear", inputs, ["w"], axis=1, block_size=4),
            helper.make_node("Gemm", ["x", "w"], ["y"], transB=1),
        ],
        [tensor("q", values), tensor("s", scales), tensor("z", zeros)],
        shape=(1, 10),
        out=(1, 6),
    )
    dequantise(source, tmp_path / "plain.onnx")
    expected = blocks_multiplied_out(values, scales, zeros * with_zero_points, block=4)
    found = weights_of(tmp_path / "plain.onnx")
    assert found.keys() == {"w"}
    assert found["w"].dtype == np.float32
    np.testing.assert_allclose(found["w"], expected, rtol=1e-6)
    batch = RANDOM.standard_normal((3, 10)).astype(np.float32)
    # the batch is free, though the source was made for one row
    np.testing.assert_allclose(run(tmp_path / "plain.onnx", batch), batch @ expected.T, atol=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_one_scale_a_channel_or_a_tensor(tmp_path: Path, axis: int) -> None:
    values = RANDOM.integers(-128, 128, (6, 10), dtype=np.int8)
    scales = RANDOM.uniform(0.01, 0.2, values.shape[axis]).astype(np.float32)
    offsets = RANDOM.integers(-128, 128, 6, dtype=np.int8)
    source = save(
        tmp_path / "channels.onnx",
        [
            helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=axis),
            helper.make_node("DequantizeLinear", ["o", "one", "zero"], ["b"]),
            helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1),
        ],
        [
            tensor("q", values),
            tensor("s", scales),
            tensor("o", offsets),
            tensor("one", np.float32(0.5)),
            tensor("zero", np.int8(3)),
        ],
        shape=(1, 10),
        out=(1, 6),
    )
    dequantise(source, tmp_path / "plain.onnx")
    found = weights_of(tmp_path / "plain.onnx")
    expected = values * (scales[:, None] if axis == 0 else scales[None, :])
    np.testing.assert_allclose(found["w"], expected, rtol=1e-6)
    np.testing.assert_allclose(found["b"], (offsets.astype(np.float32) - 3) * 0.5)


def embedder_like(path: Path) -> Path:
    """Quantised blocks reshaped into a convolution, two normalisations, PRelu, two Dropouts."""
    flat = RANDOM.integers(-128, 128, (1, 54), dtype=np.int8)
    dense = RANDOM.integers(-128, 128, (5, 64), dtype=np.int8)

    def normalisation(name: str, channels: int) -> list[onnx.TensorProto]:
        return [
            tensor(f"{name}_gamma", RANDOM.uniform(0.5, 2, channels).astype(np.float32)),
            tensor(f"{name}_beta", RANDOM.standard_normal(channels).astype(np.float32)),
            tensor(f"{name}_mean", RANDOM.standard_normal(channels).astype(np.float32)),
            tensor(f"{name}_var", RANDOM.uniform(0.1, 4, channels).astype(np.float32)),
        ]

    def normalise(name: str, data: str, out: str, epsilon: float) -> onnx.NodeProto:
        inputs = [data, *(f"{name}_{part}" for part in ("gamma", "beta", "mean", "var"))]
        return helper.make_node("BatchNormalization", inputs, [out], epsilon=epsilon)

    return save(
        path,
        [
            helper.make_node("DequantizeLinear", ["q1", "s1"], ["flat"], axis=1, block_size=16),
            helper.make_node("Reshape", ["flat", "sides"], ["kernel"]),
            helper.make_node("Conv", ["x", "kernel"], ["c"], pads=[1, 1, 1, 1]),
            normalise("n1", "c", "c_normal", 0.01),
            helper.make_node("PRelu", ["c_normal", "slope"], ["active"]),
            helper.make_node("Dropout", ["active"], ["thin"]),
            helper.make_node("Dropout", ["thin"], ["thinner"]),
            helper.make_node("Flatten", ["thinner"], ["row"]),
            helper.make_node("DequantizeLinear", ["q2", "s2"], ["dense"], axis=1, block_size=32),
            helper.make_node("Gemm", ["row", "dense", "bias"], ["g"], transB=1),
            normalise("n2", "g", "y", 2e-5),
        ],
        [
            tensor("q1", flat),
            tensor("s1", RANDOM.uniform(0.001, 0.01, (1, 4)).astype(np.float32)),
            tensor("sides", np.array([2, 3, 3, 3], np.int64)),
            *normalisation("n1", 2),
            tensor("slope", RANDOM.uniform(0.1, 0.4, (2, 1, 1)).astype(np.float32)),
            tensor("q2", dense),
            tensor("s2", RANDOM.uniform(0.001, 0.01, (5, 2)).astype(np.float32)),
            tensor("bias", RANDOM.standard_normal(5).astype(np.float32)),
            *normalisation("n2", 5),
        ],
        shape=(1, 3, 8, 4),
        out=(1, 5),
    )


def test_the_plain_graph_gives_the_numbers_of_the_quantised_one(tmp_path: Path) -> None:
    source = embedder_like(tmp_path / "quantised.onnx")
    dequantise(source, tmp_path / "plain.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "plain.onnx").graph.node]
    assert kinds == ["Conv", "PRelu", "Flatten", "Gemm"]
    rows = RANDOM.standard_normal((4, 3, 8, 4)).astype(np.float32)
    expected = np.concatenate([run(source, row[None]) for row in rows])
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(run(tmp_path / "plain.onnx", rows), expected, atol=1e-4)


def test_converting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = embedder_like(tmp_path / "quantised.onnx")
    for name in ("one.onnx", "two.onnx"):
        dequantise(source, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def test_a_normalisation_with_a_second_reader_stays(tmp_path: Path) -> None:
    ones = np.ones(2, np.float32)
    source = save(
        tmp_path / "forked.onnx",
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("BatchNormalization", ["c", "g", "o", "m", "v"], ["n"]),
            helper.make_node("Add", ["c", "n"], ["y"]),
        ],
        [
            tensor("w", RANDOM.standard_normal((2, 3, 1, 1)).astype(np.float32)),
            *(tensor(name, ones * i) for i, name in enumerate("gomv", start=1)),
        ],
        shape=(1, 3, 4, 4),
        out=(1, 2, 4, 4),
    )
    dequantise(source, tmp_path / "plain.onnx")
    batch = RANDOM.standard_normal((1, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(run(tmp_path / "plain.onnx", batch), run(source, batch), atol=1e-5)


def test_a_net_without_a_dense_layer_takes_pictures_of_any_size(tmp_path: Path) -> None:
    source = save(
        tmp_path / "detector.onnx",
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["t", "anchors"], ["y"]),
        ],
        [
            tensor("w", RANDOM.standard_normal((2, 3, 1, 1)).astype(np.float32)),
            tensor("anchors", np.array([1, -1, 2], np.int64)),
        ],
        shape=(1, 3, 4, 4),
        out=(1, 16, 2),
    )
    dequantise(source, tmp_path / "plain.onnx")
    batch = RANDOM.standard_normal((1, 3, 6, 9)).astype(np.float32)
    assert run(tmp_path / "plain.onnx", batch).shape == (1, 54, 2)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"<!DOCTYPE html><title>404</title>",
        bytes(range(256)) * 8,
        np.random.default_rng(0).bytes(5000),
    ],
)
def test_no_network_is_no_network(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(damage)
    with pytest.raises(PackError, match=r"bad\.onnx"):
        dequantise(tmp_path / "bad.onnx", tmp_path / "plain.onnx")
    assert not (tmp_path / "plain.onnx").exists()


def test_a_network_cut_off_anywhere_is_no_network(tmp_path: Path) -> None:
    whole = embedder_like(tmp_path / "whole.onnx").read_bytes()
    for size in range(1, len(whole), 41):
        (tmp_path / "cut.onnx").write_bytes(whole[:size])
        with pytest.raises(PackError, match=r"cut\.onnx"):
            dequantise(tmp_path / "cut.onnx", tmp_path / "plain.onnx")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"gone\.onnx can't be read"):
        dequantise(tmp_path / "gone.onnx", tmp_path / "plain.onnx")


def test_a_dense_layer_stored_otherwise_is_refused(tmp_path: Path) -> None:
    ones = np.ones(4, np.float32)
    source = save(
        tmp_path / "odd.onnx",
        [
            helper.make_node("Gemm", ["x", "w"], ["g"], transB=1, alpha=0.5),
            helper.make_node("BatchNormalization", ["g", "o", "o", "o", "o"], ["y"]),
        ],
        [tensor("w", np.ones((4, 6), np.float32)), tensor("o", ones)],
        shape=(1, 6),
        out=(1, 4),
    )
    with pytest.raises(PackError, match="can't fold"):
        dequantise(source, tmp_path / "plain.onnx")
