"""Who was in a lesson: sessions, the rules they are judged by, marks and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.presence import Band


class Status(StrEnum):
    """What a register says of somebody."""

    PRESENT = "present"
    LATE = "late"
    ABSENT = "absent"
    EXCUSED = "excused"
    LEFT_EARLY = "left-early"

    @property
    def attended(self) -> bool:
        """Whether it counts as having been there."""
        return self in (Status.PRESENT, Status.LATE, Status.LEFT_EARLY)


class Method(StrEnum):
    """How somebody was marked. All count the same; ``none`` is for who gave no sign at all."""

    CAMERA = "camera"
    QR = "qr"
    PIN = "pin"
    TEACHER = "teacher"
    NONE = "none"


class SessionState(StrEnum):
    """*planned* until it opens, *open* while marks are computed, *closed* once its register is
    frozen; *cancelled* ones never had a register."""

    PLANNED = "planned"
    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class VersionKind(StrEnum):
    """Why a version of a register was written: it closed, a human put a mark right, a dispute was
    decided, or somebody's identity was edited afterwards (which changes no mark)."""

    CLOSING = "closing"
    CORRECTION = "correction"
    DISPUTE = "dispute"
    IDENTITY_EDIT = "identity-edit"


class DisputeState(StrEnum):
    """Where a dispute stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Rules:
    """How what was seen becomes a mark; minutes.

    ``early`` before the start the session opens: who is seen from then on has come.
    ``grace`` after the start somebody is still in time. Who was there for less than ``least``
    (from the first time seen in the session to the last) is absent; 0 asks for no such stay.
    Who was last seen more than ``leave`` before the end left early; ``None``: nobody is judged so,
    as it must be where a camera only sees who comes in. ``close_after`` the end it closes itself.
    """

    early: int = 15
    grace: int = 10
    least: int = 0
    leave: int | None = None
    close_after: int = 10

    def __post_init__(self) -> None:
        for name in ("early", "grace", "least", "leave", "close_after"):
            minutes = getattr(self, name)
            if minutes is not None and not 0 <= minutes <= 24 * 60:
                raise InvalidValue(f"rules.{name}: {minutes} is not between 0 and 1440 minutes")


@dataclass(frozen=True, slots=True)
class Slot:
    """One lesson of a weekly timetable, in local time: ``weekday`` 0 is Monday. One that ends at
    or before its beginning ends on the next day. ``first_day`` and ``last_day`` are included."""

    weekday: int
    begin: time
    end: time
    first_day: date
    last_day: date
    except_days: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise InvalidValue(f"timetable: {self.weekday} is no day of the week, 0 is Monday")
        if self.last_day < self.first_day:
            raise InvalidValue(f"timetable: {self.last_day} is before {self.first_day}")
        if self.begin.tzinfo is not None or self.end.tzinfo is not None:
            raise InvalidValue("timetable: times are local, without a zone of their own")


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when; aware."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise InvalidValue("a session's times need a time zone")
        if self.ends_at <= self.starts_at:
            raise InvalidValue("a session has to end after it starts")

    @property
    def length(self) -> timedelta:
        return self.ends_at - self.starts_at


@dataclass(frozen=True, slots=True)
class Seen:
    """A camera saw somebody of the class list. ``score`` and ``margin`` are those of the answer."""

    person_id: str
    camera: str
    first_seen: datetime
    last_seen: datetime
    sighting_id: str
    band: Band
    score: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """Somebody marked themselves by QR code or PIN, or a teacher did.

    ``status`` is what a teacher said; ``None`` for a sign that only says: here, now. The newest
    word of a teacher counts, and counts more than anything else.
    """

    person_id: str
    method: Method
    at: datetime
    status: Status | None = None

    def __post_init__(self) -> None:
        if (self.method is Method.TEACHER) != (self.status is not None):
            raise InvalidValue("a teacher says a status, and only a teacher does")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a register says of one person, and what it rests on.

    ``minutes`` is from coming to leaving within the session; ``came_at`` and ``left_at`` are the
    first and last sign. ``sighting_id`` is the best evidence. ``review`` says that a human should
    look at it, ``reason`` in words why the mark is what it is.
    """

    person_id: str
    status: Status
    method: Method
    reason: str
    minutes: int = 0
    came_at: datetime | None = None
    left_at: datetime | None = None
    camera: str | None = None
    sighting_id: str | None = None
    band: Band | None = None
    score: float | None = None
    margin: float | None = None
    review: bool = False


@dataclass(frozen=True, slots=True)
class MailPlan:
    """Who gets a course's registers by themselves once they close, and as which files."""

    recipients: tuple[str, ...]
    forms: tuple[str, ...] = ("csv", "pdf")


@dataclass(frozen=True, slots=True)
class Course:
    """Lessons with one class list in rooms with these cameras. ``zone`` names the time zone that
    ``slots`` are written in. Ended courses plan no more sessions."""

    course_id: str
    name: str
    zone: str
    rules: Rules = Rules()
    slots: tuple[Slot, ...] = ()
    people: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    mail: MailPlan | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """One lesson of a course. ``origin`` says where it comes from: ``timetable``, ``calendar`` or
    ``hand``."""

    session_id: str
    course_id: str
    span: Span
    state: SessionState
    origin: str
    title: str = ""
    opened_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisteredMark:
    """A mark as a register holds it. ``person`` are name, number and class as they were when the
    register closed; empty once the person was erased. ``version_no`` is the version it comes from.
    """

    mark: Mark
    person: Mapping[str, str]
    version_no: int


@dataclass(frozen=True, slots=True)
class RegisterVersion:
    """Why and by whom a version of a register was written; ``sha256`` covers everything in it and
    the version before it."""

    session_id: str
    version_no: int
    kind: VersionKind
    made_at: datetime
    made_by: str
    reason: str
    course_name: str
    span: Span
    rule_version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Register:
    """The register of a closed session: every version, and for everyone the newest mark."""

    versions: tuple[RegisterVersion, ...]
    marks: tuple[RegisteredMark, ...]


@dataclass(frozen=True, slots=True)
class Dispute:
    """Somebody says that their mark is wrong. ``words`` are theirs, ``answer`` is the manager's;
    both empty once the person was erased."""

    dispute_id: str
    session_id: str
    person_id: str
    version_no: int
    state: DisputeState
    words: str
    made_at: datetime
    answer: str = ""
    decided_at: datetime | None = None
    decided_by: str | None = None
