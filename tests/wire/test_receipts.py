from __future__ import annotations

import json

import pytest
from tests.wire.sightings import SIGHTING

from sightgrid.domain.errors import InvalidRecord
from sightgrid.wire.receipts import Receipt, Status, read_receipts, write_receipts

STORED = Receipt(SIGHTING, 3, "ab" * 32, Status.STORED)
REFUSED = Receipt(None, None, "cd" * 32, Status.REJECTED, "not_json")


def test_receipts_come_back_as_they_went() -> None:
    body = write_receipts([STORED, REFUSED])
    assert read_receipts(body) == (STORED, REFUSED)
    assert json.loads(body)["items"][0] == {
        "sighting_id": SIGHTING,
        "revision": 3,
        "sha256": "ab" * 32,
        "status": "stored",
        "code": None,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html><html><body>Please log in</body></html>",
        b"[]",
        b"{}",
        b'{"items": "stored"}',
        b'{"items": [{}]}',
        b'{"status": "ok"}',
        write_receipts([STORED])[:-5],
        write_receipts([STORED]).replace(b"stored", b"fine"),
        write_receipts([STORED]).replace(b"ab" * 32, b"ab" * 31),
        write_receipts([STORED]).replace(b'"items"', b'"items":[],"items"'),
    ],
)
def test_anything_else_is_no_receipt(body: bytes) -> None:
    with pytest.raises(InvalidRecord):
        read_receipts(body)
