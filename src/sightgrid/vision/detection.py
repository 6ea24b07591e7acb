"""Finds faces in a picture: YuNet with our own pre- and post-processing.

YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023; MIT) is anchor-free: for
each cell of three grids (strides 8, 16, 32) it gives two scores, a box and five landmarks.
"""

from __future__ import annotations

import math
from typing import Protocol

import cv2
import numpy as np

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes, Floats, iou_matrix
from sightgrid.vision.onnx import Network
from sightgrid.vision.regions import smallest_useful_face_px

_STRIDES = (8, 16, 32)
_SIDE_MULTIPLE = 32


class FaceDetector(Protocol):
    """Finds the faces of a picture. May be called from several threads at once."""

    def detect(self, pixels: Bytes) -> list[Detection]:
        """Faces in ``pixels`` (H, W, 3) uint8 BGR, best score first, in its own pixels."""


class YuNet:
    """YuNet at a working size chosen so that the smallest useful face is wide enough to be found.

    Args:
        network: the pack's detector.
        score_threshold: faces below are dropped; the tracker makes its own use of weak ones.
        nms_iou: of two boxes that overlap more than this, the weaker is dropped.
        smallest_face_px: of the frames to come; ``None`` chooses by their height.
    """

    # found by measurement: below 10 px of width on the network's input, recall drops steeply
    FACE_ON_INPUT_PX = 10.0
    MAX_ENLARGEMENT = 2.0

    def __init__(
        self,
        network: Network,
        *,
        score_threshold: float = 0.5,
        nms_iou: float = 0.3,
        smallest_face_px: float | None = None,
    ) -> None:
        self._network = network
        self._score_threshold = score_threshold
        self._nms_iou = nms_iou
        self._smallest_face_px = smallest_face_px

    def at_input_scale(self) -> YuNet:
        """The same network for pictures that were brought to its working scale before."""
        return YuNet(
            self._network,
            score_threshold=self._score_threshold,
            nms_iou=self._nms_iou,
            smallest_face_px=self.FACE_ON_INPUT_PX,
        )

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """The size a frame of width x height is brought to, before padding."""
        smallest = self._smallest_face_px or smallest_useful_face_px(min(width, height))
        scale = min(self.FACE_ON_INPUT_PX / smallest, self.MAX_ENLARGEMENT)
        return max(round(width * scale), 1), max(round(height * scale), 1)

    def detect(self, pixels: Bytes) -> list[Detection]:
        """Faces in ``pixels`` (H, W, 3) uint8 BGR, best score first, in its own pixels."""
        height, width = pixels.shape[:2]
        work_width, work_height = self.working_size(width, height)
        if (work_width, work_height) != (width, height):
            shrinking = work_width < width
            work = cv2.resize(
                pixels,
                (work_width, work_height),
                interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR,
            )
        else:
            work = pixels
        padded_width = math.ceil(work_width / _SIDE_MULTIPLE) * _SIDE_MULTIPLE
        padded_height = math.ceil(work_height / _SIDE_MULTIPLE) * _SIDE_MULTIPLE
        batch = np.zeros((1, 3, padded_height, padded_width), np.float32)
        batch[0, :, :work_height, :work_width] = work.transpose(2, 0, 1)
        scores, boxes, landmarks = self._decode(self._network.run(batch), padded_width)
        kept = _suppress(boxes, scores, iou=self._nms_iou)
        to_frame = np.array([width / work_width, height / work_height], np.float32)
        return [
            Detection(
                box=Box(*(float(v) for v in boxes[i] * np.tile(to_frame, 2))),
                landmarks=(landmarks[i] * to_frame).astype(np.float32),
                score=float(scores[i]),
            )
            for i in kept
        ]

    def _decode(
        self, outputs: dict[str, Floats], padded_width: int
    ) -> tuple[Floats, Floats, Floats]:
        """Scores (N,), boxes (N, 4) and landmarks (N, 5, 2) above the threshold, input pixels."""
        scores, boxes, landmarks = [], [], []
        for stride in _STRIDES:
            confidence = outputs[f"cls_{stride}"][0, :, 0]
            objectness = outputs[f"obj_{stride}"][0, :, 0]
            score = np.sqrt(np.clip(confidence, 0, 1) * np.clip(objectness, 0, 1))
            cells = np.flatnonzero(score >= self._score_threshold)
            if not cells.size:
                continue
            columns = padded_width // stride
            corner = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
            box = outputs[f"bbox_{stride}"][0, cells]
            centre = (corner + box[:, :2]) * stride
            # even at 8K, float32 can tell the two edges of the narrowest box apart
            sides = np.exp(np.clip(box[:, 2:], -4, 10)) * stride
            points = outputs[f"kps_{stride}"][0, cells].reshape(-1, 5, 2)
            scores.append(score[cells])
            boxes.append(np.concatenate([centre - sides / 2, centre + sides / 2], axis=1))
            landmarks.append((points + corner[:, None, :]) * stride)
        if not scores:
            return (
                np.zeros(0, np.float32),
                np.zeros((0, 4), np.float32),
                np.zeros((0, 5, 2), np.float32),
            )
        return (
            np.concatenate(scores).astype(np.float32),
            np.concatenate(boxes).astype(np.float32),
            np.concatenate(landmarks).astype(np.float32),
        )


def _suppress(boxes: Floats, scores: Floats, *, iou: float) -> list[int]:
    """Greedy non-maximum suppression; the numbers of the boxes kept, best score first."""
    order = np.argsort(-scores, kind="stable")
    overlaps = iou_matrix(boxes, boxes)
    kept: list[int] = []
    for number in order:
        if all(overlaps[number, better] <= iou for better in kept):
            kept.append(int(number))
    return kept
