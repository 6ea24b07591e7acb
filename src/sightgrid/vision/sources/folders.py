"""Folders of pictures played as a camera."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from sightgrid.domain.errors import ImageError, SourceError
from sightgrid.domain.frames import EPOCH, Frame
from sightgrid.vision.pictures import PICTURE_SUFFIXES, read_picture
from sightgrid.vision.sources.framesource import PICTURES_PER_SEC, Clock, Ending, SourceFacts


class PictureFolder:
    """A folder of pictures as a camera: one frame a picture, in natural order of names, 25 a
    second (a time-lapse is better given as one folder a visit)."""

    def __init__(self, folder: Path, *, camera: str, starts_at: datetime | None) -> None:
        self.camera = camera
        self.ending = Ending()
        self._folder = folder
        self._given_start = starts_at
        self._facts: SourceFacts | None = None

    @property
    def label(self) -> str:
        return str(self._folder)

    def facts(self) -> SourceFacts:
        if self._facts is None:
            paths = self._paths()
            reason = ""
            for path in paths:
                try:
                    pixels = read_picture(path)
                except ImageError as error:
                    reason = reason or str(error)
                    continue
                break
            else:
                raise SourceError(
                    f"{self.label}: none of its pictures can be read, the first: {reason}"
                )
            clock = Clock.RELATIVE if self._given_start is None else Clock.GIVEN
            self._facts = SourceFacts(
                width=int(pixels.shape[1]),
                height=int(pixels.shape[0]),
                fps=float(PICTURES_PER_SEC),
                frame_count=len(paths),
                codec="pictures",
                starts_at=self._given_start or EPOCH,
                clock=clock,
            )
        return self._facts

    def frames(self) -> Iterator[Frame]:
        self.ending = Ending()
        starts_at = self.facts().starts_at
        first_reason = None
        for number, path in enumerate(self._paths()):
            try:
                pixels = read_picture(path)
            except ImageError as error:
                self.ending.damaged += 1
                first_reason = first_reason or str(error)
                continue
            yield Frame(
                camera=self.camera,
                captured_at=starts_at + timedelta(seconds=number / PICTURES_PER_SEC),
                index=number + 1,
                pixels=pixels,
            )
        if self.ending.damaged:
            self.ending.broken_off = (
                f"{self.ending.damaged} of its pictures can't be read, the first: {first_reason}"
            )

    def _paths(self) -> list[Path]:
        try:
            entries = list(self._folder.iterdir())
        except OSError as error:
            raise SourceError(f"{self.label}: can't be listed: {error.strerror}") from error
        paths = [
            path
            for path in entries
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
        ]
        if not paths:
            raise SourceError(
                f"{self.label}: the folder holds no pictures",
                hint=f"pictures end in {', '.join(sorted(PICTURE_SUFFIXES))}",
            )
        return sorted(paths, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[tuple[int, int | str]]:
    """A sort key by which img2 comes before img10."""
    parts = re.split(r"(\d+)", name.lower())
    # not isdigit(): it is also true of "²", which is no number to int()
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]
