from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.wire.sightings import BOOT, NOON, jpeg, record, sighting

from sightgrid.domain.errors import InvalidRecord, InvalidValue
from sightgrid.wire.content import MOST_CROP_BYTES, Content, check_jpeg
from sightgrid.wire.records import (
    MOST_BODY_BYTES,
    MOST_RECORD_BYTES,
    ClockState,
    Gap,
    GapReason,
    Priority,
    Record,
    correction,
    encode,
    parse_line,
    read_lines,
    sighting_of,
)
from sightgrid.wire.sealing import OpeningKey

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "wire-v1.schema.json").read_text("utf-8"))
)
KEY = OpeningKey.generate()


def sealed(plain: Record) -> Record:
    assert isinstance(plain.body, Content)
    body = KEY.sealing.seal(
        plain.body,
        box_id=plain.box_id,
        sighting_id=plain.sighting_id,
        revision=plain.revision,
    )
    return replace(plain, body=body)


def gap() -> Record:
    return replace(record(), body=Gap(GapReason.SPOOL_FULL, Priority.ANALYTICS, 12))


PLAIN = encode(record())
LINES = {"plain": PLAIN, "sealed": encode(sealed(record())), "gap": encode(gap())}


def refusal(line: bytes) -> InvalidRecord:
    with pytest.raises(InvalidRecord) as caught:
        parse_line(line)
    assert caught.value.sha256 == hashlib.sha256(line).hexdigest()
    return caught.value


def changed(**values: Any) -> bytes:
    return json.dumps(json.loads(PLAIN) | values).encode()


def changed_look(**values: Any) -> bytes:
    fields = json.loads(PLAIN)
    fields["looks"][1] |= values
    return json.dumps(fields).encode()


def test_a_sighting_comes_back_as_it_went() -> None:
    seen = sighting(points=200, looks=5)
    read = parse_line(encode(record(seen)))
    assert isinstance(read.body, Content)
    back = sighting_of(read, read.body)
    assert (back.sighting_id, back.revision, back.closed) == (seen.sighting_id, 1, True)
    assert (back.camera, back.group, back.path) == (seen.camera, seen.group, seen.path)
    assert back.quality == pytest.approx(seen.quality)
    for one, other, wire in zip(back.looks, seen.looks, read.body.looks, strict=True):
        assert one.crop.captured_at == other.crop.captured_at
        assert one.crop.box_in_frame == other.crop.box_in_frame
        assert one.crop.quality == other.crop.quality
        assert (one.crop.landmarks_in_frame == other.crop.landmarks_in_frame).all()
        assert one.embedding is not None
        assert other.embedding is not None
        assert (one.embedding.vector == other.embedding.vector).all()
        assert one.embedding.contract == other.embedding.contract
        assert one.embedding.strength == other.embedding.strength
        assert wire.crop == jpeg(seed=wire.counter - 1)


@pytest.mark.parametrize("kind", LINES)
def test_a_line_that_was_read_is_written_the_same_again(kind: str) -> None:
    line = LINES[kind]
    read = parse_line(line)
    assert read.sha256 == hashlib.sha256(line).hexdigest()
    assert encode(read) == line
    assert b"\n" not in line


def test_looks_may_lack_crop_and_embedding() -> None:
    bare = record(sighting(contract=None), crops=[None, None, None])
    read = parse_line(encode(bare))
    assert isinstance(read.body, Content)
    assert [(look.crop, look.embedding) for look in read.body.looks] == [(None, None)] * 3


@pytest.mark.parametrize("kind", LINES)
def test_what_is_written_keeps_to_the_schema(kind: str) -> None:
    SCHEMA.validate(json.loads(LINES[kind]))


@pytest.mark.parametrize("kind", LINES)
def test_the_schema_and_the_code_agree_on_every_field(kind: str) -> None:
    """Every value is left out, or replaced by ones that are out of place: both say no, or both
    say yes."""
    original = json.loads(LINES[kind])
    odd: tuple[Any, ...] = (
        None,
        True,
        -1,
        0,
        1.5,
        2**63,
        1e9 + 0.5,
        "",
        "x",
        "Ä" * 300,
        [],
        {},
        [1],
    )
    tried = 0
    for place in places(original):
        for value in (*odd, ...):
            line = json.dumps(with_value(original, place, value)).encode()
            try:
                parse_line(line)
                taken = True
            except InvalidRecord as error:
                taken = False
                # what only the code can tell: whether bytes mean something together
                if error.code in BEYOND_A_SCHEMA:
                    continue
            assert taken == SCHEMA.is_valid(json.loads(line)), (place, value)
            tried += 1
    assert tried > 100


