from __future__ import annotations

import cv2
import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision.alignment import align
from sightgrid.vision.detection import YuNet
from sightgrid.vision.embedding import AlignedFaceEmbedder
from sightgrid.vision.onnx import Network, Runtime, open_network
from sightgrid.vision.packs import Pack


@pytest.fixture(scope="module")
def face(pack: Pack, yunet: YuNet, astronaut: Bytes) -> Bytes:
    (found,) = yunet.detect(astronaut)
    return align(
        astronaut,
        found.landmarks,
        template=pack.manifest.embedder_input.framing.template,
        size_px=112,
    )


def noise(seed: int) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (112, 112, 3), dtype=np.uint8)


def test_a_face_is_a_unit_vector_of_the_packs_contract(
    embedder: AlignedFaceEmbedder, pack: Pack, face: Bytes
) -> None:
    (seen,) = embedder.embed([face])
    assert seen.contract == pack.contract
    assert seen.vector.dtype == np.float32
    assert np.linalg.norm(seen.vector) == pytest.approx(1.0, abs=1e-5)


def test_a_batch_says_what_each_crop_says_alone(embedder: AlignedFaceEmbedder, face: Bytes) -> None:
    crops = [face, *(noise(seed) for seed in range(embedder.MAX_BATCH))]  # one more than a batch
    together = embedder.embed(crops)
    assert len(together) == embedder.MAX_BATCH + 1
    for position in (0, 1, embedder.MAX_BATCH):
        (alone,) = embedder.embed([crops[position]])
        np.testing.assert_allclose(together[position].vector, alone.vector, atol=1e-5)
        assert together[position].strength == pytest.approx(alone.strength, abs=1e-4)


def test_nothing_to_embed(embedder: AlignedFaceEmbedder) -> None:
    assert embedder.embed([]) == []


def test_a_mirror_image_is_the_same_face(
    embedder: AlignedFaceEmbedder, pack: Pack, face: Bytes
) -> None:
    assert pack.manifest.embedder_input.flip_average
    mirrored = np.ascontiguousarray(face[:, ::-1])
    assert np.abs(face.astype(int) - mirrored).mean() > 5
    seen, reflected = embedder.embed([face, mirrored])
    np.testing.assert_allclose(seen.vector, reflected.vector, atol=1e-5)


def test_the_same_face_stays_alike_and_others_do_not(
    embedder: AlignedFaceEmbedder, face: Bytes
) -> None:
    small = cv2.resize(cv2.resize(face, (56, 56), interpolation=cv2.INTER_AREA), (112, 112))
    darker = (face * 0.6).astype(np.uint8)
    whole, poorer, dim, other = embedder.embed([face, small, darker, noise(1)])
    assert whole.cosine(poorer) > 0.8
    assert whole.cosine(dim) > 0.8
    assert whole.cosine(other) < 0.3


class Watched:
    """The real network; remembers what it was given."""

    runtime = Runtime.ONNXRUNTIME

    def __init__(self, network: Network) -> None:
        self._network = network
        self.outputs = network.outputs
        self.batches: list[Floats] = []

    def run(self, batch: Floats) -> dict[str, Floats]:
        self.batches.append(batch)
        return self._network.run(batch)


def test_a_crop_reaches_the_network_as_its_contract_says(pack: Pack) -> None:
    watched = Watched(open_network(pack.embedder_path, runtime=Runtime.ONNXRUNTIME, threads=1))
    crop = np.zeros((112, 112, 3), np.uint8)
    crop[..., 0], crop[..., 1], crop[..., 2] = 10, 20, 30  # BGR
    crop[:, :20] = 200
    AlignedFaceEmbedder(pack, watched).embed([crop])
    (batch,) = watched.batches
    assert (batch.shape, batch.dtype) == ((2, 3, 112, 112), np.float32)
    assert batch[0, :, 50, 50].tolist() == [30, 20, 10]  # RGB, neither shifted nor scaled
    np.testing.assert_array_equal(batch[1], batch[0, :, :, ::-1])


def test_strength_tells_a_face_from_none(embedder: AlignedFaceEmbedder, face: Bytes) -> None:
    blurred = cv2.GaussianBlur(face, (0, 0), 6.0)
    seen, vague, nothing = embedder.embed([face, blurred, noise(2)])
    assert seen.strength > 0.9
    assert nothing.strength < 0.1
    assert nothing.strength < vague.strength < seen.strength


@pytest.mark.parametrize("shape", [(111, 112, 3), (112, 112), (112, 112, 4), (96, 96, 3)])
def test_another_size_is_refused(embedder: AlignedFaceEmbedder, shape: tuple[int, ...]) -> None:
    good = noise(0)
    with pytest.raises(InvalidValue, match=r"expected crops of \(112, 112, 3\)"):
        embedder.embed([good, np.zeros(shape, np.uint8)])
