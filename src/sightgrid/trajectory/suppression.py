"""Hides small counts so that no single person can be told from a table.

A count of 1 to ``least - 1`` is hidden. So that it can't be had by subtracting the others from a
total, further cells of the same row and column are hidden until at least two are and together they
hold ``least`` or more (complementary suppression); where that is impossible the total is hidden
too. A zero is shown: it tells of nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 10

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Suppressed:
    """Which counts of a table may not be shown: bool, ``cells`` (R, C), ``rows`` (R,) and
    ``columns`` (C,) for the totals, ``whole`` for the sum of everything."""

    cells: Mask
    rows: Mask
    columns: Mask
    whole: bool


def suppress(counts: Counts, *, least: int = LEAST) -> Suppressed:
    """What to hide of a table of counts (R, C) that is shown with totals.

    The totals are cells of the same table, one row and one column more, so every line of it, the
    totals' own lines too, obeys the same rule.
    """
    rows, columns = counts.shape
    table = np.zeros((rows + 1, columns + 1), np.int64)
    table[:rows, :columns] = counts
    table[rows, :columns] = counts.sum(axis=0)
    table[:, columns] = table[:, :columns].sum(axis=1)
    hidden = (table > 0) & (table < least)
    changed = True
    while changed:
        changed = False
        for row in range(rows + 1):
            changed |= _cover(table[row], hidden[row], least)
        for column in range(columns + 1):
            changed |= _cover(table[:, column], hidden[:, column], least)
    return Suppressed(
        cells=hidden[:rows, :columns],
        rows=hidden[:rows, columns],
        columns=hidden[rows, :columns],
        whole=bool(hidden[rows, columns]),
    )


def _cover(line: Counts, hidden: Mask, least: int) -> bool:
    """Hides more of one line (its last entry the total of the others) until what is hidden can't
    be had by subtraction; ``True`` if it hid anything. ``hidden`` is changed in place."""
    parts, before = line[:-1], int(hidden.sum())
    while hidden[:-1].any() and not hidden[-1]:
        covered = int(parts[hidden[:-1]].sum())
        if int(hidden[:-1].sum()) >= 2 and covered >= least:
            break
        rest = np.flatnonzero(~hidden[:-1] & (parts > 0))
        if len(rest) == 0:
            hidden[-1] = True
        else:
            hidden[rest[np.argmin(parts[rest])]] = True
    # a total alone is no secret where all its parts are shown
    if hidden[-1] and not hidden[:-1].any() and (parts > 0).any():
        nonzero = np.flatnonzero(parts > 0)
        hidden[nonzero[np.argmin(parts[nonzero])]] = True
    return int(hidden.sum()) != before
