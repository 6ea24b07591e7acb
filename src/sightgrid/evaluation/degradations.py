"""Makes a photo what a poor camera would have sent."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from sightgrid.domain.errors import ImageError, InvalidValue
from sightgrid.domain.geometry import Bytes

_FAR_CAMERA_JPEG = 60
_ENLARGEMENT = 2.0
_WIDEST_JPEG = 65_500
_NUMBER = r"(\d{1,4}(?:\.\d{1,2})?)"
# what each takes: least, greatest, what is said about it
_RANGES = {
    "face": (8, 1000, "face32 makes faces 32 px wide; 8 to 1000 can be had"),
    "blur": (0.1, 20, "blur2 blurs with a sigma of 2 px; 0.1 to 20 can be had"),
    "dark": (1, 99, "dark20 leaves 20 % of the light; 1 to 99 can be had"),
    "noise": (1, 100, "noise10 adds noise of 10 grey levels; 1 to 100 can be had"),
    "jpeg": (1, 100, "jpeg20 codes with quality 20; 1 to 100 can be had"),
}
_KNOWN = "face32, blur2, dark20, noise10, grey, jpeg20, or several joined by +"


@dataclass(frozen=True, slots=True)
class Degradation:
    """What is done to a photo, in the order in which a camera does it.

    ``face_px``: reduced until the face is so wide, coded as JPEG (of quality 60 if ``jpeg`` says
    nothing else) and enlarged to twice that. ``blur_px``: sigma of a Gaussian, in pixels of the
    reduced photo. ``light``: the share that is left, 0-1. ``noise``: standard deviation of Gaussian
    noise, in grey levels. ``grey``: no colours. ``jpeg``: quality, 1-100.
    """

    face_px: int | None = None
    blur_px: float = 0.0
    light: float = 1.0
    noise: float = 0.0
    grey: bool = False
    jpeg: int | None = None

    @classmethod
    def named(cls, name: str) -> Degradation:
        """The degradation of a name such as ``face32`` or ``face32+blur1+noise8``.

        Raises:
            InvalidValue: it is no such name, a part comes twice, or a number is out of range.
        """
        found: dict[str, float] = {}
        for part in name.split("+"):
            match = re.fullmatch(rf"(face|blur|dark|noise|jpeg){_NUMBER}|grey", part)
            if match is None:
                raise InvalidValue(f"'{part}' is no degradation", hint=f"known are {_KNOWN}")
            kind = match[1] or "grey"
            if kind in found:
                raise InvalidValue(f"'{name}' names {kind} twice", hint="once is enough")
            found[kind] = float(match[2] or 1)
            least, greatest, told = _RANGES.get(kind, (1, 1, ""))
            whole = kind in ("blur", "noise") or found[kind].is_integer()
            if not least <= found[kind] <= greatest or not whole:
                raise InvalidValue(f"'{part}' is no degradation", hint=told)
        return cls(
            face_px=int(found["face"]) if "face" in found else None,
            blur_px=found.get("blur", 0.0),
            light=found.get("dark", 100.0) / 100,
            noise=found.get("noise", 0.0),
            grey="grey" in found,
            jpeg=int(found["jpeg"]) if "jpeg" in found else None,
        )

    @property
    def name(self) -> str:
        """The name that gives it, its parts in a fixed order."""
        parts = (
            None if self.face_px is None else f"face{self.face_px}",
            f"blur{self.blur_px:g}" if self.blur_px else None,
            f"dark{100 * self.light:g}" if self.light < 1 else None,
            f"noise{self.noise:g}" if self.noise else None,
            "grey" if self.grey else None,
            None if self.jpeg is None else f"jpeg{self.jpeg}",
        )
        return "+".join(part for part in parts if part)

    def apply(self, pixels: Bytes, *, face_width: float) -> Bytes:
        """The photo (H, W, 3) uint8 BGR as the camera would have sent it.

        Args:
            face_width: of the face in it, px. A face that is narrower than ``face_px`` stays so.

        Raises:
            ImageError: the photo is too large for a JPEG picture.
        """
        seen = pixels if self.face_px is None else _reduced(pixels, self.face_px / face_width)
        if self.blur_px:
            seen = cv2.GaussianBlur(seen, (0, 0), self.blur_px).astype(np.uint8, copy=False)
        if self.light < 1 or self.noise:
            # drawn from the picture itself, so that it is the same whoever asks in whatever order
            rng = np.random.default_rng(zlib.crc32(pixels.tobytes()))
            levels = seen * np.float32(self.light)
            if self.noise:
                levels += rng.normal(0, self.noise, seen.shape).astype(np.float32)
            seen = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        if self.grey:
            one = cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY)
            seen = cv2.cvtColor(one, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
        quality = self.jpeg
        if quality is None and self.face_px is not None:
            quality = _FAR_CAMERA_JPEG
        if quality is not None:
            seen = _compressed(seen, quality)
        if self.face_px is not None:
            seen = cv2.resize(
                seen, None, fx=_ENLARGEMENT, fy=_ENLARGEMENT, interpolation=cv2.INTER_CUBIC
            ).astype(np.uint8, copy=False)
        return seen


def _reduced(pixels: Bytes, scale: float) -> Bytes:
    height, width = pixels.shape[:2]
    share = min(scale, 1.0)
    size = max(round(width * share), 1), max(round(height * share), 1)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _compressed(pixels: Bytes, quality: int) -> Bytes:
    height, width = pixels.shape[:2]
    if max(height, width) > _WIDEST_JPEG:
        raise ImageError(f"{width} x {height} pixels are too many for a JPEG picture")
    _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    if decoded is None:
        raise ImageError(f"a picture of {width} x {height} pixels can't be coded as JPEG")
    return decoded.astype(np.uint8, copy=False)
