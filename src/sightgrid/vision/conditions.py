"""Is the picture of a camera worth looking at: black, blank, smeared, frozen, blurred, moved.

Cheap looks decide frame by frame whether a picture can be trusted; slower ones, once a second,
compare the view with what the camera showed before. Nothing is compared with a fixed idea of a
good picture where the camera's own past says it better.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sightgrid.domain.cameras import Trouble
from sightgrid.domain.geometry import Bytes, Floats

# frame by frame, on every 16th pixel of a full-HD picture
_SAMPLED_ROWS = 68
_BLACK_LEVEL = 40  # luma; video black is 16
_BLACK_SHARE = 0.005
_BLANK_LUMA_STD, _BLANK_CHROMA_STD = 2.0, 1.5
_GREEN_CHROMA, _GREEN_SHARE = 12, 0.03  # planes left at zero are green, which no scene is
_GREY_SHARE, _GREY_TIMES = 0.15, 3.0
_SMEAR_STEP, _SMEAR_SHARE = 4, 0.25
_ROW_REPEATS, _ROW_DETAIL = 0.6, 8.0
# once a second, on small pictures
_VIEW = (160, 90)
_SHARP_WIDTH = 480
_BLURRED_SHARE = 0.3
_SHARPNESS_KEPT = 180
_SAME_VIEW, _OTHER_VIEW = 0.5, 0.15
_SHIFTED_VIEW, _SHIFT_GAIN, _SHIFT_SHARE = 0.4, 0.2, 0.04


@dataclass(frozen=True, slots=True)
class ConditionTiming:
    """For how long something must last before it is a camera's trouble, in seconds."""

    suspect_secs: float = 2.0  # black, blank, smeared
    frozen_secs: float = 60.0
    blurred_secs: float = 10.0
    moved_secs: float = 10.0
    settle_secs: float = 15.0
    accept_secs: float = 3600.0  # a new view that stays this long is the view
    every_secs: float = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """``usable``: faces of this very picture may be kept. ``trouble`` is what has lasted."""

    usable: bool
    trouble: Trouble | None = None
    detail: str = ""


_GOOD = Verdict(usable=True)
_WORDS = {
    Trouble.BLACK: "the picture is black: is the lens covered, or the light off?",
    Trouble.BLANK: "the picture is one plain colour: has the camera lost its sensor?",
    Trouble.SMEARED: "the picture is smeared or partly missing: check the network",
    Trouble.FROZEN: "the picture does not change at all",
    Trouble.BLURRED: "the picture is much less sharp than it was: clean or focus the lens",
    Trouble.MOVED: "the view is another one than it was: was the camera turned?",
}


@dataclass(frozen=True, slots=True, eq=False)
class UsualView:
    """What a camera usually shows: edges, not a picture; by day and in infrared."""

    edges: dict[bool, Floats]
    sharpness: tuple[float, ...] = ()


