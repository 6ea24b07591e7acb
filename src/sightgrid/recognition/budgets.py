"""Thresholds from a site's own people: a budget of mistakes in, a similarity and its proof out.

Every photo of a person is held against the templates of everybody else, as though that person were
not enrolled. How alike it comes out to whoever it is most like is what a stranger reaches. The
threshold is the smallest that no larger share of those passages exceeds than the budget allows.

Passages of one person succeed or fail together, so they count for less than their number: by the
*design effect* (Kish 1965), from how much people differ among themselves. Two people who look alike
are each taken for the other, so false alarms come in twos. Where the budget allows fewer than two
among the independent passages, a single pair of people would set the threshold: then there is none,
and how many people it takes is told instead. The interval comes from drawing people anew: once to
choose the threshold, and once more, independently, to try it. Where not one of ``n`` independent
passages fails, it reaches up to ``3 / n`` (the rule of three).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats

Doubles = NDArray[np.float64]
Numbers = NDArray[np.intp]

LEAST_PEOPLE = 10
_RULE_OF_THREE = 3.0
_LEAST_ALARMS = 2.0
_RESAMPLES = 1000
_DRAWN_AT_ONCE = 100
_ROWS_AT_ONCE = 2000
# where the design effect is read off: rarer passages are too few to tell how they go together
_TYPICAL_SHARE = 0.5
_TAIL_SHARE = 0.1
_LEAST_TAIL = 20


class CalibrationState(StrEnum):
    """What a threshold rests on."""

    CALIBRATED = "calibrated"
    EXTRAPOLATED = "extrapolated"
    TOO_FEW_PEOPLE = "too few people"
    UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True, slots=True, eq=False)
class ImpostorPassages:
    """What strangers reach: one row a passage, the surest first.

    ``best`` (P,) is the similarity to whoever else it is most like, falling; ``person`` and
    ``taken_for`` (P,) the numbers of whom it shows and of that other; ``people`` how many people
    there are, each compared with all others.
    """

    best: Doubles
    person: Numbers
    taken_for: Numbers
    people: int

    def __len__(self) -> int:
        return len(self.best)

    def of(self, people: Sequence[int] | Numbers) -> ImpostorPassages:
        """The passages of these people only; whom they were compared with stays the same."""
        kept = np.isin(self.person, np.asarray(people, np.intp))
        return ImpostorPassages(
            self.best[kept], self.person[kept], self.taken_for[kept], self.people
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """A budget and the threshold that keeps it, or why there is none.

    ``threshold`` is exceeded by a share of ``rate`` of the site's own impostor passages; 95 % of
    trials with as many other people as there are here come out within ``interval``. Both are
    shares, for ``gallery`` people to be taken for. ``effective_passages`` is for how many
    independent ones the ``passages`` count; ``needs_people`` how many people, with as many photos
    each, the budget would take.
    """

    budget: float
    state: CalibrationState
    threshold: float | None
    rate: float | None
    interval: tuple[float, float] | None
    people: int
    passages: int
    effective_passages: float
    needs_people: int
    gallery: int

    @property
    def words(self) -> str:
        """What this says, in a sentence or two."""
        who = f"{self.people} people with {self.passages} passages"
        match self.state:
            case CalibrationState.UNCALIBRATED:
                return (
                    f"Uncalibrated: {self.people} people are too few to learn from, "
                    f"{LEAST_PEOPLE} are the least. The pack's own thresholds apply, which were "
                    "measured on other people."
                )
            case CalibrationState.TOO_FEW_PEOPLE:
                return (
                    f"Too few people for this budget: {who} can't show a share of "
                    f"{self.budget:g}. It needs {self.needs_people} people with as many photos "
                    "each."
                )
            case CalibrationState.EXTRAPOLATED:
                return (
                    f"Warning: extrapolated beyond what {who} can show, by the shape of their "
                    f"tail. Nothing was seen there; {self.needs_people} people would show it."
                )
            case CalibrationState.CALIBRATED:
                return f"Calibrated on {who}, as good as {self.effective_passages:.0f} independent."


def impostor_passages(
    vectors: Floats, labels: Sequence[str], *, looks: int = 1
) -> ImpostorPassages:
    """Holds every passage of each person against the templates of all others.

    Args:
        vectors: (N, D) of unit length. labels: whom each shows.
        looks: a passage is the mean of so many of a person's vectors, in the order given; what is
            left over of a person with more is left out. 1: every vector by itself.

    Raises:
        InvalidValue: fewer than two people, or a vector that is no number.
    """
    if not np.isfinite(vectors).all():
        raise InvalidValue("a vector to calibrate on holds what is no number")
    names, person = np.unique(np.array(labels, np.str_), return_inverse=True)
    people = len(names)
    if people < 2:
        raise InvalidValue(
            f"calibration needs two people or more, got {people}",
            hint=f"{LEAST_PEOPLE} people are the least for a threshold",
        )
    sums = np.zeros((people, vectors.shape[1]), np.float64)
    np.add.at(sums, person, vectors)
    templates = _unit(sums)
    passages, owner = _passages(vectors, person, looks)
    best, taken_for = np.empty(len(passages)), np.empty(len(passages), np.intp)
    for start in range(0, len(passages), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        alike = passages[rows] @ templates.T
        alike[np.arange(len(alike)), owner[rows]] = -np.inf
        taken_for[rows] = alike.argmax(axis=1)
        best[rows] = alike.max(axis=1)
    order = np.argsort(-best, kind="stable")
    return ImpostorPassages(best[order], owner[order], taken_for[order], people)


def calibrate(
    passages: ImpostorPassages,
    *,
    budget: float,
    gallery: int | None = None,
    extrapolate: bool = False,
    seed: int = 0,
) -> Calibration:
    """The smallest threshold that keeps a budget, with how sure that is.

    Args:
        budget: the share of strangers' passages that may be taken for somebody, above 0, below 1.
        gallery: how many people there are to be taken for; as many as there are here if not given.
            With others the budget is converted, each person being one more chance.
        extrapolate: where there are too few people, go on along the tail of what there is (a
            generalised Pareto distribution, by probability-weighted moments: Hosking and Wallis
            1987).

    Raises:
        InvalidValue: the budget is no share.
    """
    if not 0 < budget < 1:
        raise InvalidValue(
            f"a budget of {budget:g} is no share of passages", hint="for one in a hundred: 0.01"
        )
    shown = len(np.unique(passages.person))
    chances = (gallery or passages.people) / (passages.people - 1)
    allowed = -float(np.expm1(np.log1p(-budget) / chances))
    effective = len(passages) / design_effect(passages, share=max(allowed, _TYPICAL_SHARE))
    needs = max(ceil(shown * _LEAST_ALARMS / (allowed * max(effective, 1e-9)) - 1e-9), LEAST_PEOPLE)
    state = CalibrationState.CALIBRATED
    if shown < LEAST_PEOPLE:
        state = CalibrationState.UNCALIBRATED
    elif allowed * effective < _LEAST_ALARMS:
        state = CalibrationState.EXTRAPOLATED if extrapolate else CalibrationState.TOO_FEW_PEOPLE
    threshold: float | None = None
    rate: float | None = None
    interval: tuple[float, float] | None = None
    if state is CalibrationState.CALIBRATED:
        threshold = float(_thresholds(passages.best, np.ones((1, len(passages))), allowed)[0])
        rate = _with_more(float((passages.best > threshold).mean()), chances)
        low, high = _trials(passages, allowed, seed)
        if rate == 0:
            high = max(high, _RULE_OF_THREE / effective)
        interval = (_with_more(low, chances), _with_more(high, chances))
    elif state is CalibrationState.EXTRAPOLATED:
        threshold = _beyond(passages.best, allowed)
        rate = _with_more(float((passages.best > threshold).mean()), chances)
        interval = (0.0, _with_more(min(_RULE_OF_THREE / effective, 1.0), chances))
    return Calibration(
        budget=budget,
        state=state,
        threshold=threshold,
        rate=rate,
        interval=interval,
        people=shown,
        passages=len(passages),
        effective_passages=effective,
        needs_people=needs,
        gallery=gallery or passages.people,
    )


def growth(
    passages: ImpostorPassages, *, budget: float, galleries: Sequence[int]
) -> tuple[Calibration, ...]:
    """The same budget with more or fewer people to be taken for: how the threshold will move as
    the gallery grows. Adding people also adds passages to learn from, so measure again then."""
    return tuple(calibrate(passages, budget=budget, gallery=size) for size in galleries)


def design_effect(passages: ImpostorPassages, *, share: float) -> float:
    """For how many passages one independent one stands, from how the highest ``share`` of them is
    spread over people: 1 if evenly, a person's number of passages if they all go together."""
    count = len(passages)
    level = passages.best[min(int(share * count), count - 1)]
    exceeds = (passages.best > level).astype(np.float64)
    mean = float(exceeds.mean())
    if not 0 < mean < 1:
        return 1.0
    _, place, sizes = np.unique(passages.person, return_inverse=True, return_counts=True)
    by_person = np.bincount(place, weights=exceeds - mean)
    effect = float((by_person**2).sum()) / (count * mean * (1 - mean))
    return min(max(effect, 1.0), float(sizes.max()))


