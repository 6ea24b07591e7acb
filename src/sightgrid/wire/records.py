"""A record: one line of JSON that a box sends, version 1.

Its SHA-256, which the receipt must repeat, is that of the line's bytes as they were sent, without
the line feed: a record is written once, and sent again byte for byte.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sightgrid.domain.errors import InvalidRecord, InvalidValue
from sightgrid.domain.presence import Sighting
from sightgrid.wire.content import (
    MOST_COUNT,
    Content,
    dump,
    format_moment,
    plain_fields,
    read_plain,
)
from sightgrid.wire.strict import YEARS, Fields, one_of, read_object

VERSION = 1
MOST_BODY_BYTES = 8 * 1024 * 1024
MOST_RECORD_BYTES = 4 * 1024 * 1024
MOST_RECORDS = 10_000
MOST_SEALED_BYTES = 3 * 1024 * 1024

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
BOX_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CAMERA = re.compile(r"[A-Za-z0-9_-]{1,200}")
KEY_ID = re.compile(r"[0-9a-f]{16}")
_MOST_NUMBER = 2**63 - 1
# no machine runs for longer between two starts
_LONGEST_AGE = timedelta(days=3660)


class ClockState(StrEnum):
    """What a box knew of its clock when it wrote a record: *unsynced*, nothing has set it since
    the machine started; *stepped*, it has jumped since the box took its bearings from it."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"
    STEPPED = "stepped"


class Priority(StrEnum):
    """Which records go first when the spool is full: *analytics* before *attendance*."""

    ATTENDANCE = "attendance"
    ANALYTICS = "analytics"


class GapReason(StrEnum):
    """Why a box can't deliver what it saw."""

    SPOOL_FULL = "spool_full"
    DISK_FULL = "disk_full"
    DAMAGED = "damaged"
    QUARANTINE_FULL = "quarantine_full"
    UNWRITABLE = "unwritable"


