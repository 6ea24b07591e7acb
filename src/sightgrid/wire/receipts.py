"""What the server answers for each record, and how the box reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sightgrid.domain.errors import InvalidRecord
from sightgrid.wire.content import MOST_COUNT
from sightgrid.wire.records import MOST_RECORDS, UUID
from sightgrid.wire.strict import Fields, one_of, read_object

MOST_REPLY_BYTES = 4 * 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"[a-z0-9_]{1,64}")


class Status(StrEnum):
    """*stored* and *duplicate* free the record on the box; *rejected* will never be taken, *retry*
    perhaps later."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer for one record. The SHA-256 says which line it is for; id and revision are
    ``None`` where the server could not read them. ``code`` says why, if not stored."""

    sighting_id: str | None
    revision: int | None
    sha256: str
    status: Status
    code: str | None = None


def write_receipts(receipts: Iterable[Receipt]) -> bytes:
    """The body of the reply, JSON."""
    items = [
        {
            "sighting_id": one.sighting_id,
            "revision": one.revision,
            "sha256": one.sha256,
            "status": one.status.value,
            "code": one.code,
        }
        for one in receipts
    ]
    return json.dumps({"items": items}, separators=(",", ":")).encode("ascii")


def read_receipts(body: bytes) -> tuple[Receipt, ...]:
    """Reads a reply; anything that is not exactly one is refused, such as a captive portal's page.

    Raises:
        InvalidRecord: it is no reply of a sightgrid server.
    """
    if len(body) > MOST_REPLY_BYTES:
        raise InvalidRecord("too_large")
    reply = read_object(body)
    items = reply.each("items", MOST_RECORDS)
    reply.nothing_else()
    return tuple(_read_receipt(item) for item in items)


def _read_receipt(item: Fields) -> Receipt:
    receipt = Receipt(
        sighting_id=None if item.empty("sighting_id") else item.text("sighting_id", UUID),
        revision=None if item.empty("revision") else item.integer("revision", 1, MOST_COUNT),
        sha256=item.text("sha256", _SHA256),
        status=one_of(item, "status", Status),
        code=None if item.empty("code") else item.text("code", _CODE),
    )
    item.nothing_else()
    return receipt
