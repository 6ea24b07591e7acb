"""What one camera saw of one face, from the first frame to the last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Embedding, FaceCrop
from sightgrid.domain.geometry import Box


@dataclass(frozen=True, slots=True)
class PathPoint:
    """One detection of a tracklet: where the face was in which frame. ``frame_index`` from 1."""

    frame_index: int
    captured_at: datetime
    box: Box
    score: float


def worth_of(crop: FaceCrop, embedding: Embedding | None) -> float:
    """How much a look counts when it is decided who it is, 0-1.

    What the network made of the crop counts most; what can be told from the picture alone (size,
    light, pose...) tempers it, and stands in for it where there is no embedding.
    """
    quality = crop.quality
    if embedding is None:
        return quality.overall
    return embedding.strength * quality.certainty * (0.5 + 0.5 * quality.overall)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One good look at a face: the aligned crop and, where it was made, its embedding.

    ``counter`` is its order, by time from 1, among the looks kept of its group.
    """

    counter: int
    crop: FaceCrop
    embedding: Embedding | None

    @property
    def worth(self) -> float:
        """How much this look counts when it is decided who it is, 0-1."""
        return worth_of(self.crop, self.embedding)


@dataclass(frozen=True, slots=True, eq=False)
class Tracklet:
    """One camera's view of one face, closed and immutable.

    ``group`` is the number of the track in its camera's run or, under template matching, of the
    group within the UTC minute that the tracklet lies in. ``path`` holds every detection in order
    of time, ``looks`` the best few crops, best first.
    """

    camera: str
    group: int
    path: tuple[PathPoint, ...]
    looks: tuple[Look, ...]

    def __post_init__(self) -> None:
        if not self.path:
            raise InvalidValue("a tracklet needs at least one detection")
        if any(a.frame_index >= b.frame_index for a, b in pairwise(self.path)):
            raise InvalidValue("a tracklet's path must be in order of frames, one box a frame")

    @property
    def first_seen(self) -> datetime:
        return self.path[0].captured_at

    @property
    def last_seen(self) -> datetime:
        return self.path[-1].captured_at
