"""Reads MOTChallenge text files: ``frame,id,left,top,width,height,conf[,class,visibility]``.

What counts is settled as the benchmarks MOT16 to MOT20 do it. A row of the truth counts if its
``conf`` is not 0 and its ``class`` is 1. A result box that covers a row of the truth of a class of
people who are not to be followed (on a vehicle, standing still, distractor, reflection) is neither
right nor wrong. Only rows of 8 or 9 fields carry a class: rows of 7 don't, and in rows of 10, as in
MOT15 and in what ``sightgrid track`` writes, the last three are a place in the world.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sightgrid.domain.errors import SettingsError
from sightgrid.evaluation.tracking_metrics import (
    LEAST_OVERLAP,
    Doubles,
    Numbers,
    TrackedBoxes,
    overlaps,
    rows_by_frame,
)

UNSURE = -1
"""The id of result rows that name nobody."""
_FIELDS = ("frame", "id", "left", "top", "width", "height", "conf", "class")
_FEWEST, _MOST = 7, 10
_WITH_CLASS = (8, 9)
_PERSON, _CLASSES = 1, 13
_NOT_FOLLOWED = (2, 7, 8, 12)
_ROUNDING = float(np.finfo(np.float64).eps)
# beyond this not every whole number is one in the doubles that other tools read it into
_LARGEST = 2**53
_LAYOUT = "a row is frame,id,left,top,width,height,conf, then up to three fields more"
_NO_ROWS: Numbers = np.zeros(0, np.int64)

Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class MotTruth:
    """Every row of a truth file, those that are ``counted``, and those that count for nothing and
    excuse a result that covers them; bool (N,) each."""

    rows: TrackedBoxes
    counted: Flags
    excusing: Flags


@dataclass(frozen=True, slots=True, eq=False)
class MotResult:
    """``named`` are the rows with an identity, ``unsure`` is the number of those without."""

    named: TrackedBoxes
    unsure: int


@dataclass(frozen=True, slots=True, eq=False)
class ToCompare:
    """What is left to compare; ``excused`` is the number of result rows left out."""

    truth: TrackedBoxes
    result: TrackedBoxes
    excused: int


def read_truth(file: Path) -> MotTruth:
    """The truth of one recording.

    Raises:
        SettingsError: the file is missing, holds no row that counts, or has a mistake; the message
            names the line.
    """
    rows = _read(file, _parse_truth_id)
    counted = (rows.kind == _PERSON) & (rows.confidence != 0)
    if not counted.any():
        raise SettingsError(
            f"{file}: none of its {len(counted)} rows counts",
            hint=f"a row of the truth counts if its conf is not 0 and its class is {_PERSON}",
        )
    every = np.ones(len(counted), np.bool_)
    return MotTruth(rows.boxes_of(every), counted, np.isin(rows.kind, _NOT_FOLLOWED))


def read_result(file: Path) -> MotResult:
    """The answer for one recording. Rows with id -1 name nobody, so they answer nothing: they are
    counted and left out, and a face that has only such rows counts as missed. A file without rows
    is the answer of a run that saw nobody.

    Raises:
        SettingsError: the file is missing or has a mistake; the message names the line.
    """
    rows = _read(file, _parse_result_id, may_be_empty=True)
    unsure = rows.identity == UNSURE
    return MotResult(rows.boxes_of(~unsure), int(unsure.sum()))


def to_compare(truth: MotTruth, result: MotResult) -> ToCompare:
    """The truth that counts, and the result without the boxes that are excused: in each frame the
    boxes of both, whether they count or not, are brought together where they overlap by half."""
    boxes = result.named
    excused = np.zeros(len(boxes), np.bool_)
    in_truth, in_result = rows_by_frame(truth.rows), rows_by_frame(boxes)
    for frame in np.unique(truth.rows.frame[truth.excusing]).tolist():
        theirs, ours = in_truth[frame], in_result.get(frame, _NO_ROWS)
        overlap = overlaps(truth.rows.boxes[theirs], boxes.boxes[ours])
        worth = np.where(overlap >= LEAST_OVERLAP - _ROUNDING, overlap, 0.0)
        matched, by = linear_sum_assignment(worth, maximize=True)
        excuses = (worth[matched, by] > _ROUNDING) & truth.excusing[theirs[matched]]
        excused[ours[by[excuses]]] = True
    return ToCompare(truth.rows.only(truth.counted), boxes.only(~excused), int(excused.sum()))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A file as it is: (N,) each, boxes (N, 4); unlike :class:`TrackedBoxes` it may hold several
    unsure rows in a frame."""

    frame: Numbers
    identity: Numbers
    boxes: Doubles
    confidence: Doubles
    kind: Numbers

    def boxes_of(self, kept: Flags) -> TrackedBoxes:
        return TrackedBoxes(self.frame[kept], self.identity[kept], self.boxes[kept])


