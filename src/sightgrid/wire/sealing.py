"""Seals what a box keeps to the server's public key: the box itself can't read it again.

RFC 9180 (HPKE) in base mode, one message a record: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
ChaCha20-Poly1305, which is as fast on boxes without AES instructions. The box's id, the sighting's
id and the revision are bound in as HPKE's info, so that no sealed content can be moved into another
record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from sightgrid.domain.errors import InvalidRecord, InvalidValue
from sightgrid.wire.content import Content, content_bytes, read_content_bytes
from sightgrid.wire.records import Record, Sealed, check_times

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
KEY_BYTES = 32


class SealingKey:
    """The server's public key, as a box holds it."""

    def __init__(self, public: bytes) -> None:
        """``public`` is the raw X25519 key, 32 bytes."""
        if len(public) != KEY_BYTES:
            raise InvalidValue(f"a public key has {KEY_BYTES} bytes, not {len(public)}")
        self.public = public
        self.key_id = hashlib.sha256(public).hexdigest()[:16]
        self._key = X25519PublicKey.from_public_bytes(public)

    def seal(self, content: Content, *, box_id: str, sighting_id: str, revision: int) -> Sealed:
        """A content that only the server can open, and only as this record's."""
        info = _info(box_id, sighting_id, revision)
        return Sealed(self.key_id, _SUITE.encrypt(content_bytes(content), self._key, info=info))


class OpeningKey:
    """The server's private key. It never leaves the server, and no box ever holds one."""

    def __init__(self, private: bytes) -> None:
        """``private`` is the raw X25519 key, 32 bytes."""
        if len(private) != KEY_BYTES:
            raise InvalidValue(f"a private key has {KEY_BYTES} bytes, not {len(private)}")
        self._key = X25519PrivateKey.from_private_bytes(private)
        self.sealing = SealingKey(self._key.public_key().public_bytes_raw())

    @staticmethod
    def generate() -> OpeningKey:
        return OpeningKey(X25519PrivateKey.generate().private_bytes_raw())

    @property
    def key_id(self) -> str:
        return self.sealing.key_id

    def private_bytes(self) -> bytes:
        """To be kept in a file of mode 0600, or wrapped by the site key."""
        return self._key.private_bytes_raw()

    def __repr__(self) -> str:
        return f"OpeningKey({self.key_id})"

    def open(self, record: Record, sealed: Sealed) -> Content:
        """The content of a record.

        Raises:
            InvalidRecord: it was not sealed to this key as part of this record, or what was sealed
                breaks a bound of the wire.
        """
        info = _info(record.box_id, record.sighting_id, record.revision)
        try:
            opened = _SUITE.decrypt(sealed.data, self._key, info=info)
        except (InvalidTag, ValueError):
            raise InvalidRecord("sealed_unreadable", "sealed") from None
        return read_content_bytes(opened)


def content_of(record: Record, keys: Mapping[str, OpeningKey]) -> Content:
    """A sighting's content, opened where it is sealed. ``keys`` are the server's, by their id.

    Raises:
        InvalidRecord: it can't be opened or breaks a bound, with the record's id, revision and
            SHA-256. A key that the server has lost leaves the record on the box
            (``permanent`` is false).
    """
    try:
        match record.body:
            case Content() as content:
                return content
            case Sealed(key_id) as sealed:
                key = keys.get(key_id)
                if key is None:
                    raise InvalidRecord("sealed_to_unknown_key", "sealed_to", permanent=False)
                content = key.open(record, sealed)
                check_times(record, content)
                return content
            case _:
                raise InvalidRecord("wrong_kind", "kind", reason="a gap has no content")
    except InvalidRecord as error:
        error.sighting_id = record.sighting_id
        error.revision = record.revision
        error.sha256 = record.sha256
        raise


def _info(box_id: str, sighting_id: str, revision: int) -> bytes:
    # none of the three can hold a zero byte
    return b"\0".join(
        (b"sightgrid-record-1", box_id.encode(), sighting_id.encode(), str(revision).encode())
    )
