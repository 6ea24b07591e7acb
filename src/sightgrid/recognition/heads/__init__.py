"""Heads: what turns a vector into a score for every enrolled person.

Five ways to use the same frozen vectors, side by side (B7, A11), behind one estimator interface;
the softmax head also in shards (A16). Each gives scores, higher is better; whoever's best score is
not above the head's threshold is unknown. Scores of different heads are not comparable.
"""

from __future__ import annotations

from collections.abc import Callable

from sightgrid.domain.errors import InvalidValue
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
from sightgrid.recognition.heads.sharded import ShardedSoftmax, check_shards
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
    "ShardedSoftmax",
    "Softmax",
    "check_classes",
    "check_shards",
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
        case HeadKind.SHARDED:
            return ShardedSoftmax


def open_head(
    kind: HeadKind, *, shards: int = 1, tell: Callable[[int], None] | None = None
) -> Head:
    """A head that knows nobody yet.

    Args:
        shards: of a softmax head: divide the people among so many; 1 for one head.
        tell: hears how many epochs the training of a trained head has behind it.

    Raises:
        InvalidValue: another head than softmax was asked for in shards.
    """
    if shards > 1 and kind is not HeadKind.SOFTMAX:
        raise InvalidValue(
            f"head {kind.value} can't be divided into shards", hint="shards need --head softmax"
        )
    match kind:
        case HeadKind.NEAREST_MEAN:
            return NearestMean()
        case HeadKind.KNN:
            return NearestNeighbours()
        case HeadKind.SVM:
            return LinearSvm()
        case HeadKind.PROJECTION:
            return Projection(tell=tell)
        case HeadKind.SOFTMAX | HeadKind.SHARDED:
            return Softmax(tell=tell) if shards == 1 else ShardedSoftmax(shards, tell=tell)