def exceeding(passages: ImpostorPassages, thresholds: Doubles) -> Doubles:
    """The share of passages above each threshold, (T,)."""
    above = np.searchsorted(-passages.best, -thresholds, side="left")
    return above / len(passages)


def _passages(vectors: Floats, person: Numbers, looks: int) -> tuple[Floats, Numbers]:
    """Means of ``looks`` vectors of one person, (P, D), and whose they are, (P,)."""
    if looks < 1:
        raise InvalidValue(f"a passage needs at least one look, got {looks}")
    if looks == 1:
        return vectors, person.astype(np.intp)
    means, owners = [], []
    for number in range(int(person.max()) + 1):
        rows = np.flatnonzero(person == number)
        starts = range(0, max(len(rows) - looks + 1, 1), looks)
        means += [vectors[rows[start : start + looks]].sum(axis=0) for start in starts]
        owners += [number] * len(starts)
    return _unit(np.stack(means).astype(np.float64)), np.array(owners, np.intp)


def _thresholds(falling: Doubles, draws: Doubles, allowed: float) -> Doubles:
    """One threshold a draw, (B,): the smallest that no more than ``allowed`` of the scores exceed;
    ``draws`` (B, P) is how often each of the falling scores is counted."""
    counted = draws.cumsum(axis=1)
    exceeded = counted > allowed * counted[:, -1:] + 1e-9
    return np.where(exceeded.any(axis=1), falling[exceeded.argmax(axis=1)], -np.inf)


