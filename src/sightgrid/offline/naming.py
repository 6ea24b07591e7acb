"""Names the cameras of a run from what was typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.frames import parse_time

_NAMED = re.compile(r"([A-Za-z0-9_-]+)=(.+)", re.DOTALL)
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]+")
# crops are named for the camera, and file systems take 255 bytes
_LONGEST_NAME = 100
# recordings are newer than the first and shorter than the years left after the second
_YEARS = range(1900, 9000)


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A camera's name, what to read for it, and when that begins, if it was said."""

    camera: str
    location: str
    starts_at: datetime | None
    shown_as: str | None = None
    """What the results call the source, where its location will not last."""


def name_sources(sources: Sequence[str], *, starts: Iterable[str] = ()) -> tuple[NamedSource, ...]:
    """Reads ``NAME=SOURCE`` or ``SOURCE`` and ``TIME`` or ``NAME=TIME``.

    A source without a name gets its file's stem, then ``-2``, ``-3``...

    Raises:
        InvalidValue: a name is given twice, or a time is none or is for an unknown camera.
    """
    given: set[str] = set()
    typed = [_typed(source) for source in sources]
    for name, _ in typed:
        if name is not None and len(name) > _LONGEST_NAME:
            raise InvalidValue(
                f"the camera name '{name[:20]}...' is too long",
                hint=f"at most {_LONGEST_NAME} characters",
            )
        if name is not None and name in given:
            raise InvalidValue(f"the camera name '{name}' is given twice")
        if name is not None:
            given.add(name)
    named: list[tuple[str, str]] = []
    used = set(given)
    for name, location in typed:
        if name is None:
            stem = _stem(location)
            name, number = stem, 1
            while name in used:
                number += 1
                name = f"{stem}-{number}"
            used.add(name)
        named.append((name, location))
    for_all, by_camera = _start_times(starts, {name for name, _ in named})
    return tuple(
        NamedSource(name, location, by_camera.get(name, for_all)) for name, location in named
    )


def _typed(source: str) -> tuple[str | None, str]:
    match = _NAMED.fullmatch(source)
    # a file may have an equals sign in its own name
    if match is None or Path(source).exists():
        return None, source
    return match[1], match[2]


def _stem(location: str) -> str:
    if "://" in location:
        parts = urlsplit(location)
        location = Path(parts.path).stem or parts.hostname or "camera"
        stem = location
    else:
        path = Path(location)
        stem = path.resolve().name if path.is_dir() else path.stem
    return _NOT_ALLOWED.sub("-", stem)[:_LONGEST_NAME].strip("-") or "camera"


def _start_times(
    starts: Iterable[str], cameras: set[str]
) -> tuple[datetime | None, dict[str, datetime]]:
    for_all: datetime | None = None
    by_camera: dict[str, datetime] = {}
    for text in starts:
        match = _NAMED.fullmatch(text)
        if match is None:
            for_all = _moment(text)
        elif match[1] not in cameras:
            raise InvalidValue(
                f"--start names the camera '{match[1]}', which is none of this run",
                hint=f"cameras: {', '.join(sorted(cameras))}",
            )
        else:
            by_camera[match[1]] = _moment(match[2])
    return for_all, by_camera


def _moment(text: str) -> datetime:
    moment = parse_time(text)
    if moment.year not in _YEARS:
        raise InvalidValue(f"'{text}' is no time that a recording can begin at")
    return moment
