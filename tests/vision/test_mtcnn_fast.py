"""The fast setting of MTCNN: finds what the exact one does, on both runtimes, in time."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes, boxes_array, iou_matrix
from sightgrid.vision.mtcnn import Mtcnn
from sightgrid.vision.mtcnn_fast import MtcnnFast
from sightgrid.vision.mtcnn_networks import MtcnnFiles, build_mtcnn
from sightgrid.vision.onnx import Runtime, is_installed

RUNTIMES = [runtime for runtime in Runtime if is_installed(runtime)]


@pytest.fixture(scope="module")
def files(model_cache: Path) -> MtcnnFiles:
    return build_mtcnn()


def sure(faces: list[Detection], *, width: float = 0.0) -> list[Detection]:
    """Without the odd pattern on a sleeve, which one of the two may take for a face."""
    return [face for face in faces if face.score >= 0.95 and face.box.width >= width]


def same_faces(one: list[Detection], other: list[Detection]) -> bool:
    if len(one) != len(other):
        return False
    overlaps = iou_matrix(
        boxes_array([face.box for face in one]), boxes_array([face.box for face in other])
    )
    return bool((overlaps.max(axis=1) > 0.7).all() and (overlaps.max(axis=0) > 0.7).all())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_fast_finds_the_faces_of_exact(
    files: MtcnnFiles, astronaut: Bytes, group: Bytes, runtime: Runtime
) -> None:
    for picture in (astronaut, group, group[1:, 1:]):
        fast = MtcnnFast(files, runtime=runtime).detect(picture)
        exact = sure(Mtcnn(files).detect(picture), width=25)
        assert exact
        assert same_faces(sure(fast), exact)
        assert [face.score for face in fast] == sorted((f.score for f in fast), reverse=True)


def test_landmarks_lie_where_those_of_exact_do(files: MtcnnFiles, astronaut: Bytes) -> None:
    (fast,) = sure(MtcnnFast(files).detect(astronaut))
    (exact,) = sure(Mtcnn(files).detect(astronaut))
    off = np.abs(fast.landmarks - exact.landmarks).max()
    assert off < 0.04 * exact.box.width


@pytest.mark.skipif(len(RUNTIMES) < 2, reason="openvino is not installed (extra 'openvino')")
def test_both_runtimes_give_the_same_faces(files: MtcnnFiles, group: Bytes) -> None:
    one, other = (MtcnnFast(files, runtime=runtime).detect(group) for runtime in RUNTIMES)
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        assert np.abs(first.box.as_array() - second.box.as_array()).max() < 0.1
        assert np.abs(first.landmarks - second.landmarks).max() < 0.1


def test_a_face_at_the_edge_is_found_and_a_face_too_small_is_not(
    files: MtcnnFiles, astronaut: Bytes
) -> None:
    cut = np.ascontiguousarray(astronaut[60:320, 170:420])
    assert len(MtcnnFast(files).detect(cut)) == 1
    small = cv2.resize(astronaut, (96, 96), interpolation=cv2.INTER_AREA).astype(np.uint8)
    frame = np.zeros((1080, 1920, 3), np.uint8)
    frame[400:496, 900:996] = small
    assert MtcnnFast(files).detect(frame) == []
    assert len(MtcnnFast(files, smallest_face_px=14).detect(frame)) == 1


@pytest.mark.parametrize("shape", [(1, 1), (11, 400), (64, 64)])
def test_pictures_without_a_face_and_ones_too_small_give_none(
    files: MtcnnFiles, shape: tuple[int, int]
) -> None:
    assert MtcnnFast(files).detect(np.zeros((*shape, 3), np.uint8)) == []


def test_threads_do_not_disturb_each_other(
    files: MtcnnFiles, astronaut: Bytes, group: Bytes
) -> None:
    detector = MtcnnFast(files, calls=2)
    pictures = [astronaut, group] * 4
    alone = [detector.detect(picture) for picture in pictures[:2]] * 4
    with ThreadPoolExecutor(4) as workers:
        together = list(workers.map(detector.detect, pictures))
    for one, other in zip(alone, together, strict=True):
        assert [face.box for face in one] == [face.box for face in other]


@pytest.mark.speed
@pytest.mark.skipif(
    not is_installed(Runtime.OPENVINO), reason="openvino is not installed (extra 'openvino')"
)
def test_fast_takes_at_most_60_ms_at_1080p(files: MtcnnFiles, group: Bytes) -> None:
    frame = cv2.resize(group, (1920, 1080), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    detector = MtcnnFast(files)
    times = []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for _ in range(12):
            start = time.process_time()
            detector.detect(frame)
            times.append((time.process_time() - start) * 1e3)
    finally:
        cv2.setNumThreads(threads)
    assert statistics.median(times[2:]) <= 60.0
