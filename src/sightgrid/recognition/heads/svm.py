"""Linear support vector machines with probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize_scalar

from sightgrid.domain.errors import MissingExtra
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.heads.estimator import (
    Head,
    HeadKind,
    Numbers,
    Scores,
    check_classes,
    expect,
    numbered,
    setting,
)


class LinearSvm(Head):
    """Linear support vector machines, each person against each, with probabilities.

    A decision becomes the probability of one of two people by one logistic step for all pairs, its
    slope fitted to vectors left out in turn (Platt 1999); with a single vector a person there is
    nothing to leave out, and the slope is 1. A person's score is the mean probability against all
    others. libsvm's own calibration is not used: on one vector a person it learns the step upside
    down. Once trained, all that is kept is a line for each two people, so a stored head needs no
    libsvm.
    """

    kind = HeadKind.SVM
    _FOLDS = 5
    _FIRM, _STEEPEST = 1.0, 30.0

    def __init__(self) -> None:
        super().__init__()
        self._lines = np.zeros((0, 0), np.float32)
        self._offsets = np.zeros(0, np.float32)
        self._slope = self._FIRM

    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        """Trains a machine for each two people, on one core."""
        self.classes, numbers = numbered(self.kind, vectors, labels)
        count = len(self.classes)
        fewest = int(np.bincount(numbers).min())
        self._slope = self._FIRM
        if fewest >= 2:
            self._slope = self._calibrated(vectors, numbers, folds=min(fewest, self._FOLDS))
        self._lines, self._offsets = _trained_lines(vectors, numbers, count)
        self.trainable_parameters = len(self._lines) * (vectors.shape[1] + 1)
        if fewest >= 2:
            self.trainable_parameters += 1
        return self

    def scores(self, vectors: Floats) -> Scores:
        """Mean probabilities against each other person, (N, classes)."""
        wins, one, other = self._wins(vectors)
        count = len(self.classes)
        sums = np.empty((len(vectors), count))
        against = np.zeros((count, count))
        for row, won in enumerate(wins):
            against[one, other], against[other, one] = won, 1.0 - won
            sums[row] = against.sum(axis=1)
        return sums / (count - 1)

    def predict_proba(self, vectors: Floats) -> Scores:
        """The pairs' probabilities joined into one for each person (Price et al. 1994)."""
        wins, one, other = self._wins(vectors)
        count = len(self.classes)
        shares = np.empty((len(vectors), count))
        against = np.zeros((count, count))
        for row, won in enumerate(wins):
            against[one, other], against[other, one] = 1.0 / won, 1.0 / (1.0 - won)
            shares[row] = 1.0 / (against.sum(axis=1) - (count - 2))
        joined: Scores = shares / shares.sum(axis=1, keepdims=True)
        return joined

    def arrays(self) -> dict[str, Floats]:
        """``lines`` (pairs, D) and ``offsets`` (pairs,), pairs as in ``np.triu_indices``."""
        return {"lines": self._lines, "offsets": self._offsets}

    def settings(self) -> dict[str, float]:
        return {"slope": self._slope}

    @classmethod
    def restored(
        cls,
        classes: tuple[str, ...],
        arrays: Mapping[str, Floats],
        settings: Mapping[str, float],
        *,
        dimension: int,
    ) -> Self:
        check_classes(cls.kind, len(classes))
        pairs = len(classes) * (len(classes) - 1) // 2
        expect(arrays, {"lines": (pairs, dimension), "offsets": (pairs,)}, kind=cls.kind)
        head = cls()
        head.classes = classes
        head._lines, head._offsets = arrays["lines"], arrays["offsets"]
        head._slope = setting(settings, "slope", least=1e-6)
        head.trainable_parameters = pairs * (dimension + 1)
        return head

    def _wins(self, vectors: Floats) -> tuple[Scores, Numbers, Numbers]:
        """How likely it is the first of each two people, (N, pairs), and the pairs."""
        decisions = vectors.astype(np.float64) @ self._lines.T + self._offsets
        wins: Scores = 1.0 / (1.0 + np.exp(-self._slope * np.clip(decisions, -20, 20)))
        one, other = np.triu_indices(len(self.classes), 1)
        # a probability of exactly 0 or 1 can't be joined with others
        return np.clip(wins, 1e-12, 1 - 1e-12), one, other

    def _calibrated(self, vectors: Floats, numbers: Numbers, *, folds: int) -> float:
        """The slope that makes decisions on left-out vectors the likeliest."""
        count = len(self.classes)
        turn = np.zeros(len(numbers), np.intp)
        for number in range(count):
            own = np.flatnonzero(numbers == number)
            turn[own] = np.arange(len(own)) % folds
        one, other = np.triu_indices(count, 1)
        margins = []
        for fold in range(folds):
            held = turn == fold
            lines, offsets = _trained_lines(vectors[~held], numbers[~held], count)
            decisions = vectors[held] @ lines.T + offsets
            own = numbers[held][:, None]
            margins += [decisions[own == one[None, :]], -decisions[own == other[None, :]]]
        firm = np.concatenate(margins).astype(np.float64)
        found = minimize_scalar(
            lambda slope: float(np.logaddexp(0.0, -slope * firm).sum()),
            bounds=(0.1, self._STEEPEST),
            method="bounded",
        )
        return float(found.x)


def _trained_lines(vectors: Floats, numbers: Numbers, classes: int) -> tuple[Floats, Floats]:
    """The machines' lines (pairs, D) and offsets (pairs,): above 0 for the first of the two."""
    machine = _svc()
    with warnings.catch_warnings():
        # with one photo a person it takes the labels for a regression's
        warnings.filterwarnings("ignore", message="The number of unique classes")
        machine.fit(vectors, numbers)
    lines, offsets = np.asarray(machine.coef_), np.asarray(machine.intercept_)
    if classes == 2:
        # for two classes scikit-learn turns the sign
        lines, offsets = -lines, -offsets
    return lines.astype(np.float32), offsets.astype(np.float32)


def _svc() -> Any:
    try:
        from sklearn.svm import SVC
    except ImportError as error:
        raise MissingExtra("the head svm", extra="evaluation") from error
    return SVC(kernel="linear", C=1.0, decision_function_shape="ovo")
