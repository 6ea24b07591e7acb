"""Grades a look at a face: is it large, sharp, lit, frontal and whole enough to tell who it is?

Each part is a smooth step from 0 (useless) to 1 (as good as any); the whole is their product, so
that one bad part is enough to spoil a look. Where the steps lie was read off portraits degraded in
size, blur and light (docs/benchmarks.md, "Quality"): one half is about where an embedding has lost
half of its similarity to good photos of the same face.
"""

from __future__ import annotations

import cv2
import numpy as np

from sightgrid.domain.faces import Detection, Quality
from sightgrid.domain.geometry import Bytes, Floats


def grade(crop: Bytes, detection: Detection, *, outside: float) -> Quality:
    """The quality of an aligned crop of a detection.

    Args:
        crop: (S, S, 3) uint8 BGR, aligned. outside: share of the crop beyond the frame's edge, 0-1.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
    yaw, pitch = head_pose(detection.landmarks)
    size = _step(detection.box.width, middle=16.0, width=5.0)
    sharpness = _step(detail(grey), middle=0.17, width=0.04)
    light = _light(grey)
    pose = (1.0 - _step(yaw, middle=0.75, width=0.12)) * (
        1.0 - _step(abs(pitch), middle=0.55, width=0.12)
    )
    visible = 1.0 - _step(outside, middle=0.22, width=0.05)
    certainty = _step(detection.score, middle=0.76, width=0.035)
    return Quality(
        face_width_px=detection.box.width,
        size=size,
        sharpness=sharpness,
        light=light,
        pose=pose,
        visible=visible,
        certainty=certainty,
        yaw=yaw,
        pitch=pitch,
        overall=size * sharpness * light * pose * visible,
    )


def head_pose(landmarks: Floats) -> tuple[float, float]:
    """Yaw (0 frontal, about 1 profile) and pitch (0 level, + down, - up) read off five landmarks.

    Both are ratios in the face's own upright frame, so that a tilted head changes neither.
    """
    eyes = (landmarks[0] + landmarks[1]) / 2
    mouth = (landmarks[3] + landmarks[4]) / 2
    across = landmarks[1] - landmarks[0]
    down = mouth - eyes
    height = float(np.hypot(*down))
    if height < 1e-6:
        return 1.0, 0.0
    axis = down / height
    sideways = np.array([axis[1], -axis[0]])
    nose = landmarks[2] - eyes
    # a narrow eye distance and a nose off the middle line both tell a turned head
    half_span = max(abs(float(across @ sideways)), 0.35 * height) / 2
    yaw = abs(float(nose @ sideways)) / half_span
    # level, the nose tip lies at 0.58 of the way from the eyes to the mouth
    pitch = (float(nose @ axis) / height - 0.58) / 0.42
    return yaw, pitch


def detail(grey: Bytes) -> float:
    """How much fine detail a crop has, whatever its contrast: the share of its gradient energy
    that a slight blur takes away, 0 (already blurred) to about 0.8 (crisp)."""
    inner = grey[16:-16, 16:-16].astype(np.float32)
    blurred = cv2.GaussianBlur(inner, (0, 0), 1.2).astype(np.float32, copy=False)
    energy = _gradient_energy(inner)
    return 1.0 - _gradient_energy(blurred) / max(energy, 1e-6)


def _gradient_energy(grey: Floats) -> float:
    across, down = np.diff(grey, axis=1), np.diff(grey, axis=0)
    return float(np.mean(across**2) + np.mean(down**2))


def _light(grey: Bytes) -> float:
    """1 for a face with a full range of tones, towards 0 if it is dark, glaring or flat."""
    inner = grey[24:-8, 20:-20]
    low, middle, high = (float(v) for v in np.percentile(inner, (5, 50, 95)))
    bright_enough = _step(middle, middle=28.0, width=8.0)
    not_glaring = 1.0 - _step(middle, middle=236.0, width=6.0)
    contrast = _step(high - low, middle=24.0, width=7.0)
    return bright_enough * not_glaring * contrast


def _step(value: float, *, middle: float, width: float) -> float:
    """A logistic step from 0 to 1 around ``middle``."""
    return float(1.0 / (1.0 + np.exp(-np.clip((value - middle) / width, -30, 30))))
