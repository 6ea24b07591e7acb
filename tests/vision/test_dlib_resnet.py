"""Pack ``dlib``: dlib's network read from its file, equal to dlib's own program."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightgrid.domain.errors import MissingExtra, PackError
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision import embedding, packs
from sightgrid.vision.alignment import align, similarity
from sightgrid.vision.detection import YuNet
from sightgrid.vision.detectors import DetectorName, open_detector, pack_detector
from sightgrid.vision.dlib_format import Affine, Convolution, Dense, read_layers
from sightgrid.vision.dlib_resnet import blocks, dlib_resnet
from sightgrid.vision.embedding import AlignedFaceEmbedder
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import Pack, carried_path, catalogue, embedding_contract, load_pack
from sightgrid.vision.processor import multiplies_bytes

CARRIED = catalogue()["dlib"].embedder.carried_by
assert CARRIED is not None
# a change of these ids makes every embedding stored with the packs incomparable
CONTRACTS = {
    "dlib": "bc466558c7b3ce14cd9f57277ff9e7eaadd24af30a8dd1367ca4ffcc2e0e311f",
    "dlib-int8": "f478340b52c833604f698976f5937799c8acff5a59cfbece4be5563cc45f8c94",
}
needs_bytes = pytest.mark.skipif(
    not multiplies_bytes(), reason="this processor has no dot products of bytes"
)


def network_file() -> Path:
    assert CARRIED is not None
    try:
        return carried_path(CARRIED)
    except MissingExtra as error:
        pytest.skip(f"{error} (extra 'dlib')")


@pytest.fixture(scope="module")
def dlib_pack(model_cache: Path) -> Pack:
    network_file()
    return load_pack("dlib")


@pytest.fixture(scope="module")
def int8_pack(model_cache: Path) -> Pack:
    network_file()
    return load_pack("dlib-int8")


@pytest.fixture(scope="module")
def chips(pack: Pack, yunet: YuNet, astronaut: Bytes, group: Bytes) -> list[Bytes]:
    """Faces of real photos in dlib's frame; noise and grey, which no face is."""
    template = catalogue()["dlib"].embedder_input.framing.template
    faces = [
        align(pixels, face.landmarks, template=template, size_px=150)
        for pixels in (astronaut, group)
        for face in yunet.detect(pixels)
    ]
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    return [*faces, noise, np.full((150, 150, 3), 110, np.uint8)]


def run(path: Path, crops: list[Bytes], runtime: Runtime = Runtime.ONNXRUNTIME) -> Floats:
    network = open_network(path, runtime=runtime, threads=1)
    batch = np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2)
    (vectors,) = network.run(np.ascontiguousarray(batch, np.float32)).values()
    return vectors


# the file's format


def integer(value: int) -> bytes:
    size = max((abs(value).bit_length() + 7) // 8, 1)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def tensor(values: np.ndarray) -> bytes:
    sides = [*values.shape, *[1] * (4 - values.ndim)]
    head = b"".join(integer(value) for value in (2, *sides))
    return head + values.astype("<f4").tobytes()


def named(name: str) -> bytes:
    return integer(len(name)) + name.encode()


def test_layers_are_read_in_order_whatever_stands_between() -> None:
    kernel = np.arange(12, dtype=np.float32)
    numbers = b"".join(integer(value) for value in (2, 1, 2, 2, 1, 0, 1))
    data = (
        b"\x01\x02bookkeeping"
        + named("con_4")
        + tensor(np.concatenate([kernel, [7.5, -7.5]]))
        + numbers
        + struct.pack("<d", 0.1)
        + named("affine_")
        + tensor(np.array([1.0, 2.0, 3.0, 4.0]))
        + named("fc_2")
        + integer(2)
        + integer(3)
        + tensor(np.arange(6, dtype=np.float32))
        + b"trailer"
    )
    convolution, affine, dense = read_layers(data)
    assert isinstance(convolution, Convolution)
    np.testing.assert_array_equal(convolution.weights, kernel.reshape(2, 3, 1, 2))
    assert convolution.bias.tolist() == [7.5, -7.5]
    assert (convolution.stride, convolution.pad) == ((2, 1), (0, 1))
    assert isinstance(affine, Affine)
    assert (affine.gain.tolist(), affine.shift.tolist()) == ([1, 2], [3, 4])
    assert isinstance(dense, Dense)
    assert dense.weights.tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(PackError, match="expected 59 layers"):
        dlib_resnet([convolution, affine, dense])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "holds no layer"),
        (b"rubbish" * 99, "holds no layer"),
        (named("con_4"), "damaged at byte 7"),
        (named("con_4") + b"\x00", "no integer"),
        (named("con_4") + b"\x09" + b"1" * 9, "no integer"),
        (named("con_4") + integer(3), "unknown version"),
        (named("affine_") + tensor(np.zeros(8))[:-1], "damaged at byte 9"),
        (named("affine_") + tensor(np.zeros(3)), "damaged at byte 9"),
        (named("affine_") + integer(2) + integer(1 << 40) * 4, "a tensor of sides"),
        (named("affine_") + integer(2) + integer(-1) * 4, "a tensor of sides"),
    ],
)
def test_a_damaged_file_is_told_by_its_place(data: bytes, match: str) -> None:
    with pytest.raises(PackError, match=match):
        read_layers(data)


