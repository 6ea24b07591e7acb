"""Finds faces with MTCNN as its authors and FaceNet's ``align`` run it, box for box.

Three networks, each more careful than the last. P-Net looks at the picture in ever smaller copies
and proposes; R-Net looks again at each proposal, 24 pixels wide; O-Net at what is left, 48 wide,
and gives the landmarks. Between them boxes are thinned out, shifted as the networks say and made
square. This is the classic of the *student attendance* ancestor; for speed take
:mod:`sightgrid.vision.mtcnn_fast`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes, Floats
from sightgrid.vision.mtcnn_networks import MtcnnFiles
from sightgrid.vision.onnx import Network, Runtime, open_network

CELL_PX = 12
"""What one cell of P-Net sees; cells lie two pixels apart."""
STRIDE_PX = 2
REFINEMENT_PX, OUTPUT_PX = 24, 48
_BATCH = 128

SAME_SCALE_IOU, ACROSS_SCALES_IOU, REFINED_IOU, FINAL_OVERLAP = 0.5, 0.7, 0.7, 0.7

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StageThresholds:
    """The least probability of a face, 0-1, after P-Net, R-Net and O-Net."""

    proposal: float
    refinement: float
    output: float

    def __post_init__(self) -> None:
        if not all(0.0 < p < 1.0 for p in (self.proposal, self.refinement, self.output)):
            raise InvalidValue(f"MTCNN's thresholds must lie between 0 and 1, got {self}")

    def logits(self) -> tuple[float, float, float]:
        """The same as logits, which the networks here answer with."""
        return (_logit(self.proposal), _logit(self.refinement), _logit(self.output))


BUILDING = StageThresholds(0.6, 0.8, 0.8)
"""Strict, for photos to enrol or train with."""
LIVE = StageThresholds(0.65, 0.7, 0.7)
"""For video."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes between two networks: ``boxes`` (N, 4) and ``logits`` (N,) of being a face."""

    boxes: Doubles
    logits: Doubles


class Mtcnn:
    """MTCNN in float, every step as the original takes it.

    ``score`` of a detection is O-Net's probability. Pixel coordinates are the original's, which
    counts from 1 and takes a box's right and bottom edge as part of it.

    Args:
        files: the networks, see :func:`sightgrid.vision.mtcnn_networks.build_mtcnn`.
        smallest_face_px: width of the smallest face that is looked for.
        factor: from each copy of the picture to the next smaller.
    """

    def __init__(
        self,
        files: MtcnnFiles,
        *,
        thresholds: StageThresholds = LIVE,
        smallest_face_px: float = 20.0,
        factor: float = 0.709,
    ) -> None:
        # the pictures of a collection have all sizes, and OpenVINO is fast for known ones only
        runtime = Runtime.ONNXRUNTIME
        self._proposal = open_network(files.proposal, runtime=runtime, threads=1)
        self._refinement = open_network(files.refinement, runtime=runtime, threads=1)
        self._output = open_network(files.output, runtime=runtime, threads=1)
        self._thresholds = thresholds.logits()
        self._smallest_face_px = smallest_face_px
        self._factor = factor

    def detect(self, pixels: Bytes) -> list[Detection]:
        """Faces in ``pixels`` (H, W, 3) uint8 BGR, best score first, in its own pixels."""
        # in float from the start: rounding the copies alone moves every twelfth box by over a pixel
        picture = pixels.astype(np.float32)
        squares = self._propose(picture)
        squares = self._refine(picture, squares)
        return self._conclude(picture, squares)

    def _propose(self, picture: Floats) -> Doubles:
        """P-Net on every scale; what it proposes as squares (N, 4) of whole pixels."""
        height, width = picture.shape[:2]
        boxes, logits, shifts = [], [], []
        for scale in pyramid_scales(
            height, width, smallest_face_px=self._smallest_face_px, factor=self._factor
        ):
            size = (math.ceil(width * scale), math.ceil(height * scale))
            copy = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            batch = np.ascontiguousarray(copy.transpose(2, 0, 1)[None], np.float32)
            answer = self._proposal.run(batch)["faces"][0]
            rows, columns = np.nonzero(answer[0] >= self._thresholds[0])
            cells = np.stack([columns, rows], axis=1) * STRIDE_PX
            found = _whole(np.concatenate([cells + 1, cells + CELL_PX], axis=1) / scale)
            values = answer[:, rows, columns].T.astype(np.float64)
            kept = suppress(found, values[:, 0], overlap=SAME_SCALE_IOU)
            boxes.append(found[kept])
            logits.append(values[kept, 0])
            shifts.append(values[kept, 1:])
        if not boxes:
            return np.zeros((0, 4))
        found = np.concatenate(boxes)
        kept = suppress(found, np.concatenate(logits), overlap=ACROSS_SCALES_IOU)
        found, shift = found[kept], np.concatenate(shifts)[kept]
        sides = found[:, 2:] - found[:, :2]
        return _whole(squared(found + shift * np.tile(sides, 2)))

    def _refine(self, picture: Floats, squares: Doubles) -> Doubles:
        """R-Net; what it takes for faces as squares (N, 4) of whole pixels."""
        answer = _answers(self._refinement, picture, squares, side=REFINEMENT_PX, values=5)
        passed = answer[:, 0] > self._thresholds[1]
        squares, answer = squares[passed], answer[passed]
        kept = suppress(squares, answer[:, 0], overlap=REFINED_IOU)
        return _whole(squared(_shifted(squares[kept], answer[kept, 1:5])))

    def _conclude(self, picture: Floats, squares: Doubles) -> list[Detection]:
        """O-Net; its faces, best first."""
        answer = _answers(self._output, picture, squares, side=OUTPUT_PX, values=15)
        passed = answer[:, 0] > self._thresholds[2]
        squares, answer = squares[passed], answer[passed]
        sides = squares[:, None, 2:] - squares[:, None, :2] + 1
        landmarks = answer[:, 5:].reshape(-1, 2, 5).swapaxes(1, 2) * sides
        landmarks = landmarks + squares[:, None, :2] - 1
        boxes = _shifted(squares, answer[:, 1:5])
        kept = suppress(boxes, answer[:, 0], overlap=FINAL_OVERLAP, of_smaller=True)
        return detections(boxes[kept], landmarks[kept], answer[kept, 0])


