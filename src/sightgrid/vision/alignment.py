"""Turns a face upright and to size by its five landmarks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.geometry import Bytes, Floats

# below this scale, warpAffine's four-pixel window skips source pixels and the crop shimmers
_SHRINK_FIRST_BELOW = 0.5


def similarity(landmarks: Floats, template: Floats) -> NDArray[np.float64]:
    """The shift, turn and uniform scale that brings landmarks nearest to the template.

    Least squares over the points, without reflection (Umeyama 1991); in the plane this is a
    straight line fit of complex numbers.

    Args:
        landmarks: (5, 2) in pixels of the source frame. template: (5, 2) in pixels of the crop.

    Returns:
        (2, 3) affine matrix from frame to crop.
    """
    source = landmarks[:, 0].astype(np.float64) + 1j * landmarks[:, 1]
    target = template[:, 0].astype(np.float64) + 1j * template[:, 1]
    centred = source - source.mean()
    spread = float(np.sum(np.abs(centred) ** 2))
    turn = np.sum(np.conj(centred) * (target - target.mean())) / max(spread, 1e-9)
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def align(pixels: Bytes, landmarks: Floats, *, template: Floats, size_px: int) -> Bytes:
    """Cuts one face out of a frame.

    Args:
        pixels: (H, W, 3) uint8 frame. landmarks: (5, 2) in its pixels.
        template: (5, 2) in pixels of the crop. size_px: side of the crop.

    Returns:
        (size_px, size_px, 3) uint8; black where the crop reaches over the frame's edge.
    """
    return warp(pixels, similarity(landmarks, template), size_px=size_px)


def warp(
    pixels: Bytes, matrix: NDArray[np.float64], *, size_px: int, repeat_edge: bool = False
) -> Bytes:
    """The square that an affine transform makes of a frame.

    Args:
        pixels: (H, W, 3) uint8. matrix: (2, 3) from its pixels to those of the square.
        repeat_edge: what lies beyond the frame's edge is like the edge, not black.

    Returns:
        (size_px, size_px, 3) uint8.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < _SHRINK_FIRST_BELOW:
        pixels, matrix = _shrink_region(pixels, matrix, scale=scale, size_px=size_px)
    crop: Bytes = cv2.warpAffine(
        pixels,
        matrix,
        (size_px, size_px),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE if repeat_edge else cv2.BORDER_CONSTANT,
        borderValue=(0, 0, 0),
    ).astype(np.uint8, copy=False)
    return crop


def outside_fraction(
    landmarks: Floats, *, template: Floats, size_px: int, width: int, height: int
) -> float:
    """The share of a crop's area that would lie outside a frame of width x height, 0-1."""
    matrix = similarity(landmarks, template)
    return outside_of(matrix, size_px=size_px, width=width, height=height)


def outside_of(matrix: NDArray[np.float64], *, size_px: int, width: int, height: int) -> float:
    """The same for any affine transform from frame to crop."""
    inverse = cv2.invertAffineTransform(matrix)
    steps = (np.arange(8) + 0.5) * size_px / 8
    grid = np.stack([*np.meshgrid(steps, steps), np.ones((8, 8))]).reshape(3, -1)
    across, down = inverse @ grid
    inside = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    return 1.0 - float(inside.mean())


def _shrink_region(
    pixels: Bytes, matrix: NDArray[np.float64], *, scale: float, size_px: int
) -> tuple[Bytes, NDArray[np.float64]]:
    """The part of the frame that the crop shows, averaged down to about the crop's own scale."""
    corners = np.array([[0, size_px, 0, size_px], [0, 0, size_px, size_px], [1, 1, 1, 1]])
    across, down = cv2.invertAffineTransform(matrix) @ corners
    left, top = max(int(across.min()) - 2, 0), max(int(down.min()) - 2, 0)
    right = min(int(across.max()) + 3, pixels.shape[1])
    bottom = min(int(down.max()) + 3, pixels.shape[0])
    if right - left < 2 or bottom - top < 2:
        return pixels, matrix
    width = max(round((right - left) * scale), 1)
    height = max(round((bottom - top) * scale), 1)
    shrunk = cv2.resize(
        pixels[top:bottom, left:right], (width, height), interpolation=cv2.INTER_AREA
    )
    # pixel centres: x_frame = left + (x_small + 0.5) * step - 0.5
    step_x, step_y = (right - left) / width, (bottom - top) / height
    to_frame = np.array(
        [[step_x, 0, left + 0.5 * step_x - 0.5], [0, step_y, top + 0.5 * step_y - 0.5], [0, 0, 1]]
    )
    return shrunk.astype(np.uint8, copy=False), matrix @ to_frame