@dataclass(frozen=True, slots=True)
class Clock:
    """The box's clocks at the moment the record was written.

    ``monotonic_ns`` never steps and starts anew with ``boot_id``; ``read_at`` is what the wall
    clock said at the same moment.
    """

    state: ClockState
    monotonic_ns: int
    read_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """A content that only the server can open: to which of its keys, and the sealed bytes."""

    key_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Gap:
    """So many records of a camera were lost on the box, between the record's two times."""

    reason: GapReason
    priority: Priority
    dropped: int


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One line of the wire.

    ``seq`` counts the records of a box for ever, over restarts, in the order they were written, so
    it orders them even where the clock was wrong. ``sha256`` is the hex digest of the line as it
    came; empty for a record that has not been written yet. A gap has an id and revisions of its own
    and is always closed.
    """

    box_id: str
    boot_id: str
    seq: int
    sighting_id: str
    revision: int
    closed: bool
    camera: str
    first_seen: datetime
    last_seen: datetime
    clock: Clock
    body: Content | Sealed | Gap
    sha256: str = ""


def encode(record: Record) -> bytes:
    """The record's line, without its line feed.

    Raises:
        InvalidValue: it breaks a bound of the wire.
    """
    values: dict[str, object] = {
        "v": VERSION,
        "kind": "gap" if isinstance(record.body, Gap) else "sighting",
        "box_id": record.box_id,
        "boot_id": record.boot_id,
        "seq": int(record.seq),
        "sighting_id": record.sighting_id,
        "revision": int(record.revision),
        "closed": record.closed,
        "camera": record.camera,
        "first_seen": format_moment(record.first_seen),
        "last_seen": format_moment(record.last_seen),
        "clock": {
            "state": record.clock.state.value,
            "monotonic_ns": int(record.clock.monotonic_ns),
            "read_at": format_moment(record.clock.read_at),
        },
    }
    match record.body:
        case Content() as content:
            values |= plain_fields(content)
        case Gap(reason, priority, dropped):
            values |= {"reason": reason.value, "priority": priority.value, "dropped": dropped}
        case Sealed(key_id, data):
            # spliced in: dumping a text of this length would escape it letter by letter
            line = dump(values)[:-1] + b',"sealed_to":"' + key_id.encode("ascii")
            return _bounded(
                line + b'","sealed":"' + binascii.b2a_base64(data, newline=False) + b'"}'
            )
    return _bounded(dump(values))


def read_lines(body: bytes) -> list[bytes]:
    """Splits an application/x-ndjson body into its lines; blank ones are left out.

    Raises:
        InvalidRecord: the body as a whole is too large or broke off within a line.
    """
    if len(body) > MOST_BODY_BYTES:
        raise InvalidRecord("body_too_large", reason=f"at most {MOST_BODY_BYTES} bytes")
    if body and not body.endswith(b"\n"):
        raise InvalidRecord("body_cut_off", reason="the last line has no line feed")
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > MOST_RECORDS:
        raise InvalidRecord("body_too_many_records", reason=f"at most {MOST_RECORDS}")
    return lines


def parse_line(line: bytes) -> Record:
    """One line, every bound checked; a sealed content stays sealed.

    Raises:
        InvalidRecord: with code, field, the line's SHA-256 and, where they could be read, the
            sighting's id and revision.
    """
    sha256 = hashlib.sha256(line).hexdigest()
    known = _Known()
    try:
        if len(line) > MOST_RECORD_BYTES:
            raise InvalidRecord("too_large", reason=f"at most {MOST_RECORD_BYTES} bytes")
        return _read(read_object(line), sha256, known)
    except InvalidRecord as error:
        error.sha256 = sha256
        error.sighting_id = known.sighting_id
        error.revision = known.revision
        raise


def sighting_of(record: Record, content: Content) -> Sighting:
    """The sighting that a record tells of; crops have no pixels (they are JPEG in ``content``)."""
    return Sighting(
        sighting_id=record.sighting_id,
        revision=record.revision,
        closed=record.closed,
        camera=record.camera,
        group=content.group,
        path=content.path,
        looks=content.domain_looks(),
    )


def correction(
    record: Record, *, boot_id: str, monotonic_ns: int, received_at: datetime
) -> timedelta | None:
    """What to add to the times of a record whose box did not know the time.

    Args:
        record: whose clock is not *synced*.
        boot_id: the box's boot as it sends this (header ``Sightgrid-Boot``).
        monotonic_ns: its monotonic clock as it sends (header ``Sightgrid-Monotonic-Ns``).
        received_at: the server's clock at that moment.

    Returns:
        ``None`` where nothing can be said: the clock was in order, the box has been restarted
        since, so that only the order of its records is known, or it says what can't be.
    """
    if record.clock.state is ClockState.SYNCED or record.boot_id != boot_id:
        return None
    age = timedelta(microseconds=(monotonic_ns - record.clock.monotonic_ns) // 1000)
    if not timedelta() <= age <= _LONGEST_AGE:
        return None
    late = (received_at - age) - record.clock.read_at
    moved = (record.first_seen + late, record.last_seen + late)
    return late if all(moment.year in YEARS for moment in moved) else None


@dataclass(slots=True)
class _Known:
    """What could be read of a record before it turned out to be wrong."""

    sighting_id: str | None = None
    revision: int | None = None


def _read(record: Fields, sha256: str, known: _Known) -> Record:
    if record.integer("v", 1, MOST_COUNT) != VERSION:
        raise InvalidRecord("unknown_version", "v", permanent=False)
    known.sighting_id = record.text("sighting_id", UUID)
    known.revision = record.integer("revision", 1, MOST_COUNT)
    kind = record.take("kind")
    read = Record(
        box_id=record.text("box_id", BOX_ID),
        boot_id=record.text("boot_id", UUID),
        seq=record.integer("seq", 1, _MOST_NUMBER),
        sighting_id=known.sighting_id,
        revision=known.revision,
        closed=record.flag("closed"),
        camera=record.text("camera", CAMERA),
        first_seen=record.moment("first_seen"),
        last_seen=record.moment("last_seen"),
        clock=_read_clock(record.inner("clock")),
        body=_read_body(record, kind),
        sha256=sha256,
    )
    record.nothing_else()
    if read.last_seen < read.first_seen:
        raise InvalidRecord("out_of_range", "last_seen", reason="before first_seen")
    if isinstance(read.body, Content):
        check_times(read, read.body)
    if isinstance(read.body, Gap) and not read.closed:
        raise InvalidRecord("out_of_range", "closed", reason="a gap is always closed")
    return read


def check_times(record: Record, content: Content) -> None:
    """A record's two times are those of its path's ends.

    Raises:
        InvalidRecord: they aren't.
    """
    path = content.path
    if (record.first_seen, record.last_seen) != (path[0].captured_at, path[-1].captured_at):
        raise InvalidRecord("out_of_range", "first_seen", reason="not the path's ends")


def _read_clock(record: Fields) -> Clock:
    clock = Clock(
        state=one_of(record, "state", ClockState),
        monotonic_ns=record.integer("monotonic_ns", 0, _MOST_NUMBER),
        read_at=record.moment("read_at"),
    )
    record.nothing_else()
    return clock


def _read_body(record: Fields, kind: object) -> Content | Sealed | Gap:
    if kind == "gap":
        return Gap(
            reason=one_of(record, "reason", GapReason),
            priority=one_of(record, "priority", Priority),
            dropped=record.integer("dropped", 1, MOST_COUNT),
        )
    if kind != "sighting":
        raise InvalidRecord("unknown_word", "kind")
    if record.has("sealed"):
        return Sealed(
            key_id=record.text("sealed_to", KEY_ID),
            data=record.octets("sealed", MOST_SEALED_BYTES),
        )
    return read_plain(record)


def _bounded(line: bytes) -> bytes:
    if len(line) > MOST_RECORD_BYTES:
        raise InvalidValue(f"a record of {len(line)} bytes is too large for the wire")
    return line
