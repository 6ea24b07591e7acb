"""Registers of closed sessions: versions that are added, and never changed.

A version's hash covers all its rows and the hash of the version before it; the audit, which is a
chain itself, names every hash. So a row that was changed, added or taken out afterwards is seen
(:func:`verify_register`). This module is the only one that writes these tables.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from sightgrid.domain.attendance import (
    Mark,
    Method,
    Register,
    RegisteredMark,
    RegisterVersion,
    Rules,
    Span,
    Status,
    VersionKind,
)
from sightgrid.domain.errors import NotFound, StoreError
from sightgrid.domain.presence import Band
from sightgrid.store.schema_attendance import (
    REGISTER_EVIDENCE,
    REGISTER_MARK,
    REGISTER_SIGHTING,
    REGISTER_VERSION,
)
from sightgrid.store.sealing import load_keys, of_person, seal, unseal
from sightgrid.store.session import Transaction

NOTHING_BEFORE = "0" * 64


@dataclass(frozen=True, slots=True)
class Closing:
    """What a session's register is closed with. ``people`` are by person id what names them now;
    ``sightings`` are by sighting id whose marks rest on them; ``crops`` are JPEGs by person id."""

    course_name: str
    span: Span
    rules: Rules
    rule_version: str
    marks: Sequence[Mark]
    people: Mapping[str, Mapping[str, str]]
    sightings: Mapping[str, str]
    crops: Mapping[str, bytes]


def close_register(
    tx: Transaction, session_id: str, closing: Closing, *, by: str, reason: str, at: datetime
) -> RegisterVersion:
    """Writes a session's first version."""
    load_keys(tx, (of_person(mark.person_id) for mark in closing.marks))
    rows = [
        _mark_row(tx, session_id, 1, mark)
        | {
            "person": seal(
                tx,
                json.dumps(dict(closing.people[mark.person_id]), ensure_ascii=False).encode(),
                subject=of_person(mark.person_id),
                purpose=f"register {session_id}",
            )
        }
        for mark in closing.marks
    ]
    header = {
        "site_id": tx.site_id,
        "session_id": session_id,
        "version_no": 1,
        "kind": VersionKind.CLOSING.value,
        "made_at": at,
        "made_by": by,
        "reason": reason,
        "course_name": closing.course_name,
        "starts_at": closing.span.starts_at,
        "ends_at": closing.span.ends_at,
        "rules": json.dumps(asdict(closing.rules), sort_keys=True),
        "rule_version": closing.rule_version,
        "previous_hash": NOTHING_BEFORE,
    }
    written = _write(tx, header, rows)
    key = {"site_id": tx.site_id, "session_id": session_id, "version_no": 1}
    if closing.sightings:
        tx.connection.execute(
            sa.insert(REGISTER_SIGHTING),
            [
                key | {"sighting_id": sighting, "person_id": person}
                for sighting, person in closing.sightings.items()
            ],
        )
    for person, jpeg in closing.crops.items():
        sealed = seal(
            tx, jpeg, subject=of_person(person), purpose=f"register evidence {session_id}"
        )
        tx.connection.execute(
            sa.insert(REGISTER_EVIDENCE), key | {"person_id": person, "jpeg": sealed, "kept_at": at}
        )
    return written


def add_version(
    tx: Transaction,
    session_id: str,
    kind: VersionKind,
    marks: Sequence[Mark],
    *,
    by: str,
    reason: str,
    at: datetime,
) -> RegisterVersion:
    """Adds a version that states these marks anew; all others stay as they are.

    Raises:
        NotFound: the session has no register, or somebody is not in it.
    """
    last = _last_row(tx, session_id)
    number = last.version_no + 1
    sealed = _sealed_people(tx, session_id)
    rows = []
    for mark in marks:
        if mark.person_id not in sealed:
            raise NotFound("this person is not in the register of this session")
        # the words that name the person are taken over as they lie there: whoever was erased since
        # must not get a new key
        rows.append(_mark_row(tx, session_id, number, mark) | {"person": sealed[mark.person_id]})
    header = {
        name: getattr(last, name)
        for name in ("site_id", "session_id", "course_name", "starts_at", "ends_at", "rules")
    } | {
        "version_no": number,
        "kind": kind.value,
        "made_at": at,
        "made_by": by,
        "reason": reason,
        "rule_version": last.rule_version,
        "previous_hash": last.row_hash,
    }
    return _write(tx, header, rows)


