"""FaceNet's network, built from weights: random ones of the public layout, as the real ones can't
be shipped. That shows shapes, names and parity, never accuracy."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from packing import change, stock, use_own_cache
from tests.facenet import as_safetensors, layout, random_weights

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Floats
from sightgrid.domain.safetensors import read_tensors
from sightgrid.vision.acquiring import add_pack
from sightgrid.vision.inception_resnet import convert_inception_resnet, inception_resnet
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.packs import Pack, file_sha256

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights() -> dict[str, Floats]:
    return random_weights()


@pytest.fixture(scope="module")
def file(weights: dict[str, Floats], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facenet") / "facenet.safetensors"
    path.write_bytes(as_safetensors(weights))
    return path


@pytest.fixture(scope="module")
def network(file: Path) -> Path:
    convert_inception_resnet(file, file.with_suffix(".onnx"))
    return file.with_suffix(".onnx")


def pixels(count: int = 2) -> Floats:
    rng = np.random.default_rng(5)
    coarse = rng.uniform(0, 255, (count, 3, 20, 20))
    return np.kron(coarse, np.ones((1, 1, 8, 8))).astype(np.float32)


def embed(network: Path, batch: Floats) -> Floats:
    opened = open_network(network, runtime=Runtime.ONNXRUNTIME, threads=1)
    return opened.run(batch)["embedding"]


def test_the_layout_has_the_parameters_of_the_public_network() -> None:
    count = sum(
        int(np.prod(shape))
        for name, shape in layout().items()
        if "running" not in name and not name.startswith("logits")
    )
    assert count == 23_482_624


def test_what_goes_in_and_comes_out(network: Path) -> None:
    vectors = embed(network, pixels(3))
    assert vectors.shape == (3, 512)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(embed(network, pixels(3)[1:2])[0], vectors[1], rtol=1e-3, atol=1e-4)


def test_pixels_are_prewhitened(network: Path) -> None:
    batch = pixels(1)
    np.testing.assert_allclose(
        embed(network, batch * 0.5 + 40), embed(network, batch), rtol=1e-3, atol=1e-3
    )
    assert np.isfinite(embed(network, np.full((1, 3, 160, 160), 7, np.float32))).all()


def test_parity_with_pytorch(file: Path, network: Path, tmp_path: Path) -> None:
    """The same weights in PyTorch's own layers, written down from the architecture."""
    pytest.importorskip("torch", reason="torch is not installed (pip install torch)")
    from plain_inception_resnet import plain_embedding

    batch = pixels()
    theirs = plain_embedding(read_tensors(file), batch)
    ours = embed(network, batch)
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    assert np.abs(ours - theirs).max() <= 1e-4