def test_a_file_cut_anywhere_is_refused() -> None:
    data = network_file().read_bytes()
    for share in (0.1, 0.5, 0.999):
        with pytest.raises(PackError):
            dlib_resnet(read_layers(data[: int(len(data) * share)]))


def test_blocks_are_those_of_the_architecture() -> None:
    told = [(block.number, block.pads, block.more) for block in blocks() if block.halves]
    assert told == [(4, 0, 32), (8, 0, 64), (11, 1, 128), (14, 1, 0)]
    assert sum(1 for _ in blocks()) == 14


# the networks


def test_the_contracts_are_pinned(dlib_pack: Pack, int8_pack: Pack) -> None:
    for pack in (dlib_pack, int8_pack):
        assert pack.contract.id == CONTRACTS[pack.manifest.name]
        assert embedding_contract(pack.embedder_path, pack.manifest) == pack.contract


def test_float32_is_equal_to_dlibs_own_program(dlib_pack: Pack, chips: list[Bytes]) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin is not installed (extra 'hog')")
    model = dlib.face_recognition_model_v1(str(network_file()))
    theirs = np.array(
        [model.compute_face_descriptor(np.ascontiguousarray(chip[..., ::-1])) for chip in chips]
    )
    assert len(chips) >= 5
    for runtime in Runtime:
        if is_installed(runtime):
            ours = run(dlib_pack.embedder_path, chips, runtime)
            assert np.linalg.norm(ours - theirs, axis=1).max() <= 1e-4


@needs_bytes
def test_eight_bits_stay_near(dlib_pack: Pack, int8_pack: Pack, chips: list[Bytes]) -> None:
    *faces, _noise, _grey = chips  # the ranges are those of faces
    whole, eight = (run(pack.embedder_path, faces) for pack in (dlib_pack, int8_pack))
    assert np.linalg.norm(whole - eight, axis=1).max() < 0.08
    assert np.abs(whole - eight).max() > 1e-4  # it is really computed in eight bits
    assert int8_pack.embedder_path.stat().st_size < dlib_pack.embedder_path.stat().st_size / 3


@needs_bytes
def test_eight_bits_give_the_same_vectors_alone_and_together(
    int8_pack: Pack, chips: list[Bytes]
) -> None:
    together = run(int8_pack.embedder_path, chips)
    for number, chip in enumerate(chips[:3]):
        np.testing.assert_allclose(
            run(int8_pack.embedder_path, [chip])[0], together[number], atol=1e-6
        )


def test_strength_tells_a_face_from_none(dlib_pack: Pack, chips: list[Bytes]) -> None:
    network = open_network(dlib_pack.embedder_path, runtime=Runtime.ONNXRUNTIME, threads=1)
    *faces, noise, grey = AlignedFaceEmbedder(dlib_pack, network).embed(chips)
    assert np.median([face.strength for face in faces]) > 0.8
    assert max(noise.strength, grey.strength) < 0.45


