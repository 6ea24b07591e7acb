"""Are strangers told apart when nobody is enrolled? Photos to clusters, held to the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.calibration import Policy
from sightgrid.recognition.regrouping import group

Numbers = NDArray[np.intp]

# each pair of photos has a place in a table, and that table has to fit into memory
MOST_PHOTOS = 20_000


@dataclass(frozen=True, slots=True)
class ClusterScores:
    """How well clusters fit people. Shares are 0-1.

    ``purity``: of the photos, the share that shows the person most of their cluster shows.
    ``serials_per_person``: clusters by people. ``wrong_joins``: clusters that show two people or
    more. BCubed (Bagga and Baldwin 1998), mean over photos: ``precision``, of a photo's cluster the
    share that shows the same person; ``recall``, of the person's photos the share in that cluster;
    ``f`` the harmonic mean of both.
    """

    purity: float
    serials_per_person: float
    wrong_joins: int
    precision: float
    recall: float
    f: float
    people: int
    clusters: int
    photos: int


@dataclass(frozen=True, slots=True)
class Clustering:
    """What came of one threshold."""

    threshold: float
    scores: ClusterScores


def cluster(vectors: Floats, labels: Sequence[str], *, threshold: float) -> Clustering:
    """Groups photos as the ledger groups strangers by similarity, and judges the groups.

    Args:
        vectors: (N, D) of unit length, N from 1 on. labels: whom each shows.
    """
    _check(vectors, labels)
    serials = np.empty(len(vectors), np.intp)
    for number, rows in enumerate(group(vectors, threshold=threshold)):
        serials[rows] = number
    return Clustering(threshold, judge(serials, labels))


def threshold_for(vectors: Floats, *, policy: Policy) -> float:
    """The threshold that keeps the policy's budget of wrong joins, with as many identities to
    confuse as there turn out to be; at first every photo is one."""
    if len(vectors) > MOST_PHOTOS:
        raise _too_many(len(vectors))
    rough = policy.bands(enrolled=0, identities=len(vectors)).same
    return policy.bands(enrolled=0, identities=len(group(vectors, threshold=rough))).same


def judge(serials: Numbers, labels: Sequence[str]) -> ClusterScores:
    """Clusters against people; both (N,), N from 1 on."""
    _, person = np.unique(np.array(labels, np.str_), return_inverse=True)
    _, serial = np.unique(serials, return_inverse=True)
    people, clusters = int(person.max()) + 1, int(serial.max()) + 1
    shared = np.zeros((clusters, people))
    np.add.at(shared, (serial, person), 1)
    sizes, photos = shared.sum(axis=1), shared.sum(axis=0)
    count = len(person)
    precision = float((shared**2 / sizes[:, None]).sum() / count)
    recall = float((shared**2 / photos[None, :]).sum() / count)
    return ClusterScores(
        purity=float(shared.max(axis=1).sum() / count),
        serials_per_person=clusters / people,
        wrong_joins=int(((shared > 0).sum(axis=1) > 1).sum()),
        precision=precision,
        recall=recall,
        f=2 * precision * recall / (precision + recall),
        people=people,
        clusters=clusters,
        photos=count,
    )


def _check(vectors: Floats, labels: Sequence[str]) -> None:
    if not len(vectors):
        raise InvalidValue("no photo shows a face, so there is nothing to group")
    if len(vectors) > MOST_PHOTOS:
        raise _too_many(len(vectors))
    if len(labels) != len(vectors):
        raise InvalidValue(f"{len(vectors)} vectors have {len(labels)} labels")


def _too_many(count: int) -> InvalidValue:
    return InvalidValue(
        f"{count} photos are too many to group at once, {MOST_PHOTOS} are the most",
        hint="give fewer people",
    )