def register(tx: Transaction, session_id: str, *, version_no: int | None = None) -> Register:
    """A closed session's register, as of now or of an earlier version.

    Raises:
        NotFound: it has none yet, or no such version.
    """
    _last_row(tx, session_id)
    versions = [
        _version(row)
        for row in _version_rows(tx, session_id)
        if version_no is None or row.version_no <= version_no
    ]
    if version_no is not None and (not versions or versions[-1].version_no != version_no):
        raise NotFound(f"this register has no version {version_no}")
    rows = tx.connection.execute(
        _of(tx, REGISTER_MARK, session_id).order_by(
            REGISTER_MARK.c.person_id, REGISTER_MARK.c.version_no
        )
    ).all()
    load_keys(tx, (of_person(row.person_id) for row in rows))
    newest: dict[str, sa.Row[Any]] = {}
    for row in rows:
        if row.version_no <= versions[-1].version_no:
            newest[row.person_id] = row
    return Register(tuple(versions), tuple(_registered(tx, row) for row in newest.values()))


def history(tx: Transaction, session_id: str, person_id: str) -> list[RegisteredMark]:
    """Every mark that a register ever held of somebody, in order of versions."""
    rows = tx.connection.execute(
        _of(tx, REGISTER_MARK, session_id)
        .where(REGISTER_MARK.c.person_id == person_id)
        .order_by(REGISTER_MARK.c.version_no)
    ).all()
    return [_registered(tx, row) for row in rows]


def sessions_registering(tx: Transaction, person_id: str) -> list[str]:
    """The sessions whose registers hold a mark of somebody."""
    rows = tx.connection.scalars(
        sa.select(REGISTER_MARK.c.session_id)
        .distinct()
        .where(REGISTER_MARK.c.site_id == tx.site_id, REGISTER_MARK.c.person_id == person_id)
    )
    return list(rows)


def verify_register(tx: Transaction, session_id: str) -> int | None:
    """The number of the first version that is not as it was written; ``None`` if all are.

    Raises:
        NotFound: the session has no register.
    """
    _last_row(tx, session_id)
    before = NOTHING_BEFORE
    for expected, row in enumerate(_version_rows(tx, session_id), 1):
        marks = tx.connection.execute(
            _of(tx, REGISTER_MARK, session_id).where(REGISTER_MARK.c.version_no == row.version_no)
        ).mappings()
        content = _hash(dict(row._mapping), [dict(mark) for mark in marks])
        if (row.version_no, row.previous_hash, row.row_hash) != (expected, before, content):
            return expected
        before = row.row_hash
    return None


def opened(tx: Transaction, person_id: str, sealed: bytes, purpose: str) -> bytes | None:
    """What was sealed for a person; ``None`` once they were erased."""
    subject = of_person(person_id)
    if tx.keys is not None:
        load_keys(tx, [subject])
        if subject not in tx.data_keys:
            return None
    try:
        return unseal(tx, sealed, subject=subject, purpose=purpose)
    except StoreError:
        # a key made anew for somebody of the same id opens nothing of before
        return None


def _write(
    tx: Transaction, header: dict[str, Any], rows: Sequence[dict[str, Any]]
) -> RegisterVersion:
    row_hash = _hash(header, rows)
    tx.connection.execute(sa.insert(REGISTER_VERSION), header | {"row_hash": row_hash})
    if rows:
        tx.connection.execute(sa.insert(REGISTER_MARK), list(rows))
    return RegisterVersion(
        session_id=header["session_id"],
        version_no=header["version_no"],
        kind=VersionKind(header["kind"]),
        made_at=header["made_at"],
        made_by=header["made_by"],
        reason=header["reason"],
        course_name=header["course_name"],
        span=Span(header["starts_at"], header["ends_at"]),
        rule_version=header["rule_version"],
        sha256=row_hash,
    )