def test_a_pack_of_weights_is_built_when_it_is_added(
    file: Path, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_own_cache(tmp_path / "cache", monkeypatch)
    shelf = stock(tmp_path / "mine", pack)
    (shelf / "facenet.safetensors").write_bytes(file.read_bytes())

    def facenet(fields: dict) -> None:
        fields["embedder"] |= {
            "kind": "inception-resnet-v1",
            "file": "facenet.safetensors",
            "sha256": file_sha256(file),
            "input_px": 160,
            "dimension": 512,
        }

    change(shelf, facenet)
    added = add_pack(shelf)
    assert added.embedder_path.name == "facenet.onnx"
    assert added.embedder_path.is_file()
    assert not (added.folder / "facenet.safetensors").exists()
    assert added.manifest.embedder.sha256 == file_sha256(added.embedder_path)

    change(shelf, lambda fields: fields["embedder"].update(kind="aligned"))
    with pytest.raises(PackError, match="from safetensors an embedder of kind 'inception"):
        add_pack(shelf)


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.pkl", "net.bin", "net.h5", "net"])
def test_files_that_may_hold_code_are_refused(
    name: str, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_own_cache(tmp_path / "cache", monkeypatch)
    shelf = stock(tmp_path / "mine", pack)
    (shelf / name).write_bytes(b"x")
    change(shelf, lambda f: f["embedder"].update(file=name, sha256=file_sha256(shelf / name)))
    with pytest.raises(PackError, match="neither ONNX nor safetensors") as caught:
        add_pack(shelf)
    assert caught.value.hint is not None


def test_weights_of_another_network_are_told_by_name(weights: dict[str, Floats]) -> None:
    without = {name: value for name, value in weights.items() if name != "block8.conv2d.bias"}
    with pytest.raises(PackError, match=r"'block8\.conv2d\.bias' is missing"):
        inception_resnet(without)
    with pytest.raises(PackError, match=r"'conv2d_1a\.conv\.weight' has shape"):
        inception_resnet(weights | {"conv2d_1a.conv.weight": np.zeros((32, 1, 3, 3), np.float32)})
    with pytest.raises(PackError, match="unknown tensor 'extra'"):
        inception_resnet(weights | {"extra": np.zeros(1, np.float32)})
    with pytest.raises(PackError, match="running_var is negative"):
        inception_resnet(weights | {"last_bn.running_var": np.full(512, -1, np.float32)})


# the format


def header(fields: object, body: bytes = b"") -> bytes:
    told = json.dumps(fields).encode()
    return struct.pack("<Q", len(told)) + told + body


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "breaks off"),
        (b"\xff" * 20, "breaks off"),
        (struct.pack("<Q", 4) + b"nope", "no file of tensors"),
        (header([]), "no file of tensors"),
        (header({"a": {"dtype": "F32", "shape": [2]}}), "no file of tensors"),
        (header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}), "outside"),
        (header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"0" * 8), "size"),
        (header({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, b"0" * 8), "outs"),
        (header({"a": {"dtype": "X", "shape": [2], "data_offsets": [0, 8]}}, b"0" * 8), "type X"),
        (
            header({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0\0\xc0\x7f"),
            "no numbers",
        ),
    ],
)
def test_damaged_files_are_refused(data: bytes, match: str, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(PackError, match=match):
        read_tensors(tmp_path / "x.safetensors")


def test_every_kind_of_float_is_read_and_counters_are_left_out(tmp_path: Path) -> None:
    kinds = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
    fields: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for kind, code in kinds.items():
        data = np.array([[1.5, -2.0]], code).tobytes()
        offsets = [len(body), len(body) + len(data)]
        fields[kind] = {"dtype": kind, "shape": [1, 2], "data_offsets": offsets}
        body += data
    fields["n"] = {"dtype": "I64", "shape": [], "data_offsets": [len(body), len(body) + 8]}
    (tmp_path / "x.safetensors").write_bytes(header(fields, body + b"\0" * 8))
    tensors = read_tensors(tmp_path / "x.safetensors")
    assert tensors.keys() == kinds.keys()
    assert all(value.tolist() == [[1.5, -2.0]] for value in tensors.values())
    assert all(value.dtype == np.float32 for value in tensors.values())


def test_owned_weights_are_converted_without_running_code(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install torch)")
    tensors = {name: torch.from_numpy(value) for name, value in random_weights(1).items()}
    torch.save(tensors | {"conv2d_1a.bn.num_batches_tracked": torch.tensor(3)}, tmp_path / "w.pt")
    script = [sys.executable, str(ROOT / "tools/convert_facenet.py")]
    subprocess.run([*script, str(tmp_path / "w.pt"), str(tmp_path / "out")], check=True)
    told = json.loads((tmp_path / "out/manifest.json").read_text())
    assert told["embedder"]["sha256"] == file_sha256(tmp_path / "out/facenet.safetensors")
    back = read_tensors(tmp_path / "out/facenet.safetensors")
    assert back.keys() == tensors.keys()
    np.testing.assert_array_equal(back["block8.conv2d.bias"], tensors["block8.conv2d.bias"])