def _trials(passages: ImpostorPassages, allowed: float, seed: int) -> tuple[float, float]:
    """Within which shares 95 % of trials come out: the threshold is chosen with people drawn anew,
    and tried on others drawn anew."""
    rng = np.random.default_rng(seed)
    evenly = np.full(passages.people, 1 / passages.people)
    rates = []
    for _ in range(0, _RESAMPLES, _DRAWN_AT_ONCE):
        chosen, tried = (
            rng.multinomial(passages.people, evenly, size=_DRAWN_AT_ONCE) for _ in range(2)
        )
        # two people who look alike are each taken for the other: both stay or go together
        weights = chosen[:, passages.person] * chosen[:, passages.taken_for]
        levels = _thresholds(passages.best, weights.astype(np.float64), allowed)
        counted = tried[:, passages.person].cumsum(axis=1)
        above = np.searchsorted(-passages.best, -levels, side="left")
        exceeded = np.where(
            above > 0, counted[np.arange(_DRAWN_AT_ONCE), np.maximum(above - 1, 0)], 0
        )
        rates.append(exceeded / np.maximum(counted[:, -1], 1))
    low, high = np.quantile(np.concatenate(rates), (0.025, 0.975))
    return float(low), float(high)


def _beyond(falling: Doubles, allowed: float) -> float:
    """The level that a share of ``allowed`` would exceed, along the tail's shape."""
    count = max(int(_TAIL_SHARE * len(falling)), min(_LEAST_TAIL, len(falling) - 1))
    level = float(falling[count])
    excess = np.sort(falling[:count] - level)
    places = (np.arange(1, count + 1) - 0.35) / count
    first, second = float(excess.mean()), float(((1 - places) * excess).mean())
    if first - 2 * second < 1e-12:
        # a tail with no spread left to tell its shape by: as though it fell exponentially
        shape, scale = 0.0, max(first, 1e-9)
    else:
        shape = first / (first - 2 * second) - 2
        scale = 2 * first * second / (first - 2 * second)
    share = allowed * len(falling) / count
    if abs(shape) < 1e-6:
        reach = -scale * float(np.log(share))
    else:
        reach = scale / shape * (1 - share**shape)
    return min(level + reach, 1.0)


def _with_more(rate: float, chances: float) -> float:
    """A share at the gallery asked for, from that at the gallery here."""
    return 1.0 if rate >= 1 else -float(np.expm1(np.log1p(-rate) * chances))


def _unit(rows: Doubles) -> Floats:
    units: Floats = (rows / np.maximum(np.linalg.norm(rows, axis=1), 1e-9)[:, None]).astype(
        np.float32
    )
    return units
