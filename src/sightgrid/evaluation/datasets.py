"""Reads the photos and lists that an evaluation runs on."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightgrid.domain.errors import SettingsError, SourceError
from sightgrid.vision.pictures import PICTURE_SUFFIXES

_CSV_COLUMNS = ("fold", "image_a", "image_b", "same")
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
# a list of one fold has no other folds to choose a threshold on, so its pairs are dealt into these
_DEALT_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, whether they show one person, and the fold they are held out with."""

    fold: str
    image_a: Path
    image_b: Path
    same: bool


@dataclass(frozen=True, slots=True)
class PersonPhotos:
    """A person's photos, sorted by name."""

    name: str
    photos: tuple[Path, ...]


def read_people(folder: Path) -> tuple[PersonPhotos, ...]:
    """Everybody in ``folder``, a sub-folder a person, sorted by name; empty ones are left out.

    Raises:
        SourceError: the folder is missing or holds nobody.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder of people")
    people = tuple(
        PersonPhotos(entry.name, photos)
        for entry in sorted(folder.iterdir(), key=lambda path: path.name)
        if entry.is_dir() and not entry.name.startswith(".") and (photos := _photos(entry))
    )
    if not people:
        raise SourceError(
            f"{folder}: holds no folder with photos", hint="give it a folder a person"
        )
    return people


def read_pairs(file: Path, *, images: Path) -> tuple[Pair, ...]:
    """The pairs of an LFW list or a CSV file, in the file's order.

    An LFW list begins with ``folds n``, or ``n`` for a single fold, then holds for each fold n
    lines ``name number number`` (one person) and n lines ``name number name number`` (two),
    separated by tabs or spaces; photo 1 of Anna is ``Anna/Anna_0001.jpg`` below ``images``. A CSV
    file has the columns fold, image_a, image_b and same (1 or 0); its paths too are below
    ``images``. The pairs of a single fold are dealt into ten in turn.

    Raises:
        SettingsError: the list is missing or has a mistake; the message names the line.
        SourceError: a photo, or the folder of photos, is missing.
    """
    if not images.is_dir():
        raise SourceError(f"{images}: there is no such folder of photos")
    lines = _lines(file)
    if not lines:
        raise SettingsError(f"{file}: the list of pairs is empty")
    is_csv = "," in lines[0][1]
    pairs = _csv_pairs(file, lines, images) if is_csv else _lfw_pairs(file, lines, images)
    return _with_folds(file, pairs)


def _photos(folder: Path) -> tuple[Path, ...]:
    return tuple(
        sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
        )
    )


def _lines(file: Path) -> list[tuple[int, str]]:
    """The numbers, from 1, and texts of the lines that are not empty."""
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"{file}: there is no such list of pairs") from None
    except IsADirectoryError:
        raise SettingsError(f"{file}: is a folder, not a list of pairs") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is no text in UTF-8: {error.reason}") from error
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _csv_pairs(file: Path, lines: Sequence[tuple[int, str]], images: Path) -> list[Pair]:
    header = [name.strip() for name in next(csv.reader([lines[0][1]]))]
    missing = [name for name in _CSV_COLUMNS if name not in header]
    if missing:
        raise SettingsError(
            f"{file}, line {lines[0][0]}: column {', '.join(missing)} is missing",
            hint=f"the first line must read {','.join(_CSV_COLUMNS)}",
        )
    pairs = []
    for number, line in lines[1:]:
        where = f"{file}, line {number}"
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if len(cells) != len(header):
            raise SettingsError(f"{where}: {len(header)} fields expected, got {len(cells)}")
        row = dict(zip(header, cells, strict=True))
        same = _YES_NO.get(row["same"].lower())
        if same is None:
            raise SettingsError(f"{where}: same is '{row['same']}'", hint="1 or 0 expected")
        pairs.append(
            Pair(
                row["fold"],
                _existing(images / row["image_a"], where),
                _existing(images / row["image_b"], where),
                same,
            )
        )
    return pairs


def _lfw_pairs(file: Path, lines: Sequence[tuple[int, str]], images: Path) -> list[Pair]:
    header_number, header = lines[0]
    if not re.fullmatch(r"\s*\d+(\s+\d+)?\s*", header):
        raise SettingsError(
            f"{file}, line {header_number}: '{header.strip()[:60]}' begins no list of pairs",
            hint="expected the numbers of folds and of pairs, as in LFW's pairs.txt, or the CSV "
            f"columns {','.join(_CSV_COLUMNS)}",
        )
    numbers = [int(word) for word in header.split()]
    folds, each = (1, numbers[0]) if len(numbers) == 1 else numbers
    promised = folds * each * 2
    if promised != len(lines) - 1:
        raise SettingsError(
            f"{file}, line {header_number}: '{header.strip()}' promises {promised} pairs "
            f"({folds} folds of {each} same and {each} different), the file holds {len(lines) - 1}"
        )
    return [
        _lfw_pair(f"{file}, line {number}", line, fold=str(index // (2 * each) + 1), images=images)
        for index, (number, line) in enumerate(lines[1:])
    ]


def _lfw_pair(where: str, line: str, *, fold: str, images: Path) -> Pair:
    # split at tabs where there are any, as a name may then hold spaces
    words = [word.strip() for word in line.strip().split("\t" if "\t" in line else None)]
    match words:
        case [name, one, other]:
            a, b, same = (name, one), (name, other), True
        case [name, one, other_name, other]:
            a, b, same = (name, one), (other_name, other), False
        case _:
            raise SettingsError(
                f"{where}: 3 or 4 fields expected, got {len(words)}",
                hint="name number number, or name number name number",
            )
    return Pair(fold, _lfw_photo(images, *a, where), _lfw_photo(images, *b, where), same)


def _lfw_photo(images: Path, name: str, number: str, where: str) -> Path:
    if not number.isdecimal():
        raise SettingsError(f"{where}: '{number}' is no number of a photo")
    photo = images / name / f"{name}_{int(number):04d}.jpg"
    if photo.is_file():
        return photo
    for suffix in sorted(PICTURE_SUFFIXES):
        if photo.with_suffix(suffix).is_file():
            return photo.with_suffix(suffix)
    return _existing(photo, where)


def _existing(photo: Path, where: str) -> Path:
    if not photo.is_file():
        raise SourceError(
            f"{where}: there is no photo {photo}", hint="is --images the right folder?"
        )
    return photo


def _with_folds(file: Path, pairs: list[Pair]) -> tuple[Pair, ...]:
    """The pairs, those of a single fold dealt into ten; each fold must hold both kinds."""
    if len({pair.fold for pair in pairs}) == 1:
        pairs = list(_dealt(pairs))
    kinds: dict[str, set[bool]] = {}
    for pair in pairs:
        kinds.setdefault(pair.fold, set()).add(pair.same)
    for fold, present in kinds.items():
        if len(present) < 2:
            lacking = "different people" if True in present else "the same person"
            raise SettingsError(
                f"{file}: fold {fold} holds no pair of {lacking}",
                hint="every fold needs pairs of both kinds",
            )
    if len(kinds) < 2:
        raise SettingsError(
            f"{file}: holds {len(pairs)} pairs; two of one person and two of different people "
            "are the least"
        )
    return tuple(pairs)


def _dealt(pairs: Sequence[Pair]) -> Iterator[Pair]:
    count = {kind: sum(pair.same is kind for pair in pairs) for kind in (True, False)}
    folds = max(min(_DEALT_FOLDS, *count.values()), 1)
    seen = {True: 0, False: 0}
    for pair in pairs:
        yield Pair(str(seen[pair.same] % folds + 1), pair.image_a, pair.image_b, pair.same)
        seen[pair.same] += 1
