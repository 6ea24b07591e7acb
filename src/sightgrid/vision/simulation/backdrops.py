"""Places drawn with a few gradients and lines: what a simulated camera looks at."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.vision.simulation.plans import SimulatedCamera
from sightgrid.vision.simulation.walking import FEET_DROP

Colour = tuple[float, float, float]

# Wall, floor, trim: BGR.
_PAINTS: dict[str, tuple[Colour, Colour, Colour]] = {
    "entrance": ((176, 182, 186), (112, 118, 124), (70, 74, 80)),
    "lobby": ((168, 184, 198), (98, 116, 138), (60, 78, 100)),
    "corridor": ((186, 190, 180), (124, 120, 108), (96, 92, 84)),
    "stairs": ((158, 164, 160), (104, 106, 106), (64, 70, 72)),
}


@lru_cache(maxsize=32)
def backdrop(camera: SimulatedCamera, frame_px: tuple[int, int], least_face_px: float) -> Bytes:
    """The empty place as the camera sees it: (H, W, 3) uint8 BGR, read-only.

    The far wall stands a little behind where a face is ``least_face_px`` wide.
    """
    width, height = frame_px
    rng = np.random.default_rng(camera.seed)
    wall, floor, trim = _PAINTS.get(camera.style, _PAINTS["lobby"])
    edge = min(camera.horizon_px + FEET_DROP * 0.62 * least_face_px, 0.86 * height)
    pixels = np.empty((height, width, 3), np.float32)
    _paint_walls(pixels, camera.horizon_px, edge, wall, floor)
    vanishing = width * float(rng.uniform(0.4, 0.6))
    _draw_floor_lines(pixels, camera.horizon_px, edge, vanishing)
    place = _Place(pixels, camera.horizon_px, edge, vanishing, trim, rng)
    place.draw_skirting()
    match camera.style:
        case "entrance":
            place.draw_glass_front()
        case "corridor":
            place.draw_side_walls(wall)
        case "stairs":
            place.draw_steps()
        case _:
            place.draw_pictures_and_desk()
    place.draw_pillar(camera.pillar, wall)
    lit = pixels * _light(width, height, rng)[:, :, None]
    soft = cv2.GaussianBlur(np.clip(lit, 0, 255).astype(np.uint8), (0, 0), 0.8)
    picture = np.asarray(soft, np.uint8)
    picture.setflags(write=False)
    return picture


def _paint_walls(pixels: Floats, horizon: float, edge: float, wall: Colour, floor: Colour) -> None:
    height = pixels.shape[0]
    rows = np.arange(height, dtype=np.float32)[:, None, None]
    high = np.array(wall, np.float32) * (1.04 - 0.14 * rows / max(edge, 1.0))
    near = np.clip((rows - edge) / max(height - edge, 1.0), 0.0, 1.0)
    low = np.array(floor, np.float32) * (0.82 + 0.30 * near)
    pixels[:] = np.where(rows < edge, high, low)


def _draw_floor_lines(pixels: Floats, horizon: float, edge: float, vanishing: float) -> None:
    """Joints of the floor tiles: lines to the vanishing point, and across."""
    height, width = pixels.shape[:2]
    shade = pixels.copy()
    tile = (edge - horizon) * 0.55
    for n in range(-14, 15):
        at_edge = vanishing + n * tile
        reach = (height - horizon) / (edge - horizon)
        ends = (round(at_edge), round(edge)), (round(vanishing + n * tile * reach), height)
        cv2.line(shade, *ends, (60, 60, 60), 1, cv2.LINE_AA)
    depth = 1.0
    while depth > 0.2:
        row = horizon + (edge - horizon) / depth
        if row < height:
            cv2.line(shade, (0, round(row)), (width, round(row)), (60, 60, 60), 1, cv2.LINE_AA)
        depth -= 0.11
    pixels[:] = 0.72 * pixels + 0.28 * shade


def _light(width: int, height: int, rng: np.random.Generator) -> Floats:
    """Lamps above and a lens that darkens towards the corners: factors (H, W)."""
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    centre = float(rng.uniform(-0.4, 0.4))
    lamp = 0.16 * np.exp(-((across - centre) ** 2) / 0.3 - (down + 0.9) ** 2 / 0.8)
    light: Floats = (0.94 + lamp - 0.13 * (across**2 + 0.6 * down**2)).astype(np.float32)
    return light


class _Place:
    """The fittings of one place, drawn onto its walls and floor."""

    def __init__(
        self,
        pixels: Floats,
        horizon: float,
        edge: float,
        vanishing: float,
        trim: Colour,
        rng: np.random.Generator,
    ) -> None:
        self._pixels = pixels
        self._height, self._width = pixels.shape[:2]
        self._horizon = horizon
        self._edge = edge
        self._vanishing = vanishing
        self._trim = trim
        self._rng = rng

    def _panel(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        corners = (round(left), round(top)), (round(right), round(bottom))
        cv2.rectangle(self._pixels, *corners, colour, -1)

    def _outline(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, wide: int
    ) -> None:
        corners = (round(left), round(top)), (round(right), round(bottom))
        cv2.rectangle(self._pixels, *corners, colour, wide, cv2.LINE_AA)

    def _shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        cv2.fillPoly(self._pixels, [np.rint(points).astype(np.int32)], colour, cv2.LINE_AA)

    def _door(self, left: float, wide: float, colour: Colour) -> None:
        top = max(self._horizon - 0.55 * (self._edge - self._horizon), 0.04 * self._height)
        self._panel(left, top, left + wide, self._edge, colour)
        frame: Colour = (self._trim[0] * 0.8, self._trim[1] * 0.8, self._trim[2] * 0.8)
        self._outline(left, top, left + wide, self._edge, frame, 4)
        knob = (round(left + 0.86 * wide), round(0.45 * top + 0.55 * self._edge))
        cv2.circle(self._pixels, knob, max(round(0.03 * wide), 2), (190, 200, 205), -1, cv2.LINE_AA)

    def draw_glass_front(self) -> None:
        """Glass doors with daylight behind, in the far wall."""
        count, left, right = 5, 0.08 * self._width, 0.92 * self._width
        top = max(self._horizon - 0.5 * (self._edge - self._horizon), 0.05 * self._height)
        wide = (right - left) / count
        rows = np.linspace(0, 1, max(round(self._edge) - round(top), 1), dtype=np.float32)
        daylight = np.stack([226 - 40 * rows, 218 - 34 * rows, 206 - 40 * rows], axis=1)
        ahead = self._pixels[round(top) : round(top) + len(rows), round(left) : round(right)]
        ahead[:] = daylight[:, None, :]
        street = self._edge - 0.3 * (self._edge - top)
        self._panel(left, street, right, self._edge, (150, 152, 150))
        for n in range(count + 1):
            x = left + n * wide
            self._panel(x - 4, top, x + 4, self._edge, (86, 88, 92))
        self._outline(left, top, right, self._edge, (86, 88, 92), 6)
        mat = [
            (0.34 * self._width, self._edge + 6),
            (0.66 * self._width, self._edge + 6),
            (0.80 * self._width, self._height),
            (0.20 * self._width, self._height),
        ]
        self._shape(mat, (74, 70, 66))

    def draw_side_walls(self, wall: Colour) -> None:
        """A corridor: walls running towards the vanishing point, doors in them and at the end."""
        half, depth_px = 0.36 * self._width, self._edge - self._horizon
        shaded: Colour = (wall[0] * 0.86, wall[1] * 0.86, wall[2] * 0.86)
        dark: Colour = (wall[0] * 0.66, wall[1] * 0.66, wall[2] * 0.66)
        for side in (-1, 1):
            far = self._vanishing + side * half
            border = 0.0 if side < 0 else float(self._width)

            def row(x: float, share: float, half: float = half) -> float:
                """The row of a point on this wall: share 1 is its foot, 0 the eye's height."""
                nearer = abs(x - self._vanishing) / half
                return self._horizon + share * depth_px * nearer

            foot = [(border, row(border, 1.0)), (far, row(far, 1.0))]
            self._shape([(far, 0), (border, 0), *foot], shaded)
            self._shape([*foot, (far, row(far, 0.97)), (border, row(border, 0.97))], self._trim)
            cv2.line(self._pixels, (round(far), 0), (round(far), round(self._edge)), dark, 2)
            for place in (0.2, 0.68):
                x = far + place * (border - far)
                other = x + 0.24 * (border - far)
                door = [(x, row(x, -0.6)), (other, row(other, -0.6))]
                door += [(other, row(other, 1.0)), (x, row(x, 1.0))]
                self._shape(door, (92, 118, 146))
        self._door(self._vanishing - 0.07 * self._width, 0.14 * self._width, (120, 134, 142))

    def draw_pictures_and_desk(self) -> None:
        """A lobby: framed pictures, a door and a reception desk."""
        for place in (0.12, 0.27):
            left = place * self._width
            top = 0.18 * self._edge
            wide, high = 0.10 * self._width, 0.34 * self._edge
            tint = self._rng.uniform(70, 170, 3)
            inner: Colour = (float(tint[0]), float(tint[1]), float(tint[2]))
            self._panel(left, top, left + wide, top + high, inner)
            hill = [
                (left, top + high),
                (left + 0.4 * wide, top + 0.5 * high),
                (left + wide, top + high),
            ]
            self._shape(hill, (inner[0] * 0.6, inner[1] * 0.7, inner[2] * 0.6))
            self._outline(left, top, left + wide, top + high, (48, 56, 66), 4)
        self._door(0.70 * self._width, 0.15 * self._width, (84, 112, 144))
        desk = self._edge + 0.02 * self._height
        self._panel(
            0.05 * self._width, desk - 0.20 * self._height, 0.36 * self._width, desk, (70, 96, 128)
        )
        self._panel(
            0.04 * self._width,
            desk - 0.22 * self._height,
            0.37 * self._width,
            desk - 0.19 * self._height,
            (150, 166, 180),
        )

    def draw_steps(self) -> None:
        """A flight of stairs along the far wall, with a rail."""
        count = 9
        left, right = 0.50 * self._width, 1.0 * self._width
        run, rise = (right - left) / count, self._edge / (count + 2)
        for n in range(count):
            tone = 150.0 - 5 * n
            top = self._edge - (n + 1) * rise
            self._panel(left + n * run, top, self._width, self._edge, (tone, tone, tone * 0.98))
            self._panel(left + n * run, top, left + (n + 1) * run, top + 5, (90, 94, 96))
        for n in range(0, count + 1, 2):
            x = left + n * run
            foot = self._edge - n * rise
            cv2.line(
                self._pixels,
                (round(x), round(foot)),
                (round(x), round(foot - 2.6 * rise)),
                (58, 62, 66),
                4,
                cv2.LINE_AA,
            )
        cv2.line(
            self._pixels,
            (round(left), round(self._edge - 2.6 * rise)),
            (round(right), round(self._edge - count * rise - 2.6 * rise)),
            (52, 72, 104),
            8,
            cv2.LINE_AA,
        )
        self._door(0.10 * self._width, 0.15 * self._width, (104, 122, 128))

    def draw_skirting(self) -> None:
        self._panel(0, self._edge - 5, self._width, self._edge + 1, self._trim)

    def draw_pillar(self, pillar: tuple[float, float], wall: Colour) -> None:
        """A round pillar from top to bottom, near the camera."""
        left, right = int(pillar[0]), int(pillar[1])
        across = np.linspace(-1, 1, right - left, dtype=np.float32)
        shade = 0.62 + 0.30 * np.sqrt(np.clip(1 - (across + 0.15) ** 2 / 1.33, 0, 1))
        self._pixels[:, left:right] = np.array(wall, np.float32) * shade[None, :, None]