_HEADER = (
    "session_id",
    "version_no",
    "kind",
    "made_at",
    "made_by",
    "reason",
    "course_name",
    "starts_at",
    "ends_at",
    "rules",
    "rule_version",
    "previous_hash",
)


def _hash(header: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 over a version's rows, written in one way only."""
    names = [column.name for column in REGISTER_MARK.c if column.name != "site_id"]
    content = [
        [_written(header[name]) for name in _HEADER],
        [
            [_written(row[name]) for name in names]
            for row in sorted(rows, key=lambda row: str(row["person_id"]))
        ],
    ]
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _written(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case bytes() | bytearray() | memoryview():
            return b64encode(bytes(value)).decode()
        case bool():
            return value
        case float():
            return f"{value:.4f}"
        case _:
            return value


def _mark_row(tx: Transaction, session_id: str, number: int, mark: Mark) -> dict[str, Any]:
    return {
        "site_id": tx.site_id,
        "session_id": session_id,
        "version_no": number,
        "person_id": mark.person_id,
        "status": mark.status.value,
        "method": mark.method.value,
        "reason": mark.reason,
        "minutes": mark.minutes,
        "came_at": mark.came_at,
        "left_at": mark.left_at,
        "camera": mark.camera,
        "sighting_id": mark.sighting_id,
        "band": None if mark.band is None else mark.band.value,
        "score": _rounded(mark.score),
        "margin": _rounded(mark.margin),
        "review": mark.review,
    }


def _rounded(number: float | None) -> float | None:
    # every database gives these digits back as they are; 0.0 makes a zero without a sign
    return None if number is None else round(float(number), 4) + 0.0


def _of(tx: Transaction, table: sa.Table, session_id: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.site_id == tx.site_id, table.c.session_id == session_id)


def _version_rows(tx: Transaction, session_id: str) -> Sequence[sa.Row[Any]]:
    return tx.connection.execute(
        _of(tx, REGISTER_VERSION, session_id).order_by(REGISTER_VERSION.c.version_no)
    ).all()


def _last_row(tx: Transaction, session_id: str) -> sa.Row[Any]:
    row = tx.connection.execute(
        _of(tx, REGISTER_VERSION, session_id)
        .order_by(REGISTER_VERSION.c.version_no.desc())
        .limit(1)
    ).first()
    if row is None:
        raise NotFound("this session has no register yet", hint="close the session first")
    return row


def _sealed_people(tx: Transaction, session_id: str) -> dict[str, bytes]:
    rows = tx.connection.execute(
        sa.select(REGISTER_MARK.c.person_id, REGISTER_MARK.c.person).where(
            REGISTER_MARK.c.site_id == tx.site_id,
            REGISTER_MARK.c.session_id == session_id,
            REGISTER_MARK.c.version_no == 1,
        )
    )
    return {person_id: bytes(sealed) for person_id, sealed in rows}


def _version(row: sa.Row[Any]) -> RegisterVersion:
    return RegisterVersion(
        session_id=row.session_id,
        version_no=row.version_no,
        kind=VersionKind(row.kind),
        made_at=row.made_at,
        made_by=row.made_by,
        reason=row.reason,
        course_name=row.course_name,
        span=Span(row.starts_at, row.ends_at),
        rule_version=row.rule_version,
        sha256=row.row_hash,
    )


def _registered(tx: Transaction, row: sa.Row[Any]) -> RegisteredMark:
    plain = opened(tx, row.person_id, row.person, f"register {row.session_id}")
    person: dict[str, str] = {} if plain is None else json.loads(plain)
    mark = Mark(
        person_id=row.person_id,
        status=Status(row.status),
        method=Method(row.method),
        reason=row.reason,
        minutes=row.minutes,
        came_at=row.came_at,
        left_at=row.left_at,
        camera=row.camera,
        sighting_id=row.sighting_id,
        band=None if row.band is None else Band(row.band),
        score=row.score,
        margin=row.margin,
        review=row.review,
    )
    return RegisteredMark(mark, person, row.version_no)