SMALL = {"id": "ab" * 32, "pack": "small", "dimension": 64}
BEYOND_A_SCHEMA = {"path_damaged", "not_jpeg", "not_unit_length", "not_base64", "unknown_version"}


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [at] if at else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += places(inner, (*at, name))
    elif isinstance(value, list) and value:
        # all looks are alike, so the first stands for them
        found += places(value[0], (*at, 0))
    return found


def with_value(original: Any, place: tuple[str | int, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(original))
    holder = copy
    for step in place[:-1]:
        holder = holder[step]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (b"", "not_json", ""),
        (b"<html>", "not_json", ""),
        (b"[]", "wrong_type", ""),
        (b'{"v":1', "not_json", ""),
        (b"\xff" + PLAIN, "not_utf8", ""),
        (b"[" * 100_000, "too_deep", ""),
        (b'{"a":' * 5_000, "too_deep", ""),
        (b'{"v":1,"v":1}', "duplicate_key", ""),
        (PLAIN.replace(b'"counter":', b'"counter":1,"counter":'), "duplicate_key", ""),
        (b'{"v":NaN}', "not_finite", ""),
        (b'{"v":-Infinity}', "not_finite", ""),
        (b'{"v":' + b"9" * 5_000 + b"}", "not_json", ""),
        (b" " * (MOST_RECORD_BYTES + 1), "too_large", ""),
        (changed(v=2), "unknown_version", "v"),
        (changed(sighting_id="../../etc"), "wrong_format", "sighting_id"),
        (changed(camera="a\ud800"), "wrong_format", "camera"),
        (changed(revision=0), "out_of_range", "revision"),
        (changed(revision=True), "wrong_type", "revision"),
        (changed(revision=1.0), "wrong_type", "revision"),
        (changed(seq=2**63), "out_of_range", "seq"),
        (changed(extra=1), "unknown_field", ""),
        (changed(first_seen="2026-05-04T12:00:00"), "wrong_format", "first_seen"),
        (changed(first_seen="2026-13-04T12:00:00Z"), "wrong_format", "first_seen"),
        (changed(first_seen="2999-05-04T12:00:00Z"), "out_of_range", "first_seen"),
        (changed(first_seen="2026-05-04T11:00:00Z"), "out_of_range", "first_seen"),
        (changed(last_seen="2026-05-04T11:00:00Z"), "out_of_range", "last_seen"),
        (changed(path=""), "path_damaged", "path"),
        (changed(path="AgAA"), "path_damaged", "path"),
        (changed(path="AXjaAAA="), "path_damaged", "path"),
        (changed(path="!!!!"), "not_base64", "path"),
        (changed(looks=[{}] * 17), "too_many", "looks"),
        (changed(looks=[{}]), "missing_field", "looks[0].quality"),
        (changed(contract=SMALL), "wrong_length", "looks[0].vector"),
        (changed(sealed="", sealed_to="0" * 16), "unknown_field", ""),
        (changed_look(crop="aGVsbG8="), "not_jpeg", "looks[1].crop"),
        (changed_look(crop="A" * 200_000), "too_large", "looks[1].crop"),
        (changed_look(vector="AACAfw=="), "wrong_length", "looks[1].vector"),
        (changed_look(vector="AACAfw" + "A" * 677 + "="), "not_finite", "looks[1].vector"),
        (changed_look(vector="A" * 683 + "="), "not_unit_length", "looks[1].vector"),
        (changed_look(landmarks="AADAfw=="), "wrong_length", "looks[1].landmarks"),
        (changed_look(box=[1, 1, 1, 2]), "out_of_range", "looks[1].box"),
        (changed_look(box=[1, 1, 2]), "wrong_length", "looks[1].box"),
        (PLAIN.replace(b'"size":0.9', b'"size":1e999'), "not_finite", "looks[0].quality.size"),
    ],
)
def test_a_bad_line_is_refused_by_code_and_field(line: bytes, code: str, field: str) -> None:
    error = refusal(line)
    assert (error.code, error.field) == (code, field)
    assert error.permanent == (code != "unknown_version")


