"""One camera's view: detections in, closed tracklets out.

Holds what the tracker must not know: the looks of every track, and the scene's cuts. If the looks
of a track turn out to show two people (a swap behind somebody's back), the tracklet is split where
its look changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np

from sightgrid.domain.faces import Detection, Embedding, FaceCrop
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Floats
from sightgrid.domain.tracklets import PathPoint, Tracklet
from sightgrid.vision.embedding import FaceEmbedder
from sightgrid.vision.framing import Framing
from sightgrid.vision.looks import (
    Cutter,
    LookSettings,
    Record,
    Sample,
    embed_missing,
    tracklet_of,
)
from sightgrid.vision.tracking import Track, Tracker, TrackerSettings


@dataclass(frozen=True, slots=True)
class FollowingSettings(LookSettings):
    """Similarities are told as the share of pairs of strangers that reach them, so that they mean
    the same with every pack.

    ``split_below``: two halves of a track whose looks are less alike than this are two people, if
    each half is alike in itself (``alike_within``); ``split_one_below`` is the same for a single
    look at either end; looks of less worth than ``telling`` are not asked. ``same_look``: from here
    on a face continues a track that was lost.

    Where another face came within ``met_widths`` of it, faces may have been swapped: then any looks
    are asked, and it is enough that two or more on either side are less alike than ``swap_below``,
    and less than either side in itself by ``swap_decades`` tenfolds of rarity.
    """

    split_below: float = 0.07
    split_one_below: float = 0.35
    alike_within: float = 3e-4
    same_look: float = 4.5e-5
    telling: float = 0.20
    met_widths: float = 2.0
    swap_below: float = 0.01
    swap_decades: float = 5.0


class CameraView:
    """Follows the faces of one camera. Frames must come in order of time."""

    def __init__(
        self,
        camera: str,
        *,
        embedder: FaceEmbedder,
        framing: Framing,
        tracker: TrackerSettings | None = None,
        settings: FollowingSettings | None = None,
    ) -> None:
        self.camera = camera
        self._embedder = embedder
        self._cutter = Cutter(framing)
        self._tracker = Tracker(tracker or TrackerSettings())
        self._settings = settings or FollowingSettings()
        self._records: dict[int, Record] = {}
        self._began_at: datetime | None = None
        self._thumbnail: Floats | None = None
        self._frame_size: tuple[int, int] | None = None
        self._groups = 0

    def see(self, frame: Frame, detections: Sequence[Detection]) -> list[Tracklet]:
        """Takes the next frame and its faces; returns the tracklets that have just closed."""
        closed: list[Tracklet] = []
        if self._is_cut(frame):
            closed += self.finish()
        if self._began_at is None:
            self._began_at = frame.captured_at
        at_secs = (frame.captured_at - self._began_at).total_seconds()
        fresh: dict[int, FaceCrop] = {}

        def crop_of(detection: Detection) -> FaceCrop:
            if id(detection) not in fresh:
                fresh[id(detection)] = self._cutter.cut(frame, detection)
            return fresh[id(detection)]

        def likeness(track: Track, detection: Detection) -> float | None:
            record = self._records.get(track.key)
            if record is None or not record.samples:
                return None
            best = max(record.samples, key=lambda sample: sample.crop.quality.overall)
            if best.embedding is None:
                (best.embedding,) = self._embedder.embed([best.crop.pixels])
            (seen,) = self._embedder.embed([crop_of(detection).pixels])
            return self._likeness(best.embedding, seen)

        update = self._tracker.update(detections, at_secs=at_secs, likeness=likeness)
        for assignment in update.assignments:
            record = self._records.setdefault(assignment.track.key, Record(self._settings))
            record.see(frame, assignment.detection, crop_of)
            if any(
                _widths_apart(assignment.detection, other) < self._settings.met_widths
                for other in detections
                if other is not assignment.detection
            ):
                record.met.append(frame.index)
        return closed + self._close(update.ended)

    def _likeness(self, one: Embedding, other: Embedding) -> float | None:
        """How alike two looks are, if enough to be one face."""
        alike = one.cosine(other)
        least = self._embedder.impostors.threshold(self._settings.same_look)
        return alike if alike >= least else None

    def finish(self) -> list[Tracklet]:
        """Closes everything that is still being followed."""
        return self._close(self._tracker.finish())

    def _close(self, tracks: Sequence[Track]) -> list[Tracklet]:
        """Tracklets of tracks that ended, embedded all at once; unconfirmed ones leave none."""
        ended: list[tuple[Record, list[Sample]]] = []
        for track in tracks:
            record = self._records.pop(track.key, None)
            if record is not None and track.confirmed:
                ended.append((record, record.best_samples()))
        embed_missing([s for _, samples in ended for s in samples], embedder=self._embedder)
        return [
            self._tracklet(path, samples)
            for record, chosen in ended
            for path, samples in self._split(record.path, chosen, record.met)
        ]

    def _split(
        self, path: list[PathPoint], samples: list[Sample], met: Sequence[int] = ()
    ) -> list[tuple[list[PathPoint], list[Sample]]]:
        """The path and its looks, cut in two where they turn into another face."""
        border = self._turns_at(samples) or self._swapped_at(samples, met)
        if border is None:
            return [(path, samples)]
        last, first = (sample.crop.frame_index for sample in border)
        between = [i for i, p in enumerate(path) if last < p.frame_index <= first]
        # the swap is where the box jumped most between the last look of one and the first of two
        cut = max(between, key=lambda i: _jump(path[i - 1], path[i]))
        parts = []
        for piece in (path[:cut], path[cut:]):
            span = {point.frame_index for point in piece}
            inside = [s for s in samples if s.crop.frame_index in span]
            parts += self._split(piece, inside, met)
        return parts

    def _turns_at(self, samples: Sequence[Sample]) -> tuple[Sample, Sample] | None:
        """The last look of one face and the first of another; ``None`` if there is only one.

        Only looks that show enough of a face are asked: blurs are like nobody.
        """
        telling = [
            sample
            for sample in samples
            if sample.embedding is not None and sample.worth >= self._settings.telling
        ]
        if len(telling) < 2:
            return None
        vectors = np.stack([s.embedding.vector for s in telling if s.embedding is not None])
        alike = vectors @ vectors.T
        best_at, largest_fall = None, 0.0
        level = self._embedder.impostors.threshold
        split_below = level(self._settings.split_below)
        split_one_below = level(self._settings.split_one_below)
        alike_within = level(self._settings.alike_within)
        for at in range(1, len(telling)):
            one_alone = at == 1 or at == len(telling) - 1
            limit = split_one_below if one_alone else split_below
            within = min(_mean_alike(alike[:at, :at]), _mean_alike(alike[at:, at:]))
            fall = limit - float(alike[:at, at:].mean())
            if fall > largest_fall and within >= alike_within:
                best_at, largest_fall = at, fall
        return None if best_at is None else (telling[best_at - 1], telling[best_at])

    def _swapped_at(
        self, samples: Sequence[Sample], met: Sequence[int]
    ) -> tuple[Sample, Sample] | None:
        """As above, for faces that met. Even blurs of one passage are alike, so where they cease to
        be, they are of two people; without a meeting it may be a face that came nearer."""
        seen = [sample for sample in samples if sample.embedding is not None]
        if len(seen) < 4 or not met:
            return None
        vectors = np.stack([s.embedding.vector for s in seen if s.embedding is not None])
        alike = vectors @ vectors.T
        scale = self._embedder.impostors
        swap_below = scale.threshold(self._settings.swap_below)
        best_at, largest_fall = None, self._settings.swap_decades * scale.decade
        for at in range(2, len(seen) - 1):
            last, first = seen[at - 1].crop.frame_index, seen[at].crop.frame_index
            if not any(last <= frame <= first for frame in met):
                continue
            across = float(alike[:at, at:].mean())
            fall = min(_mean_alike(alike[:at, :at]), _mean_alike(alike[at:, at:])) - across
            if across < swap_below and fall > largest_fall:
                best_at, largest_fall = at, fall
        return None if best_at is None else (seen[best_at - 1], seen[best_at])

    def _tracklet(self, path: list[PathPoint], samples: list[Sample]) -> Tracklet:
        self._groups += 1
        return tracklet_of(self.camera, self._groups, path, samples)

    def _is_cut(self, frame: Frame) -> bool:
        """Whether the picture has changed altogether: a cut, another size, a moved camera."""
        # every eighth pixel of a large frame is plenty for a thumbnail of 32 x 18
        step = max(min(frame.width // 64, frame.height // 36), 1)
        coarse = np.ascontiguousarray(frame.pixels[::step, ::step])
        small = cv2.resize(coarse, (32, 18), interpolation=cv2.INTER_AREA)
        thumbnail = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        before, self._thumbnail = self._thumbnail, thumbnail
        size, self._frame_size = self._frame_size, (frame.width, frame.height)
        if before is None:
            return False
        return size != self._frame_size or _is_another_scene(before, thumbnail)


def _is_another_scene(before: Floats, after: Floats) -> bool:
    """A large change that brightness alone does not explain."""
    if float(np.mean(np.abs(after - before))) < 12.0:
        return False
    one, other = before - before.mean(), after - after.mean()
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return length < 1e-6 or float(np.sum(one * other)) / length < 0.6


def _widths_apart(one: Detection, other: Detection) -> float:
    """How far apart two faces are, in widths of the larger one."""
    (x1, y1), (x2, y2) = one.box.centre, other.box.centre
    return float(np.hypot(x2 - x1, y2 - y1)) / max(one.box.width, other.box.width)


def _mean_alike(alike: Floats) -> float:
    """The mean similarity of different looks, 1 where there is only one."""
    count = len(alike)
    if count < 2:
        return 1.0
    return float((alike.sum() - np.trace(alike)) / (count * (count - 1)))


def _jump(one: PathPoint, other: PathPoint) -> float:
    """How far the box went between two points, in face widths, plus its change of size."""
    (x1, y1), (x2, y2) = one.box.centre, other.box.centre
    width = max(one.box.width, other.box.width)
    return float(np.hypot(x2 - x1, y2 - y1) / width + abs(np.log(other.box.width / one.box.width)))