class ConditionWatch:
    """Watches one camera's pictures. ``usual`` is what an earlier watch of it had learned;
    ``masks`` are polygons in fractions of the picture that are not looked at."""

    def __init__(
        self,
        timing: ConditionTiming | None = None,
        *,
        usual: UsualView | None = None,
        masks: Sequence[Sequence[tuple[float, float]]] = (),
    ) -> None:
        self._timing = timing or ConditionTiming()
        self._seen = _seen(masks)
        self._edges = {} if usual is None else dict(usual.edges)
        self._sharpness = deque(() if usual is None else usual.sharpness, maxlen=_SHARPNESS_KEPT)
        self._grey_share: float | None = None
        self._since: dict[Trouble, float] = {}
        self._detail: dict[Trouble, str] = {}
        self._print: int | None = None
        self._same_since = 0.0
        self._background: Floats | None = None
        self._settled_since: float | None = None
        self._slow_at: float | None = None

    def usual(self) -> UsualView:
        """What was learned so far, for the watch that comes after this one."""
        return UsualView(dict(self._edges), tuple(self._sharpness))

    def resized(self) -> None:
        """The size of the picture changed: its sharpness is to be learned anew."""
        self._sharpness.clear()
        self._background = None
        self._print = None

    def look(self, luma: Bytes, blue: Bytes, red: Bytes, at_secs: float) -> Verdict:
        """Args: the planes of a picture, (H, W) and twice (H / 2, W / 2) uint8; ``at_secs`` rises.

        Returns whether the picture is usable and what troubles the camera.
        """
        suspect = self._suspect(luma, blue, red)
        for trouble in (Trouble.BLACK, Trouble.BLANK, Trouble.SMEARED):
            self._note(trouble, trouble is suspect, at_secs)
        frozen = self._is_frozen(luma, at_secs)
        self._note(Trouble.FROZEN, frozen, at_secs)
        if suspect is None and not frozen and self._is_due(at_secs):
            self._look_slowly(luma, blue, red, at_secs)
        usable = suspect is None and not frozen
        for trouble, lasts_secs in (
            (Trouble.BLACK, self._timing.suspect_secs),
            (Trouble.BLANK, self._timing.suspect_secs),
            (Trouble.SMEARED, self._timing.suspect_secs),
            (Trouble.FROZEN, 0.0),
            (Trouble.MOVED, self._timing.moved_secs),
            (Trouble.BLURRED, self._timing.blurred_secs),
        ):
            since = self._since.get(trouble)
            if since is not None and at_secs - since >= lasts_secs:
                words = self._detail.get(trouble) or _WORDS[trouble]
                return Verdict(usable, trouble, words)
        return _GOOD if usable else replace(_GOOD, usable=False)

    # frame by frame

    def _suspect(self, luma: Bytes, blue: Bytes, red: Bytes) -> Trouble | None:
        step = max(luma.shape[0] // _SAMPLED_ROWS, 1)
        light = luma[step // 2 :: step, step // 2 :: step]
        half = max(step // 2, 1)
        u, v = blue[half // 2 :: half, half // 2 :: half], red[half // 2 :: half, half // 2 :: half]
        green = np.count_nonzero((u < _GREEN_CHROMA) & (v < _GREEN_CHROMA)) / u.size
        if green > _GREEN_SHARE:
            return Trouble.SMEARED
        spread = float(light.std())
        if spread < _BLANK_LUMA_STD and max(float(u.std()), float(v.std())) < _BLANK_CHROMA_STD:
            dark = float(light.mean()) < _BLACK_LEVEL
            return Trouble.BLACK if dark else Trouble.BLANK
        if np.count_nonzero(light > _BLACK_LEVEL) < _BLACK_SHARE * light.size:
            return Trouble.BLACK
        if self._is_grey(light, u, v) or _rows_repeat(luma, step):
            return Trouble.SMEARED
        return None

    def _is_grey(self, light: Bytes, u: Bytes, v: Bytes) -> bool:
        """Where a decoder has nothing to go by it leaves middle grey; a scene may have some too."""
        share = float(np.count_nonzero(light - np.uint8(127) <= 2) / light.size)
        colourless = np.count_nonzero((u - np.uint8(127) <= 2) & (v - np.uint8(127) <= 2)) / u.size
        share = min(share, float(colourless))
        usual = self._grey_share
        if share > _GREY_SHARE and (usual is None or share > _GREY_TIMES * usual):
            if usual is None:
                # the very first picture after a key frame: this scene is like that
                self._grey_share = share
                return False
            return True
        self._grey_share = share if usual is None else usual + 0.01 * (share - usual)
        return False

    def _is_frozen(self, luma: Bytes, at_secs: float) -> bool:
        step = max(luma.shape[0] // _SAMPLED_ROWS, 1)
        mark = zlib.crc32(luma[::step, ::step].tobytes())
        if mark != self._print:
            self._print, self._same_since = mark, at_secs
        return at_secs - self._same_since >= self._timing.frozen_secs

    def _note(self, trouble: Trouble, there: bool, at_secs: float, detail: str = "") -> None:
        if there:
            self._since.setdefault(trouble, at_secs)
            self._detail[trouble] = detail
        else:
            self._since.pop(trouble, None)

    # once a second

    def _is_due(self, at_secs: float) -> bool:
        return self._slow_at is None or at_secs - self._slow_at >= self._timing.every_secs

    def _look_slowly(self, luma: Bytes, blue: Bytes, red: Bytes, at_secs: float) -> None:
        passed = self._timing.every_secs if self._slow_at is None else at_secs - self._slow_at
        self._slow_at = at_secs
        self._watch_sharpness(luma, at_secs)
        small = cv2.resize(luma, _VIEW, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._background is None:
            self._background = small
            self._settled_since = at_secs
        share = 1.0 - math.exp(-passed / 4.0)
        self._background = self._background + np.float32(share) * (small - self._background)
        infrared = float(blue[::16, ::16].std()) < 1.5 and float(red[::16, ::16].std()) < 1.5
        self._watch_view(_edges(self._background, self._seen), infrared, passed, at_secs)

    def _watch_sharpness(self, luma: Bytes, at_secs: float) -> None:
        height, width = luma.shape
        scale = min(_SHARP_WIDTH / width, 1.0)
        size = (max(round(width * scale), 16), max(round(height * scale), 16))
        small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        contrast = float(small.var())
        sharpness = float(cv2.Laplacian(small, cv2.CV_16S).var()) / max(contrast, 1.0)
        known = len(self._sharpness) >= self._timing.settle_secs / self._timing.every_secs
        usual = float(np.median(self._sharpness)) if known else 0.0
        blurred = known and sharpness < _BLURRED_SHARE * usual
        if not blurred:
            self._sharpness.append(sharpness)
        self._note(Trouble.BLURRED, blurred, at_secs)

    def _watch_view(self, edges: Floats, infrared: bool, passed: float, at_secs: float) -> None:
        usual = self._edges.get(infrared)
        settled = self._settled_since is not None and (
            at_secs - self._settled_since >= self._timing.settle_secs
        )
        if usual is None:
            if settled:
                self._edges[infrared] = edges
            return
        alike = _alike(usual, edges)
        detail = "" if alike >= _SAME_VIEW else _how_moved(usual, edges, alike)
        self._note(Trouble.MOVED, bool(detail), at_secs, detail)
        if not detail:
            # seasons and furniture change too
            share = np.float32(1.0 - math.exp(-passed / 600.0))
            self._edges[infrared] = _normal(usual + share * (edges - usual))
        elif at_secs - self._since[Trouble.MOVED] > self._timing.accept_secs:
            self._edges = {infrared: edges}


def _rows_repeat(luma: Bytes, step: int) -> bool:
    """Whether a quarter of the height is one row over and over: smeared downwards."""
    columns = luma[::_SMEAR_STEP, ::step].astype(np.int16)
    change = np.abs(np.diff(columns, axis=0)).mean(axis=1)
    detail = columns[1:].std(axis=1)
    repeats = (change < _ROW_REPEATS) & (detail > _ROW_DETAIL)
    longest = run = 0
    for row in repeats:
        run = run + 1 if row else 0
        longest = max(longest, run)
    return longest > _SMEAR_SHARE * len(repeats)


def _seen(masks: Sequence[Sequence[tuple[float, float]]]) -> Bytes | None:
    """1 where a view may be looked at, 0 under and right beside the masks; (90, 160) uint8."""
    if not masks:
        return None
    seen = np.ones((_VIEW[1], _VIEW[0]), np.uint8)
    corners = [np.round(np.array(mask) * _VIEW).astype(np.int32) for mask in masks]
    cv2.fillPoly(seen, corners, (0,))
    eroded: Bytes = cv2.erode(seen, np.ones((5, 5), np.uint8)).astype(np.uint8)
    return eroded


def _edges(view: Floats, seen: Bytes | None) -> Floats:
    """Where a view has edges, whatever its light: (90, 160) float32, zero mean, unit length."""
    across = cv2.Sobel(view, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(view, cv2.CV_32F, 0, 1)
    strength = np.sqrt(np.hypot(across, down))
    if seen is not None:
        strength = strength * seen
    return _normal(cv2.GaussianBlur(strength, (0, 0), 1.5).astype(np.float32))


def _normal(edges: Floats) -> Floats:
    centred = edges - edges.mean()
    scaled: Floats = (centred / max(float(np.linalg.norm(centred)), 1e-6)).astype(np.float32)
    return scaled


def _alike(one: Floats, other: Floats) -> float:
    return float((one * other).sum())


def _how_moved(usual: Floats, edges: Floats, alike: float) -> str:
    """In words, how the view differs; empty if light or people may as well explain it."""
    height, width = usual.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    # copies: OpenCV multiplies its arguments by the window where they stand
    (right, down), _ = cv2.phaseCorrelate(usual.copy(), edges.copy(), window)
    shift = np.array([[1, 0, -right], [0, 1, -down]], np.float32)
    back = cv2.warpAffine(edges, shift, (width, height)).astype(np.float32)
    shifted = _alike(usual, _normal(back))
    far = math.hypot(right, down) >= _SHIFT_SHARE * width
    if far and shifted >= _SHIFTED_VIEW and shifted >= alike + _SHIFT_GAIN:
        return (
            f"the view has shifted by {abs(right) / width:.0%} of its width and "
            f"{abs(down) / height:.0%} of its height: was the camera turned?"
        )
    return _WORDS[Trouble.MOVED] if alike < _OTHER_VIEW else ""
