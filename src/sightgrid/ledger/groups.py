"""Identities in the making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightgrid.domain.geometry import Floats
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.templates import Template

# from here on a look need not be more alike than good ones
_FAIR_LOOK = 0.5


@dataclass(slots=True, eq=False)
class Group:
    """An identity in the making: rows of sightings, perhaps the enrolled person they are.
    ``founder`` is the earliest row that was good enough to found it, if there was one."""

    rows: list[int]
    person: int | None
    vector: Floats
    founder: int | None = None
    serial: int = 0


def bar_of(worth: float, bands: Bands) -> float:
    """How much more alike than good looks a look of this worth must be: blurs of different people
    are more alike than their faces."""
    return bands.poor_bar * (1.0 - min(worth / _FAIR_LOOK, 1.0))


def any_apart(some: Sequence[int], others: Sequence[int], apart: set[tuple[int, int]]) -> bool:
    """Whether any of the one rows is known to be another person than any of the others."""
    return any((one, other) in apart for one in some for other in others)


def mean_of_rows(templates: Sequence[Template | None], rows: Sequence[int]) -> Floats:
    """The mean of some rows' templates, weighted by worth, of unit length (D,)."""
    weighted = [t.vector * t.worth for row in rows if (t := templates[row]) is not None]
    total = np.stack(weighted).sum(axis=0)
    unit: Floats = (total / max(float(np.linalg.norm(total)), 1e-9)).astype(np.float32)
    return unit
