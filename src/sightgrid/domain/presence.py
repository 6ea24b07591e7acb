"""From a sighting to an answer: who was on which camera, when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.tracklets import Look, PathPoint


class Band(StrEnum):
    """How sure an answer is. *confirmed* and *likely* name an enrolled person, *stranger* has a
    serial and no person, *unsure* has neither."""

    CONFIRMED = "confirmed"
    LIKELY = "likely"
    STRANGER = "stranger"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A tracklet on its way to the ledger: the only thing that leaves a camera's box.

    ``sighting_id`` is a UUID made where the camera is; ``revision`` counts its versions from 1;
    ``closed`` says that no more will come. ``looks`` are the best few, best first: camera, time,
    group and the look's counter are the four fields that every saved crop carries.
    ``quality`` is the worth of the best look, 0-1.
    """

    sighting_id: str
    revision: int
    closed: bool
    camera: str
    group: int
    path: tuple[PathPoint, ...]
    looks: tuple[Look, ...]

    def __post_init__(self) -> None:
        if not self.path:
            raise InvalidValue("a sighting needs at least one detection")

    @property
    def first_seen(self) -> datetime:
        return self.path[0].captured_at

    @property
    def last_seen(self) -> datetime:
        return self.path[-1].captured_at

    @property
    def quality(self) -> float:
        return max((look.worth for look in self.looks), default=0.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One identity that a sighting was compared with. ``score`` is the pack's similarity."""

    serial: int | None
    person: str | None
    score: float


@dataclass(frozen=True, slots=True)
class Match:
    """The ledger's answer for one sighting.

    ``serial`` is ``None`` for *unsure* only. ``score`` is the similarity to the chosen identity
    (``None`` for a new serial), ``margin`` its lead over the runner-up of another identity.
    ``reason`` says in words why the band is what it is.
    """

    band: Band
    serial: int | None
    person: str | None
    score: float | None
    margin: float | None
    runner_up: Candidate | None
    reason: str

    def __post_init__(self) -> None:
        if (self.serial is None) != (self.band is Band.UNSURE):
            raise InvalidValue(f"a match in band {self.band} with serial {self.serial}")
        if (self.person is not None) != (self.band in (Band.CONFIRMED, Band.LIKELY)):
            raise InvalidValue(f"a match in band {self.band} with person {self.person}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A serial: one person as the cameras know them. Never renumbered, never reused.

    ``alias_of`` names the serial it was merged into; ``person`` the enrolled person it is.
    """

    serial: int
    person: str | None
    alias_of: int | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """The trajectory row: an identity was on a camera from ``first_seen`` to ``last_seen``."""

    serial: int
    person: str | None
    camera: str
    first_seen: datetime
    last_seen: datetime
    sighting_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A sighting and the ledger's answer for it."""

    sighting: Sighting
    match: Match
