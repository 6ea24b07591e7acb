from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.frames import Frame, format_time, parse_time

zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - Hypothesis asks for bounds without a zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=zones,
)


@given(moments)
def test_a_time_survives_writing_and_reading_to_the_millisecond(moment: datetime) -> None:
    text = format_time(moment)
    again = parse_time(text)
    assert again.tzinfo is UTC
    assert timedelta(0) <= moment - again < timedelta(milliseconds=1)
    assert format_time(again) == text


def test_how_a_time_is_written() -> None:
    paris = timezone(timedelta(hours=1))
    assert format_time(datetime(2026, 1, 2, 4, 4, 5, 678_999, paris)) == "2026-01-02T03:04:05.678Z"
    assert format_time(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02 03:04:05",
        "2026-01-02T05:04:05+02:00",
        "2026-01-01T22:04:05.000-05:00",
        "20260102T030405Z",
    ],
)
def test_times_that_are_read(text: str) -> None:
    assert parse_time(text) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "2026-13-01T00:00:00Z",
        "1767322800",
        "9999-12-31T23:59:59-05:00",  # after the last year there is
        "0001-01-01T00:00:00+05:00",
    ],
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(InvalidValue, match="is not a time") as caught:
        parse_time(text)
    assert caught.value.hint is not None


def test_a_frame_needs_a_zone_and_colour_bytes() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(InvalidValue, match="time zone"):
        Frame("hall", datetime(2026, 1, 2), 1, pixels)  # noqa: DTZ001 - that is the mistake
    now = datetime(2026, 1, 2, tzinfo=UTC)
    for wrong in (np.zeros((4, 6), np.uint8), np.zeros((4, 6, 4), np.uint8), np.zeros((4, 6, 3))):
        with pytest.raises(InvalidValue, match="pixels"):
            Frame("hall", now, 1, wrong)
    frame = Frame("hall", now, 1, pixels)
    assert (frame.height, frame.width) == (4, 6)


def test_nobody_paints_on_a_frame() -> None:
    frame = Frame("hall", datetime(2026, 1, 2, tzinfo=UTC), 1, np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        frame.pixels[0, 0] = 255
