"""MTCNN made fast: the same three networks, the same thresholds, a fifth of the time.

What differs from :mod:`sightgrid.vision.mtcnn`, by what it saves: faces half as small again are
left out; each copy of the picture is made from the one before; the crops come out of these copies
instead of the whole picture, all of one copy at once; only the best proposals go on; and OpenVINO,
where it is installed, runs every network for shapes known beforehand. docs/benchmarks.md says what
that costs in recall.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes, Floats, iou_matrix
from sightgrid.vision.mtcnn import (
    ACROSS_SCALES_IOU,
    CELL_PX,
    FINAL_OVERLAP,
    LIVE,
    OUTPUT_PX,
    REFINED_IOU,
    REFINEMENT_PX,
    SAME_SCALE_IOU,
    STRIDE_PX,
    Doubles,
    StageThresholds,
    detections,
    pyramid_scales,
    squared,
    suppress,
)
from sightgrid.vision.mtcnn_networks import MtcnnFiles
from sightgrid.vision.onnx import Network, Runtime, is_installed, open_network
from sightgrid.vision.regions import smallest_useful_face_px

# a video needs ten shapes of P-Net; a folder of pictures needs new ones for each size
_SHAPES_KEPT = 64
# squares that overlap more after R-Net are most likely of one face
_ONE_FACE_IOU = 0.4
_REFINEMENT_BATCHES = (8, 32, 128)
_OUTPUT_BATCHES = (1, 4, 16, 32)


class MtcnnFast:
    """MTCNN for video. ``score`` of a detection is O-Net's probability.

    Args:
        files: the networks, see :func:`sightgrid.vision.mtcnn_networks.build_mtcnn`.
        smallest_face_px: of the frames to come; ``None`` chooses by their height, 40 at 1080p.
        factor: from each copy of the picture to the next smaller.
        most_proposals: how many of P-Net's proposals R-Net looks at, the best ones.
        runtime: ``None`` takes OpenVINO if it is installed, else ONNX Runtime, which
            takes half as long again.
        calls: how many calls, from as many threads, shall run side by side.
        least_score: give faces from this probability on, below O-Net's threshold; which squares
            O-Net looks at stays as it is, and so do the faces above.
    """

    def __init__(
        self,
        files: MtcnnFiles,
        *,
        thresholds: StageThresholds = LIVE,
        smallest_face_px: float | None = None,
        factor: float = 0.709,
        most_proposals: int = 256,
        runtime: Runtime | None = None,
        calls: int = 1,
        least_score: float | None = None,
    ) -> None:
        if runtime is None:
            openvino = is_installed(Runtime.OPENVINO)
            runtime = Runtime.OPENVINO if openvino else Runtime.ONNXRUNTIME
        self.runtime = runtime
        self._proposal = _ShapedNetwork(files.proposal, runtime=runtime, calls=calls)
        self._refinement = _ShapedNetwork(files.refinement, runtime=runtime, calls=calls)
        self._output = _ShapedNetwork(files.output, runtime=runtime, calls=calls)
        self._thresholds = thresholds.logits()
        least = thresholds if least_score is None else replace(thresholds, output=least_score)
        self._least_logit = least.logits()[2]
        self._smallest_face_px = smallest_face_px
        self._factor = factor
        self._most_proposals = most_proposals

    def detect(self, pixels: Bytes) -> list[Detection]:
        """Faces in ``pixels`` (H, W, 3) uint8 BGR, best score first, in its own pixels."""
        copies = self._copies(pixels)
        squares = self._propose(copies)
        squares = self._refine(copies, squares)
        return self._conclude(copies, squares)

    def _copies(self, pixels: Bytes) -> list[_Copy]:
        """The picture itself and its smaller copies, largest first."""
        height, width = pixels.shape[:2]
        smallest = self._smallest_face_px or 2 * smallest_useful_face_px(min(width, height))
        scales = pyramid_scales(height, width, smallest_face_px=smallest, factor=self._factor)
        copies = [_Copy(pixels, 1.0, 1.0, proposes=False)]
        latest = pixels
        if scales and scales[0] <= 0.5 and width % 2 == height % 2 == 0:
            # halving is exact and cheap, and what is left to shrink then needs no averaging
            latest = _resized(pixels, width // 2, height // 2, averaging=True)
            copies.append(_Copy(latest, 0.5, 0.5, proposes=False))
        for scale in scales:
            wide, high = math.ceil(width * scale), math.ceil(height * scale)
            latest = _resized(latest, wide, high, averaging=wide < 0.5 * latest.shape[1])
            copies.append(_Copy(latest, wide / width, high / height, proposes=True))
        return copies

    def _propose(self, copies: list[_Copy]) -> Doubles:
        """P-Net on every copy that is small enough; its proposals as squares (N, 4)."""
        found, values, levels = [], [], []
        for level, copy in enumerate(copies):
            if not copy.proposes:
                continue
            batch = cv2.dnn.blobFromImage(copy.pixels).astype(np.float32, copy=False)
            answer = self._proposal.run(batch)[0]
            rows, columns = np.nonzero(answer[0] >= self._thresholds[0])
            corners = np.stack([columns, rows], axis=1) * STRIDE_PX
            cells = np.concatenate([corners, corners + CELL_PX], axis=1)
            found.append(cells / np.tile([copy.scale_x, copy.scale_y], 2))
            values.append(answer[:, rows, columns].T)
            levels.append(np.full(len(rows), level))
        if not found:
            return np.zeros((0, 4))
        boxes, answers = np.concatenate(found), np.concatenate(values).astype(np.float64)
        kept = _suppress_fast(
            boxes, answers[:, 0], overlap=SAME_SCALE_IOU, apart=np.concatenate(levels)
        )
        boxes, answers = boxes[kept], answers[kept]
        kept = _suppress_fast(boxes, answers[:, 0], overlap=ACROSS_SCALES_IOU)
        kept = kept[: self._most_proposals]
        return squared(_shifted(boxes[kept], answers[kept, 1:5]))

    def _refine(self, copies: list[_Copy], squares: Doubles) -> Doubles:
        """R-Net; what it takes for faces as squares (N, 4)."""
        crops = _crops(copies, squares, side=REFINEMENT_PX)
        answers = _in_batches(self._refinement, crops, sizes=_REFINEMENT_BATCHES, values=5)
        passed = answers[:, 0] > self._thresholds[1]
        squares, answers = squares[passed], answers[passed]
        kept = _suppress_fast(squares, answers[:, 0], overlap=REFINED_IOU)
        return squared(_shifted(squares[kept], answers[kept, 1:5]))

    def _conclude(self, copies: list[_Copy], squares: Doubles) -> list[Detection]:
        """O-Net; its faces, best first. ``squares`` are best first too."""
        ranks = -np.arange(len(squares), dtype=np.float64)
        leaders = _suppress_fast(squares, ranks, overlap=_ONE_FACE_IOU)
        answers = np.full((len(squares), 15), -np.inf)
        answers[leaders] = self._looks(copies, squares[leaders])
        # another square of a face is worth O-Net's time only where the first was refused
        found = squares[leaders][answers[leaders, 0] > self._thresholds[2]]
        overlaps = iou_matrix(squares.astype(np.float32), found.astype(np.float32))
        (refused,) = np.nonzero(overlaps.max(axis=1, initial=0.0) <= _ONE_FACE_IOU)
        others = np.setdiff1d(refused, leaders)
        answers[others] = self._looks(copies, squares[others])
        passed = answers[:, 0] > self._least_logit
        squares, answers = squares[passed], answers[passed]
        sides = squares[:, None, 2:] - squares[:, None, :2]
        landmarks = answers[:, 5:].reshape(-1, 2, 5).swapaxes(1, 2) * sides + squares[:, None, :2]
        boxes = _shifted(squares, answers[:, 1:5])
        kept = suppress(boxes, answers[:, 0], overlap=FINAL_OVERLAP, of_smaller=True)
        return detections(boxes[kept], landmarks[kept], answers[kept, 0])

    def _looks(self, copies: list[_Copy], squares: Doubles) -> Doubles:
        """(N, 15): what O-Net says of each square."""
        crops = _crops(copies, squares, side=OUTPUT_PX)
        return _in_batches(self._output, crops, sizes=_OUTPUT_BATCHES, values=15)


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    """The picture at one scale; ``proposes`` tells whether P-Net looks at it."""

    pixels: Bytes
    scale_x: float
    scale_y: float
    proposes: bool


class _ShapedNetwork:
    """A network opened once for every shape it is given, the latest ones being kept. May be used
    from several threads at once."""

    def __init__(self, path: Path, *, runtime: Runtime, calls: int) -> None:
        self._path = path
        self._runtime = runtime
        self._calls = calls
        self._opened: OrderedDict[tuple[int, ...], Network] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, batch: Floats) -> Floats:
        """The network's one output."""
        # ONNX Runtime has no use for a shape, so one network serves all of them
        shape = batch.shape if self._runtime is Runtime.OPENVINO else ()
        with self._lock:
            network = self._opened.get(shape)
            if network is None:
                network = self._opened[shape] = open_network(
                    self._path,
                    runtime=self._runtime,
                    threads=1,
                    calls=self._calls,
                    shape=shape or None,
                )
            self._opened.move_to_end(shape)
            while len(self._opened) > _SHAPES_KEPT:
                self._opened.popitem(last=False)
        return network.run(batch)["faces"]