def detections(boxes: Doubles, landmarks: Doubles, logits: Doubles) -> list[Detection]:
    """O-Net's answers as detections; a box that was shifted inside out is left out."""
    scores = 1.0 / (1.0 + np.exp(-logits))
    return [
        Detection(
            box=Box(*(float(v) for v in box)),
            landmarks=points.astype(np.float32),
            score=float(score),
        )
        for box, points, score in zip(boxes, landmarks, scores, strict=True)
        if box[2] > box[0] and box[3] > box[1]
    ]


def pyramid_scales(
    height: int, width: int, *, smallest_face_px: float, factor: float
) -> list[float]:
    """The scales at which P-Net looks, largest first: from the one where the smallest face is one
    cell wide down to the one where the picture is."""
    scales = []
    scale, shorter = CELL_PX / smallest_face_px, min(height, width) * CELL_PX / smallest_face_px
    while shorter >= CELL_PX:
        scales.append(scale)
        scale *= factor
        shorter *= factor
    return scales


def squared(boxes: Doubles) -> Doubles:
    """Each box (N, 4) widened about its middle to a square."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides / 2 - longer / 2
    return np.concatenate([corner, corner + longer], axis=1)


def suppress(
    boxes: Doubles, logits: Doubles, *, overlap: float, of_smaller: bool = False
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression; the numbers of the boxes kept, best first.

    Args:
        boxes: (N, 4) whose right and bottom edges are part of them. overlap: what two boxes kept
            may share at most, as intersection over union or, with ``of_smaller``, over the
            smaller of both.
    """
    order = np.argsort(-logits, kind="stable")
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    kept = []
    while order.size:
        best, others = order[0], order[1:]
        kept.append(best)
        sides = (
            np.minimum(boxes[best, 2:], boxes[others, 2:])
            - np.maximum(boxes[best, :2], boxes[others, :2])
            + 1
        )
        shared = np.prod(np.maximum(sides, 0), axis=1)
        if of_smaller:
            whole = np.minimum(areas[best], areas[others])
        else:
            whole = areas[best] + areas[others] - shared
        order = others[shared <= overlap * whole]
    return np.array(kept, np.intp)


def _whole(boxes: Doubles) -> Doubles:
    """Without what is after the point, as the original does it, also left of zero."""
    return np.trunc(boxes).astype(np.float64)


def _shifted(squares: Doubles, shifts: Doubles) -> Doubles:
    """Boxes moved by a network's answer, which is in sides of the square."""
    sides = squares[:, 2:] - squares[:, :2] + 1
    return squares + shifts * np.tile(sides, 2)


def _answers(
    network: Network, picture: Floats, squares: Doubles, *, side: int, values: int
) -> Doubles:
    """(N, values): what a network says of each square, cut out and brought to side x side."""
    answers = np.zeros((len(squares), values))
    for first in range(0, len(squares), _BATCH):
        part = squares[first : first + _BATCH]
        batch = np.stack([_cut(picture, square, side=side) for square in part])
        batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        answers[first : first + _BATCH] = network.run(batch)["faces"]
    return answers


def _cut(picture: Floats, square: Doubles, *, side: int) -> Floats:
    """A square of the picture, black where it reaches over the edge, as (side, side, 3)."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (int(v) for v in square)
    # as the original counts: from 1, both ends included
    patch = np.zeros((max(bottom - top + 1, 1), max(right - left + 1, 1), 3), np.float32)
    from_x, to_x = max(left, 1), min(right, width)
    from_y, to_y = max(top, 1), min(bottom, height)
    if from_x <= to_x and from_y <= to_y:
        patch[from_y - top : to_y - top + 1, from_x - left : to_x - left + 1] = picture[
            from_y - 1 : to_y, from_x - 1 : to_x
        ]
    resized: Floats = cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA).astype(
        np.float32, copy=False
    )
    return resized


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
