"""People as pictures: a drawn body that walks, a real head on it, laid over a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision.simulation.portraits import Portrait
from sightgrid.vision.simulation.walking import SHOULDER, Steps

STRIDES = 8
"""Pictures of a body within one gait cycle."""

_UNIT_PX = 48.0
"""A face's width in the picture of a body."""
_TALL = 1.32
_BODY_TOP, _BODY_BOTTOM = 0.30, 11.2
_BODY_SIDE = SHOULDER + 0.35

# BGR. Clothes that a person may wear, above and below.
_TOPS = (
    (92, 64, 44),
    (58, 58, 62),
    (60, 72, 140),
    (120, 116, 108),
    (52, 92, 66),
    (150, 120, 84),
    (66, 48, 86),
    (168, 164, 158),
    (40, 96, 142),
    (98, 50, 40),
)
_BOTTOMS = ((62, 48, 40), (44, 44, 46), (88, 74, 62), (70, 92, 110), (52, 40, 34))


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a person wears; colours BGR 0-255."""

    top: tuple[int, int, int]
    bottom: tuple[int, int, int]
    cut: int
    """0 pullover, 1 jacket over a shirt, 2 striped shirt."""
    skin: tuple[float, float, float]


def outfit(portrait: Portrait, *, seed: int) -> Outfit:
    """Clothes for a person, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return Outfit(
        top=_TOPS[int(rng.integers(len(_TOPS)))],
        bottom=_BOTTOMS[int(rng.integers(len(_BOTTOMS)))],
        cut=int(rng.integers(3)),
        skin=portrait.skin,
    )


def lay_figure(
    frame: Bytes,
    portrait: Portrait,
    clothes: Outfit,
    steps: Steps,
    moment: int,
    *,
    blur_px: float,
    light: tuple[float, float, float],
    hidden_columns: tuple[float, float] | None,
) -> None:
    """Lays one person over a frame, in place.

    Args:
        frame: (H, W, 3) uint8 BGR, writable.
        steps: where the face is; ``moment`` chooses the sample.
        blur_px: sigma of the blur, in pixels of the frame.
        light: factor on blue, green and red.
        hidden_columns: columns (from, to) of the frame in which nothing is drawn.
    """
    x, y = float(steps.x[moment]), float(steps.y[moment])
    width, roll = float(steps.width[moment]), float(steps.roll_deg[moment])
    margin = math.ceil(3 * blur_px)
    left = max(math.floor(x - _BODY_SIDE * width) - margin, 0)
    right = min(math.ceil(x + _BODY_SIDE * width) + margin, frame.shape[1])
    top = max(math.floor(y - 1.3 * _TALL * width) - margin, 0)
    bottom = min(math.ceil(y + _BODY_BOTTOM * width) + margin, frame.shape[0])
    if right - left < 2 or bottom - top < 2:
        return
    size = (right - left, bottom - top)
    at = (x - left, y - top)
    stride = int(float(steps.stride[moment]) * STRIDES) % STRIDES
    layer = _warped(
        _body(clothes, stride),
        anchor=(_BODY_SIDE * _UNIT_PX, -_BODY_TOP * _UNIT_PX),
        scale=width / _UNIT_PX,
        roll_deg=0.25 * roll,
        at=at,
        size=size,
    )
    # The head ends little below the chin: the rest of the figure needs no second layer.
    below = min(bottom - top, math.ceil(at[1] + 1.4 * _TALL * width))
    head = _warped(
        _mips(portrait),
        anchor=portrait.face.centre,
        scale=width / portrait.face.width,
        roll_deg=roll,
        at=at,
        size=(size[0], below),
    )
    lay_over(layer[:below], head)
    if blur_px > 0.15:
        layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), blur_px), np.uint8)
    if hidden_columns is not None:
        first = max(int(hidden_columns[0]) - left, 0)
        last = max(int(hidden_columns[1]) - left, 0)
        layer[:, first:last] = 0
    lit = np.asarray(cv2.transform(layer, np.diag([*light, 1.0])), np.uint8)
    lay_over(frame[top:bottom, left:right], lit)


