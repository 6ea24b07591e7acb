"""Boxes and landmarks in pixels of the source frame.

A box is ``(left, top, right, bottom)``, float32, y pointing down; many boxes are an array (N, 4).
Landmarks are float32 (5, 2) in the order: eye at the image's left, eye at its right, nose tip,
mouth corner at the left, mouth corner at the right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue

Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels of the source frame; may reach over the frame's edge."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (self.right > self.left and self.bottom > self.top):
            raise InvalidValue(
                f"a box needs right > left and bottom > top, got "
                f"({self.left}, {self.top}, {self.right}, {self.bottom})"
            )

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def as_array(self) -> Floats:
        """``(left, top, right, bottom)`` as float32 (4,)."""
        return np.array([self.left, self.top, self.right, self.bottom], np.float32)

    def visible_fraction(self, width: int, height: int) -> float:
        """The share of the box that lies inside a frame of ``width`` x ``height`` pixels, 0-1."""
        across = min(self.right, width) - max(self.left, 0.0)
        down = min(self.bottom, height) - max(self.top, 0.0)
        return max(across, 0.0) * max(down, 0.0) / self.area


def boxes_array(boxes: list[Box] | tuple[Box, ...]) -> Floats:
    """Boxes as one float32 array (N, 4); (0, 4) for none."""
    if not boxes:
        return np.zeros((0, 4), np.float32)
    return np.array([(b.left, b.top, b.right, b.bottom) for b in boxes], np.float32)


def iou_matrix(one: Floats, other: Floats) -> Floats:
    """Intersection over union of every pair of boxes.

    Args:
        one: (N, 4) boxes. other: (M, 4) boxes.

    Returns:
        (N, M) float32 in 0-1.
    """
    left_top = np.maximum(one[:, None, :2], other[None, :, :2])
    right_bottom = np.minimum(one[:, None, 2:], other[None, :, 2:])
    sides = np.clip(right_bottom - left_top, 0.0, None)
    shared = sides[..., 0] * sides[..., 1]
    area_one = (one[:, 2] - one[:, 0]) * (one[:, 3] - one[:, 1])
    area_other = (other[:, 2] - other[:, 0]) * (other[:, 3] - other[:, 1])
    union = area_one[:, None] + area_other[None, :] - shared
    ratio: Floats = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return ratio
