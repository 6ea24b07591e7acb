"""The groups that an identity's sightings fall into when they are looked at more strictly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.regrouping import group
from sightgrid.store.looks import SeenFace

FINEST = 6
_A_STEP = 0.06
_LEAST_WORTH = 1e-3


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Some sightings of an identity that are alike, in order of time. ``likeness`` is how alike
    their mean is to that of the largest group; 1 for that group itself."""

    sightings: tuple[str, ...]
    likeness: float


def subgroups(faces: Sequence[SeenFace], *, bands: Bands, finer: int = 0) -> list[Subgroup]:
    """Splits an identity's faces into groups of sightings, the largest first.

    The first cut is the mildest one that parts anything; ``finer`` goes so many steps beyond.

    Raises:
        InvalidValue: ``finer`` is not within 0 and 6.
    """
    if not 0 <= finer <= FINEST:
        raise InvalidValue(f"finer: from 0 to {FINEST}, got {finer}")
    if not faces:
        return []
    vectors = np.stack([face.vector for face in faces])
    weights = np.array([max(face.worth, _LEAST_WORTH) for face in faces], np.float32)
    threshold, groups = bands.same, [list(range(len(faces)))]
    while threshold < 1.0:
        groups = group(vectors, threshold=threshold, weights=weights)
        if len(groups) > 1:
            break
        threshold += _A_STEP
    if finer:
        stricter = min(threshold + finer * _A_STEP, 1.0)
        groups = group(vectors, threshold=stricter, weights=weights)
    groups.sort(key=lambda rows: (-len(rows), rows[0]))
    means = [_unit(weights[rows] @ vectors[rows]) for rows in groups]
    return [
        Subgroup(
            tuple(faces[row].sighting_id for row in rows),
            round(float(np.clip(mean @ means[0], -1.0, 1.0)), 4),
        )
        for rows, mean in zip(groups, means, strict=True)
    ]


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit
