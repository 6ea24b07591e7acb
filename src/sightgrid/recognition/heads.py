"""Heads: what turns a vector into a score for every enrolled person.

Four ways to use the same frozen vectors, side by side (B7, A11). None of them answers *who*: each
gives scores, higher is better, and whoever asks rejects strangers by the best of them. Scores of
different heads are not comparable.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from sightgrid.domain.errors import InvalidValue, MissingExtra
from sightgrid.domain.geometry import Floats

Scores = NDArray[np.float64]
Numbers = NDArray[np.intp]

SVM_MOST_CLASSES = 200


class HeadKind(StrEnum):
    """The heads by name."""

    NEAREST_MEAN = "nearest-mean"
    KNN = "knn"
    SVM = "svm"
    SOFTMAX = "softmax"


class Head(Protocol):
    """An estimator over vectors of unit length.

    ``classes`` are the labels, sorted, once it is fitted; ``trainable_parameters`` how many
    numbers its fit solved for, 0 for heads that only keep the vectors or their means.
    """

    classes: tuple[str, ...]
    trainable_parameters: int

    def fit(self, vectors: Floats, labels: Sequence[str]) -> None:
        """Learns from (N, D) vectors and their N labels.

        Raises:
            InvalidValue: too few or too many classes for this head.
        """

    def scores(self, vectors: Floats) -> Scores:
        """(N, D) vectors to (N, classes), higher is better."""


def open_head(kind: HeadKind) -> Head:
    """A head that knows nobody yet."""
    match kind:
        case HeadKind.NEAREST_MEAN:
            return NearestMean()
        case HeadKind.KNN:
            return NearestNeighbours()
        case HeadKind.SVM:
            return LinearSvm()
        case HeadKind.SOFTMAX:
            return Softmax()


def check_classes(kind: HeadKind, count: int) -> None:
    """Whether a head can tell so many people apart, before time is spent on it.

    Raises:
        InvalidValue: it can't, and why.
    """
    if count < 1 or (count < 2 and kind in (HeadKind.SVM, HeadKind.SOFTMAX)):
        raise InvalidValue(f"head {kind.value} needs two people or more to learn from, got {count}")
    if kind is HeadKind.SVM and count > SVM_MOST_CLASSES:
        machines = count * (count - 1) // 2
        raise InvalidValue(
            f"head svm is limited to {SVM_MOST_CLASSES} people: it sets each against each, which "
            f"for {count} people means {machines} machines to train and to ask of every face",
            hint="use softmax or nearest-mean, whose cost grows with the people only",
        )


class NearestMean:
    """The cosine to the mean of each person's vectors."""

    trainable_parameters = 0

    def __init__(self) -> None:
        self.classes: tuple[str, ...] = ()
        self._means = np.zeros((0, 0), np.float32)

    def fit(self, vectors: Floats, labels: Sequence[str]) -> None:
        """Keeps one mean a person."""
        self.classes, numbers = _numbered(HeadKind.NEAREST_MEAN, labels)
        sums = np.zeros((len(self.classes), vectors.shape[1]), np.float64)
        np.add.at(sums, numbers, vectors)
        self._means = _unit(sums)

    def scores(self, vectors: Floats) -> Scores:
        """Cosines, (N, classes)."""
        return (vectors @ self._means.T).astype(np.float64)


class NearestNeighbours:
    """The mean cosine to the ``k`` nearest of each person's own vectors, or to all if fewer.

    A vote among the k nearest of everybody would leave most people without a score, and would
    depend on how many photos each gave.
    """

    trainable_parameters = 0

    def __init__(self, k: int = 3) -> None:
        self.classes: tuple[str, ...] = ()
        self._k = k
        self._vectors = np.zeros((0, 0), np.float32)
        self._starts: list[int] = []

    def fit(self, vectors: Floats, labels: Sequence[str]) -> None:
        """Keeps every vector."""
        self.classes, numbers = _numbered(HeadKind.KNN, labels)
        order = np.argsort(numbers, kind="stable")
        self._vectors = vectors[order]
        self._starts = np.searchsorted(numbers[order], np.arange(len(self.classes) + 1)).tolist()

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