# the packs


def test_the_pack_finds_its_faces_with_mtcnn(dlib_pack: Pack) -> None:
    assert pack_detector(dlib_pack) is DetectorName.MTCNN_FAST
    with pytest.raises(PackError, match="holds no network of a detector"):
        _ = dlib_pack.detector_path


def test_its_embedder_goes_with_yunet_too(dlib_pack: Pack, astronaut: Bytes) -> None:
    assert len(open_detector(DetectorName.YUNET, pack=dlib_pack).detect(astronaut)) == 1


def test_the_template_is_dlibs_frame(dlib_pack: Pack) -> None:
    # dlib's mean face, eye centres and mouth corners, in a chip with a quarter of padding
    template = dlib_pack.manifest.embedder_input.framing.template
    eyes = (0.25 + np.array([[0.225491, 0.21599], [0.754761, 0.21599]])) / 1.5 * 150
    np.testing.assert_allclose(template[:2], eyes, atol=0.01)
    np.testing.assert_allclose(similarity(template, template), [[1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_without_the_extra_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CARRIED is not None
    absent = replace(CARRIED, distribution="no-such-package")
    with pytest.raises(MissingExtra, match="'dlib'") as caught:
        carried_path(absent)
    assert caught.value.hint is not None
    assert ".[dlib]" in caught.value.hint


def test_extras_that_are_missing_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = catalogue()
    assert packs.missing_extras(shelf["default"]) == []

    def absent(name: str) -> None:
        raise packs.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packs.metadata, "distribution", absent)
    assert packs.missing_extras(shelf["dlib-int8"]) == ["dlib"]
    # sightgrid itself brings its package: nothing to choose
    assert packs.missing_extras(shelf["default"]) == []


def test_another_file_of_that_name_is_refused() -> None:
    network_file()
    assert CARRIED is not None
    with pytest.raises(PackError, match="SHA-256 differs"):
        carried_path(replace(CARRIED, sha256="0" * 64))


def test_without_dot_products_of_bytes_eight_bits_are_refused(
    int8_pack: Pack, dlib_pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = open_network(int8_pack.embedder_path, runtime=Runtime.ONNXRUNTIME, threads=1)
    monkeypatch.setattr(embedding, "multiplies_bytes", lambda: False)
    with pytest.raises(PackError, match="no dot products of bytes") as caught:
        AlignedFaceEmbedder(int8_pack, network)
    assert caught.value.hint is not None
    AlignedFaceEmbedder(dlib_pack, network)


@pytest.mark.skipif(not is_installed(Runtime.OPENVINO), reason="openvino is not installed")
@needs_bytes
def test_eight_bits_run_on_one_runtime_only(int8_pack: Pack, dlib_pack: Pack) -> None:
    assert embedding.embedder_runtime(int8_pack) is Runtime.ONNXRUNTIME
    assert embedding.embedder_runtime(dlib_pack) is Runtime.OPENVINO
    network = open_network(int8_pack.embedder_path, runtime=Runtime.OPENVINO, threads=1)
    with pytest.raises(PackError, match="OpenVINO's vectors differ"):
        AlignedFaceEmbedder(int8_pack, network)


def test_embeddings_of_both_are_never_compared(dlib_pack: Pack, int8_pack: Pack) -> None:
    assert dlib_pack.contract.id != int8_pack.contract.id


def test_no_network_is_fetched_for_a_pack_that_is_built(tmp_path: Path) -> None:
    from sightgrid.vision.acquiring import pull_pack

    with pytest.raises(PackError, match="built from an installed package"):
        pull_pack("dlib", urls=["https://example.org/x"], digests=["0" * 64])


def test_packs_say_which_file_they_read() -> None:
    shelf = packs.catalogue()
    for name in CONTRACTS:
        carried = shelf[name].embedder.carried_by
        assert carried is not None
        assert carried.sha256.startswith("55533b28a95800a5")
        assert shelf[name].embedder.licence == "CC0-1.0"
