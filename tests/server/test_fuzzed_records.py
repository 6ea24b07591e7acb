"""Records as no box would write them, over HTTP: each has a receipt, the good ones beside them are
stored, and what was taken in can be read again."""

from __future__ import annotations

import base64
import itertools
import json
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server.conftest import Served
from tests.server.test_ingest import FakeBox, enrol, seen_by
from tests.wire.sightings import record

from sightgrid.domain.accounts import Role
from sightgrid.wire.content import format_moment
from sightgrid.wire.receipts import Status, read_receipts
from sightgrid.wire.records import Clock, ClockState, encode

Fields = dict[str, Any]
ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    10**400,
    -1e308,
    1e-320,
    "",
    "\x00",
    "\ud800",
    "a" * 100_000,
    [],
    [[]] * 1000,
    {},
    {"": {}},
]


@pytest.fixture
def box(served: Served) -> FakeBox:
    return enrol(served)


def plain(served: Served, box: FakeBox, face: int = 1) -> Fields:
    """A good plain record as its JSON."""
    seen = seen_by(served, face)
    return dict(json.loads(encode(replace(record(seen), box_id=box.box_id))))


def line_of(fields: object) -> bytes:
    return json.dumps(fields).encode()


def fields_of(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where every value of a record lies."""
    found = [place] if place else []
    inner: Any = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inner:
        found += fields_of(one, (*place, name))
    return found


def changed(fields: Fields, place: tuple[str | int, ...], value: Any) -> Fields:
    copy = json.loads(json.dumps(fields))
    at = copy
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    return dict(copy)


def bytes64(numbers: Any, kind: str = "<f4") -> str:
    return base64.b64encode(np.asarray(numbers, kind).tobytes()).decode()


def path64(*points: tuple[int, int, float]) -> str:
    """A path whose times (µs), frames and left edges are given."""
    moments = np.diff(np.array([0, *(p[0] for p in points)], "<i8"))
    frames = np.diff(np.array([0, *(p[1] for p in points)], "<i8"))
    boxes = np.array([(p[2], 0, p[2] + 50, 60) for p in points], "<f4")
    columns = moments.tobytes() + frames.tobytes() + boxes.tobytes()
    columns += np.ones(len(points), "<f4").tobytes()
    return base64.b64encode(b"\x01" + zlib.compress(columns)).decode()


def with_look(fields: Fields, **values: Any) -> Fields:
    return fields | {"looks": [fields["looks"][0] | values, *fields["looks"][1:]]}


BAD: dict[str, Callable[[Fields], bytes]] = {
    "vector of NaN": lambda f: line_of(with_look(f, vector=bytes64([np.nan] * 128))),
    "vector of infinity": lambda f: line_of(with_look(f, vector=bytes64([np.inf] + [0] * 127))),
    "vector too short": lambda f: line_of(with_look(f, vector=bytes64([1.0]))),
    "vector too long": lambda f: line_of(with_look(f, vector=bytes64([1.0] + [0] * 128))),
    "vector of zeros": lambda f: line_of(with_look(f, vector=bytes64([0.0] * 128))),
    "vector not of unit length": lambda f: line_of(with_look(f, vector=bytes64([9.0] * 128))),
    "vector of no dimension": lambda f: line_of(f | {"contract": f["contract"] | {"dimension": 0}}),
    "NaN as a number": lambda f: line_of(with_look(f, detection_score=float("nan"))),
    "a number beyond all": lambda f: line_of(f).replace(b'"seq": 1', b'"seq": 1e999'),
    "a count of 5000 digits": lambda f: line_of(f).replace(b'"seq": 1', b'"seq": ' + b"9" * 5000),
    "a key twice": lambda f: b'{"v": 1,' + line_of(f)[1:],
    "a key twice, deep": lambda f: line_of(f).replace(b'"state"', b'"state": "synced", "state"'),
    "nested deeply": lambda f: line_of(f)[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested objects": lambda f: b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "invalid UTF-8": lambda f: line_of(f).replace(b"hall", b"h\xff\xfel"),
    "a lone surrogate": lambda f: line_of(f | {"camera": "\ud800"}),
    "a byte-order mark": lambda f: b"\xef\xbb\xbf" + line_of(f),
    "a zero byte": lambda f: line_of(f | {"camera": "a\x00b"}),
    "no object": lambda f: b"[1, 2]",
    "a million commas": lambda f: b"[" + b"0," * 1_000_000 + b"0]",
    "too many looks": lambda f: line_of(f | {"looks": f["looks"] * 100}),
    "an unknown field": lambda f: line_of(f | {"surprise": 1}),
    "a path that is a bomb": lambda f: line_of(
        f | {"path": base64.b64encode(b"\x01" + zlib.compress(bytes(2**28), 9)).decode()}
    ),
    "a path before 1970": lambda f: line_of(f | {"path": path64((-1, 1, 0.0))}),
    "a path that overflows": lambda f: line_of(f | {"path": path64((2**62, 1, 0), (2**62, 2, 0))}),
    "a path of NaN": lambda f: line_of(f | {"path": path64((10**15, 1, float("nan")))}),
    "a path that goes back": lambda f: line_of(
        f | {"path": path64((10**15, 2, 0), (10**15, 1, 0))}
    ),
    "a crop that is no JPEG": lambda f: line_of(with_look(f, crop=bytes64([1.0] * 100))),
    "a crop of 60,000 pixels a side": lambda f: line_of(
        with_look(
            f,
            crop=base64.b64encode(
                b"\xff\xd8\xff\xc0\x00\x11\x08\xea\x60\xea\x60\x03" + bytes(20) + b"\xff\xd9"
            ).decode(),
        )
    ),
    "times in the wrong order": lambda f: line_of(
        f | {"first_seen": f["last_seen"], "last_seen": f["first_seen"]}
    ),
    "sealed to nobody": lambda f: line_of(
        {k: v for k, v in f.items() if k not in ("group", "path", "contract", "looks")}
        | {"sealed_to": "0" * 16, "sealed": ""}
    ),
    "a later version": lambda f: line_of(f | {"v": 2}),
}


def test_a_bad_record_has_a_receipt_and_the_one_beside_it_is_stored(
    served: Served, box: FakeBox
) -> None:
    for face, (kind, bad_line) in enumerate(BAD.items()):
        bad, good = bad_line(plain(served, box)), line_of(plain(served, box, face))
        began = time.process_time()
        answer = box.send(bad, good)
        assert time.process_time() - began < 1, kind
        assert answer.status_code == 200, f"{kind}: {answer.text}"
        refused, stored = read_receipts(answer.content)
        assert refused.status in (Status.REJECTED, Status.RETRY), kind
        assert stored.status is Status.STORED, kind


@pytest.mark.parametrize(
    "lines", [500, pytest.param(10_000, marks=pytest.mark.reliability)], ids=["some", "many"]
)
def test_a_body_of_bad_lines_is_answered(served: Served, box: FakeBox, lines: int) -> None:
    answer = box.send(*[b"{}"] * lines)
    assert answer.status_code == 200
    assert len(read_receipts(answer.content)) == lines
    assert box.send(*[b"{}"] * 10_001).status_code == 400


def test_a_crop_that_only_looks_like_a_jpeg_leaves_its_sighting_unsure(
    served: Served, box: FakeBox
) -> None:
    fields = plain(served, box)
    broken = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x70\x00\x70\x03" + b"\x01\x11\x00" * 3
    for look in fields["looks"]:
        for name in ("vector", "strength"):
            del look[name]
        look["crop"] = base64.b64encode(broken + b"\xff\xd9").decode()
    del fields["contract"]
    (receipt,) = box.receipts(line_of(fields))
    assert receipt.status is Status.STORED
    (item,) = served.program(Role.OWNER).get("/api/v1/sightings").json()["items"]
    assert item["band"] == "unsure"


def test_what_a_mad_clock_says_can_be_read_again(served: Served, box: FakeBox) -> None:
    moments = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC))
    for monotonic_ns, read_at in itertools.product((0, 2**62, 9_999_999_999_999_999_999), moments):
        mad = Clock(ClockState.UNSYNCED, 2**62, read_at)
        made = replace(record(seen_by(served, 1)), box_id=box.box_id, clock=mad)
        answer = box.send(
            encode(made),
            **{"Sightgrid-Boot": made.boot_id, "Sightgrid-Monotonic-Ns": str(monotonic_ns)},
        )
        assert read_receipts(answer.content)[0].status is Status.STORED
    readable(served)


def readable(served: Served) -> None:
    """Everything that was taken in can be shown again."""
    boss = served.program(Role.OWNER)
    with served.site.store.snapshot() as tx:
        from sightgrid.store.sightings import sighting as stored

        for item in boss.get("/api/v1/sightings?limit=500").json()["items"]:
            assert stored(tx, item["sighting_id"]).path
    served.site.intake.rebuild()


@pytest.mark.parametrize(
    "examples", [60, pytest.param(5000, marks=pytest.mark.reliability)], ids=["some", "many"]
)
def test_changed_records_are_answered_and_do_no_harm(
    served: Served, box: FakeBox, examples: int
) -> None:
    good = plain(served, box)
    places = fields_of(good)
    value = st.one_of(
        st.sampled_from(ODD_VALUES),
        st.integers(),
        st.floats(),
        st.text(max_size=40),
        st.binary(max_size=200).map(lambda b: base64.b64encode(b).decode()),
        st.datetimes(timezones=st.just(UTC)).map(format_moment),
    )

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(st.sampled_from(places), value), min_size=1, max_size=3))
    def one(changes: list[tuple[tuple[str | int, ...], Any]]) -> None:
        fields = good
        for place, odd in changes:
            try:
                fields = changed(fields, place, odd)
            except (KeyError, IndexError, TypeError):
                continue
        fields |= {"sighting_id": str(uuid.uuid4())} if len(changes) == 1 else {}
        answer = box.send(line_of(fields))
        assert answer.status_code == 200, answer.text
        (receipt,) = read_receipts(answer.content)
        # a record that makes the database fail would be sent again and again
        assert receipt.code != "store", changes

    one()
    readable(served)


@pytest.mark.parametrize(
    "examples", [60, pytest.param(3000, marks=pytest.mark.reliability)], ids=["some", "many"]
)
def test_bodies_of_any_bytes_are_answered(served: Served, box: FakeBox, examples: int) -> None:
    line = box.line(seen_by(served, 1))

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.one_of(
            st.binary(max_size=2000),
            st.tuples(st.integers(0, len(line) - 1), st.binary(min_size=1, max_size=8)).map(
                lambda cut: line[: cut[0]] + cut[1] + line[cut[0] + len(cut[1]) :] + b"\n"
            ),
            st.integers(0, len(line)).map(lambda end: line[:end] + b"\n"),
        )
    )
    def one(body: bytes) -> None:
        answer = box.client.post("/api/v1/sightings", content=body)
        assert answer.status_code in (200, 400), answer.text

    one()


def test_times_far_ahead_do_not_stop_the_clock_for_others(served: Served, box: FakeBox) -> None:
    ahead = seen_by(served, 1, after_secs=timedelta(days=60_000).total_seconds())
    assert box.receipts(box.line(ahead))[0].status is Status.STORED
    now = seen_by(served, 1)
    assert box.receipts(box.line(now))[0].status is Status.STORED
    readable(served)
