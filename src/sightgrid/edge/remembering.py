"""What is remembered of a face that a live camera sees, and what is to be told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sightgrid.domain.faces import Detection, FaceCrop
from sightgrid.vision.looks import Record, Sample


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """When a sighting goes out, and how many embeddings it may cost.

    ``good_look``: quality, 0-1, of a look worth an early answer, and ``whole_face``: the least of
    its face that must be in the picture; ``first_looks``: so many of them make the first revision.
    Looks of at least the worth ``telling_look`` were worth their vector; as long as there are fewer
    than ``first_looks`` of these, further ones are tried. Once there are so many, the face is
    looked at every ``known_secs`` only. ``better_by``: a look this many times better than the best
    so far is news; ``renew_secs``: after this long a sighting goes out again
    even without news, so that it is known to last. ``least_between_secs``: never sooner than this
    after the last revision. ``last_looks``: looks of a short track at its end; one more for every
    ``look_every_secs`` of a long one, to notice if it is somebody else by now, up to
    ``most_looks``; ``poor``: if the looks
    together are worth less than this, all ``most_looks`` are used. ``path_points``: of a long
    path, older points are thinned out beyond this many. ``longest_secs``: a sighting is closed
    after this long, and the track goes on in a new one.
    """

    good_look: float = 0.35
    telling_look: float = 0.5
    known_secs: float = 0.9
    whole_face: float = 0.95
    first_looks: int = 2
    better_by: float = 1.3
    renew_secs: float = 15.0
    least_between_secs: float = 2.0
    last_looks: int = 3
    look_every_secs: float = 20.0
    most_looks: int = 7
    poor: float = 1.5
    path_points: int = 1200
    longest_secs: float = 600.0


@dataclass(slots=True)
class LiveRecord(Record):
    """What is remembered of one live track. ``known`` are the looks that have a vector: kept though
    better crops come, as the vector is the dear part."""

    known: list[Sample] = field(default_factory=list)
    sighting_id: str = ""
    group: int = 0
    revision: int = 0
    revised_at: datetime | None = None
    best_told: float = 0.0
    last: Detection | None = None
    last_index: int = 0
    spent: int = 0
    live: LiveSettings = field(default_factory=LiveSettings)
    # crops of the present frame whose vector was made to compare them
    compared: dict[int, Sample] = field(default_factory=dict)

    def look(
        self,
        detection: Detection,
        captured_at: datetime,
        crop_of: Callable[[Detection], FaceCrop | None],
    ) -> None:
        """As for recordings, but a face that is known well is looked at less often: cutting and
        grading a crop costs more than following it."""
        if self.looked_at is not None and len(self.telling()) >= self.live.first_looks:
            waited = (captured_at - self.looked_at).total_seconds()
            if waited < self.live.known_secs:
                return
        # super() does not reach through the class that slots=True makes anew
        Record.look(self, detection, captured_at, crop_of)

    def keep(self, crop: FaceCrop) -> None:
        """As for recordings; if its vector was made just now, to see whether the face is one that
        was lost, that is kept, too."""
        Record.keep(self, crop)
        if self.samples[-1].crop is crop and id(crop) in self.compared:
            self.samples[-1] = self.compared[id(crop)]
            self.learn(self.samples[-1:])

    def learn(self, samples: Sequence[Sample]) -> None:
        """Notes which looks have a vector now, the worthiest if there are many."""
        self.known += (s for s in samples if s.embedding is not None and s not in self.known)
        if len(self.known) > self.live.most_looks:
            self.known.sort(key=lambda sample: -sample.worth)
            del self.known[self.live.most_looks :]

    def telling(self) -> list[Sample]:
        """The looks that were worth their vector."""
        return [sample for sample in self.known if sample.worth >= self.live.telling_look]


@dataclass(slots=True, eq=False)
class Pending:
    """A revision on its way: ``samples`` are its looks, of which some may still lack a vector."""

    record: LiveRecord
    samples: list[Sample]
    closed: bool
    spare: list[Sample] = field(default_factory=list)

    def make_do(self) -> None:
        """Keeps the looks that have a vector, or else the best one: there is no time for more."""
        have = [sample for sample in self.samples if sample.embedding is not None]
        best = sorted(self.samples, key=lambda sample: -sample.crop.quality.overall)[:1]
        self.samples, self.spare = have or best, []

    @property
    def missing(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.embedding is None]
