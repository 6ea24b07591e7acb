from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision.alignment import align, outside_fraction, similarity

TEMPLATE = np.array(
    [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], np.float32
)


def placed(
    *, scale: float, degrees: float, x: float, y: float, template: Floats = TEMPLATE
) -> Floats:
    """Where the template's points lie in a frame, if the crop's middle is put at x, y."""
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((template - 56.0) @ turn.T + (x, y)).astype(np.float32)


@given(st.floats(0.05, 20), st.floats(-180, 180), st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_scale_turn_and_shift_are_recovered(
    scale: float, degrees: float, x: float, y: float
) -> None:
    landmarks = placed(scale=scale, degrees=degrees, x=x, y=y)
    matrix = similarity(landmarks, TEMPLATE)
    angle = -np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    # landmarks are float32: a small face far from the origin has few digits left
    np.testing.assert_allclose(matrix[:, :2], turn, atol=2e-4 / scale)
    np.testing.assert_allclose(
        landmarks @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=0.05 + 0.002 / scale
    )


def test_the_fit_is_the_best_of_its_kind() -> None:
    """No small change of the four numbers brings noisy landmarks nearer to the template."""
    random = np.random.default_rng(3)
    landmarks = placed(scale=0.7, degrees=20, x=300, y=200)
    landmarks += random.normal(0, 3, landmarks.shape).astype(np.float32)

    def error(a: float, b: float, x: float, y: float) -> float:
        moved = landmarks @ np.array([[a, -b], [b, a]]).T + (x, y)
        return float(np.sum((moved - TEMPLATE) ** 2))

    matrix = similarity(landmarks, TEMPLATE)
    best = np.array([matrix[0, 0], matrix[1, 0], matrix[0, 2], matrix[1, 2]])
    least = error(*best)
    for step in (*(np.eye(4) * 1e-3), *(np.eye(4) * -1e-3)):
        assert error(*(best + step)) > least


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    landmarks = placed(scale=1, degrees=0, x=200, y=200)
    landmarks[:, 0] = 400 - landmarks[:, 0]
    matrix = similarity(landmarks, TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_landmarks_in_one_point_are_no_crash() -> None:
    landmarks = np.full((5, 2), 50, np.float32)
    frame = np.full((100, 100, 3), 90, np.uint8)
    assert align(frame, landmarks, template=TEMPLATE, size_px=112).shape == (112, 112, 3)
    assert np.isfinite(
        outside_fraction(landmarks, template=TEMPLATE, size_px=112, width=100, height=100)
    )


def test_a_face_in_its_place_is_copied_pixel_by_pixel() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    landmarks = TEMPLATE + np.array([37, 21], np.float32)
    crop = align(frame, landmarks, template=TEMPLATE, size_px=112)
    np.testing.assert_array_equal(crop, frame[21:133, 37:149])


def area_averaged(frame: Bytes, landmarks: Floats, *, fine: int = 24) -> np.ndarray:
    """What a crop ought to be: the mean of the frame under each of its pixels."""
    to_frame = cv2.invertAffineTransform(similarity(landmarks, TEMPLATE))
    steps = (np.arange(112 * fine) + 0.5) / fine - 0.5
    across, down = np.meshgrid(steps, steps)
    x = to_frame[0, 0] * across + to_frame[0, 1] * down + to_frame[0, 2]
    y = to_frame[1, 0] * across + to_frame[1, 1] * down + to_frame[1, 2]
    samples = frame[
        np.clip(np.rint(y).astype(int), 0, frame.shape[0] - 1),
        np.clip(np.rint(x).astype(int), 0, frame.shape[1] - 1),
    ]
    return samples.reshape(112, fine, 112, fine, 3).mean(axis=(1, 3))


@pytest.mark.parametrize(("scale", "degrees"), [(2.5, 0.0), (4.0, 17.0), (9.0, -30.0)])
def test_a_large_face_is_averaged_not_sampled(scale: float, degrees: float) -> None:
    random = np.random.default_rng(1)
    coarse = random.integers(40, 216, (24, 24, 3)).astype(np.float32)
    frame = cv2.resize(coarse, (1500, 1500), interpolation=cv2.INTER_CUBIC)
    # hair, cloth, sensor noise: detail that a crop of this size can't hold
    frame = np.clip(frame + random.normal(0, 30, frame.shape), 0, 255).astype(np.uint8)
    landmarks = placed(scale=scale, degrees=degrees, x=760, y=740)
    crop = align(frame, landmarks, template=TEMPLATE, size_px=112)
    expected = area_averaged(frame, landmarks)
    sampled = cv2.warpAffine(frame, similarity(landmarks, TEMPLATE), (112, 112))
    off = float(np.abs(crop - expected).mean())
    assert off < 7
    assert off < 0.5 * float(np.abs(sampled - expected).mean())


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0, 8.0])
def test_a_spot_on_a_landmark_lands_on_the_template(scale: float) -> None:
    landmarks = placed(scale=scale, degrees=10, x=610, y=590)
    for number in range(5):
        frame = np.zeros((1200, 1200, 3), np.uint8)
        x, y = (float(value) for value in landmarks[number])
        rows, columns = np.mgrid[0:1200, 0:1200]
        spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (2 * scale + 1) ** 2))
        frame[:] = (spot * 255).astype(np.uint8)[..., None]
        crop = align(frame, landmarks, template=TEMPLATE, size_px=112)[..., 0].astype(float)
        rows, columns = np.mgrid[0:112, 0:112]
        centre = (columns * crop).sum() / crop.sum(), (rows * crop).sum() / crop.sum()
        np.testing.assert_allclose(centre, TEMPLATE[number], atol=0.15)


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_beyond_the_frame_is_black(scale: float) -> None:
    frame = np.full((500, 700, 3), 200, np.uint8)
    crop = align(frame, placed(scale=scale, degrees=0, x=0, y=250), template=TEMPLATE, size_px=112)
    assert crop[:, :53].max() == 0
    assert crop[:, 60:].min() >= 199


def test_a_face_wholly_outside_is_black() -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    for scale in (0.5, 4.0):
        landmarks = placed(scale=scale, degrees=0, x=-2000, y=50)
        assert align(frame, landmarks, template=TEMPLATE, size_px=112).max() == 0


@pytest.mark.parametrize(
    ("x", "y", "fraction"),
    [
        (320, 240, 0.0),
        (0, 240, 0.5),
        (640, 240, 0.5),
        (320, 0, 0.5),
        (320, 480, 0.5),
        (0, 0, 0.75),
        (28, 240, 0.25),
        (-400, 240, 1.0),
    ],
)
def test_outside_fraction(x: float, y: float, fraction: float) -> None:
    told = outside_fraction(
        placed(scale=1, degrees=0, x=x, y=y), template=TEMPLATE, size_px=112, width=640, height=480
    )
    assert told == pytest.approx(fraction, abs=0.07)
