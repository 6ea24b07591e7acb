from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.wire.sightings import record, sighting

from sightgrid.domain.errors import InvalidRecord, InvalidValue
from sightgrid.wire.content import Content, content_bytes, read_content_bytes
from sightgrid.wire.records import Record, Sealed, encode, parse_line
from sightgrid.wire.sealing import OpeningKey, SealingKey, content_of

KEY = OpeningKey.generate()
KEYS = {KEY.key_id: KEY}


def sealed(plain: Record, key: SealingKey = KEY.sealing) -> Record:
    assert isinstance(plain.body, Content)
    body = key.seal(
        plain.body,
        box_id=plain.box_id,
        sighting_id=plain.sighting_id,
        revision=plain.revision,
    )
    return replace(plain, body=body)


def refusal(one: Record, **keys: OpeningKey) -> InvalidRecord:
    with pytest.raises(InvalidRecord) as caught:
        content_of(one, keys or KEYS)
    return caught.value


def test_the_server_opens_what_a_box_sealed() -> None:
    plain = record()
    read = parse_line(encode(sealed(plain)))
    assert isinstance(plain.body, Content)
    assert content_bytes(content_of(read, KEYS)) == content_bytes(plain.body)


def test_a_sealed_line_shows_nothing_of_the_face() -> None:
    plain = record()
    assert isinstance(plain.body, Content)
    line = encode(sealed(plain))
    shown = json.loads(line)
    assert {"path", "looks", "group", "contract"}.isdisjoint(shown)
    for hidden in (plain.body.looks[0].crop, content_bytes(plain.body)):
        assert hidden is not None
        assert hidden[20:60] not in base64.b64decode(shown["sealed"])


def test_sealing_the_same_twice_shows_no_likeness() -> None:
    one, other = sealed(record()), sealed(record())
    assert isinstance(one.body, Sealed)
    assert isinstance(other.body, Sealed)
    assert one.body.data[:32] != other.body.data[:32]
    assert one.body.data[32:64] != other.body.data[32:64]


def test_only_the_right_key_opens() -> None:
    stranger = OpeningKey.generate()
    one = sealed(record())
    error = refusal(one, **{KEY.key_id: stranger})
    assert (error.code, error.permanent) == ("sealed_unreadable", True)
    assert error.sighting_id == one.sighting_id
    # after a change of keys the record must wait, not vanish
    error = refusal(one, **{stranger.key_id: stranger})
    assert (error.code, error.permanent) == ("sealed_to_unknown_key", False)


def test_a_sealed_content_can_not_be_moved_into_another_record() -> None:
    one = sealed(record())
    for moved in (
        replace(one, box_id="box-2"),
        replace(one, revision=2),
        replace(one, sighting_id=one.sighting_id.replace("0", "1")),
    ):
        assert refusal(moved).code == "sealed_unreadable"


def test_a_flipped_bit_is_found() -> None:
    one = sealed(record())
    assert isinstance(one.body, Sealed)
    for at in (0, 31, 32, len(one.body.data) // 2, len(one.body.data) - 1):
        data = bytearray(one.body.data)
        data[at] ^= 1
        assert refusal(replace(one, body=Sealed(KEY.key_id, bytes(data)))).code == (
            "sealed_unreadable"
        )


def test_the_times_outside_must_be_those_inside() -> None:
    one = sealed(record())
    early = replace(one, first_seen=one.first_seen.replace(hour=1))
    assert refusal(early).code == "out_of_range"


@pytest.mark.parametrize(
    ("opened", "code"),
    [
        (b"", "sealed_damaged"),
        (b"{}\n", "missing_field"),
        (b"no json\n", "not_json"),
        (content_bytes(record().body)[:-1], "wrong_length"),  # type: ignore[arg-type]
        (content_bytes(record().body) + b"x", "wrong_length"),  # type: ignore[arg-type]
    ],
)
def test_what_was_sealed_is_read_as_strictly(opened: bytes, code: str) -> None:
    with pytest.raises(InvalidRecord, match=code):
        read_content_bytes(opened)


def test_keys_are_kept_as_bytes() -> None:
    again = OpeningKey(KEY.private_bytes())
    assert again.key_id == KEY.key_id
    assert SealingKey(KEY.sealing.public).key_id == KEY.key_id
    assert KEY.private_bytes().hex() not in repr(KEY)
    for short in (OpeningKey, SealingKey):
        with pytest.raises(InvalidValue):
            short(b"short")


def test_it_is_the_standards_hpke() -> None:
    """RFC 9180, A.2.1 has no one-shot vector for our info, so the other side is written out here
    from the standard: extract and expand with labels, then ChaCha20-Poly1305 at sequence 0."""
    import hmac
    from hashlib import sha256

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    def extract(salt: bytes, label: bytes, key: bytes, suite: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + key, sha256)

    def expand(secret: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
        return hmac.digest(secret, labelled + b"\1", sha256)[:length]

    one = sealed(record(sighting(looks=1)))
    assert isinstance(one.body, Sealed)
    sender, text = one.body.data[:32], one.body.data[32:]
    private = X25519PrivateKey.from_private_bytes(KEY.private_bytes())
    shared = private.exchange(X25519PublicKey.from_public_bytes(sender))
    kem = b"KEM" + (0x0020).to_bytes(2, "big")
    suite = b"HPKE" + b"".join(one.to_bytes(2, "big") for one in (0x0020, 0x0001, 0x0003))
    secret = expand(
        extract(b"", b"eae_prk", shared, kem),
        b"shared_secret",
        sender + KEY.sealing.public,
        32,
        kem,
    )
    info = b"\0".join((b"sightgrid-record-1", one.box_id.encode(), one.sighting_id.encode(), b"1"))
    context = (
        b"\0" + extract(b"", b"psk_id_hash", b"", suite) + extract(b"", b"info_hash", info, suite)
    )
    schedule = extract(secret, b"secret", b"", suite)
    key = expand(schedule, b"key", context, 32, suite)
    nonce = expand(schedule, b"base_nonce", context, 12, suite)
    opened = ChaCha20Poly1305(key).decrypt(nonce, text, b"")
    assert opened == content_bytes(content_of(one, KEYS))
