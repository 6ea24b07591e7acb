from __future__ import annotations

import click
import pytest

from sightgrid.cli.track import command
from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Bytes, boxes_array, iou_matrix
from sightgrid.vision.detection import YuNet
from sightgrid.vision.detectors import (
    DetectorName,
    detector_files,
    detector_name,
    detector_runtime,
    open_detector,
)
from sightgrid.vision.packs import Pack


@pytest.mark.parametrize("name", DetectorName)
def test_every_detector_finds_the_astronaut_where_yunet_does(
    pack: Pack, astronaut: Bytes, yunet: YuNet, name: DetectorName
) -> None:
    if name is DetectorName.HOG:
        pytest.importorskip("dlib", reason="dlib is not installed (extra 'hog')")
    found = open_detector(name, pack=pack).detect(astronaut)
    (expected,) = yunet.detect(astronaut)
    overlaps = iou_matrix(boxes_array([face.box for face in found]), boxes_array([expected.box]))
    assert overlaps.max() > 0.4
    assert all(0.0 <= face.score <= 1.0 for face in found)


@pytest.mark.parametrize("name", DetectorName)
def test_the_runtime_told_is_the_one_that_runs(pack: Pack, name: DetectorName) -> None:
    if name is DetectorName.HOG:
        pytest.importorskip("dlib", reason="dlib is not installed (extra 'hog')")
    detector = open_detector(name, pack=pack)
    told = detector_runtime(name)
    assert getattr(detector, "runtime", told) is told


def test_each_detector_names_its_own_files(pack: Pack) -> None:
    files = {name: detector_files(name, pack=pack) for name in DetectorName}
    assert list(files[DetectorName.YUNET].values()) == [pack.manifest.detector.sha256]
    assert files[DetectorName.MTCNN].keys() == {"pnet.onnx", "rnet.onnx", "onet.onnx"}
    assert files[DetectorName.MTCNN] == files[DetectorName.MTCNN_FAST]
    assert files[DetectorName.HAAR].keys() == {
        "haarcascade_frontalface_default.xml",
        "haarcascade_eye.xml",
    }
    assert all(len(digest) == 64 for own in files.values() for digest in own.values())
    assert not files[DetectorName.HOG]


def test_an_unknown_detector_is_named_with_the_known_ones() -> None:
    with pytest.raises(PackError) as caught:
        detector_name("viola")
    assert caught.value.hint == "known detectors: yunet, mtcnn, mtcnn-fast, haar, hog"


def test_the_names_are_those_of_the_command_line() -> None:
    (option,) = (item for item in command.params if item.name == "detector")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == list(DetectorName)
