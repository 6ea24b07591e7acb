"""Which templates are one person: clustering that obeys what can't be.

Clusters are joined from the most alike downwards while the threshold is reached and no member of
one is known to be another person than a member of the other (two faces in one frame, two cameras at
once). Alike by the similarity of their weighted mean vectors, rather than of the best or average
pair, because averaging looks cancels what blur, light and pose did to each of them (Sokal and
Michener 1958 for the method); or, where the embedder has an evidence model, by how much all looks
of both together speak for one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.evidence import Doubles, EvidenceModel

_FORBIDDEN = -1e6  # below every similarity and all evidence


def group(
    vectors: Floats,
    *,
    threshold: float,
    weights: Floats | None = None,
    cannot_link: Iterable[tuple[int, int]] = (),
    bars: Floats | None = None,
) -> list[list[int]]:
    """Joins what is one person by how alike means are.

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
    measure = _Means(
        vectors if weights is None else vectors * weights[:, None],
        np.zeros(count, np.float32) if bars is None else bars.astype(np.float32),
    )
    return _joined(measure, count, threshold, cannot_link)


def group_by_evidence(
    evidence: Doubles,
    *,
    model: EvidenceModel,
    threshold: float,
    cannot_link: Iterable[tuple[int, int]] = (),
    hints: Mapping[tuple[int, int], float] | None = None,
) -> list[list[int]]:
    """Joins what is one person by how much all their looks together speak for it.

    Args:
        evidence: (N, 2, D), as :meth:`EvidenceModel.weigh` gives it.
        threshold: least evidence, in nats, for two clusters to be joined.
        cannot_link: pairs of rows that are never one person.
        hints: nats by which other evidence speaks for a pair of rows; a pair of clusters has the
            best of theirs.

    Returns:
        As :func:`group`.
    """
    return _joined(_Pools(evidence, model, hints or {}), len(evidence), threshold, cannot_link)


def _joined(
    measure: _Measure, count: int, threshold: float, cannot_link: Iterable[tuple[int, int]]
) -> list[list[int]]:
    if count == 0:
        return []
    clusters = _Clusters(measure, count, cannot_link)
    while clusters.join_most_alike(threshold):
        pass
    return clusters.members()


class _Measure(Protocol):
    """How much each pair of clusters belongs together."""

    def all_pairs(self) -> Floats:
        """(N, N), symmetric; the diagonal is not read."""

    def join(self, keep: int, gone: int) -> Floats:
        """Makes two clusters one; how much the new one belongs with each, (N,)."""

    def keep_only(self, rows: NDArray[np.intp]) -> None:
        """Forgets all other clusters."""


class _Means:
    """How far the similarity of two clusters' means is above their bar."""

    def __init__(self, vectors: Floats, bars: Floats) -> None:
        self._sums = vectors.astype(np.float32)
        self._bars = bars.copy()
        self._units = self._sums / np.maximum(np.linalg.norm(self._sums, axis=1), 1e-9)[:, None]

    def all_pairs(self) -> Floats:
        lead: Floats = self._units @ self._units.T
        lead -= np.maximum(self._bars[:, None], self._bars[None, :])
        return lead

    def join(self, keep: int, gone: int) -> Floats:
        self._sums[keep] += self._sums[gone]
        self._bars[keep] = min(self._bars[keep], self._bars[gone])
        self._units[keep] = self._sums[keep] / max(float(np.linalg.norm(self._sums[keep])), 1e-9)
        # not @: handing out a product this small to threads takes longer than making it
        lead: Floats = np.vecdot(self._units, self._units[keep])
        lead -= np.maximum(self._bars, self._bars[keep])
        return lead

    def keep_only(self, rows: NDArray[np.intp]) -> None:
        self._sums, self._units = self._sums[rows], self._units[rows]
        self._bars = self._bars[rows]


class _Pools:
    """How much likelier the looks of two clusters are as one person's than as two people's."""

    def __init__(
        self, evidence: Doubles, model: EvidenceModel, hints: Mapping[tuple[int, int], float]
    ) -> None:
        self._evidence = evidence.copy()
        self._model = model
        self._alone = model.likelihood(evidence)
        self._hints = np.zeros((len(evidence), len(evidence)), np.float32)
        for (one, other), nats in hints.items():
            best = max(float(self._hints[one, other]), nats)
            self._hints[one, other] = self._hints[other, one] = best

    def all_pairs(self) -> Floats:
        lead = np.empty((len(self._evidence), len(self._evidence)), np.float32)
        for row in range(len(lead)):
            lead[row, row:] = lead[row:, row] = self._with(row, slice(row, None))
        return lead

    def join(self, keep: int, gone: int) -> Floats:
        self._evidence[keep] += self._evidence[gone]
        self._alone[keep] = self._model.likelihood(self._evidence[keep])
        self._hints[keep] = np.maximum(self._hints[keep], self._hints[gone])
        self._hints[:, keep] = self._hints[keep]
        return self._with(keep, slice(None))

    def keep_only(self, rows: NDArray[np.intp]) -> None:
        self._evidence, self._alone = self._evidence[rows], self._alone[rows]
        self._hints = self._hints[np.ix_(rows, rows)]

    def _with(self, row: int, others: slice) -> Floats:
        together = self._model.likelihood(self._evidence[others] + self._evidence[row])
        lead: Floats = (together - self._alone[others] - self._alone[row]).astype(np.float32)
        return lead + self._hints[row, others]


class _Clusters:
    """How much each pair of clusters belongs together, and which does most.

    Each row remembers the cluster nearest to it. A row whose nearest has moved away is only marked:
    what it remembers still bounds how near any can be, so it is looked at again when, if ever, it
    comes first. That keeps the work quadratic where one person is nearly all there is.
    """

    def __init__(
        self, measure: _Measure, count: int, cannot_link: Iterable[tuple[int, int]]
    ) -> None:
        self._measure = measure
        self._rows: list[list[int]] = [[row] for row in range(count)]
        self._alive = np.ones(count, np.bool_)
        self._forbidden = np.eye(count, dtype=np.bool_)
        for one, other in cannot_link:
            self._forbidden[one, other] = self._forbidden[other, one] = True
        self._lead = measure.all_pairs()
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

        lead = self._measure.join(keep, gone)
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
        self._measure.keep_only(alive)
        self._nearness = self._nearness[alive]
        self._lead = self._lead[np.ix_(alive, alive)]
        self._forbidden = self._forbidden[np.ix_(alive, alive)]
        self._alive, self._stale = self._alive[alive], self._stale[alive]
