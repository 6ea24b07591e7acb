"""Which templates are one person: centroid clustering that obeys what can't be.

Clusters are joined from the most alike downwards while the similarity of their weighted mean
vectors reaches the threshold and no member of one is known to be another person than a member of
the other (two faces in one frame, two cameras at once). Means are compared, rather than the best
or the average pair, because averaging looks cancels what blur, light and pose did to each of them
(Sokal and Michener 1958 for the method).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats

_FORBIDDEN = -2.0  # below every similarity


def group(
    vectors: Floats,
    *,
    threshold: float,
    weights: Floats | None = None,
    cannot_link: Iterable[tuple[int, int]] = (),
    bars: Floats | None = None,
) -> list[list[int]]:
    """Joins what is one person.

    Args:
        vectors: (N, D) unit vectors.
        threshold: least similarity of two clusters' means that may be joined.
        weights: (N,) how much each row counts in its cluster's mean; 1 by default.
        cannot_link: pairs of rows that are never one person.
        bars: (N,) added to the threshold for each row, so that poor looks need to be more alike;
            a cluster has the lowest bar of its rows, a pair of clusters the higher of its two.

    Returns:
        The rows of each cluster in ascending order; clusters in order of their first row.
    """
    count = len(vectors)
    for name, values in (("bars", bars), ("weights", weights)):
        if values is not None and values.shape != (count,):
            raise InvalidValue(f"{name}: expected ({count},), got {values.shape}")
    if count == 0:
        return []
    clusters = _Clusters(
        vectors if weights is None else vectors * weights[:, None],
        np.zeros(count, np.float32) if bars is None else bars.astype(np.float32),
        cannot_link,
    )
    while clusters.join_most_alike(threshold):
        pass
    return clusters.members()


class _Clusters:
    """Sums of vectors, and how far each pair of clusters is above its bar.

    Each row remembers the cluster nearest to it. A row whose nearest has moved away is only marked:
    what it remembers still bounds how near any can be, so it is looked at again when, if ever, it
    comes first. That keeps the work quadratic where one person is nearly all there is.
    """

    def __init__(
        self, vectors: Floats, bars: Floats, cannot_link: Iterable[tuple[int, int]]
    ) -> None:
        count = len(vectors)
        self._rows: list[list[int]] = [[row] for row in range(count)]
        self._sums = vectors.astype(np.float32)
        self._bars = bars.copy()
        self._alive = np.ones(count, np.bool_)
        self._forbidden = np.eye(count, dtype=np.bool_)
        for one, other in cannot_link:
            self._forbidden[one, other] = self._forbidden[other, one] = True
        self._units = self._sums / np.maximum(np.linalg.norm(self._sums, axis=1), 1e-9)[:, None]
        self._lead = self._units @ self._units.T
        self._lead -= np.maximum(bars[:, None], bars[None, :])
        self._lead[self._forbidden] = _FORBIDDEN
        self._nearest = self._lead.argmax(axis=1)
        self._nearness = self._lead[np.arange(count), self._nearest]
        self._stale = np.zeros(count, np.bool_)

    def members(self) -> list[list[int]]:
        return [sorted(rows) for rows, alive in zip(self._rows, self._alive, strict=True) if alive]

    def join_most_alike(self, threshold: float) -> bool:
        """Joins the two clusters most above their bar; ``False`` if none reach the threshold."""
        row = self._most_alike(threshold)
        if row is None:
            return False
        other = int(self._nearest[row])
        keep, gone = min(row, other), max(row, other)
        self._rows[keep] += self._rows[gone]
        self._alive[gone] = False
        self._forbidden[keep] |= self._forbidden[gone]
        self._forbidden[:, keep] = self._forbidden[keep]
        self._sums[keep] += self._sums[gone]
        self._bars[keep] = min(self._bars[keep], self._bars[gone])
        self._units[keep] = self._sums[keep] / max(float(np.linalg.norm(self._sums[keep])), 1e-9)

        # not @: handing out a product this small to threads takes longer than making it
        lead = np.vecdot(self._units, self._units[keep])
        lead -= np.maximum(self._bars, self._bars[keep])
        lead[self._forbidden[keep] | ~self._alive] = _FORBIDDEN
        self._lead[keep], self._lead[:, keep] = lead, lead
        self._lead[gone], self._lead[:, gone] = _FORBIDDEN, _FORBIDDEN
        self._stale |= (self._nearest == keep) | (self._nearest == gone)
        # what is as near as the nearest was, is the nearest, stale or not
        closer = lead >= self._nearness
        self._nearest[closer], self._nearness[closer] = keep, lead[closer]
        self._stale[closer] = False
        self._look_again(keep)
        self._nearness[gone], self._stale[gone] = _FORBIDDEN, False
        if 2 * np.count_nonzero(self._alive) <= len(self._alive):
            self._drop_the_dead()
        return True

    def _most_alike(self, threshold: float) -> int | None:
        """A row of the most alike pair; ``None`` if that doesn't reach the threshold."""
        while True:
            row = int(self._nearness.argmax())
            if self._nearness[row] < threshold:
                return None
            if not self._stale[row]:
                return row
            self._look_again(row)

    def _look_again(self, row: int) -> None:
        self._nearest[row] = self._lead[row].argmax()
        self._nearness[row] = self._lead[row, self._nearest[row]]
        self._stale[row] = False

    def _drop_the_dead(self) -> None:
        alive = np.flatnonzero(self._alive)
        self._rows = [self._rows[row] for row in alive]
        # rows that remember a dead one are stale: where theirs points to is never read
        self._nearest = (np.cumsum(self._alive) - 1)[self._nearest[alive]]
        self._sums, self._units = self._sums[alive], self._units[alive]
        self._bars, self._nearness = self._bars[alive], self._nearness[alive]
        self._lead = self._lead[np.ix_(alive, alive)]
        self._forbidden = self._forbidden[np.ix_(alive, alive)]
        self._alive, self._stale = self._alive[alive], self._stale[alive]
