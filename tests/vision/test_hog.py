from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from sightgrid.domain.errors import MissingExtra
from sightgrid.domain.geometry import Bytes
from sightgrid.vision import hog
from sightgrid.vision.detection import YuNet
from sightgrid.vision.hog import HogDetector, score_of_margin
from sightgrid.vision.tracking import TrackerSettings


@pytest.fixture(scope="module")
def detector() -> HogDetector:
    pytest.importorskip("dlib", reason="dlib is not installed (extra 'hog')")
    return HogDetector()


def test_landmarks_lie_near_those_of_yunet(
    detector: HogDetector, astronaut: Bytes, yunet: YuNet
) -> None:
    (found,) = detector.detect(astronaut)
    (expected,) = yunet.detect(astronaut)
    off = np.hypot(*(found.landmarks - expected.landmarks).T)
    assert off.max() < 0.15 * expected.box.width
    assert TrackerSettings().strong <= found.score < 1.0


def test_small_frames_are_enlarged_and_boxes_come_back_in_their_pixels(
    detector: HogDetector, astronaut: Bytes
) -> None:
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA).astype(np.uint8)
    (large,) = detector.detect(astronaut)
    (found,) = detector.detect(small)
    off = np.abs(found.box.as_array() * 2 - large.box.as_array()).max()
    assert off < 0.15 * large.box.width


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (200, 200)])
def test_pictures_without_a_face_give_none(detector: HogDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.full((*shape, 3), 127, np.uint8)) == []


def test_threads_do_not_disturb_each_other(
    detector: HogDetector, astronaut: Bytes, group: Bytes
) -> None:
    pictures = [astronaut, group] * 2
    alone = [[face.box for face in detector.detect(picture)] for picture in pictures]
    with ThreadPoolExecutor(4) as workers:
        together = [
            [face.box for face in faces] for faces in workers.map(detector.detect, pictures)
        ]
    assert together == alone


def test_the_score_begins_where_a_track_may_and_grows_with_the_margin() -> None:
    assert score_of_margin(0.0) == pytest.approx(TrackerSettings().strong)
    assert score_of_margin(1.3) == pytest.approx(0.9, abs=0.01)
    assert score_of_margin(3.0) < 1.0


def test_without_dlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hog, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="'hog'"):
        HogDetector()
