"""Finds faces with OpenCV's Haar cascade, the classic of the *CCTV grid* ancestor.

The cascade (Viola and Jones 2001; Lienhart's ``haarcascade_frontalface_default.xml``, Intel licence
with OpenCV) counts how many of its windows lie on a face. It knows neither probability nor
landmarks, so both are made here: the score from the count, the landmarks from the eyes where the
eye cascade finds both, else from where they lie in most boxes.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path

import cv2
import numpy as np

from sightgrid.domain.errors import PackError
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes, Floats

_FACE_FILE = "haarcascade_frontalface_default.xml"
_EYE_FILE = "haarcascade_eye.xml"

_FACE_IN_BOX = np.array(
    [[0.33, 0.40], [0.69, 0.40], [0.51, 0.60], [0.36, 0.757], [0.68, 0.757]], np.float32
)
"""Where the landmarks lie in a box, in its sides: medians of YuNet's on 390 faces of LFW."""

# the eye cascade looks at the upper part of a box, brought to this width
_EYE_PATCH_PX = 128
_EYE_PATCH_SHARE = 0.6
_EYE_PX = (20, 56)
# its boxes lie off the eye's middle by this share of their width: median over 695 eyes of LFW
_EYE_OFF_MIDDLE = 0.07
# two eyes are believed if their distance and tilt are those of a face that is roughly upright
_EYE_DISTANCE = (0.25, 0.55)
_MOST_TILT_DEGREES = 25.0


class HaarCascade:
    """``detectMultiScale(grey, 1.4, 6)`` of the frontal face cascade.

    ``score`` is n / (n + 3) for n neighbouring windows: with the ancestor's bar of more than six
    the least is 0.7, where a track may begin; 12, which is usual, are 0.8.

    Args:
        scale_factor: from each copy of the picture to the next smaller.
        least_neighbours: a face needs more windows than this.
        find_eyes: look for the eyes, so that a tilted head is turned upright.
    """

    def __init__(
        self, *, scale_factor: float = 1.4, least_neighbours: int = 6, find_eyes: bool = True
    ) -> None:
        self._scale_factor = scale_factor
        self._least_neighbours = least_neighbours
        self._find_eyes = find_eyes
        # a cascade keeps the picture it works on, so each thread has its own
        self._local = threading.local()
        self._cascades()

    def detect(self, pixels: Bytes) -> list[Detection]:
        """Faces in ``pixels`` (H, W, 3) uint8 BGR, best score first, in its own pixels."""
        faces, eyes = self._cascades()
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        boxes, neighbours = faces.detectMultiScale2(
            grey, self._scale_factor, self._least_neighbours
        )
        found = []
        for rectangle, count in zip(boxes, neighbours, strict=True):
            left, top, width, height = (float(v) for v in rectangle)
            box = np.array([left, top, width, height], np.float32)
            pair = _find_eyes(eyes, grey, box) if self._find_eyes else None
            found.append(
                Detection(
                    box=Box(left, top, left + width, top + height),
                    landmarks=_landmarks(box, pair),
                    score=float(count) / (float(count) + 3.0),
                )
            )
        return sorted(found, key=lambda face: -face.score)

    def _cascades(self) -> tuple[cv2.CascadeClassifier, cv2.CascadeClassifier]:
        """The face and the eye cascade of this thread."""
        if not hasattr(self._local, "pair"):
            self._local.pair = (_open_cascade(_FACE_FILE), _open_cascade(_EYE_FILE))
        pair: tuple[cv2.CascadeClassifier, cv2.CascadeClassifier] = self._local.pair
        return pair


def neighbours_for(score: float) -> int:
    """The ``least_neighbours`` that lets faces of this score pass; at least 1, as OpenCV joins no
    windows for less."""
    # a score is n / (n + 3); the least n that reaches it must be more than what is asked for
    return max(math.ceil(3.0 * score / (1.0 - score) - 1e-9) - 1, 1)


def cascade_paths() -> tuple[Path, Path]:
    """The files of the face and of the eye cascade."""
    return _cascade_path(_FACE_FILE), _cascade_path(_EYE_FILE)


def _cascade_path(name: str) -> Path:
    from cv2.data import haarcascades

    return Path(haarcascades) / name


def _open_cascade(name: str) -> cv2.CascadeClassifier:
    if not hasattr(cv2, "CascadeClassifier"):
        # from version 5 on (docs/adr/0007)
        raise PackError(
            f"this OpenCV ({cv2.__version__}) has no cascades",
            hint="install it again with: pip install 'opencv-python-headless<5'",
        )
    path = _cascade_path(name)
    cascade = cv2.CascadeClassifier(str(path))
    if cascade.empty():
        raise PackError(
            f"{path} can't be read as a cascade",
            hint="install it again with: pip install --force-reinstall opencv-python-headless",
        )
    return cascade


def _find_eyes(eyes: cv2.CascadeClassifier, grey: Bytes, box: Floats) -> Floats | None:
    """The middles of both eyes (2, 2), the one at the image's left first; ``None`` without both."""
    left, top, width, height = (int(v) for v in box)
    upper = grey[top : top + round(height * _EYE_PATCH_SHARE), left : left + width]
    scale = _EYE_PATCH_PX / width
    patch = cv2.resize(
        upper,
        (_EYE_PATCH_PX, max(round(upper.shape[0] * scale), 1)),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    boxes, counts = eyes.detectMultiScale2(
        patch, 1.1, 3, minSize=(_EYE_PX[0], _EYE_PX[0]), maxSize=(_EYE_PX[1], _EYE_PX[1])
    )
    middles = [
        ((x + w * (0.5 + _EYE_OFF_MIDDLE)) / scale, (y + h / 2) / scale) for x, y, w, h in boxes
    ]
    best: Floats | None = None
    best_count = 0
    for one, one_count in zip(middles, counts, strict=True):
        for other, other_count in zip(middles, counts, strict=True):
            across, down = other[0] - one[0], other[1] - one[1]
            distance = math.hypot(across, down) / width
            tilt = math.degrees(math.atan2(down, across))
            if not (
                one[0] < width / 2 < other[0]
                and _EYE_DISTANCE[0] <= distance <= _EYE_DISTANCE[1]
                and abs(tilt) <= _MOST_TILT_DEGREES
            ):
                continue
            if min(one_count, other_count) > best_count:
                best_count = min(one_count, other_count)
                best = np.array([one, other], np.float32) + np.array([left, top], np.float32)
    return best


def _landmarks(box: Floats, eyes: Floats | None) -> Floats:
    """Five landmarks (5, 2): the usual ones of a box, brought onto the eyes if they are known."""
    usual = box[:2] + _FACE_IN_BOX * box[2:]
    if eyes is None:
        return usual.astype(np.float32)
    points = usual[:, 0] + 1j * usual[:, 1]
    left, right = eyes[:, 0] + 1j * eyes[:, 1]
    moved = left + (points - points[0]) * (right - left) / (points[1] - points[0])
    return np.stack([moved.real, moved.imag], axis=1).astype(np.float32)
