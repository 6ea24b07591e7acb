"""Heads: what turns a vector into a score for every enrolled person.

Five ways to use the same frozen vectors, side by side (B7, A11), behind one estimator interface.
Each gives scores, higher is better; whoever's best score is not above the head's threshold is
unknown. Scores of different heads are not comparable.
"""

from __future__ import annotations

from collections.abc import Callable

from sightgrid.recognition.heads.estimator import (
    SVM_MOST_CLASSES,
    Head,
    HeadKind,
    Numbers,
    Scores,
    check_classes,
)
from sightgrid.recognition.heads.nearest import NearestMean, NearestNeighbours
from sightgrid.recognition.heads.projection import Projection
from sightgrid.recognition.heads.softmax import Softmax
from sightgrid.recognition.heads.svm import LinearSvm

__all__ = [
    "SVM_MOST_CLASSES",
    "Head",
    "HeadKind",
    "LinearSvm",
    "NearestMean",
    "NearestNeighbours",
    "Numbers",
    "Projection",
    "Scores",
    "Softmax",
    "check_classes",
    "head_class",
    "open_head",
]


def head_class(kind: HeadKind) -> type[Head]:
    """The estimator of a name."""
    match kind:
        case HeadKind.NEAREST_MEAN:
            return NearestMean
        case HeadKind.KNN:
            return NearestNeighbours
        case HeadKind.SVM:
            return LinearSvm
        case HeadKind.SOFTMAX:
            return Softmax
        case HeadKind.PROJECTION:
            return Projection


def open_head(kind: HeadKind, *, tell: Callable[[int], None] | None = None) -> Head:
    """A head that knows nobody yet; ``tell`` hears how many epochs its training has behind it."""
    if kind is HeadKind.SOFTMAX:
        return Softmax(tell=tell)
    if kind is HeadKind.PROJECTION:
        return Projection(tell=tell)
    return head_class(kind)()
