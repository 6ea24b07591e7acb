"""What is remembered of a face while it is in view: its path, and the few best crops of it.

Crops are spread over the face's life. Embeddings are made when it is over, for the best of them
only, so that a face that stays for long costs no more than one that passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sightgrid.domain.faces import Detection, Embedding, FaceCrop
from sightgrid.domain.frames import Frame
from sightgrid.domain.tracklets import Look, PathPoint, Tracklet, worth_of
from sightgrid.vision.embedding import FaceEmbedder
from sightgrid.vision.framing import Framing, cut
from sightgrid.vision.quality import grade


@dataclass(frozen=True, slots=True)
class LookSettings:
    """``looks_kept``: crops held for each face; ``looks_embedded``: how many of them are turned
    into vectors. ``slot_secs``: at first one crop is kept for each slot of this length; slots
    grow as the face stays. ``look_again_secs``: how soon a face is looked at again within a
    slot. ``sure``: the detector's score from which it is sure; of a face that never reached it
    only ``looks_of_doubtful`` are embedded, enough to give it to somebody known."""

    looks_kept: int = 12
    looks_embedded: int = 7
    looks_of_doubtful: int = 3
    sure: float = 0.80
    slot_secs: float = 0.35
    look_again_secs: float = 0.09


@dataclass(slots=True, eq=False)
class Sample:
    """A crop that may become a look."""

    crop: FaceCrop
    embedding: Embedding | None = None

    @property
    def worth(self) -> float:
        return worth_of(self.crop, self.embedding)


@dataclass(frozen=True, slots=True, eq=False)
class Cutter:
    """Cuts faces out of frames as the pack's embedder wants them."""

    framing: Framing

    def cut(self, frame: Frame, detection: Detection) -> FaceCrop:
        pixels = cut(frame.pixels, detection, self.framing)
        outside = self.framing.outside(detection, width=frame.width, height=frame.height)
        return FaceCrop(
            pixels=pixels,
            quality=grade(pixels, detection, outside=outside),
            captured_at=frame.captured_at,
            frame_index=frame.index,
            box_in_frame=detection.box,
            landmarks_in_frame=detection.landmarks,
            detection_score=detection.score,
        )


@dataclass(slots=True)
class Record:
    """One face, frame by frame. ``met`` are the frames in which another face was close by."""

    settings: LookSettings
    path: list[PathPoint] = field(default_factory=list)
    met: list[int] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    looked_at: datetime | None = None
    _slot_secs: float = field(init=False)

    def __post_init__(self) -> None:
        self._slot_secs = self.settings.slot_secs

    def see(
        self, frame: Frame, detection: Detection, crop_of: Callable[[Detection], FaceCrop]
    ) -> None:
        """Notes where the face is, and looks at it."""
        self.path.append(PathPoint(frame.index, frame.captured_at, detection.box, detection.score))
        self.look(detection, frame.captured_at, crop_of)

    def look(
        self,
        detection: Detection,
        captured_at: datetime,
        crop_of: Callable[[Detection], FaceCrop | None],
    ) -> None:
        """Looks at the face and keeps what it saw if it is the best of its slot of time.

        Cutting and grading every face of every frame would cost more than following it does, so
        within a slot it is done every tenth of a second only, and never for a weak detection where
        there is a stronger one.
        """
        if self.samples and self.looked_at is not None:
            latest = self.samples[-1].crop
            same_slot = self._slot(captured_at) == self._slot(latest.captured_at)
            waited = (captured_at - self.looked_at).total_seconds()
            if same_slot and (
                waited < self.settings.look_again_secs
                or detection.score < latest.detection_score - 0.05
            ):
                return
        crop = crop_of(detection)
        if crop is not None:
            self.looked_at = captured_at
            self.keep(crop)

    def best_samples(self) -> list[Sample]:
        """The samples worth a vector, in order of time: the best of each stretch of the path, so
        that nobody who was swapped in goes unnoticed, then the best of the rest."""
        settings = self.settings
        surely_a_face = any(point.score >= settings.sure for point in self.path)
        count = settings.looks_embedded if surely_a_face else settings.looks_of_doubtful
        by_quality = sorted(self.samples, key=lambda sample: -sample.crop.quality.overall)
        began, ended = self.path[0].captured_at, self.path[-1].captured_at
        stretch_secs = max((ended - began).total_seconds(), 1e-6) / count
        best_of: dict[int, Sample] = {}
        for sample in by_quality:
            into_secs = (sample.crop.captured_at - began).total_seconds()
            best_of.setdefault(min(int(into_secs / stretch_secs), count - 1), sample)
        chosen = list(best_of.values())
        chosen += [sample for sample in by_quality if sample not in chosen]
        return sorted(chosen[:count], key=lambda sample: sample.crop.captured_at)

    def keep(self, crop: FaceCrop) -> None:
        """Keeps the crop if it is the best of its slot of time."""
        if self.samples:
            latest = self.samples[-1].crop
            if self._slot(crop.captured_at) == self._slot(latest.captured_at):
                if crop.quality.overall > latest.quality.overall:
                    self.samples[-1] = Sample(crop)
                return
        self.samples.append(Sample(crop))
        if len(self.samples) > self.settings.looks_kept:
            # the face stays: slots twice as long, the better crop of each two neighbours stays
            self._slot_secs *= 2
            self.samples = [
                max(self.samples[i : i + 2], key=lambda sample: sample.crop.quality.overall)
                for i in range(0, len(self.samples), 2)
            ]

    def _slot(self, moment: datetime) -> int:
        """The number of the slot of time that a moment falls into."""
        return int((moment - self.path[0].captured_at).total_seconds() // self._slot_secs)


def embed_missing(samples: Sequence[Sample], *, embedder: FaceEmbedder) -> None:
    """Gives every sample that has none its embedding, all at once."""
    missing = [sample for sample in samples if sample.embedding is None]
    vectors = embedder.embed([sample.crop.pixels for sample in missing])
    for sample, embedding in zip(missing, vectors, strict=True):
        sample.embedding = embedding


def tracklet_of(
    camera: str, group: int, path: Sequence[PathPoint], samples: Sequence[Sample]
) -> Tracklet:
    """What was seen of one face; ``samples`` in order of time."""
    looks = [
        Look(counter=number, crop=sample.crop, embedding=sample.embedding)
        for number, sample in enumerate(samples, start=1)
    ]
    looks.sort(key=lambda look: look.worth, reverse=True)
    return Tracklet(camera=camera, group=group, path=tuple(path), looks=tuple(looks))