def _resized(pixels: Bytes, width: int, height: int, *, averaging: bool) -> Bytes:
    interpolation = cv2.INTER_AREA if averaging else cv2.INTER_LINEAR
    resized: Bytes = cv2.resize(pixels, (width, height), interpolation=interpolation).astype(
        np.uint8, copy=False
    )
    return resized


def _shifted(boxes: Doubles, shifts: Doubles) -> Doubles:
    return boxes + shifts * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _suppress_fast(
    boxes: Doubles, logits: Doubles, *, overlap: float, apart: NDArray[np.intp] | None = None
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression by OpenCV; the numbers of the boxes kept, best first. Boxes
    of different numbers in ``apart`` (N,) leave each other alone."""
    if not len(boxes):
        return np.zeros(0, np.intp)
    # OpenCV declares lists here, but takes arrays as well and much faster
    rectangles: Any = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    # only the order counts, and none may lie below zero
    scores: Any = logits - logits.min() + 1.0
    groups: Any = np.zeros(len(boxes), np.intp) if apart is None else apart
    kept = cv2.dnn.NMSBoxesBatched(rectangles, scores, groups, 0.0, overlap)
    return np.asarray(kept, np.intp).ravel()


def _crops(copies: list[_Copy], squares: Doubles, *, side: int) -> Floats:
    """Every square (N, 4) cut out at side x side, black beyond the edge: (N, 3, side, side)."""
    crops = np.zeros((len(squares), side, side, 3), np.uint8)
    if not len(squares):
        return crops.transpose(0, 3, 1, 2).astype(np.float32)
    lengths = np.maximum(squares[:, 2] - squares[:, 0], 1.0)
    scales = np.array([copy.scale_x for copy in copies])
    # the smallest copy that is hardly smaller than the crop: bilinear sampling then skips little
    large_enough = scales[None] >= 0.8 * side / lengths[:, None]
    chosen = np.maximum(large_enough.sum(axis=1) - 1, 0)
    steps = (np.arange(side) + 0.5) / side
    for level in np.unique(chosen):
        copy = copies[level]
        (numbers,) = np.nonzero(chosen == level)
        # a map may have 32767 rows at most
        for part in np.array_split(numbers, math.ceil(len(numbers) * side / 32000)):
            along = lengths[part, None] * steps
            across = (squares[part, :1] + along) * copy.scale_x - 0.5
            down = (squares[part, 1:2] + along) * copy.scale_y - 0.5
            shape = (len(part), side, side)
            map_x = np.broadcast_to(across[:, None, :], shape).reshape(-1, side)
            map_y = np.broadcast_to(down[:, :, None], shape).reshape(-1, side)
            crops[part] = cv2.remap(
                copy.pixels,
                np.ascontiguousarray(map_x, np.float32),
                np.ascontiguousarray(map_y, np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
            ).reshape(-1, side, side, 3)
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)


def _in_batches(
    network: _ShapedNetwork, crops: Floats, *, sizes: tuple[int, ...], values: int
) -> Doubles:
    """(N, values): the network's answers, asked for in batches of these sizes only."""
    answers = np.zeros((len(crops), values))
    first = 0
    while first < len(crops):
        left = len(crops) - first
        # filling up a batch costs less than one more call, as long as little is to be filled
        fitting = [size for size in sizes if size <= 1.5 * left] or sizes[:1]
        batch = crops[first : first + fitting[-1]]
        taken = len(batch)
        if taken < fitting[-1]:
            batch = np.concatenate(
                [batch, np.zeros((fitting[-1] - taken, *batch.shape[1:]), np.float32)]
            )
        answers[first : first + taken] = network.run(batch)[:taken]
        first += taken
    return answers
