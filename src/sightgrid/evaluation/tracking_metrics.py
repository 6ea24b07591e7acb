"""How well boxes were followed: HOTA, IDF1 and CLEAR-MOT from boxes with identities.

HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021.
IDF1: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking",
ECCV workshops 2016. MOTA and what belongs to it: Bernardin and Stiefelhagen, "Evaluating Multiple
Object Tracking Performance: The CLEAR MOT Metrics", 2008. Where the papers leave a choice it is
made as the public implementation TrackEval makes it, so that figures can be compared: frames in
which either side is empty neither end nor begin a fragment, and a box keeps the identity it had in
the frame before where it still overlaps enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sightgrid.domain.errors import InvalidValue

Doubles: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = NDArray[np.int64]

# summed up, not multiplied, so that an overlap of exactly 0.6 falls on the side where others put it
ALPHAS: Doubles = np.arange(0.05, 0.99, 0.05)
"""The overlaps, 0.05 to 0.95, that HOTA is averaged over."""
LEAST_OVERLAP = 0.5
"""Intersection over union from which on a box counts as found, for IDF1 and CLEAR-MOT."""
_ROUNDING = float(np.finfo(np.float64).eps)
# of the life of a true identity
_MOSTLY, _HARDLY = 0.8, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class TrackedBoxes:
    """Boxes with an identity, a row a box, in any order.

    ``frame`` and ``identity`` are any whole numbers, int64 (N,); an identity is at most once in a
    frame. ``boxes`` are float64 (N, 4), left, top, right, bottom.
    """

    frame: Numbers
    identity: Numbers
    boxes: Doubles

    def __post_init__(self) -> None:
        rows = len(self.frame)
        if self.frame.shape != (rows,) or self.identity.shape != (rows,):
            raise InvalidValue(f"frame and identity: expected ({rows},) each")
        if self.boxes.shape != (rows, 4):
            raise InvalidValue(f"boxes: expected ({rows}, 4), got {self.boxes.shape}")
        if not np.isfinite(self.boxes).all():
            raise InvalidValue("boxes: a number is not finite")
        keys = np.stack([self.frame, self.identity], axis=1)
        if len(np.unique(keys, axis=0)) != rows:
            raise InvalidValue("an identity is twice in one frame")

    def __len__(self) -> int:
        return len(self.frame)

    def only(self, kept: NDArray[np.bool_]) -> TrackedBoxes:
        """The rows that are ``kept``, bool (N,)."""
        return TrackedBoxes(self.frame[kept], self.identity[kept], self.boxes[kept])


@dataclass(frozen=True, slots=True, eq=False)
class HotaScores:
    """One value for each overlap of :data:`ALPHAS`, (19,) each, 0-1, and their means.

    ``deta`` tells how well boxes were found, ``assa`` how well they were joined to identities; HOTA
    is the root of their product. Re: share of what is true, Pr: share of what was answered.
    ``loca`` is the mean overlap of what was found.
    """

    by_alpha: Doubles
    deta_by_alpha: Doubles
    assa_by_alpha: Doubles
    detre_by_alpha: Doubles
    detpr_by_alpha: Doubles
    assre_by_alpha: Doubles
    asspr_by_alpha: Doubles
    loca_by_alpha: Doubles

    @property
    def hota(self) -> float:
        return float(self.by_alpha.mean())

    @property
    def deta(self) -> float:
        return float(self.deta_by_alpha.mean())

    @property
    def assa(self) -> float:
        return float(self.assa_by_alpha.mean())

    @property
    def loca(self) -> float:
        return float(self.loca_by_alpha.mean())


@dataclass(frozen=True, slots=True)
class IdentityScores:
    """Boxes that carry the right identity, when each true identity is given the one answered
    identity that makes most of them right: ``true_positives`` right, ``false_positives`` answered
    otherwise, ``false_negatives`` true otherwise."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def idf1(self) -> float:
        wrong = self.false_positives + self.false_negatives
        return self.true_positives / max(self.true_positives + wrong / 2, 1.0)

    @property
    def idp(self) -> float:
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def idr(self) -> float:
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)


@dataclass(frozen=True, slots=True)
class ClearScores:
    """What CLEAR-MOT counts, frame by frame.

    ``found``, ``false`` and ``missed`` are boxes. ``id_switches``: how often a true identity was
    found under another identity than the last time. ``fragments``: how often it was found again
    after it was missed. ``mostly_tracked`` true identities were found in more than 80 % of their
    frames, ``mostly_lost`` in less than 20 %, ``partly_tracked`` are the others. ``overlap`` is the
    sum over the boxes found.
    """

    found: int
    false: int
    missed: int
    id_switches: int
    fragments: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int
    overlap: float

    @property
    def mota(self) -> float:
        """1 minus all mistakes as a share of the true boxes; may be negative."""
        return (self.found - self.false - self.id_switches) / max(self.found + self.missed, 1)

    @property
    def motp(self) -> float:
        """Mean overlap of the boxes found, 0 for none."""
        return self.overlap / max(self.found, 1)

    @property
    def recall(self) -> float:
        return self.found / max(self.found + self.missed, 1)

    @property
    def precision(self) -> float:
        return self.found / max(self.found + self.false, 1)


