"""Reads pictures with boxes of their faces, in the text format of WIDER FACE.

For each picture a line with its path, a line with the number of its boxes, then a line a box:
``left top width height blur expression illumination invalid occlusion pose``. A picture without
faces has the number 0 and, in the official files, one line of zeros all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import SettingsError, SourceError
from sightgrid.domain.geometry import Floats

_INVALID = 7
_LEAST_FIELDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """A picture and its faces: ``boxes`` (N, 4) in its pixels, ``invalid`` (N,) those that are no
    fair question, being too blurred or too small to tell."""

    path: Path
    name: str
    boxes: Floats
    invalid: NDArray[np.bool_]


def read_wider(file: Path, *, images: Path) -> tuple[LabelledPicture, ...]:
    """The pictures of a list, in its order; the paths in it are below ``images``.

    Boxes without width or height are left out, as there is nothing to find.

    Raises:
        SettingsError: the list is missing or has a mistake; the message names the line.
        SourceError: a picture, or the folder of pictures, is missing.
    """
    if not images.is_dir():
        raise SourceError(f"{images}: there is no such folder of pictures")
    lines = _lines(file)
    pictures: list[LabelledPicture] = []
    at = 0
    while at < len(lines):
        number, name = lines[at]
        where = f"{file}, line {number}"
        if re.fullmatch(r"[-\d.\s]+", name):
            raise SettingsError(
                f"{where}: '{name[:60]}' is no picture",
                hint="is the number of boxes above smaller than the lines that follow?",
            )
        if at + 1 == len(lines):
            raise SettingsError(f"{where}: the file ends before the number of boxes of {name}")
        count_number, count = lines[at + 1]
        if not count.isdecimal():
            raise SettingsError(
                f"{file}, line {count_number}: '{count[:60]}' is no number of boxes of {name}"
            )
        begin, end = at + 2, at + 2 + int(count)
        if end > len(lines):
            raise SettingsError(f"{file}, line {count_number}: the file ends before {count} boxes")
        rows = [_row(file, *line) for line in lines[begin:end]]
        path = images / name
        if not path.is_file():
            raise SourceError(
                f"{where}: there is no picture {path}", hint="is --images the right folder?"
            )
        kept = np.array([row for row in rows if row[2] > 0 and row[3] > 0], np.float32)
        kept = kept.reshape(-1, 5)
        boxes = np.concatenate([kept[:, :2], kept[:, :2] + kept[:, 2:4]], axis=1)
        pictures.append(LabelledPicture(path, name, boxes, kept[:, 4] != 0))
        at = end
        if not rows and at < len(lines) and re.fullmatch(r"(0\s+)+0", lines[at][1]):
            at += 1
    if not pictures:
        raise SettingsError(f"{file}: names no picture")
    return tuple(pictures)


def _lines(file: Path) -> Sequence[tuple[int, str]]:
    """The numbers, from 1, and texts of the lines that are not empty."""
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{file}: there is no such list of pictures") from None
    except IsADirectoryError:
        raise SettingsError(f"{file}: is a folder, not a list of pictures") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is no text in UTF-8: {error.reason}") from error
    return [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _row(file: Path, number: int, line: str) -> tuple[float, float, float, float, bool]:
    """left, top, width, height, invalid."""
    words = line.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) < _LEAST_FIELDS or not np.isfinite(values).all():
        raise SettingsError(
            f"{file}, line {number}: '{line[:60]}' is no box",
            hint="left top width height, then six attributes; is the number of boxes right?",
        )
    left, top, width, height = values[:4]
    return left, top, width, height, len(values) > _INVALID and values[_INVALID] != 0
