"""The interface that all heads share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import HeadError, InvalidValue
from sightgrid.domain.geometry import Floats

Scores = NDArray[np.float64]
Numbers = NDArray[np.intp]

SVM_MOST_CLASSES = 200
# rounding of float32 vectors that were stored and read back
_LENGTH_SLACK = 1e-2


class HeadKind(StrEnum):
    """The heads by name."""

    NEAREST_MEAN = "nearest-mean"
    KNN = "knn"
    SVM = "svm"
    SOFTMAX = "softmax"
    PROJECTION = "projection"
    SHARDED = "sharded"


_NEED_ONE = (HeadKind.NEAREST_MEAN, HeadKind.KNN)


class Head(ABC):
    """An estimator over vectors of unit length, with the method names of scikit-learn.

    ``classes`` are the labels, sorted, once it is fitted. ``trainable_parameters`` is how many
    numbers its fit solved for, 0 for heads that only keep the vectors or their means; ``epochs``
    how often its training went through all vectors. A face whose best score is not above
    ``threshold`` is unknown; the threshold that nothing has set lets everybody pass.
    """

    kind: ClassVar[HeadKind]

    def __init__(self) -> None:
        self.classes: tuple[str, ...] = ()
        self.trainable_parameters = 0
        self.epochs = 0
        self.threshold = -np.inf

    @abstractmethod
    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        """Learns from (N, D) vectors and their N labels.

        Raises:
            InvalidValue: too few or too many classes for this head, or vectors that are none.
        """

    def fit_images(self, vectors: Floats, labels: Sequence[str], images: Numbers) -> Self:
        """The same where several rows may show one image, (N,) numbers of images: it and altered
        copies of it. Heads that keep images apart to test themselves keep those together."""
        return self.fit(vectors, labels)

    @abstractmethod
    def scores(self, vectors: Floats) -> Scores:
        """(N, D) vectors to (N, classes), higher is better."""

    def predict_proba(self, vectors: Floats) -> Scores:
        """(N, classes): how likely each person is, if it is one of them; rows add up to 1."""
        return softmax(self.scores(vectors))

    def predict(self, vectors: Floats) -> list[str | None]:
        """The label of each vector; ``None`` for whom the head does not know."""
        scores = self.scores(vectors)
        best = scores.argmax(axis=1)
        return [
            self.classes[number] if scores[row, number] > self.threshold else None
            for row, number in enumerate(best)
        ]

    def score(self, vectors: Floats, labels: Sequence[str]) -> float:
        """The share of vectors whose label it predicts, 0-1."""
        predicted = self.predict(vectors)
        return sum(a == b for a, b in zip(predicted, labels, strict=True)) / max(len(labels), 1)

    @abstractmethod
    def arrays(self) -> dict[str, Floats]:
        """What it learned, by name: all that a file must keep beside classes and settings."""

    def settings(self) -> dict[str, float]:
        """The numbers it was opened with and those that training found beside the arrays."""
        return {}

    @classmethod
    @abstractmethod
    def restored(
        cls,
        classes: tuple[str, ...],
        arrays: Mapping[str, Floats],
        settings: Mapping[str, float],
        *,
        dimension: int,
    ) -> Self:
        """A fitted head from what :meth:`arrays` and :meth:`settings` gave.

        Raises:
            HeadError: an array or setting is missing, left over, or of another shape.
        """


def check_classes(kind: HeadKind, count: int) -> None:
    """Whether a head can tell so many people apart, before time is spent on it.

    Raises:
        InvalidValue: it can't, and why.
    """
    if count < 1 or (count < 2 and kind not in _NEED_ONE):
        raise InvalidValue(f"head {kind.value} needs two people or more to learn from, got {count}")
    if kind is HeadKind.SVM and count > SVM_MOST_CLASSES:
        machines = count * (count - 1) // 2
        raise InvalidValue(
            f"head svm is limited to {SVM_MOST_CLASSES} people: it sets each against each, which "
            f"for {count} people means {machines} machines to train and to ask of every face",
            hint="use softmax or nearest-mean, whose cost grows with the people only",
        )


def numbered(
    kind: HeadKind, vectors: Floats, labels: Sequence[str]
) -> tuple[tuple[str, ...], Numbers]:
    """The labels, sorted, and the number of each row's label among them.

    Raises:
        InvalidValue: the vectors are not (N, D) of unit length, or the classes are too few or many.
    """
    if vectors.ndim != 2 or len(vectors) != len(labels):
        raise InvalidValue(f"{len(labels)} labels were given for vectors of {vectors.shape}")
    lengths = np.linalg.norm(vectors, axis=1)
    # written so that a length that is no number fails too
    odd = np.flatnonzero(~(np.abs(lengths - 1.0) < _LENGTH_SLACK))
    if len(odd):
        raise InvalidValue(
            f"vector {odd[0] + 1} of {len(vectors)} is not of unit length, or holds values that "
            "are no numbers",
            hint="embed the photos again",
        )
    classes = tuple(sorted(set(labels)))
    check_classes(kind, len(classes))
    number = {label: place for place, label in enumerate(classes)}
    return classes, np.array([number[label] for label in labels], np.intp)


def expect(
    arrays: Mapping[str, Floats], shapes: Mapping[str, tuple[int, ...]], *, kind: HeadKind
) -> None:
    """Holds the arrays of a stored head to the shapes that its classes ask for.

    Raises:
        HeadError: one is missing, left over or of another shape.
    """
    if arrays.keys() != shapes.keys():
        raise HeadError(
            f"a {kind.value} head holds the arrays {', '.join(sorted(shapes))}, "
            f"this one {', '.join(sorted(arrays)) or 'none'}"
        )
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise HeadError(
                f"array {name} of a {kind.value} head must be {shape}, it is {arrays[name].shape}"
            )


def setting(settings: Mapping[str, float], name: str, *, least: float) -> float:
    """One number among the settings of a stored head.

    Raises:
        HeadError: it is missing, no number, or smaller than ``least``.
    """
    value = settings.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < np.inf:
        raise HeadError(f"setting {name} of a stored head must be a number from {least:g} on")
    return float(value)


def softmax(outputs: Scores) -> Scores:
    """Rows to shares that add up to 1."""
    raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    shares: Scores = raised / raised.sum(axis=1, keepdims=True)
    return shares


def unit(rows: NDArray[np.float64]) -> Floats:
    """Rows of length 1, float32."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: Floats = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return units