@dataclass(frozen=True, slots=True, eq=False)
class TrackingScores:
    """Everything one comparison gives.

    ``matches`` are the pairs of CLEAR-MOT as rows of the truth and of the result, int64 (M, 2).
    """

    hota: HotaScores
    identity: IdentityScores
    clear: ClearScores
    matches: Numbers


def score_tracking(truth: TrackedBoxes, result: TrackedBoxes) -> TrackingScores:
    """Compares an answer with the truth; either may be empty.

    Give the boxes of several cameras with :func:`side_by_side` to ask whether identities hold
    across them.
    """
    pairing = _Pairing(truth, result)
    clear, matches = _clear(pairing)
    return TrackingScores(_hota(pairing), _identity(pairing), clear, matches)


def side_by_side(recordings: Sequence[TrackedBoxes]) -> TrackedBoxes:
    """The boxes of several cameras as of one recording: no frame of one is a frame of another,
    identities are the same everywhere. Give truth and result in the same order of cameras."""
    if not recordings:
        return TrackedBoxes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    count = len(recordings)
    return TrackedBoxes(
        np.concatenate([one.frame * count + n for n, one in enumerate(recordings)]),
        np.concatenate([one.identity for one in recordings]),
        np.concatenate([one.boxes for one in recordings]),
    )


