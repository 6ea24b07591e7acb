"""Cuts a person's head out of a photo, so that it can walk past a simulated camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes, Floats

_LARGEST_FACE_PX = 128.0
# The region around the face box's centre, in face widths and face heights: hair to collar.
_SIDE, _ABOVE, _BELOW = 1.15, 1.15, 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A head and neck cut from one photo.

    ``pixels`` are (H, W, 3) uint8 BGR, ``alpha`` (H, W) uint8 with 255 = opaque, ``face`` is the
    detector's box in these pixels. ``photo`` tells a person's photos apart; ``skin`` is the mean
    colour of the cheeks, BGR 0-255, for the neck below.
    """

    person: str
    photo: str
    pixels: Bytes
    alpha: Bytes
    face: Box
    skin: tuple[float, float, float]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise InvalidValue(
                f"portrait: expected uint8 (H, W, 3), got {self.pixels.dtype} {self.pixels.shape}"
            )
        if self.alpha.shape != self.pixels.shape[:2] or self.alpha.dtype != np.uint8:
            raise InvalidValue(
                f"portrait's alpha: expected uint8 {self.pixels.shape[:2]}, "
                f"got {self.alpha.dtype} {self.alpha.shape}"
            )


def cut_portrait(photo: Bytes, detection: Detection, *, person: str, name: str = "") -> Portrait:
    """Cuts head and neck from a photo and fades out what lies behind.

    Args:
        photo: (H, W, 3) uint8 BGR, the upright photo.
        detection: the face to cut, as a detector found it in this photo.
        person: whose face that is.
        name: what tells this photo from the person's others.

    Raises:
        InvalidValue: the photo has another shape, or the face is under 12 pixels wide.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise InvalidValue(f"photo: expected uint8 (H, W, 3), got {photo.dtype} {photo.shape}")
    box = detection.box
    if box.width < 12:
        raise InvalidValue(
            f"the face in photo '{name or person}' is only {box.width:.0f} px wide",
            hint="use a photo in which the face is larger",
        )
    scale = min(1.0, _LARGEST_FACE_PX / box.width)
    wide, tall = box.width * scale, box.height * scale
    size = (round(2 * _SIDE * wide), round((_ABOVE + _BELOW) * tall))
    centre_x, centre_y = box.centre
    # Shrinking by sampling would alias, so the photo is shrunk by area first.
    small = photo
    if scale < 1.0:
        shrunk = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
        small = np.asarray(cv2.resize(photo, shrunk, interpolation=cv2.INTER_AREA), np.uint8)
    left = round(centre_x * scale - _SIDE * wide)
    top = round(centre_y * scale - _ABOVE * tall)
    shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    pixels = cv2.warpAffine(small, shift, size, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full(small.shape[:2], 255, np.uint8), shift, size)
    face = Box(
        box.left * scale - left,
        box.top * scale - top,
        box.right * scale - left,
        box.bottom * scale - top,
    )
    return Portrait(
        person=person,
        photo=name,
        pixels=np.ascontiguousarray(pixels, np.uint8),
        alpha=_head_alpha(
            np.ascontiguousarray(pixels, np.uint8),
            cv2.erode(inside, np.ones((5, 5), np.uint8)) > 0,
            face,
        ),
        face=face,
        skin=_cheek_colour(np.asarray(pixels, np.uint8), face),
    )


def _head_alpha(pixels: Bytes, inside: NDArray[np.bool_], face: Box) -> Bytes:
    """Opaque where hair, face and neck are: uint8 (H, W)."""
    # Half the size is a quarter of the time, and the edge is softened anyway.
    size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
    head = _head_shape(
        np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8),
        cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
        Box(face.left / 2, face.top / 2, face.right / 2, face.bottom / 2),
    )
    full = cv2.resize(head, (pixels.shape[1], pixels.shape[0]), interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(full, (0, 0), 0.02 * face.width)
    soft = np.clip(soft * 1.6 - 0.45, 0.0, 1.0)
    down = (np.arange(pixels.shape[0], dtype=np.float32) - face.centre[1]) / face.height
    fade = np.clip((0.86 - down) / 0.16, 0.0, 1.0)
    alpha: Bytes = np.rint(soft * fade[:, None] * 255).astype(np.uint8)
    return alpha


def _head_shape(pixels: Bytes, inside: NDArray[np.bool_], face: Box) -> Floats:
    """1 where the head is, float32 (H, W): colours like the face's and hair's, near the face."""
    rows, columns = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]].astype(np.float32)
    centre_x, centre_y = face.centre
    across = (columns - centre_x) / face.width
    down = (rows - centre_y) / face.height

    def oval(side: float, half_height: float, lift: float) -> NDArray[np.bool_]:
        inner: NDArray[np.bool_] = (across / side) ** 2 + ((down + lift) / half_height) ** 2 < 1.0
        return inner

    neck = (np.abs(across) < 0.30) & (down > 0.35)
    beside_neck = (down > 0.75) & (np.abs(across) > 0.55)
    likely = oval(0.66, 0.78, 0.16) | neck
    marks = np.full(pixels.shape[:2], cv2.GC_PR_BGD, np.uint8)
    marks[likely] = cv2.GC_PR_FGD
    marks[oval(0.42, 0.50, 0.0) & inside] = cv2.GC_FGD
    marks[~oval(1.02, 1.02, 0.10) & ~neck & inside] = cv2.GC_BGD
    cv2.setRNGSeed(1)  # grabCut starts its colour clusters at random
    cv2.grabCut(
        pixels,
        marks,
        (0, 0, 0, 0),
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        4,
        cv2.GC_INIT_WITH_MASK,
    )
    head = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
    stroke = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    head = np.asarray(cv2.morphologyEx(head, cv2.MORPH_OPEN, stroke), np.uint8)
    head = np.asarray(cv2.morphologyEx(head, cv2.MORPH_CLOSE, stroke), np.uint8)
    labels = cv2.connectedComponents(head)[1]
    label = labels[round(centre_y), round(centre_x)]
    whole = (labels == label) & (label > 0) & ~beside_neck & inside
    # Whatever the colours say, the face itself and a neck to stand on belong to the head.
    whole |= (oval(0.50, 0.60, 0.04) | (neck & (down < 0.8))) & inside
    shape: Floats = whole.astype(np.float32)
    return shape


def _cheek_colour(pixels: Bytes, face: Box) -> tuple[float, float, float]:
    centre_x, centre_y = face.centre
    patch = pixels[
        max(int(centre_y), 0) : int(centre_y + 0.2 * face.height) + 1,
        max(int(centre_x - 0.25 * face.width), 0) : int(centre_x + 0.25 * face.width) + 1,
    ]
    blue, green, red = np.median(patch.reshape(-1, 3), axis=0)
    return float(blue), float(green), float(red)
