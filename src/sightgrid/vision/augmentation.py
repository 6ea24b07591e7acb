"""Altered copies of a face, made before it is embedded, so that few photos teach as more would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Bytes

_MOST_DEGREES = 10.0
# FaceNet's programs cut 160 px at random out of 182
_CROPPED_SHARE = 160 / 182
_MIDDLE, _DEVIATION = 127.5, 50.0


class Alteration(StrEnum):
    """The ways to alter a face, by name, in the order in which they are applied."""

    ROTATE = "rotate"
    CROP = "crop"
    FLIP = "flip"
    STANDARDISE = "standardise"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How copies are made. Each copy has all of ``alterations``, the random ones drawn anew:
    turned by up to 10 degrees; a square of 160/182 of the side cut out at a random place and
    enlarged again; mirrored half of the time; brought to one mean and one contrast."""

    alterations: tuple[Alteration, ...]
    copies_each: int = 4

    @classmethod
    def named(cls, names: Sequence[str], *, copies_each: int) -> Augmentation:
        """From the alterations' names.

        Raises:
            InvalidValue: a name is unknown, or no copies are asked for.
        """
        if copies_each < 1:
            raise InvalidValue(f"{copies_each} copies of a face are none to learn from")
        unknown = [name for name in names if name not in list(Alteration)]
        if unknown or not names:
            raise InvalidValue(
                f"'{', '.join(unknown)}' is no alteration",
                hint=f"known: {', '.join(Alteration)}",
            )
        return cls(tuple(one for one in Alteration if one.value in names), copies_each)

    def copies(self, crop: Bytes, *, seed: int) -> list[Bytes]:
        """Altered copies of an aligned face (S, S, 3) uint8; the same seed gives the same."""
        rng = np.random.default_rng(seed)
        return [self._altered(crop, rng) for _ in range(self.copies_each)]

    def _altered(self, crop: Bytes, rng: np.random.Generator) -> Bytes:
        for alteration in self.alterations:
            match alteration:
                case Alteration.ROTATE:
                    crop = rotated(crop, degrees=float(rng.uniform(-_MOST_DEGREES, _MOST_DEGREES)))
                case Alteration.CROP:
                    crop = cropped(crop, x=float(rng.random()), y=float(rng.random()))
                case Alteration.FLIP:
                    if rng.random() < 0.5:
                        crop = np.ascontiguousarray(crop[:, ::-1])
                case Alteration.STANDARDISE:
                    crop = standardised(crop)
        return crop


def rotated(crop: Bytes, *, degrees: float) -> Bytes:
    """The face turned about its middle; what comes in at the corners repeats the edge."""
    side = crop.shape[0]
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1.0)
    turned: Bytes = cv2.warpAffine(
        crop, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.uint8, copy=False)
    return turned


def cropped(crop: Bytes, *, x: float, y: float) -> Bytes:
    """160/182 of the side, from ``x`` and ``y`` (0-1) of the room there is, enlarged again."""
    side = crop.shape[0]
    kept = max(round(side * _CROPPED_SHARE), 1)
    left, top = round(x * (side - kept)), round(y * (side - kept))
    enlarged: Bytes = cv2.resize(
        crop[top : top + kept, left : left + kept], (side, side), interpolation=cv2.INTER_LINEAR
    ).astype(np.uint8, copy=False)
    return enlarged


def standardised(crop: Bytes) -> Bytes:
    """The face less its mean, by its deviation, as in FaceNet's prewhitening, then put back on the
    scale of pixels: mean 127.5, deviation 50."""
    values = crop.astype(np.float32)
    deviation = max(float(values.std()), 1.0 / float(np.sqrt(values.size)))
    levels = (values - float(values.mean())) / deviation * _DEVIATION + _MIDDLE
    rounded: Bytes = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return rounded
