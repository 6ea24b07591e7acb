"""Heads that only compare: nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from sightgrid.domain.errors import HeadError
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.heads.estimator import (
    Head,
    HeadKind,
    Scores,
    expect,
    numbered,
    setting,
    softmax,
    unit,
)

# how much a cosine counts before it is made a share: at 16, 0.15 more is about ten times as likely
_FIRMNESS = 16.0


class NearestMean(Head):
    """The cosine to the mean of each person's vectors."""

    kind = HeadKind.NEAREST_MEAN

    def __init__(self) -> None:
        super().__init__()
        self._means = np.zeros((0, 0), np.float32)

    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        """Keeps one mean a person."""
        self.classes, numbers = numbered(self.kind, vectors, labels)
        sums = np.zeros((len(self.classes), vectors.shape[1]), np.float64)
        np.add.at(sums, numbers, vectors)
        self._means = unit(sums)
        return self

    def scores(self, vectors: Floats) -> Scores:
        """Cosines, (N, classes)."""
        return (vectors @ self._means.T).astype(np.float64)

    def predict_proba(self, vectors: Floats) -> Scores:
        """Shares by cosine; an order, not a measured probability."""
        return softmax(_FIRMNESS * self.scores(vectors))

    def arrays(self) -> dict[str, Floats]:
        return {"means": self._means}

    @classmethod
    def restored(
        cls,
        classes: tuple[str, ...],
        arrays: Mapping[str, Floats],
        settings: Mapping[str, float],
        *,
        dimension: int,
    ) -> Self:
        expect(arrays, {"means": (len(classes), dimension)}, kind=cls.kind)
        head = cls()
        head.classes, head._means = classes, arrays["means"]
        return head


class NearestNeighbours(Head):
    """The mean cosine to the ``k`` nearest of each person's own vectors, or to all if fewer.

    A vote among the k nearest of everybody would leave most people without a score, and would
    depend on how many photos each gave.
    """

    kind = HeadKind.KNN

    def __init__(self, k: int = 3) -> None:
        super().__init__()
        self._k = k
        self._vectors = np.zeros((0, 0), np.float32)
        self._starts: list[int] = []

    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        """Keeps every vector."""
        self.classes, numbers = numbered(self.kind, vectors, labels)
        order = np.argsort(numbers, kind="stable")
        self._vectors = vectors[order]
        self._starts = np.searchsorted(numbers[order], np.arange(len(self.classes) + 1)).tolist()
        return self

    def scores(self, vectors: Floats) -> Scores:
        """Mean cosines, (N, classes)."""
        cosines = (vectors @ self._vectors.T).astype(np.float64)
        starts = np.array(self._starts)
        counts = np.diff(starts)
        means: Scores = np.add.reduceat(cosines, starts[:-1], axis=1) / counts
        for number in np.flatnonzero(counts > self._k):
            own = cosines[:, starts[number] : starts[number + 1]]
            nearest = np.partition(own, counts[number] - self._k, axis=1)[:, -self._k :]
            means[:, number] = nearest.mean(axis=1)
        return means

    def predict_proba(self, vectors: Floats) -> Scores:
        """Shares by cosine; an order, not a measured probability."""
        return softmax(_FIRMNESS * self.scores(vectors))

    def arrays(self) -> dict[str, Floats]:
        """``vectors`` (N, D), person by person, and how many there are of each."""
        return {
            "vectors": self._vectors,
            "counts": np.diff(np.array(self._starts)).astype(np.float32),
        }

    def settings(self) -> dict[str, float]:
        return {"k": self._k}

    @classmethod
    def restored(
        cls,
        classes: tuple[str, ...],
        arrays: Mapping[str, Floats],
        settings: Mapping[str, float],
        *,
        dimension: int,
    ) -> Self:
        rows = len(arrays["vectors"]) if "vectors" in arrays and arrays["vectors"].ndim else 0
        expect(arrays, {"vectors": (rows, dimension), "counts": (len(classes),)}, kind=cls.kind)
        counts = arrays["counts"].astype(np.intp)
        if (counts != arrays["counts"]).any() or (counts < 1).any() or counts.sum() != rows:
            raise HeadError("a knn head must hold a whole number of vectors of every person")
        head = cls(k=int(setting(settings, "k", least=1)))
        head.classes, head._vectors = classes, arrays["vectors"]
        head._starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
        return head
