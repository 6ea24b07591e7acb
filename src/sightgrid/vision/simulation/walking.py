"""Where a walking face is at a moment and how much of it can be seen: pure geometry, no pixels.

The camera looks level from just above people's heads. A face ``w`` pixels wide is then ``w`` times
a constant below the horizon, its owner's feet at ``w`` times another: that is all the perspective
there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.geometry import Box
from sightgrid.vision.simulation.plans import Passage, Plan, SimulatedCamera

FACE_DROP = 2.3
"""Face widths from the horizon down to a face's centre."""
FEET_DROP = 13.0
"""Face widths from the horizon down to the floor one stands on."""
SHOULDER = 1.6
"""Face widths from the middle of a figure to its side."""
IN_VIEW = 0.5
"""A face counts as in view when at least this share of it is visible."""

_ACROSS, _DOWN = (
    grid.ravel() for grid in np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9))
)
_INSIDE = _ACROSS**2 + _DOWN**2 <= 1.05
_POINTS = np.stack([_ACROSS[_INSIDE], _DOWN[_INSIDE]])

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """A passage sampled at moments: float64 (F,) each, in pixels and degrees; NaN while away."""

    x: Doubles
    y: Doubles
    width: Doubles
    height: Doubles
    roll_deg: Doubles
    stride: Doubles
    """Position within the gait, 0-1."""
    behind_pillar: bool

    def box(self, moment: int) -> Box:
        """The face at one moment, as the detector would box it upright."""
        half_width, half_height = self.width[moment] / 2, self.height[moment] / 2
        return Box(
            float(self.x[moment] - half_width),
            float(self.y[moment] - half_height),
            float(self.x[moment] + half_width),
            float(self.y[moment] + half_height),
        )


def walk(plan: Plan, camera: SimulatedCamera, passage: Passage, at_secs: Doubles) -> Steps:
    """Where a passage's face is at moments, given in the plan's seconds, float64 (F,)."""
    return step(
        passage,
        at_secs,
        horizon_px=camera.horizon_px,
        aspect=_aspect(plan, passage),
    )


def _aspect(plan: Plan, passage: Passage) -> float:
    face = plan.subjects[passage.subject].portraits[passage.portrait].face
    return face.height / face.width


def step(passage: Passage, at_secs: Doubles, *, horizon_px: float, aspect: float) -> Steps:
    """As :func:`walk`, for a passage in no plan yet; ``aspect`` is the face's height / width."""
    since = at_secs - passage.start_secs
    done = since / (passage.end_secs - passage.start_secs)
    away = (done < 0.0) | (done > 1.0)
    done = np.where(away, np.nan, done)
    stride = np.mod(since * passage.steps_hz / 2 + passage.phase, 1.0)
    swing = 2 * np.pi * stride
    width = passage.face_px[0] * (passage.face_px[1] / passage.face_px[0]) ** done
    x = passage.x[0] + (passage.x[1] - passage.x[0]) * done + 0.06 * width * np.sin(swing)
    y = horizon_px + FACE_DROP * width - 0.07 * width * np.abs(np.cos(swing))
    roll = passage.tilt_deg + 2.5 * np.sin(swing)
    return Steps(
        x, y, width, aspect * width, np.where(away, np.nan, roll), stride, passage.behind_pillar
    )


def visibility(
    one: Steps,
    others: Sequence[Steps],
    *,
    frame_px: tuple[int, int],
    pillar: tuple[float, float],
) -> Doubles:
    """The visible share of a face, 0-1, float64 (F,); NaN while away.

    What hides it: the frame's border, the pillar for who walks behind it, and whoever is nearer to
    the camera and not behind the pillar there.
    """
    across = one.x[:, None] + _POINTS[0] * one.width[:, None] / 2
    down = one.y[:, None] + _POINTS[1] * one.height[:, None] / 2
    seen = (across >= 0) & (across < frame_px[0]) & (down >= 0) & (down < frame_px[1])
    beside = (across < pillar[0]) | (across >= pillar[1])
    if one.behind_pillar:
        seen &= beside
    for other in others:
        near = (other.width > one.width) & (np.abs(other.x - one.x) < 3 * other.width)
        if not near.any():
            continue
        from_x = np.abs(across - other.x[:, None]) / other.width[:, None]
        from_y = (down - other.y[:, None]) / other.height[:, None]
        head = (from_x / 0.58) ** 2 + ((from_y + 0.1) / 0.72) ** 2 < 1.0
        body = (from_y > 0.85) & (from_x < 1.4)
        covers = (head | body) & near[:, None]
        seen &= ~(covers & beside if other.behind_pillar else covers)
    share: Doubles = seen.mean(axis=1)
    return np.where(np.isnan(one.x), np.nan, share)


def longest_hidden_secs(visible: Doubles, *, fps: float) -> float:
    """The longest time, between moments in view, in which a face is not: 0 if it stays in view."""
    shown = np.flatnonzero(np.nan_to_num(visible) >= IN_VIEW)
    if len(shown) < 2:
        return 0.0
    return float(np.diff(shown).max() - 1) / fps
