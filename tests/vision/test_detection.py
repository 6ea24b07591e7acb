from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes, Floats, boxes_array, iou_matrix
from sightgrid.vision.detection import YuNet
from sightgrid.vision.onnx import Network, Runtime, open_network
from sightgrid.vision.packs import Pack
from sightgrid.vision.regions import smallest_useful_face_px

# read off the photo by eye: the face from brow to chin, the two pupils
FACE = Box(180.0, 65.0, 270.0, 178.0)
PUPILS = np.array([[203, 104], [246, 104]], np.float32)
FRAMES = [(511, 333), (512, 512), (333, 509), (417, 300)]


def overlap(one: Box, other: Box) -> float:
    return float(iou_matrix(boxes_array([one]), boxes_array([other]))[0, 0])


def moved(box: Box, *, scale: float = 1.0, right: float = 0.0, down: float = 0.0) -> Box:
    return Box(
        box.left * scale + right,
        box.top * scale + down,
        box.right * scale + right,
        box.bottom * scale + down,
    )


class Watched:
    """The real network; remembers the sizes of the batches it was given."""

    runtime = Runtime.ONNXRUNTIME

    def __init__(self, network: Network) -> None:
        self._network = network
        self.outputs = network.outputs
        self.sizes: list[tuple[int, ...]] = []

    def run(self, batch: Floats) -> dict[str, Floats]:
        self.sizes.append(batch.shape)
        return self._network.run(batch)


@pytest.fixture(scope="module")
def watched(pack: Pack) -> Watched:
    return Watched(open_network(pack.detector_path, runtime=Runtime.ONNXRUNTIME, threads=1))


def test_the_face_is_found_where_it_is(yunet: YuNet, astronaut: Bytes) -> None:
    (found,) = yunet.detect(astronaut)
    assert overlap(found.box, FACE) > 0.85
    assert found.score > 0.85
    np.testing.assert_allclose(found.landmarks[:2], PUPILS, atol=6)
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("scale", [0.4, 0.6, 1.5, 2.2])
def test_the_size_of_the_frame_does_not_matter(
    yunet: YuNet, astronaut: Bytes, scale: float
) -> None:
    by = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    (found,) = yunet.detect(cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=by))
    assert overlap(found.box, moved(FACE, scale=scale)) > 0.8
    np.testing.assert_allclose(found.landmarks[:2] / scale, PUPILS, atol=7)


@pytest.mark.parametrize(("width", "height"), FRAMES)
def test_odd_sizes_are_padded_and_coordinates_stay(
    watched: Watched, astronaut: Bytes, width: int, height: int
) -> None:
    watched.sizes.clear()
    # a window into the photo that still holds the face, not at its corner
    left, top = min(40, 512 - width), min(17, 512 - height)
    window = np.ascontiguousarray(astronaut[top : top + height, left : left + width])
    (found,) = YuNet(watched).detect(window)
    assert overlap(found.box, moved(FACE, right=-left, down=-top)) > 0.8
    np.testing.assert_allclose(found.landmarks[:2], PUPILS - (left, top), atol=6)
    ((batch, channels, padded_height, padded_width),) = watched.sizes
    assert (batch, channels) == (1, 3)
    assert padded_height % 32 == padded_width % 32 == 0
    assert height <= padded_height < height + 32
    assert width <= padded_width < width + 32


def test_padding_finds_nothing_in_itself(watched: Watched, astronaut: Bytes) -> None:
    """The same picture with and without room at the right and below gives the same face."""
    exact = np.ascontiguousarray(astronaut[:320, :320])
    cut = np.ascontiguousarray(astronaut[:319, :319])
    (one,), (other,) = YuNet(watched).detect(exact), YuNet(watched).detect(cut)
    np.testing.assert_allclose(one.box.as_array(), other.box.as_array(), atol=1.5)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 360, (640, 360)),
        (1920, 1080, (960, 540)),
        (1080, 1920, (540, 960)),
        (3840, 2160, (1600, 900)),
        (7, 3, (7, 3)),
    ],
)
def test_the_working_size(
    watched: Watched, width: int, height: int, expected: tuple[int, int]
) -> None:
    assert YuNet(watched).working_size(width, height) == expected


def test_a_wish_for_smaller_faces_enlarges_up_to_twice(watched: Watched) -> None:
    assert YuNet(watched, smallest_face_px=8).working_size(640, 480) == (800, 600)
    assert YuNet(watched, smallest_face_px=2).working_size(640, 480) == (1280, 960)


@pytest.mark.parametrize(
    ("height", "width_px"),
    [(144, 10.0), (480, 10.0), (540, 10.0), (1080, 20.0), (1296, 24.0), (2160, 24.0)],
)
def test_smallest_useful_face(height: int, width_px: float) -> None:
    assert smallest_useful_face_px(height) == pytest.approx(width_px)


def test_a_face_of_the_smallest_useful_size_is_found(yunet: YuNet, astronaut: Bytes) -> None:
    """24 px, the most that `smallest_useful_face_px` ever asks for, in a 1296-line frame."""
    scale = 24.0 / FACE.width
    small = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((1296, 1728, 3), 127, np.uint8)
    frame[600 : 600 + small.shape[0], 900 : 900 + small.shape[1]] = small
    (found,) = yunet.detect(frame)
    assert overlap(found.box, moved(FACE, scale=scale, right=900, down=600)) > 0.6


def test_two_faces_best_first(yunet: YuNet, astronaut: Bytes) -> None:
    frame = np.full((512, 1024, 3), 90, np.uint8)
    frame[:, :512] = cv2.GaussianBlur(astronaut, (0, 0), 3.0)
    frame[:, 512:] = astronaut
    first, second = yunet.detect(frame)
    assert first.score > second.score
    assert overlap(first.box, moved(FACE, right=512)) > 0.8
    assert overlap(second.box, FACE) > 0.7


def test_no_faces_where_there_are_none(yunet: YuNet) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3), dtype=np.uint8)
    for pixels in (noise, np.zeros((360, 640, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)):
        assert yunet.detect(pixels) == []


def test_a_threshold_drops_the_weaker(watched: Watched, astronaut: Bytes) -> None:
    assert len(YuNet(watched, score_threshold=0.9).detect(astronaut)) == 1
    assert YuNet(watched, score_threshold=0.99).detect(astronaut) == []


def test_without_suppression_a_face_is_found_many_times(watched: Watched, astronaut: Bytes) -> None:
    found = YuNet(watched, nms_iou=1.0).detect(astronaut)
    assert len(found) > 3
    assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)
    assert len(YuNet(watched, nms_iou=0.3).detect(astronaut)) == 1


def test_four_threads_find_the_same(yunet: YuNet, astronaut: Bytes) -> None:
    pictures = [
        np.ascontiguousarray(astronaut[:height, :width])
        for width, height in ((511, 333), (320, 240), (512, 512), (300, 401))
    ]

    def told(found: list[Detection]) -> list[tuple[float, ...]]:
        return [(d.score, *d.box.as_array().tolist(), *d.landmarks.ravel().tolist()) for d in found]

    expected = [told(yunet.detect(picture)) for picture in pictures]
    assert all(expected)
    wrong: list[int] = []

    def work(first: int) -> None:
        for number in [*range(first, 4), *range(first)]:
            if told(yunet.detect(pictures[number])) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