def overlaps(one: Doubles, other: Doubles) -> Doubles:
    """Intersection over union of every pair of boxes, (N, 4) and (M, 4) to (N, M); in double
    precision, as whether 0.5 is reached must not hang on rounding."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared: Doubles = np.prod(np.maximum(high - low, 0.0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    ratio: Doubles = np.divide(shared, union, out=np.zeros_like(shared), where=union > _ROUNDING)
    return ratio


@dataclass(frozen=True, slots=True, eq=False)
class _BothSides:
    """A frame in which there is something true and something answered: the rows of either, their
    identities counted from 0, and the overlaps."""

    truth_rows: Numbers
    result_rows: Numbers
    truth_ids: Numbers
    result_ids: Numbers
    overlap: Doubles


class _Pairing:
    """Truth and answer brought together frame by frame; identities numbered from 0."""

    def __init__(self, truth: TrackedBoxes, result: TrackedBoxes) -> None:
        self.truth, self.result = truth, result
        truth_names, self.truth_ids = np.unique(truth.identity, return_inverse=True)
        result_names, self.result_ids = np.unique(result.identity, return_inverse=True)
        self.truth_counts: Numbers = np.bincount(self.truth_ids, minlength=len(truth_names))
        self.result_counts: Numbers = np.bincount(self.result_ids, minlength=len(result_names))

    @property
    def shape(self) -> tuple[int, int]:
        """How many identities are true and how many were answered."""
        return len(self.truth_counts), len(self.result_counts)

    @cached_property
    def frames(self) -> list[_BothSides]:
        """In order of time."""
        truth_rows, result_rows = rows_by_frame(self.truth), rows_by_frame(self.result)
        return [
            _BothSides(
                rows,
                others,
                self.truth_ids[rows],
                self.result_ids[others],
                overlaps(self.truth.boxes[rows], self.result.boxes[others]),
            )
            for frame, rows in truth_rows.items()
            if (others := result_rows.get(frame)) is not None
        ]


def rows_by_frame(boxes: TrackedBoxes) -> dict[int, Numbers]:
    """The rows of each frame, frames in order of time, rows in the order they were given."""
    if not len(boxes):
        return {}
    order = np.argsort(boxes.frame, kind="stable")
    frames, starts = np.unique(boxes.frame[order], return_index=True)
    return dict(zip(frames.tolist(), np.split(order, starts[1:]), strict=True))


def _hota(pairing: _Pairing) -> HotaScores:
    truths, results = pairing.truth_counts[:, None], pairing.result_counts[None, :]
    # how much of their lives two identities share, before anything is matched
    shared = np.zeros(pairing.shape)
    for frame in pairing.frames:
        overlap = frame.overlap
        all_in_all = overlap.sum(axis=0)[None, :] + overlap.sum(axis=1)[:, None] - overlap
        share = np.divide(
            overlap, all_in_all, out=np.zeros_like(overlap), where=all_in_all > _ROUNDING
        )
        shared[np.ix_(frame.truth_ids, frame.result_ids)] += share
    alignment = shared / (truths + results - shared)

    # which pairs are matched hangs on the alignment, not on alpha: alpha only says which count
    matched: list[tuple[Numbers, Numbers, Doubles]] = []
    for frame in pairing.frames:
        worth = alignment[np.ix_(frame.truth_ids, frame.result_ids)] * frame.overlap
        rows, columns = linear_sum_assignment(worth, maximize=True)
        matched.append(
            (frame.truth_ids[rows], frame.result_ids[columns], frame.overlap[rows, columns])
        )
    none = np.zeros(0, np.int64)
    truth_ids = np.concatenate([none, *(pair[0] for pair in matched)])
    result_ids = np.concatenate([none, *(pair[1] for pair in matched)])
    overlap = np.concatenate([np.zeros(0), *(pair[2] for pair in matched)])

    scores = np.zeros((7, len(ALPHAS)))
    for number, alpha in enumerate(ALPHAS):
        enough = overlap >= alpha - _ROUNDING
        found = int(enough.sum())
        together = np.zeros(pairing.shape)
        np.add.at(together, (truth_ids[enough], result_ids[enough]), 1)
        every_found = max(found, 1)
        scores[:, number] = (
            found / max(len(pairing.truth) + len(pairing.result) - found, 1),
            (together * together / np.maximum(truths + results - together, 1)).sum() / every_found,
            found / max(len(pairing.truth), 1),
            found / max(len(pairing.result), 1),
            (together * together / np.maximum(truths, 1)).sum() / every_found,
            (together * together / np.maximum(results, 1)).sum() / every_found,
            overlap[enough].sum() / found if found else 1.0,
        )
    return HotaScores(np.sqrt(scores[0] * scores[1]), *scores)


def _identity(pairing: _Pairing) -> IdentityScores:
    together = np.zeros(pairing.shape, np.int64)
    for frame in pairing.frames:
        rows, columns = np.nonzero(frame.overlap >= LEAST_OVERLAP)
        together[frame.truth_ids[rows], frame.result_ids[columns]] += 1
    rows, columns = linear_sum_assignment(together, maximize=True)
    right = int(together[rows, columns].sum())
    return IdentityScores(right, len(pairing.result) - right, len(pairing.truth) - right)


def _clear(pairing: _Pairing) -> tuple[ClearScores, Numbers]:
    truths = pairing.shape[0]
    nobody = -1
    # whom each true identity was found as: last time ever, and in the frame before
    last_as = np.full(truths, nobody, np.int64)
    just_as = np.full(truths, nobody, np.int64)
    frames_found = np.zeros(truths, np.int64)
    stretches = np.zeros(truths, np.int64)
    switches = 0
    overlap_sum = 0.0
    matches: list[Numbers] = [np.zeros((0, 2), np.int64)]
    for frame in pairing.frames:
        enough = frame.overlap >= LEAST_OVERLAP - _ROUNDING
        continues = just_as[frame.truth_ids][:, None] == frame.result_ids[None, :]
        # no sum of overlaps outweighs one identity kept
        worth = np.where(enough, frame.overlap + 1000.0 * continues, 0.0)
        rows, columns = linear_sum_assignment(worth, maximize=True)
        kept = worth[rows, columns] > _ROUNDING
        rows, columns = rows[kept], columns[kept]
        ids, found_as = frame.truth_ids[rows], frame.result_ids[columns]

        switches += int(((last_as[ids] != nobody) & (last_as[ids] != found_as)).sum())
        stretches[ids] += just_as[ids] == nobody
        frames_found[ids] += 1
        last_as[ids] = found_as
        just_as[:] = nobody
        just_as[ids] = found_as
        overlap_sum += float(frame.overlap[rows, columns].sum())
        matches.append(np.stack([frame.truth_rows[rows], frame.result_rows[columns]], axis=1))

    pairs = np.concatenate(matches)
    share = frames_found / np.maximum(pairing.truth_counts, 1)
    mostly = int((share > _MOSTLY).sum())
    lost = int((share < _HARDLY).sum())
    clear = ClearScores(
        found=len(pairs),
        false=len(pairing.result) - len(pairs),
        missed=len(pairing.truth) - len(pairs),
        id_switches=switches,
        fragments=int(np.maximum(stretches - 1, 0).sum()),
        mostly_tracked=mostly,
        partly_tracked=truths - mostly - lost,
        mostly_lost=lost,
        overlap=overlap_sum,
    )
    return clear, pairs
