"""What answers have in common: lists in pages, times, cursors."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, BaseModel, PlainSerializer

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.frames import format_time, parse_time
from sightgrid.store.listing import Place

Moment = Annotated[datetime, PlainSerializer(format_time, return_type=str)]
"""ISO-8601 UTC with milliseconds and ``Z``."""

Limit = Annotated[int, Query(ge=1, le=500, description="Rows in one answer.")]
Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next_cursor` of the answer before, for the next rows."),
]


def _read_time(text: str | None) -> str | None:
    if text is not None:
        try:
            parse_time(text)
        except InvalidValue as error:
            raise ValueError(str(error)) from None
    return text


TimeText = Annotated[
    str | None,
    Query(max_length=40, description="ISO-8601; UTC where no zone is given."),
    AfterValidator(_read_time),
]


def moment_of(text: str | None) -> datetime | None:
    """A time that :data:`TimeText` has checked."""
    return None if text is None else parse_time(text)


class Refusal(BaseModel):
    """Every error's body."""

    error: dict[str, Any]
    request_id: str


def write_cursor(place: Place) -> str:
    """Where a page ended, as the caller keeps it."""
    text = f"{place.first_seen.isoformat()} {place.sighting_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> Place | None:
    """What :func:`write_cursor` wrote.

    Raises:
        InvalidValue: it wasn't.
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, sighting_id = text.partition(" ")
        return Place(parse_time(moment), sighting_id)
    except (ValueError, InvalidValue):
        raise InvalidValue("cursor: not one that an answer gave") from None
