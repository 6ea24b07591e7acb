"""Passwords, random tokens, and what of them is stored."""

from __future__ import annotations

import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sightgrid.domain.errors import InvalidValue

LEAST_PASSWORD_LENGTH = 12
_MOST_PASSWORD_LENGTH = 1000
_LEAST_DIFFERENT = 5
# argon2id with the library's parameters of RFC 9106, second choice: 64 MiB, 3 passes
_HASHER = PasswordHasher()
# so that an unknown login takes as long as a wrong password
_NOBODYS_HASH = _HASHER.hash(secrets.token_urlsafe(16))

SESSION_PREFIX = "sgs_"
TOKEN_PREFIX = "sgp_"  # noqa: S105 - how a token begins, not one


def new_secret(prefix: str) -> str:
    """A random text of 256 bits; the prefix tells people and scanners what it is."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is stored of a random secret: SHA-256 as hexadecimal text."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_password(password: str, *, login: str) -> None:
    """Whether a new password may be used.

    Raises:
        InvalidValue: it is too short or too easily guessed.
    """
    if len(password) < LEAST_PASSWORD_LENGTH:
        raise InvalidValue(
            f"the password is too short: at least {LEAST_PASSWORD_LENGTH} characters",
            hint="a few words in a row are easy to remember and hard to guess",
        )
    if len(password) > _MOST_PASSWORD_LENGTH:
        raise InvalidValue(f"the password is longer than {_MOST_PASSWORD_LENGTH} characters")
    lowered = password.lower()
    if len(set(lowered)) < _LEAST_DIFFERENT or lowered.strip("0123456789!.- ") in {
        "",
        "password",
        "sightgrid",
        login.lower(),
    }:
        raise InvalidValue(
            "the password is easily guessed", hint="use a few words that have nothing in common"
        )


def hash_password(password: str) -> str:
    """A password as it is stored: argon2id with its salt and parameters."""
    return _HASHER.hash(password)


def password_matches(password: str, stored: str | None) -> bool:
    """Whether it is the password of the hash; takes its time also where there is none."""
    try:
        return _HASHER.verify(stored or _NOBODYS_HASH, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
