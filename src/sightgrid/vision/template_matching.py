"""Groups faces by template matching, as the *CCTV grid* ancestor did.

Every face of a frame is compared with every face of the last 20 frames. It joins the group of the
one it correlates with best, if that is enough, else it gets a fresh group id. At each full minute
of UTC everything is forgotten and ids begin at 1 again, so a group is known by camera, minute and
id. Where the face is plays no part.

The ancestor says neither how faces of different sizes are compared nor what is enough. Here a face
is brought to 32 x 32 grey pixels, its middle 24 x 24 are the template, and what is taken is the
best normalised correlation (``cv2.matchTemplate`` with ``TM_CCOEFF_NORMED``) over all places where
the template fits: a detector's box is never quite steady. Plain normalised correlation,
``TM_CCORR_NORMED``, leaves the brightness in and finds any two faces alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import cv2
import numpy as np

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes, Floats

_FACE_PX = 32
_TEMPLATE_PX = 24
_MARGIN_PX = (_FACE_PX - _TEMPLATE_PX) // 2
# below this deviation, in grey levels, a patch is all one tone and correlates with nothing
_FLAT = 1.0


@dataclass(frozen=True, slots=True)
class GrouperSettings:
    """``window_frames``: how many frames back a face is looked for. ``same``: least correlation,
    -1 to 1, for one group (docs/benchmarks.md says how it was found). ``least_score``: detector's
    score from which a detection is taken for a face, the one from which a track may begin."""

    window_frames: int = 20
    same: float = 0.80
    least_score: float = 0.70


@dataclass(frozen=True, slots=True)
class FaceGroup:
    """A group of faces. ``number`` is unique within its minute only, ``key`` in the whole run."""

    key: int
    number: int


@dataclass(frozen=True, slots=True)
class Grouped:
    """A detection of this frame and the group it joins or begins."""

    group: FaceGroup
    detection: Detection


@dataclass(frozen=True, slots=True)
class GroupUpdate:
    """What one frame did: the groups that can't be joined any more, and who joined which."""

    ended: list[FaceGroup]
    grouped: list[Grouped]


@dataclass(frozen=True, slots=True, eq=False)
class _Remembered:
    frame: int
    group: FaceGroup
    template: Floats
    """(24 * 24,), its mean 0 and its length 1."""


@dataclass(slots=True)
class TemplateMatchingGrouper:
    """Groups the faces of one camera. Frames must come in order of time."""

    settings: GrouperSettings = field(default_factory=GrouperSettings)
    _memory: deque[_Remembered] = field(default_factory=deque)
    _frame: int = 0
    _minute: datetime | None = None
    _begun: int = 0
    _numbers: int = 0

    def update(
        self, pixels: Bytes, detections: Sequence[Detection], *, captured_at: datetime
    ) -> GroupUpdate:
        """Takes the next frame, (H, W, 3) uint8 BGR, and its faces. Two faces of one frame never
        join one group: the pair that correlates best is taken first."""
        ended = self._begin_frame(captured_at)
        faces = [face for face in detections if face.score >= self.settings.least_score]
        patches = [_patch(pixels, face.box) for face in faces]
        joined: dict[int, FaceGroup] = {}
        taken: set[int] = set()
        for correlation, face, group in self._candidates(patches):
            if correlation < self.settings.same:
                break
            if face not in joined and group.key not in taken:
                joined[face] = group
                taken.add(group.key)
        grouped = []
        for number, (detection, patch) in enumerate(zip(faces, patches, strict=True)):
            group = joined.get(number) or self._fresh()
            grouped.append(Grouped(group, detection))
            middle = patch[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
            template = _normalised(middle.reshape(1, -1))[0]
            self._memory.append(_Remembered(self._frame, group, template))
        return GroupUpdate(ended, grouped)

    def finish(self) -> list[FaceGroup]:
        """Ends every group."""
        ended = list(dict.fromkeys(remembered.group for remembered in self._memory))
        self._memory.clear()
        return ended

    def _begin_frame(self, captured_at: datetime) -> list[FaceGroup]:
        """Forgets what is too old or of another minute; the groups that ended by that."""
        self._frame += 1
        minute = captured_at.astimezone(UTC).replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute, self._numbers = minute, 0
            return self.finish()
        forgotten = []
        while self._memory and self._memory[0].frame < self._frame - self.settings.window_frames:
            forgotten.append(self._memory.popleft().group)
        alive = {remembered.group for remembered in self._memory}
        return [group for group in dict.fromkeys(forgotten) if group not in alive]

    def _candidates(self, patches: Sequence[Floats]) -> Iterator[tuple[float, int, FaceGroup]]:
        """Correlation, face and group for every new and every remembered face, best first."""
        if not patches or not self._memory:
            return
        remembered = np.stack([one.template for one in self._memory])
        correlations = np.stack([best_correlations(patch, remembered) for patch in patches])
        order = np.argsort(-correlations, axis=None, kind="stable")
        for face, other in zip(*np.unravel_index(order, correlations.shape), strict=True):
            yield float(correlations[face, other]), int(face), self._memory[other].group

    def _fresh(self) -> FaceGroup:
        self._begun += 1
        self._numbers += 1
        return FaceGroup(self._begun, self._numbers)


def best_correlations(patch: Floats, templates: Floats) -> Floats:
    """The best normalised correlation of each template over all places in a face.

    The same as ``cv2.matchTemplate(patch, template, TM_CCOEFF_NORMED).max()`` for each, in one
    product of matrices.

    Args:
        patch: (32, 32) grey levels. templates: (N, 576), mean 0 and length 1 each.

    Returns:
        (N,) in -1 to 1.
    """
    windows = np.lib.stride_tricks.sliding_window_view(patch, (_TEMPLATE_PX, _TEMPLATE_PX))
    places = _normalised(windows.reshape(-1, _TEMPLATE_PX * _TEMPLATE_PX))
    best: Floats = (places @ templates.T).max(axis=0)
    return best


def _patch(pixels: Bytes, box: Box) -> Floats:
    """The face in a box, as far as it is inside the frame, grey, (32, 32)."""
    height, width = pixels.shape[:2]
    left, top = max(round(box.left), 0), max(round(box.top), 0)
    right, bottom = min(round(box.right), width), min(round(box.bottom), height)
    if right <= left or bottom <= top:
        return np.zeros((_FACE_PX, _FACE_PX), np.float32)
    face = cv2.cvtColor(pixels[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    shrinks = (right - left) * (bottom - top) > _FACE_PX * _FACE_PX
    patch = cv2.resize(
        face, (_FACE_PX, _FACE_PX), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return patch.astype(np.float32)


def _normalised(rows: Floats) -> Floats:
    """Each row less its mean, to length 1; zeros for a row that is all one tone."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    flat = lengths < _FLAT * np.sqrt(rows.shape[1])
    unit: Floats = np.where(flat, 0.0, centred / np.maximum(lengths, 1e-6)).astype(np.float32)
    return unit
