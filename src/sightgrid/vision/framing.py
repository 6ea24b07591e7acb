"""How a pack wants a face cut out of a frame.

Two ways: turned upright by five landmarks onto a template, or, as FaceNet's programs do it, the
detector's box with a margin, scaled to a square however wide or high it is. Either is an affine
transform from pixels of the frame to pixels of the crop; all else is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision.alignment import outside_of, similarity, warp

Matrix = NDArray[np.float64]


class Framing(Protocol):
    """Where a face's crop lies in a frame. ``size_px``: the side of the crop; ``repeat_edge``: what
    lies beyond the frame's edge is like the edge, not black."""

    repeat_edge: ClassVar[bool]

    @property
    def size_px(self) -> int: ...

    def matrix(self, face: Detection, *, width: int, height: int) -> Matrix:
        """(2, 3) from pixels of a frame of width x height to pixels of the crop."""

    def outside(self, face: Detection, *, width: int, height: int) -> float:
        """The share of what the crop should show that lies outside of the frame, 0-1."""


@dataclass(frozen=True, slots=True, eq=False)
class FivePoints:
    """The landmarks, shifted, turned and scaled onto a template.

    ``template``: (5, 2) float32 in pixels of the crop. The crop is black where it reaches over the
    frame's edge.
    """

    repeat_edge: ClassVar[bool] = False

    template: Floats
    size_px: int

    def __post_init__(self) -> None:
        if self.template.shape != (5, 2):
            raise InvalidValue(f"a template has five points, this one is {self.template.shape}")

    def matrix(self, face: Detection, *, width: int, height: int) -> Matrix:
        return similarity(face.landmarks, self.template)

    def outside(self, face: Detection, *, width: int, height: int) -> float:
        matrix = self.matrix(face, width=width, height=height)
        return outside_of(matrix, size_px=self.size_px, width=width, height=height)


@dataclass(frozen=True, slots=True)
class BoxWithMargin:
    """The detector's box, half of ``margin_px`` wider on every side, in pixels of the frame, and
    kept within it; scaled to ``resized_px`` squared, of which the middle ``size_px`` are the crop.

    A margin of 32 scaled to 160 is what FaceNet's live program cuts, one of 44 scaled to 182, and
    of it the middle 160, what its data sets are made of.
    """

    # it ends at the edge, and half a pixel of what it ends with lies beyond
    repeat_edge: ClassVar[bool] = True

    margin_px: float
    size_px: int
    resized_px: int

    def __post_init__(self) -> None:
        if not 0 <= self.margin_px <= 1000 or not 1 <= self.size_px <= self.resized_px <= 4096:
            raise InvalidValue(
                f"a margin of {self.margin_px:g}, {self.resized_px} px, of which {self.size_px} px "
                "are the crop, can't be cut"
            )

    def matrix(self, face: Detection, *, width: int, height: int) -> Matrix:
        left, top, right, bottom = self._wanted(face)
        left, top = max(left, 0.0), max(top, 0.0)
        right, bottom = min(right, float(width)), min(bottom, float(height))
        return self._onto_crop(left, top, max(right, left + 1.0), max(bottom, top + 1.0))

    def outside(self, face: Detection, *, width: int, height: int) -> float:
        matrix = self._onto_crop(*self._wanted(face))
        return outside_of(matrix, size_px=self.size_px, width=width, height=height)

    def _wanted(self, face: Detection) -> tuple[float, float, float, float]:
        half, box = self.margin_px / 2, face.box
        return box.left - half, box.top - half, box.right + half, box.bottom + half

    def _onto_crop(self, left: float, top: float, right: float, bottom: float) -> Matrix:
        across = self.resized_px / max(right - left, 1e-6)
        down = self.resized_px / max(bottom - top, 1e-6)
        cut_off = (self.resized_px - self.size_px) / 2
        # pixel centres: edges of the box come to lie on edges of the crop
        return np.array(
            [
                [across, 0.0, (0.5 - left) * across - 0.5 - cut_off],
                [0.0, down, (0.5 - top) * down - 0.5 - cut_off],
            ]
        )


def cut(pixels: Bytes, face: Detection, framing: Framing) -> Bytes:
    """Cuts one face out of a whole frame.

    Args:
        pixels: (H, W, 3) uint8 frame.

    Returns:
        (size_px, size_px, 3) uint8.
    """
    height, width = pixels.shape[:2]
    return warp(
        pixels,
        framing.matrix(face, width=width, height=height),
        size_px=framing.size_px,
        repeat_edge=framing.repeat_edge,
    )


def corners(face: Detection, framing: Framing, *, width: int, height: int) -> Floats:
    """The crop's corners in the frame, (4, 2)."""
    inverse = cv2.invertAffineTransform(framing.matrix(face, width=width, height=height))
    side = float(framing.size_px)
    square = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]])
    return (square @ inverse.T).astype(np.float32)


def moved(matrix: Matrix, *, left: float, top: float) -> Matrix:
    """The transform from pixels of a part of the frame that begins at (left, top)."""
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array([left, top])
    return shifted
