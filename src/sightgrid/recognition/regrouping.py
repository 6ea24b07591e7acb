"""Which templates are one person: average-linkage clustering that obeys what can't be.

Clusters are joined from the most alike downwards while their mean pairwise similarity reaches the
threshold and no member of one is known to be another person than a member of the other (two faces
in one frame, two cameras at once). The mean over all pairs is used because it neither chains like
the best pair nor gives up on one bad look like the worst (Lance and Williams 1967).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats

_FORBIDDEN = -2.0  # below every similarity


def group(
    vectors: Floats,
    *,
    threshold: float,
    cannot_link: Iterable[tuple[int, int]] = (),
    bars: Floats | None = None,
) -> list[list[int]]:
    """Joins what is one person.

    Args:
        vectors: (N, D) unit vectors.
        threshold: least mean similarity of two clusters that may be joined.
        cannot_link: pairs of rows that are never one person.
        bars: (N,) added to the threshold for each row, so that poor looks need to be more alike;
            a pair's bar is the larger of its two.

    Returns:
        The rows of each cluster in ascending order; clusters in order of their first row.
    """
    count = len(vectors)
    if bars is not None and bars.shape != (count,):
        raise InvalidValue(f"bars: expected ({count},), got {bars.shape}")
    if count == 0:
        return []
    alike = (vectors @ vectors.T).astype(np.float32)
    if bars is not None:
        alike -= np.maximum(bars[:, None], bars[None, :])
    for one, other in cannot_link:
        alike[one, other] = alike[other, one] = _FORBIDDEN
    np.fill_diagonal(alike, _FORBIDDEN)

    members: list[list[int] | None] = [[row] for row in range(count)]
    sizes = np.ones(count, np.float32)
    nearest = alike.argmax(axis=1)
    nearness = alike[np.arange(count), nearest]
    while True:
        row = int(nearness.argmax())
        if nearness[row] < threshold:
            break
        other = int(nearest[row])
        keep, gone = min(row, other), max(row, other)
        _join(alike, sizes, keep, gone)
        first, second = members[keep], members[gone]
        if first is None or second is None:
            raise InvalidValue("a cluster was joined twice")
        members[keep] = sorted(first + second)
        members[gone] = None
        nearness[gone] = _FORBIDDEN
        # only rows whose nearest was one of the two can have lost it; the others may have gained
        stale = np.flatnonzero((nearest == keep) | (nearest == gone) | (np.arange(count) == keep))
        for index in stale:
            nearest[index] = int(alike[index].argmax())
            nearness[index] = alike[index, nearest[index]]
        nearness[gone] = _FORBIDDEN
        closer = alike[:, keep] > nearness
        closer[gone] = False
        nearest[closer] = keep
        nearness[closer] = alike[closer, keep]
    return [cluster for cluster in members if cluster is not None]


def _join(alike: Floats, sizes: NDArray[np.float32], keep: int, gone: int) -> None:
    """Replaces row ``keep`` by the mean of both, weighted by size; empties row ``gone``."""
    total = sizes[keep] + sizes[gone]
    joined = (sizes[keep] * alike[keep] + sizes[gone] * alike[gone]) / total
    joined[(alike[keep] <= _FORBIDDEN) | (alike[gone] <= _FORBIDDEN)] = _FORBIDDEN
    alike[keep], alike[:, keep] = joined, joined
    alike[gone], alike[:, gone] = _FORBIDDEN, _FORBIDDEN
    alike[keep, keep] = _FORBIDDEN
    sizes[keep], sizes[gone] = total, 0.0
