"""Draws any frame of any camera of a plan: a pure function, so that a frame can be had alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.vision.simulation.backdrops import backdrop
from sightgrid.vision.simulation.figures import Outfit, lay_figure, lay_over, outfit
from sightgrid.vision.simulation.plans import Passage, Plan, SimulatedCamera
from sightgrid.vision.simulation.walking import Steps, visibility, walk

_NOISE_SIGMA = 2.2
_NOISE_SPARE_PX = 64


@dataclass(frozen=True, slots=True)
class TrueFace:
    """A face in a frame as it was drawn: whose, where and the visible share of it, 0-1.

    ``subject`` and ``passage`` are indices into the plan.
    """

    subject: int
    passage: int
    box: Box
    visible: float


def draw(plan: Plan, camera: str, frame_index: int) -> tuple[Bytes, tuple[TrueFace, ...]]:
    """Draws one frame, the same pixels at every call.

    Args:
        plan: who walks where.
        camera: a camera's name.
        frame_index: from 1 to ``plan.frame_count``.

    Returns:
        The picture, (H, W, 3) uint8 BGR, and the faces that reach into it, farthest first.

    Raises:
        NotFound: no such camera. InvalidValue: no such frame.
    """
    if not 1 <= frame_index <= plan.frame_count:
        raise InvalidValue(f"there is no frame {frame_index} among {plan.frame_count}")
    where = plan.camera(camera)
    at_secs = np.array([where.starts_at_secs + (frame_index - 1) / plan.preset.fps])
    present = [
        (number, passage, walk(plan, where, passage, at_secs))
        for number, passage in enumerate(plan.passages)
        if passage.camera == camera and passage.start_secs <= at_secs[0] <= passage.end_secs
    ]
    present.sort(key=lambda entry: float(entry[2].width[0]))
    pixels = backdrop(where, plan.preset.frame_px, plan.preset.face_px[0]).copy()
    for _, passage, steps in present:
        _lay(pixels, plan, where, passage, steps)
    _roughen(pixels, where, plan, frame_index)
    faces = []
    for number, passage, steps in present:
        others = [s for n, _, s in present if n != number]
        share = visibility(
            steps,
            others,
            frame_px=plan.preset.frame_px,
            pillar=where.pillar,
        )[0]
        box = steps.box(0)
        if box.visible_fraction(*plan.preset.frame_px) > 0.0:
            faces.append(TrueFace(passage.subject, number, box, float(share)))
    return pixels, tuple(faces)


def _lay(
    pixels: Bytes, plan: Plan, camera: SimulatedCamera, passage: Passage, steps: Steps
) -> None:
    portrait = plan.subjects[passage.subject].portraits[passage.portrait]
    tint = np.random.default_rng(camera.seed).uniform(0.95, 1.05, 3) * passage.gain
    lay_figure(
        pixels,
        portrait,
        _outfit(plan, passage.subject),
        steps,
        0,
        blur_px=passage.blur_px,
        light=(float(tint[0]), float(tint[1]), float(tint[2])),
        hidden_columns=camera.pillar if passage.behind_pillar else None,
    )


@lru_cache(maxsize=256)
def _outfit(plan: Plan, subject: int) -> Outfit:
    return outfit(plan.subjects[subject].portraits[0], seed=plan.seed * 1009 + subject)


@lru_cache(maxsize=8)
def _noise(seed: int, frame_px: tuple[int, int]) -> Bytes:
    """The sensor's noise around 128, a little larger than a frame; uint8 (h, w, 3)."""
    rng = np.random.default_rng(seed)
    shape = (frame_px[1] + _NOISE_SPARE_PX, frame_px[0] + _NOISE_SPARE_PX)
    common = rng.standard_normal((*shape, 1), np.float32)
    own = rng.standard_normal((*shape, 3), np.float32)
    noise: Bytes = np.rint(128 + _NOISE_SIGMA * (0.85 * common + 0.5 * own)).astype(np.uint8)
    return noise


def _roughen(pixels: Bytes, camera: SimulatedCamera, plan: Plan, frame_index: int) -> None:
    """Adds the sensor's noise, another cut of it in every frame, and the camera's caption."""
    width, height = plan.preset.frame_px
    noise = _noise(camera.seed, plan.preset.frame_px)
    cut = np.random.default_rng((camera.seed, frame_index)).integers(0, _NOISE_SPARE_PX, 2)
    grain = noise[cut[0] : cut[0] + height, cut[1] : cut[1] + width]
    cv2.addWeighted(pixels, 1.0, grain, 1.0, -128.0, dst=pixels)
    moment = plan.moment(camera, frame_index)
    strip = _caption(f"{camera.name}  {moment:%Y-%m-%d %H:%M:%S}", height)
    tall, wide = strip.shape[:2]
    left, top = round(0.012 * width), height - tall
    lay_over(pixels[top:, left : left + wide], strip[:, : width - left])


@lru_cache(maxsize=32)
def _caption(text: str, frame_height: int) -> Bytes:
    """White lettering with a dark rim, (h, w, 4) uint8, colours already multiplied by alpha."""
    size = frame_height / 1000
    (wide, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 3)
    strip = np.zeros((round(0.035 * frame_height) + tall + below, wide + 4, 4), np.uint8)
    at = (2, tall + below)
    for colour, thick in (((20, 20, 20, 255), 3), ((235, 235, 235, 255), 1)):
        cv2.putText(strip, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick, cv2.LINE_AA)
    return strip
