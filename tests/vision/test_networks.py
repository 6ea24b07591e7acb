from __future__ import annotations

import math
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sightgrid.domain.errors import MissingExtra, PackError
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision import onnx as networks
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import Pack

RUNTIMES = [
    pytest.param(
        runtime,
        marks=pytest.mark.skipif(not is_installed(runtime), reason=f"{runtime} is not installed"),
    )
    for runtime in Runtime
]
needs_openvino = pytest.mark.skipif(
    not is_installed(Runtime.OPENVINO), reason="openvino is not installed (extra 'openvino')"
)


def picture_batch(pixels: Bytes) -> Floats:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)


def cosine(one: Floats, other: Floats) -> float:
    one, other = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


@needs_openvino
def test_both_runtimes_embed_alike(pack: Pack, astronaut: Bytes) -> None:
    # face, shoulder and noise: the contract holds for any crop, not for faces only
    noise = np.random.default_rng(0).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
    batch = np.concatenate(
        [
            picture_batch(astronaut[62:174, 168:280]),
            picture_batch(astronaut[300:412, 200:312]),
            noise,
        ]
    )
    answers = []
    for runtime in Runtime:
        network = open_network(pack.embedder_path, runtime=runtime, threads=1)
        assert network.runtime is runtime
        (vectors,) = network.run(batch).values()
        assert vectors.shape == (3, 128)
        answers.append(vectors)
    for one, other in zip(*answers, strict=True):
        assert cosine(one, other) >= 0.9999


@needs_openvino
def test_both_runtimes_detect_alike(pack: Pack, astronaut: Bytes) -> None:
    first, second = (
        open_network(pack.detector_path, runtime=runtime, threads=1) for runtime in Runtime
    )
    named = {f"{kind}_{step}" for kind in ("cls", "obj", "bbox", "kps") for step in (8, 16, 32)}
    # two sizes through one network: the inputs are free
    for pixels in (astronaut[:320, :416], astronaut[:192, :288]):
        one, other = (network.run(picture_batch(pixels)) for network in (first, second))
        assert one.keys() == other.keys() == named
        for name in one:
            assert one[name].shape == other[name].shape
            assert cosine(one[name], other[name]) >= 0.9999, name


def prelu_network(path: Path, *, sides: tuple[int, ...] = (4, 1, 1)) -> Path:
    slopes = np.array([0.25, -0.5, 1.5, 0.0] * 36, np.float32)[: math.prod(sides)].reshape(sides)
    kernel = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "k"], ["c"]),
            helper.make_node("PRelu", ["c", "s"], ["p"]),
            helper.make_node("PRelu", ["p", "s"], ["y"]),
        ],
        "prelu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 4, 6, 6))],
        [numpy_helper.from_array(kernel, "k"), numpy_helper.from_array(slopes, "s")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    return path


@pytest.mark.parametrize("sides", [(4, 1, 1), (1, 4, 1, 1), (1, 1, 1), (1,), (4, 6, 6), (6, 1)])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_prelu_spelt_out_gives_the_same_numbers(
    tmp_path: Path, runtime: Runtime, sides: tuple[int, ...]
) -> None:
    """One slope a channel, one for all, one for each place: exporters write any of them."""
    path = prelu_network(tmp_path / "prelu.onnx", sides=sides)
    batch = np.random.default_rng(2).standard_normal((2, 3, 8, 8)).astype(np.float32)
    plain = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = plain.run(None, {"x": batch})
    network = open_network(path, runtime=runtime, threads=1)
    assert network.outputs == ("y",)
    np.testing.assert_allclose(network.run(batch)["y"], expected, atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_do_not_mix_their_answers(tmp_path: Path, runtime: Runtime) -> None:
    network = open_network(prelu_network(tmp_path / "p.onnx"), runtime=runtime, threads=1)
    batches = [np.full((1, 3, 8, 8), value, np.float32) for value in (-2.0, 0.5, 1.0, 3.0)]
    expected = [network.run(batch)["y"] for batch in batches]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(50):
            if not np.array_equal(network.run(batches[number])["y"], expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_answer_is_not_overwritten_by_the_next(tmp_path: Path, runtime: Runtime) -> None:
    network = open_network(prelu_network(tmp_path / "p.onnx"), runtime=runtime, threads=1)
    first = network.run(np.ones((1, 3, 8, 8), np.float32))["y"]
    kept = first.copy()
    network.run(np.zeros((1, 3, 8, 8), np.float32))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("content", [b"", b"no network", bytes(range(256)) * 20])
def test_what_is_no_network_is_not_loaded(tmp_path: Path, runtime: Runtime, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(PackError, match=r"bad\.onnx"):
        open_network(tmp_path / "bad.onnx", runtime=runtime, threads=1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_missing_network(tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(PackError, match=r"gone\.onnx"):
        open_network(tmp_path / "gone.onnx", runtime=runtime, threads=1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_input_of_the_wrong_shape_is_told(tmp_path: Path, runtime: Runtime) -> None:
    network = open_network(prelu_network(tmp_path / "p.onnx"), runtime=runtime, threads=1)
    with pytest.raises(PackError, match=r"can't run p\.onnx"):
        network.run(np.ones((1, 5, 8, 8), np.float32))


def test_openvino_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="OpenVINO") as caught:
        open_network(tmp_path / "any.onnx", runtime=Runtime.OPENVINO, threads=1)
    assert caught.value.hint is not None
    assert "[openvino]" in caught.value.hint