def lay_over(below: Bytes, above: Bytes) -> None:
    """Lays ``above`` (H, W, 4), colours already multiplied by alpha, over ``below``, in place."""
    clear = cv2.cvtColor(255 - above[:, :, 3], cv2.COLOR_GRAY2BGR)
    colours = above[:, :, :3]
    if below.shape[2] == 4:
        clear = cv2.cvtColor(clear, cv2.COLOR_BGR2BGRA)
        clear[:, :, 3] = clear[:, :, 0]
        colours = above
    below[:] = cv2.add(cv2.multiply(below, clear, scale=1 / 255), colours)


def _warped(
    mips: tuple[Bytes, ...],
    *,
    anchor: tuple[float, float],
    scale: float,
    roll_deg: float,
    at: tuple[float, float],
    size: tuple[int, int],
) -> Bytes:
    """A picture scaled and turned about ``anchor``, which comes to lie ``at``; (h, w, 4) uint8."""
    level = min(max(math.floor(-math.log2(scale)), 0), len(mips) - 1)
    step = 2.0**level
    zoom = scale * step
    # Pixel centres: a picture shrunk by 2 has its pixel 0 between the large one's 0 and 1.
    from_x = (anchor[0] + 0.5) / step - 0.5
    from_y = (anchor[1] + 0.5) / step - 0.5
    cos, sin = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    matrix = np.array(
        [
            [zoom * cos, -zoom * sin, at[0] - zoom * (cos * from_x - sin * from_y)],
            [zoom * sin, zoom * cos, at[1] - zoom * (sin * from_x + cos * from_y)],
        ]
    )
    return np.asarray(cv2.warpAffine(mips[level], matrix, size, flags=cv2.INTER_LINEAR), np.uint8)