def test_a_refusal_names_the_record_and_repeats_nothing_of_it() -> None:
    error = refusal(changed(camera="Someone's bedroom"))
    assert (error.sighting_id, error.revision) == (record().sighting_id, 1)
    assert "bedroom" not in str(error)


def test_a_path_that_unfolds_to_gigabytes_is_refused_at_once() -> None:
    import base64
    import zlib

    bomb = b"\1" + zlib.compress(bytes(200_000_000), 9)
    assert len(bomb) < 300_000
    error = refusal(changed(path=base64.b64encode(bomb).decode()))
    assert error.code == "path_damaged"


@given(st.binary(max_size=200))
def test_no_line_brings_the_reader_down(line: bytes) -> None:
    refusal(line)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255))
def test_no_changed_byte_brings_the_reader_down(at: int, value: int) -> None:
    line = PLAIN[:at] + bytes([value]) + PLAIN[at + 1 :]
    try:
        read = parse_line(line)
    except InvalidRecord:
        return
    # it may still be a valid record, but then it has another hash
    assert (read.sha256 == hashlib.sha256(PLAIN).hexdigest()) == (line == PLAIN)


def test_jpegs_are_looked_at_before_anything_decodes_them() -> None:
    import cv2

    good = jpeg()
    check_jpeg(good, "crop")
    _, grey = cv2.imencode(".jpg", np.zeros((50, 40), np.uint8))
    check_jpeg(grey.tobytes(), "crop")
    _, wide = cv2.imencode(".jpg", np.zeros((1, 65_000, 3), np.uint8))
    at = good.index(b"\xff\xc0")
    cmyk = good[: at + 9] + b"\4" + good[at + 10 :]
    endless = b"\xff\xd8\xff\xe0\0\0" + bytes(50) + b"\xff\xd9"
    large = good[:-2] + bytes(MOST_CROP_BYTES) + good[-2:]
    cut = (b"", good[:-2], good[:50], good[2:], b"\xff\xd8\xff\xd9")
    for bad in (*cut, wide.tobytes(), cmyk, endless, large):
        with pytest.raises(InvalidRecord):
            check_jpeg(bad, "crop")


def test_what_is_too_much_for_the_wire_is_not_written() -> None:
    with pytest.raises(InvalidValue, match="detections"):
        encode(record(sighting(points=20_001)))
    crops: list[bytes | None] = [b"no picture", None, None]
    with pytest.raises(InvalidRecord):
        encode(record(crops=crops))


def test_a_body_is_whole_lines() -> None:
    assert read_lines(PLAIN + b"\n\n" + LINES["gap"] + b"\n") == [PLAIN, LINES["gap"]]
    assert read_lines(b"") == []
    for body, code in (
        (PLAIN + b"\n" + PLAIN[:-10], "body_cut_off"),
        (b"\n" * (MOST_BODY_BYTES + 1), "body_too_large"),
        (b"{}\n" * 10_001, "body_too_many_records"),
    ):
        with pytest.raises(InvalidRecord, match=code):
            read_lines(body)


@pytest.mark.parametrize("wrong", [timedelta(days=-14), timedelta(hours=2)])
def test_times_of_a_box_that_did_not_know_the_time_are_put_right(wrong: timedelta) -> None:
    told = replace(record().clock, state=ClockState.UNSYNCED, read_at=NOON + wrong)
    asleep = replace(record(), clock=told)
    # sent 90 seconds after it was written
    sent = told.monotonic_ns + 90 * 10**9
    found = correction(
        asleep, boot_id=BOOT, monotonic_ns=sent, received_at=NOON + timedelta(seconds=90)
    )
    assert found == -wrong
    other_boot = BOOT.replace("0", "1")
    for one, boot in ((record(), BOOT), (asleep, other_boot)):
        assert correction(one, boot_id=boot, monotonic_ns=sent, received_at=NOON) is None


def test_the_documentation_tells_of_every_code_and_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "wire.md").read_text("utf-8")
    told = set(re.findall(r"`(\w+)`", page))
    room = Path(__file__).parents[2] / "src" / "sightgrid" / "wire"
    codes = {
        code
        for file in room.glob("*.py")
        for code in re.findall(r'InvalidRecord\(\s*"(\w+)"', file.read_text("utf-8"))
    }
    assert codes
    assert codes <= told
    fields = {
        name for part in SCHEMA.schema["$defs"].values() for name in part.get("properties", {})
    }
    assert fields <= told
