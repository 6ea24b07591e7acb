"""Who is this, if anybody enrolled? Open-set identification over a folder of people.

Who is enrolled depends on the seed alone: the names, sorted, are shuffled by
``random.Random(seed)``; the first ``floor(unknown x people)`` are strangers; then, name by name in
that order, each known person's photos, sorted, are shuffled by the same generator and the first N
are enrolled. All other photos are probes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.evaluation.curves import Scores, Truths
from sightgrid.evaluation.datasets import PersonPhotos
from sightgrid.evaluation.photos import FaceReader, PhotoVectors, Tell, embed_photos
from sightgrid.recognition.heads import Head

Numbers = NDArray[np.intp]

FPIR_TARGETS = (0.01, 0.001)
_RESAMPLES = 1000
_WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Probe:
    """The photos, by number, that are asked about at once, and whom they show.

    ``person`` is the number among all people; ``known`` whether that person is enrolled.
    """

    photos: tuple[int, ...]
    person: int
    known: bool


@dataclass(frozen=True, slots=True)
class Deal:
    """Who is enrolled with which photos, and what is asked. Photos are numbered in the order of
    the people given."""

    names: tuple[str, ...]
    enrolled: tuple[tuple[int, int], ...]
    """(photo, person)"""
    probes: tuple[Probe, ...]


def deal(
    people: Sequence[PersonPhotos],
    *,
    enrol: int,
    unknown: float,
    seed: int,
    photos_a_probe: int = 1,
) -> Deal:
    """Divides people into known and unknown, and known people's photos.

    Args:
        people: sorted by name. enrol: photos of each known person. unknown: share of people, 0-1.
        photos_a_probe: other than 1, probes are groups of that many photos and what is left over
            of a person is not asked about.

    Raises:
        InvalidValue: nobody is left to enrol, or nothing to ask about.
    """
    starts = np.cumsum([0, *(len(person.photos) for person in people)]).tolist()
    order = list(range(len(people)))
    generator = random.Random(seed)  # noqa: S311 - a deal that anybody can repeat, not a secret
    generator.shuffle(order)
    strangers = unknown_people(len(people), unknown)
    if strangers == len(people):
        raise InvalidValue(f"with all {len(people)} people unknown, nobody is left to enrol")
    enrolled: list[tuple[int, int]] = []
    probes: list[Probe] = []
    for place, person in enumerate(order):
        photos = list(range(starts[person], starts[person + 1]))
        known = place >= strangers
        if known or photos_a_probe > 1:
            generator.shuffle(photos)
        if known:
            enrolled += [(photo, person) for photo in photos[:enrol]]
            photos = photos[enrol:]
        whole = len(photos) - len(photos) % photos_a_probe
        probes += [
            Probe(tuple(photos[at : at + photos_a_probe]), person, known)
            for at in range(0, whole, photos_a_probe)
        ]
    if not any(probe.known for probe in probes):
        raise InvalidValue(
            "no photo of a known person is left to ask about",
            hint="enrol fewer photos of each, or give more photos",
        )
    return Deal(tuple(person.name for person in people), tuple(enrolled), tuple(probes))


def embed_deal(
    dealt: Deal,
    photos: Sequence[Path],
    *,
    enrolled_reader: FaceReader,
    probe_reader: FaceReader,
    tell: Tell,
) -> PhotoVectors:
    """Embeds each photo once, those enrolled and those asked about by readers of their own.

    Raises:
        ImageError: a photo can't be read.
    """
    enrolled = [photo for photo, _ in dealt.enrolled]
    asked = sorted(set(range(len(photos))) - set(enrolled))
    dimension = probe_reader.engine.pack.contract.dimension
    vectors = np.zeros((len(photos), dimension), np.float32)
    found = np.zeros(len(photos), np.bool_)
    secs = 0.0
    for rows, reader in ((enrolled, enrolled_reader), (asked, probe_reader)):
        part = embed_photos([photos[row] for row in rows], reader=reader, tell=tell)
        vectors[rows], found[rows] = part.vectors, part.found
        secs += part.secs
    return PhotoVectors(vectors, found, secs)


def unknown_people(people: int, unknown: float) -> int:
    """How many of the people are strangers: ``floor(unknown x people)``."""
    # 0.29 x 100 is 28.999... in binary
    return floor(unknown * people + 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Wrong:
    """A probe that was taken for somebody else: who it shows, for whom, and how surely."""

    probe: int
    """A photo."""
    enrolled: int
    """The photo, of those enrolled of the person it was taken for, that is most alike."""
    person: str
    taken_for: str
    known: bool
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """What came out. Shares are 0-1, intervals 95 % by bootstrap over people.

    ``best`` (P,) is the score of the person named for each probe, minus infinity where the probe
    shows no face; ``rank`` (P,) the place of the right person, from 1, or 0 for strangers and for
    those who can't be found; ``cmc`` (people enrolled,) the share of known probes found by rank.
    ``thresholds`` are exceeded by at most the target share of strangers' scores.
    """

    rank1: float
    rank1_interval: tuple[float, float]
    dir_at_fpir: dict[float, float | None]
    dir_interval: dict[float, tuple[float, float] | None]
    thresholds: dict[float, float | None]
    people: int
    enrolled_people: int
    enrolled_photos: int
    enrolled_undetected: int
    probes: int
    impostor_probes: int
    undetected: int
    fit_secs: float
    probe_ms: float
    trainable_parameters: int
    known: Truths
    best: Scores
    rank: Numbers
    cmc: Scores
    wrong: tuple[Wrong, ...]


def deal_to_head(people: Sequence[PersonPhotos], head: Head) -> Deal:
    """Every photo asked about a head that is trained already: people it has learned are known.

    Raises:
        InvalidValue: it has learned none of these people.
    """
    names = tuple(sorted({*(person.name for person in people), *head.classes}))
    number = {name: place for place, name in enumerate(names)}
    owners = [person for person in people for _ in person.photos]
    probes = tuple(
        Probe((photo,), number[person.name], person.name in head.classes)
        for photo, person in enumerate(owners)
    )
    if not any(probe.known for probe in probes):
        raise InvalidValue(
            "the head has learned none of these people",
            hint="folders must be named as those it was trained on",
        )
    return Deal(names, (), probes)


def identify(
    dealt: Deal, *, photos: PhotoVectors, head: Head, wrong_shown: int = 0
) -> Identification:
    """Fits the head to the enrolled photos and asks it about every probe.

    Args:
        photos: one row a photo, in the order of the deal.
        wrong_shown: how many of the surest wrong answers to keep.

    Raises:
        InvalidValue: no photo to enrol shows a face.
    """
    enrolled = [(photo, person) for photo, person in dealt.enrolled if photos.found[photo]]
    if not enrolled:
        raise InvalidValue("no face was found in any photo to enrol")
    began = perf_counter()
    head.fit(
        photos.vectors[[photo for photo, _ in enrolled]],
        # numbers as text, of one length, so that the head's order is that of the people
        [f"{person:09d}" for _, person in enrolled],
    )
    fit_secs = perf_counter() - began
    classes = np.array([int(label) for label in head.classes])
    return _asked(dealt, photos, head, classes, enrolled, fit_secs, wrong_shown)


def identify_with(dealt: Deal, *, photos: PhotoVectors, head: Head) -> Identification:
    """Asks a head that is trained already about every probe of :func:`deal_to_head`."""
    number = {name: place for place, name in enumerate(dealt.names)}
    classes = np.array([number[label] for label in head.classes])
    return _asked(dealt, photos, head, classes, [], 0.0, 0)


def _asked(
    dealt: Deal,
    photos: PhotoVectors,
    head: Head,
    classes: Numbers,
    enrolled: Sequence[tuple[int, int]],
    fit_secs: float,
    wrong_shown: int,
) -> Identification:
    """What a fitted head makes of every probe; ``classes`` (C,) are the numbers of its people."""
    found, vectors = _probe_vectors(dealt.probes, photos)
    scores = np.full((len(dealt.probes), len(classes)), -np.inf)
    spent = []
    for number in (*np.flatnonzero(found)[:_WARM_UP], *np.flatnonzero(found)):
        began = perf_counter()
        scores[number] = head.scores(vectors[number : number + 1])[0]
        spent.append(perf_counter() - began)
    person = np.array([probe.person for probe in dealt.probes])
    known = np.array([probe.known for probe in dealt.probes])
    named = scores.argmax(axis=1)
    best = scores.max(axis=1)
    rank = _ranks(scores, person, classes)
    rank[~known | ~found] = 0
    tally = _Tally(known, person, best, rank == 1)
    cmc = np.array([((rank > 0) & (rank <= r))[known].mean() for r in range(1, len(classes) + 1)])
    return Identification(
        rank1=float((rank == 1)[known].mean()),
        rank1_interval=tally.rank1_interval(),
        dir_at_fpir={target: tally.rate(target) for target in FPIR_TARGETS},
        dir_interval={target: tally.interval(target) for target in FPIR_TARGETS},
        thresholds={target: tally.threshold(target) for target in FPIR_TARGETS},
        people=len(dealt.names),
        enrolled_people=len(classes),
        enrolled_photos=len(enrolled),
        enrolled_undetected=len(dealt.enrolled) - len(enrolled),
        probes=len(dealt.probes),
        impostor_probes=int((~known).sum()),
        undetected=int((~found).sum()),
        fit_secs=fit_secs,
        probe_ms=float(np.median(spent[_WARM_UP:]) * 1e3) if len(spent) > _WARM_UP else 0.0,
        trainable_parameters=head.trainable_parameters,
        known=known,
        best=best,
        rank=rank,
        cmc=cmc,
        wrong=_surest_wrong(
            dealt, enrolled, photos, classes[named], best, (rank != 1) & found, wrong_shown
        ),
    )


def _probe_vectors(
    probes: Sequence[Probe], photos: PhotoVectors
) -> tuple[NDArray[np.bool_], Floats]:
    """Which probes show a face, (P,), and their vectors of unit length, (P, D)."""
    # rows of photos without a face are zeros, so they add nothing
    sums = np.stack([photos.vectors[list(probe.photos)].sum(axis=0) for probe in probes])
    found = np.array([bool(photos.found[list(probe.photos)].any()) for probe in probes])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return found, (sums / np.maximum(lengths, 1e-9)).astype(np.float32)


def _ranks(scores: Scores, person: Numbers, classes: Numbers) -> Numbers:
    """The place of the right person among the scores, from 1; 0 if not enrolled. The person named
    is the first of the best, so a tie with an earlier one counts against the right person."""
    column = np.searchsorted(classes, person)
    column_inside = np.minimum(column, len(classes) - 1)
    enrolled = classes[column_inside] == person
    own = scores[np.arange(len(person)), column_inside]
    better = (scores > own[:, None]).sum(axis=1)
    earlier = np.arange(len(classes))[None, :] < column_inside[:, None]
    better += ((scores == own[:, None]) & earlier).sum(axis=1)
    return np.where(enrolled, better + 1, 0).astype(np.intp)


class _Tally:
    """Detection and identification rate, as measured and with the people drawn anew."""

    def __init__(self, known: Truths, person: Numbers, best: Scores, right: Truths) -> None:
        falling = np.flatnonzero(~known)[np.argsort(-best[~known], kind="stable")]
        self._strangers = best[falling]
        self._known_best, self._right = best[known], right[known]
        rng = np.random.default_rng(0)
        self._stranger_draws = _draws(person[falling], rng)
        self._known_draws = _draws(person[known], rng)

    def threshold(self, target: float) -> float | None:
        """The smallest threshold that at most ``target`` of the strangers exceed."""
        if not len(self._strangers):
            return None
        return float(self._thresholds(target, np.ones((1, len(self._strangers))))[0])

    def rate(self, target: float) -> float | None:
        """The share of known probes rightly named above the threshold."""
        threshold = self.threshold(target)
        if threshold is None:
            return None
        return float((self._right & (self._known_best > threshold)).mean())

    def interval(self, target: float) -> tuple[float, float] | None:
        """95 % of the rates come out within, when known and unknown people are drawn anew."""
        if not len(self._strangers):
            return None
        thresholds = self._thresholds(target, self._stranger_draws)
        named = self._right[None, :] & (self._known_best[None, :] > thresholds[:, None])
        return self._spread(named)

    def rank1_interval(self) -> tuple[float, float]:
        """The same for the share rightly named at any score."""
        return self._spread(np.broadcast_to(self._right, self._known_draws.shape))

    def _thresholds(self, target: float, draws: NDArray[np.float64]) -> Scores:
        """One threshold a draw; ``draws`` (B, strangers) is how often each score is counted."""
        counted = draws.cumsum(axis=1)
        exceeded = counted > target * counted[:, -1:] + 1e-9
        first = self._strangers[exceeded.argmax(axis=1)]
        return np.where(exceeded.any(axis=1), first, -np.inf)

    def _spread(self, named: Truths) -> tuple[float, float]:
        rates = (named * self._known_draws).sum(axis=1) / self._known_draws.sum(axis=1)
        low, high = np.quantile(rates, (0.025, 0.975))
        return float(low), float(high)


def _draws(person: Numbers, rng: np.random.Generator) -> NDArray[np.float64]:
    """(resamples, probes): how often each probe counts when its people are drawn anew."""
    people, place = np.unique(person, return_inverse=True)
    if not len(people):
        return np.zeros((_RESAMPLES, 0))
    times = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=_RESAMPLES)
    return times[:, place].astype(np.float64)


def _surest_wrong(
    dealt: Deal,
    enrolled: Sequence[tuple[int, int]],
    photos: PhotoVectors,
    named: Numbers,
    best: Scores,
    is_wrong: Truths,
    count: int,
) -> tuple[Wrong, ...]:
    """The wrong answers with the highest scores."""
    numbers = np.flatnonzero(is_wrong)
    numbers = numbers[np.argsort(-best[numbers], kind="stable")][:count]
    wrong = []
    for number in numbers:
        probe = dealt.probes[number]
        seen = next(photo for photo in probe.photos if photos.found[photo])
        rivals = [photo for photo, person in enrolled if person == named[number]]
        alike = photos.vectors[rivals] @ photos.vectors[seen]
        wrong.append(
            Wrong(
                probe=seen,
                enrolled=rivals[int(alike.argmax())],
                person=dealt.names[probe.person],
                taken_for=dealt.names[int(named[number])],
                known=probe.known,
                score=float(best[number]),
            )
        )
    return tuple(wrong)
