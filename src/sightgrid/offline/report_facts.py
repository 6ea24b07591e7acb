"""The facts a report shows, in the order it shows them; every one already in words or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sightgrid.domain.presence import Band
from sightgrid.offline.results import SourceState, SourceStatus

STATE_WORDS = {
    SourceState.DONE: "read to its end",
    SourceState.BROKEN_OFF: "broke off",
    SourceState.INTERRUPTED: "interrupted",
    SourceState.FAILED: "could not be read",
}


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One passage that really happened, and the serial the run gave it (``None``: not seen)."""

    person: str
    camera: str
    first_seen: datetime
    last_seen: datetime
    serial: int | None


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of the run. ``colour`` and ``pattern`` are indexes, ``code`` is its letter."""

    index: int
    name: str
    code: str
    colour: int
    pattern: int
    visits: int
    status: SourceStatus | None
    source: str
    facts: str

    @property
    def state(self) -> str:
        return self.status.state.value if self.status else SourceState.DONE.value

    @property
    def state_words(self) -> str:
        return STATE_WORDS[SourceState(self.state)]

    @property
    def reason(self) -> str | None:
        return self.status.reason if self.status else None


@dataclass(frozen=True, slots=True)
class Hop:
    """A visit in words, and what lay between it and the one before (``gap``, ``None`` at first).

    ``relative`` says that its camera's clock counts from the start; ``millis`` are since the epoch.
    """

    number: int
    serial: int
    who: str
    camera: Camera
    span: str
    first: str
    last: str
    first_iso: str
    last_iso: str
    first_millis: int
    last_millis: int
    stay: str
    stay_secs: float
    sightings: int
    score: float | None
    band: Band
    gap: str | None
    unseen: bool
    relative: bool


@dataclass(frozen=True, slots=True)
class Card:
    """An identity: who, how sure, where."""

    serial: int
    person: str | None
    band: Band
    score: float | None
    crops: tuple[str, ...]
    cameras: tuple[Camera, ...]
    hops: tuple[Hop, ...]
    first: str
    last: str
    first_iso: str
    last_iso: str

    @property
    def who(self) -> str:
        return self.person or f"#{self.serial}"


@dataclass(frozen=True, slots=True)
class Bar:
    """A visit on the timeline; ``left`` and ``width`` are percent, ``lane`` counts from 0."""

    hop: Hop
    left: float
    width: float
    lane: int


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline: an identity with its visits, in as many lanes as overlap."""

    card: Card
    bars: tuple[Bar, ...]
    lanes: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The visits of all cameras that share a clock. Times are milliseconds since the epoch."""

    relative: bool
    starts: int
    ends: int
    first: str
    last: str
    rows: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class UnsureCard:
    """A sighting that was left undecided, and why."""

    camera: Camera
    crop: str | None
    when: str
    iso: str
    faces: int
    quality: float
    reason: str
    closest: str | None


@dataclass(frozen=True, slots=True)
class PlanCamera:
    """A camera on the floor plan; ``x`` and ``y`` are 0-1 from the left and top."""

    camera: Camera
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class PlanLink:
    """A way between two cameras of the plan, with the time it takes in words."""

    x1: float
    y1: float
    x2: float
    y2: float
    words: str


@dataclass(frozen=True, slots=True)
class TruthLine:
    """A true passage beside the answer. ``verdict`` is ``right``, ``wrong`` or ``missed``."""

    person: str
    camera: Camera
    span: str
    iso: str
    serial: int | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the template needs."""

    title: str
    made_at: str
    made_at_iso: str
    covered: str
    clock: str
    summary: str
    detail: str
    stats: tuple[tuple[str, str], ...]
    cameras: tuple[Camera, ...]
    troubled: tuple[Camera, ...]
    timelines: tuple[Timeline, ...]
    cards: tuple[Card, ...]
    hops: tuple[Hop, ...]
    unsure: tuple[UnsureCard, ...]
    unsure_total: int
    plan: tuple[PlanCamera, ...]
    links: tuple[PlanLink, ...]
    off_plan: tuple[Camera, ...]
    truth: tuple[TruthLine, ...]
    truth_words: str
    settings: tuple[tuple[str, str], ...]