def _read(file: Path, parse_id: Callable[[str, str], int], *, may_be_empty: bool = False) -> _Rows:
    whole: list[tuple[int, int, int]] = []
    real: list[tuple[float, ...]] = []
    line_of: dict[tuple[int, int], int] = {}
    width = 0
    for number, line in _lines(file):
        where = f"{file}, line {number}"
        fields = _split(line)
        if not _FEWEST <= len(fields) <= _MOST:
            raise SettingsError(
                f"{where}: {_FEWEST} to {_MOST} fields expected, got {len(fields)}", hint=_LAYOUT
            )
        width = width or len(fields)
        if len(fields) != width:
            raise SettingsError(
                f"{where}: {len(fields)} fields, the lines before have {width}",
                hint="was the file cut off, or are two files in one?",
            )
        frame = _frame(fields[0], where)
        identity = parse_id(fields[1], where)
        kind = _kind(fields[7], where) if width in _WITH_CLASS else _PERSON
        if identity != UNSURE:
            earlier = line_of.setdefault((frame, identity), number)
            if earlier != number:
                raise SettingsError(
                    f"{where}: id {identity} is in frame {frame} already, on line {earlier}"
                )
        whole.append((frame, identity, kind))
        real.append(_measures(fields, where))
    if not whole and not may_be_empty:
        raise SettingsError(f"{file}: holds no row", hint=_LAYOUT)
    frames, identities, kinds = np.array(whole, np.int64).reshape(-1, 3).T
    left, top, across, down, confidence = np.array(real, np.float64).reshape(-1, 5).T
    boxes = np.stack([left, top, left + across, top + down], axis=1)
    return _Rows(frames, identities, boxes, confidence, kinds)


def _lines(file: Path) -> list[tuple[int, str]]:
    """The numbers, from 1, and texts of the lines that are not empty."""
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{file}: there is no such file") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: is no text", hint=_LAYOUT) from None
    except OSError as error:
        raise SettingsError(f"{file} can't be read: {error.strerror or error}") from error
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _split(line: str) -> list[str]:
    """Fields between commas, or between spaces where there is no comma; a last comma ends a row."""
    if "," not in line:
        return line.split()
    fields = [field.strip() for field in line.split(",")]
    return fields[:-1] if not fields[-1] else fields


def _frame(text: str, where: str) -> int:
    frame = _whole(text, "frame", where)
    if frame < 1:
        raise SettingsError(f"{where}: frame is {frame}; frames count from 1")
    return frame


def _parse_truth_id(text: str, where: str) -> int:
    identity = _whole(text, "id", where)
    if identity < 0:
        raise SettingsError(f"{where}: id is {identity}; the truth knows everybody")
    return identity


def _parse_result_id(text: str, where: str) -> int:
    identity = _whole(text, "id", where)
    if identity < UNSURE:
        raise SettingsError(f"{where}: id is {identity}", hint=f"{UNSURE} stands for unsure")
    return identity


def _kind(text: str, where: str) -> int:
    kind = _whole(text, "class", where)
    if not 1 <= kind <= _CLASSES:
        raise SettingsError(f"{where}: class is {kind}; there are 1 to {_CLASSES}")
    return kind


def _measures(fields: list[str], where: str) -> tuple[float, ...]:
    """Left, top, width, height and conf."""
    numbers = tuple(_number(fields[n], _FIELDS[n], where) for n in range(2, _FEWEST))
    for name, side in (("width", numbers[2]), ("height", numbers[3])):
        if side <= 0:
            raise SettingsError(f"{where}: {name} is {side:g}; a box has some")
    return numbers


def _whole(text: str, name: str, where: str) -> int:
    number = _number(text, name, where)
    # some tools write whole numbers as 7.0
    if number != int(number) or abs(number) > _LARGEST:
        raise SettingsError(f"{where}: {name} is '{text[:40]}', not a whole number")
    return int(number)


def _number(text: str, name: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SettingsError(f"{where}: {name} is '{text[:40]}', not a number", hint=_LAYOUT)
    return number
