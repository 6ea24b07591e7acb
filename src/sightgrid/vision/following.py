"""One camera's view: detections in, closed tracklets out.

Holds what the tracker must not know: the few best crops of every track, spread over its life, and
the scene's cuts. Embeddings are made when a track ends, for its best looks only; if those turn out
to show two people (a swap behind somebody's back), the tracklet is split where its look changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import cv2
import numpy as np

from sightgrid.domain.faces import Detection, Embedding, FaceCrop
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Floats
from sightgrid.domain.tracklets import Look, PathPoint, Tracklet, worth_of
from sightgrid.vision.alignment import align, outside_fraction
from sightgrid.vision.embedding import FaceEmbedder
from sightgrid.vision.quality import grade
from sightgrid.vision.tracking import Track, Tracker, TrackerSettings


@dataclass(frozen=True, slots=True)
class FollowingSettings:
    """``looks_kept``: crops held for each track; ``looks_embedded``: how many of them are turned
    into vectors. ``slot_secs``: at first one crop is kept for each slot of this length; slots
    grow as the track lasts. ``split_below``: two halves of a track whose looks are less alike
    than this are two people, if each half is alike in itself; ``split_one_below`` is the same for
    a single look at either end; looks of less worth than ``telling`` are not asked.
    ``look_again_secs``: how soon a face is looked at again within a
    slot. ``sure``: the detector's score from which it is sure; of a track that never reached it
    only ``looks_of_doubtful`` are embedded, enough to give it to somebody known."""

    looks_kept: int = 12
    looks_embedded: int = 7
    looks_of_doubtful: int = 3
    sure: float = 0.80
    slot_secs: float = 0.35
    look_again_secs: float = 0.09
    split_below: float = 0.22
    split_one_below: float = 0.12
    alike_within: float = 0.40
    telling: float = 0.20


@dataclass(slots=True, eq=False)
class _Sample:
    crop: FaceCrop
    embedding: Embedding | None = None

    @property
    def worth(self) -> float:
        return worth_of(self.crop, self.embedding)


@dataclass(slots=True)
class _Record:
    """What is remembered of one track."""

    path: list[PathPoint] = field(default_factory=list)
    samples: list[_Sample] = field(default_factory=list)
    slot_secs: float = 0.35
    looked_at: datetime | None = None


class CameraView:
    """Follows the faces of one camera. Frames must come in order of time."""

    def __init__(
        self,
        camera: str,
        *,
        embedder: FaceEmbedder,
        template: Floats,
        crop_px: int,
        tracker: TrackerSettings | None = None,
        settings: FollowingSettings | None = None,
    ) -> None:
        self.camera = camera
        self._embedder = embedder
        self._template = template
        self._crop_px = crop_px
        self._tracker = Tracker(tracker or TrackerSettings())
        self._settings = settings or FollowingSettings()
        self._records: dict[int, _Record] = {}
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
                fresh[id(detection)] = self._cut(frame, detection)
            return fresh[id(detection)]

        def likeness(track: Track, detection: Detection) -> float | None:
            record = self._records.get(track.key)
            if record is None or not record.samples:
                return None
            best = max(record.samples, key=lambda sample: sample.crop.quality.overall)
            if best.embedding is None:
                (best.embedding,) = self._embedder.embed([best.crop.pixels])
            (seen,) = self._embedder.embed([crop_of(detection).pixels])
            return best.embedding.cosine(seen)

        update = self._tracker.update(detections, at_secs=at_secs, likeness=likeness)
        for assignment in update.assignments:
            record = self._records.setdefault(
                assignment.track.key, _Record(slot_secs=self._settings.slot_secs)
            )
            detection = assignment.detection
            record.path.append(
                PathPoint(frame.index, frame.captured_at, detection.box, detection.score)
            )
            self._look(record, detection, frame, crop_of)
        return closed + self._close(update.ended)

    def finish(self) -> list[Tracklet]:
        """Closes everything that is still being followed."""
        return self._close(self._tracker.finish())

    def _look(
        self,
        record: _Record,
        detection: Detection,
        frame: Frame,
        crop_of: Callable[[Detection], FaceCrop],
    ) -> None:
        """Looks at the face and keeps what it saw if it is the best of its slot of time.

        Cutting and grading every face of every frame would cost more than following it does, so
        within a slot it is done every tenth of a second only, and never for a weak detection where
        there is a stronger one.
        """
        if record.samples and record.looked_at is not None:
            latest = record.samples[-1].crop
            same_slot = _slot(record, frame.captured_at) == _slot(record, latest.captured_at)
            waited = (frame.captured_at - record.looked_at).total_seconds()
            if same_slot and (
                waited < self._settings.look_again_secs
                or detection.score < latest.detection_score - 0.05
            ):
                return
        record.looked_at = frame.captured_at
        self._keep(record, crop_of(detection))

    def _cut(self, frame: Frame, detection: Detection) -> FaceCrop:
        pixels = align(
            frame.pixels, detection.landmarks, template=self._template, size_px=self._crop_px
        )
        outside = outside_fraction(
            detection.landmarks,
            template=self._template,
            size_px=self._crop_px,
            width=frame.width,
            height=frame.height,
        )
        return FaceCrop(
            pixels=pixels,
            quality=grade(pixels, detection, outside=outside),
            captured_at=frame.captured_at,
            frame_index=frame.index,
            box_in_frame=detection.box,
            landmarks_in_frame=detection.landmarks,
            detection_score=detection.score,
        )

    def _keep(self, record: _Record, crop: FaceCrop) -> None:
        """Keeps the crop if it is the best of its slot of time."""
        samples = record.samples
        if samples:
            latest = samples[-1].crop
            if _slot(record, crop.captured_at) == _slot(record, latest.captured_at):
                if crop.quality.overall > latest.quality.overall:
                    samples[-1] = _Sample(crop)
                return
        samples.append(_Sample(crop))
        if len(samples) > self._settings.looks_kept:
            # the track lasts: slots twice as long, the better crop of each two neighbours stays
            record.slot_secs *= 2
            record.samples = [
                max(samples[i : i + 2], key=lambda sample: sample.crop.quality.overall)
                for i in range(0, len(samples), 2)
            ]

    def _close(self, tracks: Sequence[Track]) -> list[Tracklet]:
        """Tracklets of tracks that ended, embedded all at once; unconfirmed ones leave none."""
        ended: list[tuple[_Record, list[_Sample]]] = []
        for track in tracks:
            record = self._records.pop(track.key, None)
            if record is not None and track.confirmed:
                ended.append((record, self._best_samples(record)))
        missing = [s for _, samples in ended for s in samples if s.embedding is None]
        vectors = self._embedder.embed([sample.crop.pixels for sample in missing])
        for sample, embedding in zip(missing, vectors, strict=True):
            sample.embedding = embedding
        return [
            self._tracklet(path, samples)
            for record, chosen in ended
            for path, samples in self._split(record.path, chosen)
        ]

    def _best_samples(self, record: _Record) -> list[_Sample]:
        """The samples worth a vector, in order of time: the best of each stretch of the track, so
        that nobody who was swapped in goes unnoticed, then the best of the rest."""
        surely_a_face = any(point.score >= self._settings.sure for point in record.path)
        count = self._settings.looks_embedded if surely_a_face else self._settings.looks_of_doubtful
        by_quality = sorted(record.samples, key=lambda sample: -sample.crop.quality.overall)
        began, ended = record.path[0].captured_at, record.path[-1].captured_at
        stretch_secs = max((ended - began).total_seconds(), 1e-6) / count
        best_of: dict[int, _Sample] = {}
        for sample in by_quality:
            into_secs = (sample.crop.captured_at - began).total_seconds()
            best_of.setdefault(min(int(into_secs / stretch_secs), count - 1), sample)
        chosen = list(best_of.values())
        chosen += [sample for sample in by_quality if sample not in chosen]
        return sorted(chosen[:count], key=lambda sample: sample.crop.captured_at)

    def _split(
        self, path: list[PathPoint], samples: list[_Sample]
    ) -> list[tuple[list[PathPoint], list[_Sample]]]:
        """The path and its looks, cut in two where they turn into another face.

        Only looks that show enough of a face are asked: blurs are like nobody.
        """
        telling = [
            sample
            for sample in samples
            if sample.embedding is not None and sample.worth >= self._settings.telling
        ]
        if len(telling) < 2:
            return [(path, samples)]
        vectors = np.stack([s.embedding.vector for s in telling if s.embedding is not None])
        alike = vectors @ vectors.T
        best_at, largest_fall = None, 0.0
        for at in range(1, len(telling)):
            one_alone = at == 1 or at == len(telling) - 1
            limit = self._settings.split_one_below if one_alone else self._settings.split_below
            within = min(_mean_alike(alike[:at, :at]), _mean_alike(alike[at:, at:]))
            fall = limit - float(alike[:at, at:].mean())
            if fall > largest_fall and within >= self._settings.alike_within:
                best_at, largest_fall = at, fall
        if best_at is None:
            return [(path, samples)]
        last = telling[best_at - 1].crop.frame_index
        first = telling[best_at].crop.frame_index
        between = [i for i, p in enumerate(path) if last < p.frame_index <= first]
        # the swap is where the box jumped most between the last look of one and the first of two
        cut = max(between, key=lambda i: _jump(path[i - 1], path[i]))
        parts = []
        for piece in (path[:cut], path[cut:]):
            span = {point.frame_index for point in piece}
            inside = [s for s in samples if s.crop.frame_index in span]
            parts += self._split(piece, inside)
        return parts

    def _tracklet(self, path: list[PathPoint], samples: list[_Sample]) -> Tracklet:
        self._groups += 1
        looks = [
            Look(counter=number, crop=sample.crop, embedding=sample.embedding)
            for number, sample in enumerate(samples, start=1)
        ]
        looks.sort(key=lambda look: look.worth, reverse=True)
        return Tracklet(
            camera=self.camera, group=self._groups, path=tuple(path), looks=tuple(looks)
        )

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


def _slot(record: _Record, moment: datetime) -> int:
    """The number of the record's slot of time that a moment falls into."""
    return int((moment - record.path[0].captured_at).total_seconds() // record.slot_secs)


def _is_another_scene(before: Floats, after: Floats) -> bool:
    """A large change that brightness alone does not explain."""
    if float(np.mean(np.abs(after - before))) < 12.0:
        return False
    one, other = before - before.mean(), after - after.mean()
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return length < 1e-6 or float(np.sum(one * other)) / length < 0.6


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
