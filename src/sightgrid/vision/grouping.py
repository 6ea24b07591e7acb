"""The ways to join the faces of one camera to tracklets, by name."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Detection, FaceCrop
from sightgrid.domain.frames import Frame
from sightgrid.domain.tracklets import Tracklet
from sightgrid.vision.embedding import FaceEmbedder
from sightgrid.vision.following import CameraView
from sightgrid.vision.framing import Framing
from sightgrid.vision.looks import Cutter, LookSettings, Record, embed_missing, tracklet_of
from sightgrid.vision.template_matching import (
    FaceGroup,
    GrouperSettings,
    TemplateMatchingGrouper,
)


class Grouping(StrEnum):
    """How faces are joined; docs/recordings.md says what each does."""

    TRACKS = "tracks"
    TEMPLATE_MATCHING = "template-matching"


def grouping_named(name: str) -> Grouping:
    """The grouping that is called ``name``.

    Raises:
        InvalidValue: none is.
    """
    try:
        return Grouping(name)
    except ValueError:
        raise InvalidValue(
            f"there is no grouping '{name}'", hint=f"known groupings: {', '.join(Grouping)}"
        ) from None


class View(Protocol):
    """What one camera sees. Frames must come in order of time."""

    camera: str

    def see(self, frame: Frame, detections: Sequence[Detection]) -> list[Tracklet]:
        """Takes the next frame and its faces; returns the tracklets that have just closed."""

    def finish(self) -> list[Tracklet]:
        """Closes everything that is still in view."""


def open_view(grouping: Grouping, camera: str, *, embedder: FaceEmbedder, framing: Framing) -> View:
    """A fresh view for one camera."""
    match grouping:
        case Grouping.TRACKS:
            return CameraView(camera, embedder=embedder, framing=framing)
        case Grouping.TEMPLATE_MATCHING:
            return ClassicView(camera, embedder=embedder, framing=framing)


class ClassicView:
    """One camera as the *CCTV grid* ancestor saw it: the faces of a group are a tracklet.

    A group counts from its first face on, however short it is, and nothing takes it apart again if
    its looks turn out to show two people. ``Tracklet.group`` is the ancestor's group id, unique
    within the UTC minute that the tracklet lies in.
    """

    def __init__(
        self,
        camera: str,
        *,
        embedder: FaceEmbedder,
        framing: Framing,
        grouper: GrouperSettings | None = None,
        settings: LookSettings | None = None,
    ) -> None:
        self.camera = camera
        self._embedder = embedder
        self._cutter = Cutter(framing)
        self._grouper = TemplateMatchingGrouper(grouper or GrouperSettings())
        self._settings = settings or LookSettings()
        self._records: dict[FaceGroup, Record] = {}

    def see(self, frame: Frame, detections: Sequence[Detection]) -> list[Tracklet]:
        """Takes the next frame and its faces; returns the tracklets that have just closed."""

        def crop_of(detection: Detection) -> FaceCrop:
            return self._cutter.cut(frame, detection)

        update = self._grouper.update(frame.pixels, detections, captured_at=frame.captured_at)
        closed = self._close(update.ended)
        for grouped in update.grouped:
            record = self._records.setdefault(grouped.group, Record(self._settings))
            record.see(frame, grouped.detection, crop_of)
        return closed

    def finish(self) -> list[Tracklet]:
        """Closes everything that is still in view."""
        return self._close(self._grouper.finish())

    def _close(self, groups: Sequence[FaceGroup]) -> list[Tracklet]:
        ended = [(group, self._records.pop(group)) for group in groups]
        chosen = [record.best_samples() for _, record in ended]
        embed_missing([s for samples in chosen for s in samples], embedder=self._embedder)
        return [
            tracklet_of(self.camera, group.number, record.path, samples)
            for (group, record), samples in zip(ended, chosen, strict=True)
        ]
