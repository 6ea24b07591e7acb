from __future__ import annotations

from dataclasses import astuple

import cv2
import numpy as np
import pytest

from sightgrid.domain.faces import Detection, Quality
from sightgrid.domain.geometry import Box, Bytes, Floats
from sightgrid.vision.alignment import align, outside_fraction
from sightgrid.vision.detection import YuNet
from sightgrid.vision.packs import Pack
from sightgrid.vision.quality import detail, grade, head_pose

FRONTAL = np.array(
    [[38.3, 51.7], [73.7, 51.7], [56.0, 75.3], [41.5, 92.4], [70.5, 92.4]], np.float32
)


@pytest.fixture(scope="module")
def found(yunet: YuNet, astronaut: Bytes) -> Detection:
    (detection,) = yunet.detect(astronaut)
    return detection


@pytest.fixture(scope="module")
def face(pack: Pack, found: Detection, astronaut: Bytes) -> Bytes:
    template = pack.manifest.embedder_input.framing.template
    return align(astronaut, found.landmarks, template=template, size_px=112)


def seen(width_px: float = 90.0, *, score: float = 0.93, landmarks: Floats = FRONTAL) -> Detection:
    return Detection(Box(0, 0, width_px, width_px * 1.25), landmarks, score)


def falls(values: list[float], *, by: float) -> bool:
    """Whether the values never rise (but for rounding) and end lower than they began."""
    steps = np.diff(values)
    return bool(np.all(steps < 1e-3)) and values[0] - values[-1] > by


def test_a_good_portrait_is_good(face: Bytes, found: Detection) -> None:
    quality = grade(face, found, outside=0.0)
    assert quality.overall > 0.85
    assert quality.certainty > 0.9
    assert quality.face_width_px == pytest.approx(90, abs=5)
    # the parts but for the three that are no fractions
    for value in astuple(quality)[1:7] + astuple(quality)[9:]:
        assert 0 <= value <= 1


def test_blur_lowers_it(face: Bytes, found: Detection) -> None:
    graded = [
        grade(cv2.GaussianBlur(face, (0, 0), sigma) if sigma else face, found, outside=0)
        for sigma in (0, 1, 2, 3, 5, 8)
    ]
    assert falls([quality.sharpness for quality in graded], by=0.7)
    assert falls([quality.overall for quality in graded], by=0.7)


def test_enlarging_a_small_face_does_not_make_it_sharp(face: Bytes) -> None:
    details = []
    for side in (112, 56, 28, 14):
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        large = cv2.resize(small, (112, 112), interpolation=cv2.INTER_LINEAR)
        details.append(detail(cv2.cvtColor(large, cv2.COLOR_BGR2GRAY).astype(np.uint8)))
    assert falls(details, by=0.1)


def test_detail_does_not_depend_on_contrast(face: Bytes) -> None:
    grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY).astype(np.uint8)
    assert detail((grey // 2 + 60).astype(np.uint8)) == pytest.approx(detail(grey), abs=0.03)


def test_darkness_and_glare_lower_it(face: Bytes, found: Detection) -> None:
    dim = [
        grade((face * gain).astype(np.uint8), found, outside=0)
        for gain in (1.0, 0.5, 0.3, 0.2, 0.1, 0.0)
    ]
    assert falls([quality.light for quality in dim], by=0.9)
    glaring = [
        grade(np.clip(face + np.float32(lift), 0, 255).astype(np.uint8), found, outside=0)
        for lift in (0, 80, 160, 255)
    ]
    assert falls([quality.light for quality in glaring], by=0.9)


def test_a_flat_crop_is_worth_nothing(found: Detection) -> None:
    for level in (0, 128, 255):
        quality = grade(np.full((112, 112, 3), level, np.uint8), found, outside=0)
        assert quality.overall < 0.05


def test_smallness_lowers_it(face: Bytes) -> None:
    graded = [grade(face, seen(width), outside=0) for width in (200, 90, 40, 24, 16, 10, 5)]
    assert falls([quality.size for quality in graded], by=0.8)
    assert falls([quality.overall for quality in graded], by=0.8)
    assert [quality.face_width_px for quality in graded[:2]] == [200, 90]


def test_a_doubtful_detection_is_told_but_not_multiplied_in(face: Bytes) -> None:
    sure, doubtful = grade(face, seen(), outside=0), grade(face, seen(score=0.6), outside=0)
    assert doubtful.certainty < 0.1 < 0.9 < sure.certainty
    assert doubtful.overall == sure.overall


def test_half_outside_the_frame_lowers_it(face: Bytes) -> None:
    graded = [grade(face, seen(), outside=share) for share in (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)]
    assert falls([quality.visible for quality in graded], by=0.9)
    assert graded[4].overall < 0.05


def test_a_face_cut_by_the_frames_edge(pack: Pack, yunet: YuNet, astronaut: Bytes) -> None:
    """The whole way: frame, detection, crop, grade."""
    template = pack.manifest.embedder_input.framing.template

    def whole_way(left: int) -> Quality:
        frame = np.ascontiguousarray(astronaut[:, left:])
        (detection,) = yunet.detect(frame)
        height, width = frame.shape[:2]
        outside = outside_fraction(
            detection.landmarks, template=template, size_px=112, width=width, height=height
        )
        crop = align(frame, detection.landmarks, template=template, size_px=112)
        return grade(crop, detection, outside=outside)

    assert whole_way(0).visible > 0.95
    assert whole_way(222).visible < 0.5


def test_head_pose_of_a_level_frontal_face() -> None:
    yaw, pitch = head_pose(FRONTAL)
    assert yaw == pytest.approx(0, abs=1e-3)
    assert pitch == pytest.approx(0, abs=0.02)


def turned(landmarks: Floats, *, by: float) -> Floats:
    """The nose moved sideways and the features drawn together, as a turning head does."""
    result = landmarks.copy()
    result[:, 0] = 56 + (result[:, 0] - 56) * (1 - 0.5 * by)
    result[2, 0] += 18 * by
    return result


def test_turning_raises_yaw_either_way_and_lowers_pose(face: Bytes) -> None:
    yaws, poses = [], []
    for by in (0.0, 0.25, 0.5, 0.75, 1.0):
        landmarks = turned(FRONTAL, by=by)
        mirrored = landmarks[[1, 0, 2, 4, 3]].copy()
        mirrored[:, 0] = 112 - mirrored[:, 0]
        assert head_pose(mirrored) == pytest.approx(head_pose(landmarks), abs=1e-3)
        yaws.append(head_pose(landmarks)[0])
        poses.append(grade(face, seen(landmarks=landmarks), outside=0).pose)
    assert falls([-yaw for yaw in yaws], by=0.75)
    assert falls(poses, by=0.5)


def test_nodding_changes_pitch_with_its_sign() -> None:
    down, up = FRONTAL.copy(), FRONTAL.copy()
    down[2, 1] += 10
    up[2, 1] -= 10
    assert head_pose(up)[1] < -0.3 < 0.3 < head_pose(down)[1]


@pytest.mark.parametrize("degrees", [-60, 25, 90, 180])
@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_tilting_and_size_change_no_pose(degrees: float, scale: float) -> None:
    landmarks = turned(FRONTAL, by=0.4)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilted = (landmarks @ turn.T * scale + 300).astype(np.float32)
    assert head_pose(tilted) == pytest.approx(head_pose(landmarks), abs=5e-3)


def test_landmarks_in_one_point_have_no_pose() -> None:
    assert head_pose(np.full((5, 2), 9, np.float32)) == (1.0, 0.0)
