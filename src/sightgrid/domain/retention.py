"""How long each kind of record is kept, and what is kept longer because somebody has to have it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class RetentionClass(StrEnum):
    """A kind of record with a time of its own, in the order in which they are looked at."""

    CROPS = "crops"
    STRANGERS = "strangers"
    SIGHTINGS = "sightings"
    VISITS = "visits"
    EVIDENCE = "evidence"
    REGISTERS = "registers"
    ENROLMENT = "enrolment"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long each kind of record is kept; ``enrolment`` is ``None`` until withdrawal."""

    crops: timedelta = timedelta(hours=72)
    strangers: timedelta = timedelta(days=30)
    sightings: timedelta = timedelta(days=30)
    visits: timedelta = timedelta(days=30)
    evidence: timedelta = timedelta(days=60)
    registers: timedelta = timedelta(days=730)
    enrolment: timedelta | None = None
    audit: timedelta = timedelta(days=365)

    def kept_for(self, kind: RetentionClass) -> timedelta | None:
        """The time of a class; ``None`` where none is set and something else ends it."""
        spans: dict[RetentionClass, timedelta | None] = {
            RetentionClass.CROPS: self.crops,
            RetentionClass.STRANGERS: self.strangers,
            RetentionClass.SIGHTINGS: self.sightings,
            RetentionClass.VISITS: self.visits,
            RetentionClass.EVIDENCE: self.evidence,
            RetentionClass.REGISTERS: self.registers,
            RetentionClass.ENROLMENT: self.enrolment,
            RetentionClass.AUDIT: self.audit,
        }
        return spans[kind]


@dataclass(frozen=True, slots=True)
class HeldSerial:
    """A hold on an identity, and on whatever serial it is merged with."""

    serial: int


@dataclass(frozen=True, slots=True)
class HeldPerson:
    """A hold on an enrolled person."""

    person_id: str


@dataclass(frozen=True, slots=True)
class HeldView:
    """A hold on what a camera saw from ``since`` until ``until``."""

    camera: str
    since: datetime
    until: datetime


HoldScope = HeldSerial | HeldPerson | HeldView


@dataclass(frozen=True, slots=True)
class Hold:
    """Records that must be kept past their time, such as for a court.

    ``owner`` answers for it; it is over at ``ends_at`` by itself, or at ``ended_at`` if somebody
    ended it sooner.
    """

    hold_id: str
    scope: HoldScope
    owner: str
    reason: str
    made_by: str
    made_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    def is_on(self, at: datetime) -> bool:
        """Whether it holds at a moment."""
        return at < self.ends_at and (self.ended_at is None or at < self.ended_at)


@dataclass(frozen=True, slots=True)
class Held:
    """Everything that holds cover at one moment: identities by every serial that stands for them,
    people by their id, views of cameras."""

    serials: frozenset[int] = frozenset()
    people: frozenset[str] = frozenset()
    views: tuple[HeldView, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.serials or self.people or self.views)
