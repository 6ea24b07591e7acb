"""Column types that mean the same on SQLite, PostgreSQL and MySQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from sightgrid.domain.errors import InvalidValue

ID_LENGTH = 36
"""A UUID as text."""
CONTRACT_LENGTH = 64
"""A SHA-256 as hexadecimal text."""
NAME_LENGTH = 200
"""People, cameras and packs."""
PATH_LENGTH = 400
"""A crop's path relative to the run's folder."""
REASON_LENGTH = 500
WORD_LENGTH = 32
"""A word from a short list: a kind, a status, a code."""
HASH_LENGTH = 64
"""A SHA-256 or HMAC as hexadecimal text."""
SUBJECT_LENGTH = 240
"""Whom a data key belongs to: a word, a colon and a key."""
BAND_LENGTH = 16

MOST_VECTOR_BYTES = 16_384
MOST_DETAILS_BYTES = 65_535
MOST_CROP_BYTES = 16_777_215
MOST_PATH_BYTES = 16_777_215
"""MySQL picks the smallest BLOB type that holds so many; a plain BLOB ends at 64 KiB."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware moment, kept in UTC with microseconds. A naive datetime is refused."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        match dialect.name:
            case "mysql" | "mariadb":
                return dialect.type_descriptor(mysql.DATETIME(fsp=6))
            case "postgresql":
                return dialect.type_descriptor(sa.DateTime(timezone=True))
            case _:
                return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidValue(
                "a time without a zone can't be stored", hint="give it a zone, such as UTC"
            )
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class BoundedText(sa.types.TypeDecorator[str]):
    """Text of a given length at most, on SQLite too, which by itself checks no length."""

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.most = length

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is not None and len(value) > self.most:
            raise InvalidValue(
                f"a text of {len(value)} characters is too long to be stored: at most {self.most}"
            )
        return value
