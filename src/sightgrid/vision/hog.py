"""Finds faces with dlib's histograms of oriented gradients, which both ancestors' time knew as the
accurate but slow way (Dalal and Triggs 2005; King 2009). Needs the extra ``hog``."""

from __future__ import annotations

import math
import threading
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np

from sightgrid.domain.errors import MissingExtra
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes

_FACE_IN_BOX = np.array(
    [[0.33, 0.30], [0.74, 0.30], [0.535, 0.53], [0.365, 0.716], [0.72, 0.716]], np.float32
)
"""Where the landmarks lie in a box, in its sides: medians of YuNet's on 494 faces of LFW."""

_WORKING_LINES = 1080
_MAX_ENLARGEMENT = 2.0
LEAST_SCORE = 0.7


class HogDetector:
    """dlib's frontal face detector, at the margin that it takes for a face itself.

    It sees faces from about 80 pixels, so smaller frames are enlarged to 1080 lines, at most twice.
    ``score`` is a logistic of the margin m, 1 / (1 + exp(-(0.85 + m))): 0.7 at dlib's own bar, 0,
    where a track may begin; 0.9 at 1.3, which is usual. A head that is tilted gets the landmarks of
    one that is upright.

    Args:
        least_score: faces below are left out.
    """

    def __init__(self, *, least_score: float = LEAST_SCORE) -> None:
        if find_spec("dlib") is None:
            raise MissingExtra("the detector HOG", extra="hog")
        self._least_margin = _margin_of_score(least_score)
        # a detector keeps the picture it works on, so each thread has its own
        self._local = threading.local()

    def detect(self, pixels: Bytes) -> list[Detection]:
        """Faces in ``pixels`` (H, W, 3) uint8 BGR, best score first, in its own pixels."""
        height, width = pixels.shape[:2]
        scale = min(max(_WORKING_LINES / min(height, width), 1.0), _MAX_ENLARGEMENT)
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        if scale > 1.0:
            size = (round(width * scale), round(height * scale))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)
        to_frame = np.array([width / grey.shape[1], height / grey.shape[0]], np.float32)
        boxes, margins, _ = self._detector().run(np.ascontiguousarray(grey), 0, self._least_margin)
        found = []
        for box, margin in zip(boxes, margins, strict=True):
            corner = np.array([box.left(), box.top()], np.float32) * to_frame
            sides = np.array([box.width(), box.height()], np.float32) * to_frame
            found.append(
                Detection(
                    box=Box(
                        float(corner[0]),
                        float(corner[1]),
                        float(corner[0] + sides[0]),
                        float(corner[1] + sides[1]),
                    ),
                    landmarks=(corner + _FACE_IN_BOX * sides).astype(np.float32),
                    score=score_of_margin(margin),
                )
            )
        return sorted(found, key=lambda face: -face.score)

    def _detector(self) -> Any:
        """dlib's detector of this thread."""
        if not hasattr(self._local, "detector"):
            import dlib

            self._local.detector = dlib.get_frontal_face_detector()
        return self._local.detector


def score_of_margin(margin: float) -> float:
    """The margin of dlib's support vector machine as a score, 0-1."""
    return 1.0 / (1.0 + math.exp(-(_logit(LEAST_SCORE) + margin)))


def _margin_of_score(score: float) -> float:
    return _logit(score) - _logit(LEAST_SCORE)


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))
