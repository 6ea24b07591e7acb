"""Does it work equally well for everybody? The same figures for each group of people."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import SettingsError
from sightgrid.evaluation.curves import Truths
from sightgrid.evaluation.datasets import Pair
from sightgrid.evaluation.identification import FPIR_TARGETS, Deal, Identification
from sightgrid.evaluation.page import Table, percent
from sightgrid.evaluation.verification import Verification

Labels = Mapping[str, Mapping[str, str]]
"""By attribute (``gender``), each person's value."""

_NAME = "name"


@dataclass(frozen=True, slots=True)
class GroupShare:
    """How a group fares at the threshold that is everybody's.

    ``accepted`` is the share of ``genuine`` trials that went well: photos of known people rightly
    named, or pairs of one person accepted. ``mistaken`` is the share of ``impostor`` trials that
    went wrong: strangers' photos given a name, or pairs of two people of the group accepted. Either
    is ``None`` where there was no such trial.
    """

    attribute: str
    value: str
    people: int
    genuine: int
    accepted: float | None
    impostor: int
    mistaken: float | None


def read_groups(file: Path, *, people: Sequence[str]) -> Labels:
    """The labels of a CSV file: a column ``name`` and one for each attribute; empty cells say
    nothing.

    Args:
        people: the names that are evaluated; others in the file are left out.

    Raises:
        SettingsError: the file is missing or has a mistake; the message names the line.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise SettingsError(f"{file}: there is no such list of groups") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is no text in UTF-8: {error.reason}") from error
    reader = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(reader, [])]
    if header.count(_NAME) != 1 or len(header) < 2 or len(set(header)) < len(header):
        raise SettingsError(
            f"{file}, line 1: a column {_NAME} and one or more of labels are expected, each once",
            hint="for example: name,gender,age",
        )
    wanted = set(people)
    labels: dict[str, dict[str, str]] = {column: {} for column in header if column != _NAME}
    seen: dict[str, int] = {}
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{file}, line {reader.line_num}"
        if len(cells) != len(header):
            raise SettingsError(f"{where}: {len(header)} fields expected, got {len(cells)}")
        row = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
        name = row.pop(_NAME)
        if name in seen:
            raise SettingsError(f"{where}: the name stands in line {seen[name]} already")
        seen[name] = reader.line_num
        for column, value in row.items():
            if value and name in wanted:
                labels[column][name] = value
    if not any(labels.values()):
        raise SettingsError(
            f"{file}: labels none of the {len(wanted)} people",
            hint="names must be those of the folders",
        )
    return labels


def identification_groups(
    result: Identification, dealt: Deal, labels: Labels
) -> tuple[GroupShare, ...]:
    """Each group at the threshold for the first target of false alarms, chosen on everybody."""
    threshold = result.thresholds[FPIR_TARGETS[0]]
    level = -np.inf if threshold is None else threshold
    names = np.array([dealt.names[probe.person] for probe in dealt.probes])
    named = (result.rank == 1) & (result.best > level)
    return tuple(
        _share(
            (attribute, value),
            people=len(set(names[inside].tolist())),
            genuine=inside & result.known,
            accepted=named,
            impostor=inside & ~result.known,
            mistaken=result.best > level,
        )
        for attribute, value, inside in _groups(names, labels)
    )


def verification_groups(
    result: Verification, pairs: Sequence[Pair], labels: Labels
) -> tuple[GroupShare, ...]:
    """Each group at the mean threshold for ``val``; only pairs within a group count."""
    one = np.array([pair.image_a.parent.name for pair in pairs])
    other = np.array([pair.image_b.parent.name for pair in pairs])
    accepted = result.scores > result.val_threshold
    others = {(attribute, value): inside for attribute, value, inside in _groups(other, labels)}
    shares = []
    for attribute, value, inside in _groups(one, labels):
        both = inside & others.get((attribute, value), np.zeros(len(pairs), np.bool_))
        shares.append(
            _share(
                (attribute, value),
                people=len({*one[both].tolist(), *other[both].tolist()}),
                genuine=both & result.same,
                accepted=accepted,
                impostor=both & ~result.same,
                mistaken=accepted,
            )
        )
    return tuple(shares)


def group_tables(shares: Sequence[GroupShare]) -> list[Table]:
    """A table for each attribute."""
    return [
        Table(
            f"By {attribute}",
            "The same threshold for everybody, so differences are what these people would meet. "
            "Small groups differ by chance.",
            (attribute, "people", "own", "rightly accepted", "others", "wrongly accepted"),
            [
                (
                    share.value,
                    str(share.people),
                    str(share.genuine),
                    "-" if share.accepted is None else percent(share.accepted),
                    str(share.impostor),
                    "-" if share.mistaken is None else percent(share.mistaken),
                )
                for share in shares
                if share.attribute == attribute
            ],
        )
        for attribute in dict.fromkeys(share.attribute for share in shares)
    ]


def _groups(names: NDArray[np.str_], labels: Labels) -> list[tuple[str, str, Truths]]:
    """Every attribute and value, with the rows whose person has it."""
    return [
        (attribute, value, np.array([by_name.get(str(name)) == value for name in names]))
        for attribute, by_name in labels.items()
        for value in sorted(set(by_name.values()))
    ]


def _share(
    group: tuple[str, str],
    *,
    people: int,
    genuine: Truths,
    accepted: Truths,
    impostor: Truths,
    mistaken: Truths,
) -> GroupShare:
    return GroupShare(
        *group,
        people=people,
        genuine=int(genuine.sum()),
        accepted=float(accepted[genuine].mean()) if genuine.any() else None,
        impostor=int(impostor.sum()),
        mistaken=float(mistaken[impostor].mean()) if impostor.any() else None,
    )
