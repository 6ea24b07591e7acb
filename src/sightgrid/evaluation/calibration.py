"""Which thresholds keep a site's budgets, and how often each band is right: on its own people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.domain.presence import Band
from sightgrid.evaluation.curves import wilson
from sightgrid.recognition.budgets import (
    Calibration,
    CalibrationState,
    ImpostorPassages,
    calibrate,
    growth,
    impostor_passages,
)

Doubles = NDArray[np.float64]
Numbers = NDArray[np.intp]
Truths = NDArray[np.bool_]

# as a server's policy does: likely accepts ten times as many wrong names, possible a hundred times
LIKELY_TIMES, POSSIBLE_TIMES = 10.0, 100.0
_WIDEST_BUDGET = 0.5
LOOKS_A_SIGHTING = 3
_FOLDS = 5
_GROWTH = (0.25, 0.5, 1.0, 2.0, 10.0)


@dataclass(frozen=True, slots=True)
class BandPrecision:
    """How often a band is right, as many passages of strangers as of enrolled people given.

    ``least`` is the similarity the band begins at, ``None`` for the lowest. ``right``,
    ``misnamed`` and ``strangers`` are passages: of enrolled people under their own name or, in
    bands that name nobody, of anybody enrolled; of enrolled people under another's name; of people
    who are not enrolled. ``precision`` is the share for whom what the band says is true, weighed so
    that both kinds are equally many; ``None`` for *unsure*, which says nothing, and empty bands.
    """

    band: Band
    least: float | None
    right: int
    misnamed: int
    strangers: int
    precision: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class SiteCalibration:
    """What a site's own people say about its budgets.

    ``grown`` is ``false_alarms`` again for smaller and larger galleries. ``bands`` is empty where
    no threshold can be had. ``passages`` are those behind ``false_alarms``, ``undetected`` the
    photos that show no face.
    """

    false_alarms: Calibration
    stranger_merges: Calibration
    grown: tuple[Calibration, ...]
    bands: tuple[BandPrecision, ...]
    passages: ImpostorPassages
    undetected: int


def calibrate_site(
    vectors: Floats,
    labels: Sequence[str],
    *,
    false_alarms: float,
    stranger_merges: float,
    gallery: int | None = None,
    extrapolate: bool = False,
    undetected: int = 0,
) -> SiteCalibration:
    """Solves both thresholds and measures the bands.

    Args:
        vectors: (N, D) of unit length, of every photo that shows a face. labels: whom.
        false_alarms: the share of strangers' passages that may be given a name.
        stranger_merges: the share of strangers' sightings that may be joined to another stranger.
        gallery: how many people there are to be taken for, if not as many as here.

    Raises:
        InvalidValue: fewer than two people, or a budget that is no share.
    """
    if len(labels) != len(vectors):
        raise InvalidValue(f"{len(vectors)} vectors have {len(labels)} labels")
    single = impostor_passages(vectors, labels)
    sightings = impostor_passages(vectors, labels, looks=LOOKS_A_SIGHTING)
    names = calibrate(single, budget=false_alarms, gallery=gallery, extrapolate=extrapolate)
    sizes = sorted({max(round(single.people * share), 2) for share in _GROWTH})
    return SiteCalibration(
        false_alarms=names,
        stranger_merges=calibrate(
            sightings, budget=stranger_merges, gallery=gallery, extrapolate=extrapolate
        ),
        grown=growth(single, budget=false_alarms, galleries=sizes),
        bands=(
            measured_bands(vectors, labels, passages=single, false_alarms=false_alarms)
            if names.state is CalibrationState.CALIBRATED
            else ()
        ),
        passages=single,
        undetected=undetected,
    )


def measured_bands(
    vectors: Floats, labels: Sequence[str], *, passages: ImpostorPassages, false_alarms: float
) -> tuple[BandPrecision, ...]:
    """How often each band is right. Every photo is asked about twice: as though its person were
    enrolled with all their other photos, and as though they were not. The thresholds of a fifth of
    the people are chosen on the passages of the others."""
    named, own, stranger, person = _answers(vectors, labels)
    fold = np.random.default_rng(0).permutation(passages.people) % min(_FOLDS, passages.people)
    levels = np.full((len(person), 3), nan)
    for number in range(int(fold.max()) + 1):
        others = passages.of(np.flatnonzero(fold != number))
        solved = [_level(others, false_alarms * times) for times in (1, LIKELY_TIMES)]
        solved.append(min(_level(others, false_alarms * POSSIBLE_TIMES), solved[1]))
        levels[fold[person] == number] = solved
    whole = [_level(passages, false_alarms * times) for times in (1, LIKELY_TIMES, POSSIBLE_TIMES)]
    asked = np.isfinite(named)
    known_band = _bands_of(named, levels)
    stranger_band = _bands_of(stranger, levels)
    counts = []
    for place, (band, least) in enumerate(
        (
            (Band.CONFIRMED, whole[0]),
            (Band.LIKELY, whole[1]),
            (Band.UNSURE, min(whole[2], whole[1])),
            (Band.STRANGER, None),
        )
    ):
        here = asked & (known_band == place)
        counts.append(
            _precision(
                band,
                least,
                right=int((here & own).sum()),
                misnamed=int((here & ~own).sum()),
                strangers=int((stranger_band == place).sum()),
                asked=int(asked.sum()),
                strange=len(stranger),
            )
        )
    return tuple(counts)


def _answers(vectors: Floats, labels: Sequence[str]) -> tuple[Doubles, Truths, Doubles, Numbers]:
    """For each photo (N,): the best score with its person enrolled from the other photos (minus
    infinity without one), whether that is their own, the best score of others, and the person."""
    _, person = np.unique(np.array(labels, np.str_), return_inverse=True)
    people = int(person.max()) + 1
    sums = np.zeros((people, vectors.shape[1]))
    np.add.at(sums, person, vectors)
    counts = np.bincount(person)
    templates = sums / np.maximum(np.linalg.norm(sums, axis=1), 1e-9)[:, None]
    rest = sums[person] - vectors
    lengths = np.linalg.norm(rest, axis=1)
    genuine = (rest * vectors).sum(axis=1) / np.maximum(lengths, 1e-9)
    genuine[counts[person] < 2] = -np.inf
    stranger = np.empty(len(vectors))
    for start in range(0, len(vectors), 1000):
        rows = slice(start, start + 1000)
        alike = vectors[rows] @ templates.T
        alike[np.arange(len(alike)), person[rows]] = -np.inf
        stranger[rows] = alike.max(axis=1)
    alone = counts[person] < 2
    named = np.where(alone, -np.inf, np.maximum(genuine, stranger))
    return named, genuine > stranger, stranger, person.astype(np.intp)


def _level(passages: ImpostorPassages, budget: float) -> float:
    """The threshold of a budget, whether or not there are people enough to vouch for it."""
    found = calibrate(passages, budget=min(budget, _WIDEST_BUDGET), extrapolate=True)
    return nan if found.threshold is None else found.threshold


def _bands_of(scores: Doubles, levels: Doubles) -> Numbers:
    """0 confirmed, 1 likely, 2 unsure, 3 stranger; (N,) scores above (N, 3) levels."""
    bands: Numbers = 3 - (scores[:, None] > levels).sum(axis=1)
    return bands


def _precision(
    band: Band,
    least: float | None,
    *,
    right: int,
    misnamed: int,
    strangers: int,
    asked: int,
    strange: int,
) -> BandPrecision:
    names = band in (Band.CONFIRMED, Band.LIKELY)
    true_share = (right if names else strangers) / max(asked if names else strange, 1)
    false_share = (
        misnamed / max(asked, 1) + strangers / max(strange, 1)
        if names
        else (right + misnamed) / max(asked, 1)
    )
    precision: float | None = None
    interval: tuple[float, float] | None = None
    if band is not Band.UNSURE and true_share + false_share > 0:
        precision = true_share / (true_share + false_share)
        seen = right + misnamed + strangers
        interval = wilson(round(precision * seen), seen)
    return BandPrecision(band, least, right, misnamed, strangers, precision, interval)