def _levels(pixels: Bytes) -> tuple[Bytes, ...]:
    """The picture and its halves, so that shrinking never samples too thinly."""
    levels = [pixels]
    while min(levels[-1].shape[:2]) >= 24 and len(levels) < 5:
        height, width = levels[-1].shape[:2]
        even = levels[-1][: height // 2 * 2, : width // 2 * 2]
        half = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return tuple(levels)


@lru_cache(maxsize=512)
def _mips(portrait: Portrait) -> tuple[Bytes, ...]:
    alpha = portrait.alpha[:, :, None].astype(np.float32) / 255
    colours = np.rint(portrait.pixels * alpha).astype(np.uint8)
    return _levels(np.dstack([colours, portrait.alpha]))


@lru_cache(maxsize=1024)
def _body(clothes: Outfit, stride: int) -> tuple[Bytes, ...]:
    """A body without a head at one point of its gait: levels of (H, W, 4) uint8."""
    unit = _UNIT_PX
    width = round(2 * _BODY_SIDE * unit)
    height = round((_BODY_BOTTOM - _BODY_TOP) * unit)
    colours = np.zeros((height, width, 3), np.float32)
    alpha = np.zeros((height, width), np.float32)
    swing = math.sin(2 * math.pi * stride / STRIDES)

    def shape(points: list[tuple[float, float]], *, soften: int = 3) -> Floats:
        """1 inside a smoothed outline given in face widths around the face's centre."""
        outline = np.array(points, np.float32)
        for _ in range(soften):
            following = np.roll(outline, -1, axis=0)
            cut = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following])
            outline = cut.transpose(1, 0, 2).reshape(-1, 2)
        placed = (outline + np.array([[_BODY_SIDE, -_BODY_TOP]])) * unit
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [np.rint(placed * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
        return np.asarray(mask.astype(np.float32) / 255, np.float32)

    def paint(mask: Floats, colour: tuple[float, float, float], round_at: float) -> None:
        """Paints a limb or garment as a cylinder: darker towards its sides."""
        left, top, wide, high = cv2.boundingRect((mask > 0).astype(np.uint8))
        part = np.s_[top : top + high, left : left + wide]
        columns = np.arange(left, left + wide, dtype=np.float32) / unit - _BODY_SIDE
        rim = np.clip(1.0 - 0.20 * ((columns - 0.25) / round_at) ** 2, 0.45, 1.0)
        shaded = np.array(colour, np.float32) * rim[None, :, None] * folds[part][:, :, None]
        share = mask[part][:, :, None]
        colours[part] = colours[part] * (1 - share) + shaded * share
        np.maximum(alpha[part], mask[part], out=alpha[part])

    # The folds of the cloth: noise, stretched downwards and smooth.
    rng = np.random.default_rng(7)
    rough = rng.normal(0.0, 1.0, (24, 16)).astype(np.float32)
    folds = 1.0 + 0.06 * np.asarray(
        cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )
    chin = 0.5 * _TALL
    hip, knee, foot = chin + 4.0, chin + 6.9, chin + 9.7
    dark = (0.55 * clothes.bottom[0], 0.55 * clothes.bottom[1], 0.55 * clothes.bottom[2])
    top = (float(clothes.top[0]), float(clothes.top[1]), float(clothes.top[2]))
    sleeve = (0.86 * top[0], 0.86 * top[1], 0.86 * top[2])
    for side in (-1, 1):
        reach = side * (0.5 + 0.45 * swing * side)
        bend = 0.5 * (side * 0.55 + reach)
        legs = [
            (side * 0.535 - 0.515, hip - 0.5),
            (side * 0.535 + 0.515, hip - 0.5),
            (bend + 0.42, knee),
            (reach + 0.30, foot),
            (reach - 0.30, foot),
            (bend - 0.40, knee),
        ]
        paint(shape(legs), clothes.bottom, 1.6)
        paint(
            shape(
                [
                    (reach - 0.42, foot - 0.12),
                    (reach + 0.42, foot - 0.12),
                    (reach + 0.46, foot + 0.28),
                    (reach - 0.46, foot + 0.28),
                ]
            ),
            dark,
            1.6,
        )
        hand = side * (1.42 + 0.12 * swing)
        arm = [
            (side * 0.95, chin + 0.52),
            (side * 1.42, chin + 0.62),
            (side * 1.64, chin + 2.2),
            (hand + side * 0.18, chin + 4.2),
            (hand - side * 0.22, chin + 4.2),
            (side * 1.12, chin + 2.2),
        ]
        paint(shape(arm), sleeve, 1.6)
        paint(
            shape(
                [
                    (hand - 0.24, chin + 4.0),
                    (hand + 0.24, chin + 4.0),
                    (hand + 0.16, chin + 4.75),
                    (hand - 0.18, chin + 4.75),
                ]
            ),
            clothes.skin,
            2.5,
        )
    neck = (0.82 * clothes.skin[0], 0.82 * clothes.skin[1], 0.82 * clothes.skin[2])
    paint(shape([(-0.36, 0.2), (0.36, 0.2), (0.52, chin + 0.62), (-0.52, chin + 0.62)]), neck, 1.0)
    torso = [
        (-0.30, chin + 0.20),
        (0.0, chin + 0.44),
        (0.30, chin + 0.20),
        (0.72, chin + 0.36),
        (1.36, chin + 0.50),
        (1.44, chin + 1.1),
        (1.12, chin + 2.6),
        (1.18, hip + 0.15),
        (0.6, hip + 0.3),
        (-0.6, hip + 0.3),
        (-1.18, hip + 0.15),
        (-1.12, chin + 2.6),
        (-1.44, chin + 1.1),
        (-1.36, chin + 0.50),
        (-0.72, chin + 0.36),
    ]
    trunk = shape(torso)
    paint(trunk, top, 1.3)
    if clothes.cut == 1:
        shirt = shape([(-0.42, chin), (0.42, chin), (0.06, chin + 2.2)], soften=0)
        tie = shape([(-0.1, chin + 0.4), (0.1, chin + 0.4), (0.07, chin + 2.2)], soften=0)
        paint(np.minimum(shirt, trunk), (206.0, 206.0, 208.0), 1.4)
        paint(np.minimum(tie, trunk), dark, 1.4)
    elif clothes.cut == 2:
        rows = np.arange(height, dtype=np.float32) / unit
        stripes = trunk * (np.mod(rows, 0.5) < 0.22).astype(np.float32)[:, None]
        paint(0.5 * stripes, (210.0, 206.0, 200.0), 1.4)
    lit = np.dstack([np.clip(colours, 0, 255) * alpha[:, :, None], 255 * alpha])
    return _levels(np.rint(lit).astype(np.uint8))