class LinearSvm:
    """Linear support vector machines, each person against each, with probabilities.

    A decision becomes the probability of one of two people by one logistic step for all pairs, its
    slope fitted to vectors left out in turn (Platt 1999); with a single vector a person there is
    nothing to leave out, and the slope is 1. A person's score is the mean probability against all
    others. libsvm's own calibration is not used: on one vector a person it learns the step upside
    down.
    """

    _FOLDS = 5
    _FIRM, _STEEPEST = 1.0, 30.0

    def __init__(self) -> None:
        self.classes: tuple[str, ...] = ()
        self.trainable_parameters = 0
        self._machine: Any = None
        self._slope = self._FIRM

    def fit(self, vectors: Floats, labels: Sequence[str]) -> None:
        """Trains a machine for each two people, on one core."""
        self.classes, numbers = _numbered(HeadKind.SVM, labels)
        fewest = int(np.bincount(numbers).min())
        self._slope = self._FIRM
        if fewest >= 2:
            self._slope = self._calibrated(vectors, numbers, folds=min(fewest, self._FOLDS))
        self._machine = _svc()
        _train(self._machine, vectors, numbers)
        machines = len(self.classes) * (len(self.classes) - 1) // 2
        self.trainable_parameters = machines * (vectors.shape[1] + 1)
        if fewest >= 2:
            self.trainable_parameters += 1

    def scores(self, vectors: Floats) -> Scores:
        """Mean probabilities against each other person, (N, classes)."""
        decisions = _pairwise(self._machine, vectors, len(self.classes))
        wins = 1.0 / (1.0 + np.exp(-self._slope * np.clip(decisions, -20, 20)))
        one, other = np.triu_indices(len(self.classes), 1)
        sums = np.empty((len(vectors), len(self.classes)))
        against = np.zeros((len(self.classes), len(self.classes)))
        for row, won in enumerate(wins):
            against[one, other], against[other, one] = won, 1.0 - won
            sums[row] = against.sum(axis=1)
        return sums / (len(self.classes) - 1)

    def _calibrated(self, vectors: Floats, numbers: Numbers, *, folds: int) -> float:
        """The slope that makes decisions on left-out vectors the likeliest."""
        turn = np.zeros(len(numbers), np.intp)
        for number in range(len(self.classes)):
            own = np.flatnonzero(numbers == number)
            turn[own] = np.arange(len(own)) % folds
        one, other = np.triu_indices(len(self.classes), 1)
        margins = []
        for fold in range(folds):
            machine, held = _svc(), turn == fold
            _train(machine, vectors[~held], numbers[~held])
            decisions = _pairwise(machine, vectors[held], len(self.classes))
            own = numbers[held][:, None]
            margins += [decisions[own == one[None, :]], -decisions[own == other[None, :]]]
        firm = np.concatenate(margins)
        found = minimize_scalar(
            lambda slope: float(np.logaddexp(0.0, -slope * firm).sum()),
            bounds=(0.1, self._STEEPEST),
            method="bounded",
        )
        return float(found.x)


class Softmax:
    """A dense layer with softmax over the frozen vectors, trained to the end by L-BFGS.

    Vectors are scaled by ``SCALE`` first, as ones of unit length can't make a softmax sure of
    anything; weights are held small by ``DECAY``. Scores are the layer's outputs before softmax:
    what softmax divides by depends on who is enrolled, and makes it sure of strangers too.
    """

    SCALE = 16.0
    DECAY = 1e-3
    _ROUNDS = 200

    def __init__(self) -> None:
        self.classes: tuple[str, ...] = ()
        self.trainable_parameters = 0
        self._weights = np.zeros((0, 0))
        self._biases = np.zeros(0)

    def fit(self, vectors: Floats, labels: Sequence[str]) -> None:
        """Trains weights (classes, D) and biases (classes,)."""
        self.classes, numbers = _numbered(HeadKind.SOFTMAX, labels)
        inputs = vectors.astype(np.float64) * self.SCALE
        count, width = len(self.classes), inputs.shape[1]
        wanted = np.zeros((len(inputs), count))
        wanted[np.arange(len(inputs)), numbers] = 1.0

        def loss(flat: Scores) -> tuple[float, Scores]:
            weights, biases = flat[: count * width].reshape(count, width), flat[count * width :]
            outputs = inputs @ weights.T + biases
            outputs -= outputs.max(axis=1, keepdims=True)
            sums = np.exp(outputs).sum(axis=1, keepdims=True)
            fit = float((np.log(sums[:, 0]) - (outputs * wanted).sum(axis=1)).mean())
            error = (np.exp(outputs) / sums - wanted) / len(inputs)
            slope = np.concatenate(
                [(error.T @ inputs + self.DECAY * weights).ravel(), error.sum(axis=0)]
            )
            return fit + self.DECAY / 2 * float((weights**2).sum()), slope

        start = np.zeros(count * (width + 1))
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": self._ROUNDS}
        )
        self._weights = found.x[: count * width].reshape(count, width)
        self._biases = found.x[count * width :]
        self.trainable_parameters = count * (width + 1)

    def scores(self, vectors: Floats) -> Scores:
        """Outputs before softmax, (N, classes)."""
        outputs: Scores = vectors.astype(np.float64) @ (self.SCALE * self._weights.T)
        return outputs + self._biases


def _numbered(kind: HeadKind, labels: Sequence[str]) -> tuple[tuple[str, ...], Numbers]:
    """The labels, sorted, and the number of each row's label among them."""
    classes = tuple(sorted(set(labels)))
    check_classes(kind, len(classes))
    number = {label: place for place, label in enumerate(classes)}
    return classes, np.array([number[label] for label in labels], np.intp)


def _svc() -> Any:
    try:
        from sklearn.svm import SVC
    except ImportError as error:
        raise MissingExtra("the head svm", extra="evaluation") from error
    return SVC(kernel="linear", C=1.0, decision_function_shape="ovo")


def _train(machine: Any, vectors: Floats, numbers: Numbers) -> None:
    with warnings.catch_warnings():
        # with one photo a person it takes the labels for a regression's
        warnings.filterwarnings("ignore", message="The number of unique classes")
        machine.fit(vectors, numbers)


def _pairwise(machine: Any, vectors: Floats, classes: int) -> Scores:
    """Decisions (N, pairs): above 0 for the first of two people, pairs as np.triu_indices."""
    decisions: Scores = np.asarray(machine.decision_function(vectors), np.float64)
    # for two classes scikit-learn gives one column, and turns its sign
    return -decisions.reshape(-1, 1) if classes == 2 else decisions


def _unit(rows: NDArray[np.float64]) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Floats = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return units
