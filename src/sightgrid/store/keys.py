"""The site key: the one secret that lies outside the database.

Every subject (a person, a sighting, an identity) has a data key of its own; the database holds it
only wrapped by the site key. Destroying a data key makes everything sealed under it unreadable, in
the database and in every copy of it made since.

The key file is JSON, readable by its owner only. While a rotation is under way it holds two site
keys: the last one wraps, both unwrap. It also holds the private keys that open what boxes sealed to
this server; old ones stay, since a box may come back after weeks.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from sightgrid.domain.errors import MissingExtra, StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
KEY_NUMBER_BYTES = 4
OTHERS_MAY = 0o077


class SiteKeys:
    """The site key, and during a rotation the one before it. Made by :meth:`open`."""

    def __init__(self, path: Path, keys: dict[int, bytes], opening: Sequence[bytes] = ()) -> None:
        self.path = path
        self._keys = keys
        self._opening = tuple(opening)
        self._ciphers = {number: cipher(key) for number, key in keys.items()}

    @classmethod
    def open(cls, path: Path, *, create: bool) -> SiteKeys:
        """Reads the key file; with ``create`` a missing one is made, readable by its owner only.

        Raises:
            StoreError: missing, damaged, or readable by others.
            MissingExtra: the package ``cryptography`` is not installed.
        """
        if create and not path.exists():
            _write(path, {1: secrets.token_bytes(KEY_BYTES)}, (), replace=False)
        try:
            mode = path.stat().st_mode
            text = path.read_text("ascii")
        except FileNotFoundError:
            raise StoreError(
                f"the site key {path} is missing",
                hint="put it back from where you keep it: without it nothing sealed can be read",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"the site key {path} can't be read ({error})") from error
        if mode & OTHERS_MAY:
            raise StoreError(
                f"the site key {path} can be read by others", hint=f"run: chmod 600 {path}"
            )
        return cls(path, *_parse(text, path))

    @property
    def newest(self) -> int:
        """The number of the key that wraps."""
        return max(self._keys)

    def wrap(self, key: bytes, *, subject: str) -> bytes:
        """A data key, encrypted for the database."""
        number, nonce = self.newest, secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[number].encrypt(nonce, key, _bound_to(subject))
        return number.to_bytes(KEY_NUMBER_BYTES, "big") + nonce + sealed

    def unwrap(self, wrapped: bytes, *, subject: str) -> bytes:
        """The data key again.

        Raises:
            StoreError: wrapped by another site key, for another subject, or damaged.
        """
        from cryptography.exceptions import InvalidTag

        number = int.from_bytes(wrapped[:KEY_NUMBER_BYTES], "big")
        nonce = wrapped[KEY_NUMBER_BYTES : KEY_NUMBER_BYTES + NONCE_BYTES]
        try:
            return self._ciphers[number].decrypt(
                nonce, wrapped[KEY_NUMBER_BYTES + NONCE_BYTES :], _bound_to(subject)
            )
        except (KeyError, ValueError, InvalidTag):
            raise StoreError(
                f"the site key {self.path} does not open this database",
                hint="give it the key file that was made with it",
            ) from None

    def derive(self, purpose: str, *, number: int | None = None) -> bytes:
        """A key for one purpose, such as sealing a backup; 32 bytes, the same every time."""
        return hmac.digest(self._keys[number or self.newest], purpose.encode(), sha256)

    def numbers(self) -> Sequence[int]:
        """The numbers of the keys at hand, oldest first."""
        return sorted(self._keys)

    def add(self) -> None:
        """Puts a new key beside the old ones; from now on it wraps."""
        keys = {**self._keys, self.newest + 1: secrets.token_bytes(KEY_BYTES)}
        self._become(keys, self._opening)

    def forget_old(self) -> None:
        """Drops all keys but the newest, once nothing is wrapped by them any more."""
        self._become({self.newest: self._keys[self.newest]}, self._opening)

    def opening_keys(self) -> tuple[bytes, ...]:
        """The private keys that open what boxes sealed, oldest first; boxes seal to the last."""
        return self._opening

    def keep_opening_key(self, private: bytes) -> None:
        """Adds a private key; from now on boxes are told to seal to it."""
        with _alone(self.path):
            keys, known = _parse(self.path.read_text("ascii"), self.path)
            self._become(keys, (*known, private))

    def first_opening_key(self, make: Callable[[], bytes]) -> None:
        """Sees to it that there is one. Of two processes that begin at once, one makes it and both
        use it: a key that only one of them knew would lose what boxes sealed to it."""
        with _alone(self.path):
            keys, known = _parse(self.path.read_text("ascii"), self.path)
            if known:
                self._opening = tuple(known)
            else:
                self._become(keys, (make(),))

    def _become(self, keys: dict[int, bytes], opening: Sequence[bytes]) -> None:
        _write(self.path, keys, opening, replace=True)
        self._keys, self._opening = keys, tuple(opening)
        self._ciphers = {number: cipher(key) for number, key in keys.items()}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds off whoever else changes the key file, from reading it until it is written."""
    import fcntl  # a server's system has it; a recording is looked at anywhere

    try:
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"the site key {path} can't be changed ({error})") from error


def cipher(key: bytes) -> AESGCM:
    """AES-256-GCM under ``key``.

    Raises:
        MissingExtra: the package ``cryptography`` is not installed.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ModuleNotFoundError:
        raise MissingExtra("encryption", extra="server") from None
    return AESGCM(key)


def _bound_to(subject: str) -> bytes:
    return b"sightgrid data key\0" + subject.encode()


def _parse(text: str, path: Path) -> tuple[dict[int, bytes], list[bytes]]:
    keys, opening = {}, []
    try:
        written = json.loads(text)
        keys = {int(n): b64decode(key, validate=True) for n, key in written["site"].items()}
        opening = [b64decode(key, validate=True) for key in written["opening"]]
    except (ValueError, TypeError, AttributeError, KeyError):
        keys = {}
    if not keys or any(len(key) != KEY_BYTES for key in keys.values()):
        raise StoreError(f"the site key {path} is damaged", hint="put it back from a copy")
    return keys, opening


def _write(path: Path, keys: dict[int, bytes], opening: Sequence[bytes], *, replace: bool) -> None:
    """Writes the file beside its place, durably, and moves it there: whole or not at all."""
    text = json.dumps(
        {
            "site": {str(number): b64encode(key).decode() for number, key in keys.items()},
            "opening": [b64encode(key).decode() for key in opening],
        }
    )
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            beside.replace(path)
        else:
            # of two first starts at once, one makes the key and both use it
            try:
                path.hardlink_to(beside)
            except FileExistsError:
                pass
            finally:
                beside.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreError(f"the site key {path} can't be written ({error})") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
