"""Many people: one big head, several small ones, or the nearest face: ``python -m
benchmarks.sharding --data DIR``.

Ten thousand people: the 198 of ``lfw_ident_dev`` and made-up ones. A made-up person lies somewhere
among real people: a point drawn from the normal distribution with the mean and covariance of the
people of both development sets (the covariance of their photos less that within a person). Each of
their photos lies as far from it as some real photo, drawn at random, lies from the mean of its
person. Two photos of each are enrolled, one other is asked about, and a thousand made-up people
more are strangers. Prints a table; with ``--write`` it goes into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchmarks import pages
from sightgrid.evaluation.curves import threshold_at
from sightgrid.evaluation.photos import FaceReader, embed_photos
from sightgrid.offline.engine import open_engine
from sightgrid.recognition.heads import Head, NearestMean, Softmax
from sightgrid.recognition.heads.sharded import ShardedSoftmax
from sightgrid.vision.pictures import PICTURE_SUFFIXES

Floats = NDArray[np.float32]

_ENROLLED, _ASKED, _STRANGERS = 2, 1, 1000
_FPIR = 0.01
_AT_ONCE = 250


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Vectors to enrol with their labels, those asked about with theirs, and strangers'; ``real``
    says which of those asked about show one of the real people."""

    enrolled: Floats
    labels: list[str]
    asked: Floats
    truth: list[str]
    real: NDArray[np.bool_]
    strangers: Floats


class NearestFace(NearestMean):
    """The cosine to the nearest of each person's own vectors, all compared with."""

    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        order = np.argsort(np.array(labels), kind="stable")
        self.classes = tuple(sorted(set(labels)))
        self._vectors = vectors[order]
        self._starts = np.searchsorted(np.array(labels)[order], np.array(self.classes))
        return self

    def scores(self, vectors: Floats) -> NDArray[np.float64]:
        alike = vectors @ self._vectors.T
        return np.maximum.reduceat(alike, self._starts, axis=1).astype(np.float64)

    def arrays(self) -> dict[str, Floats]:
        return {"vectors": self._vectors}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way gives and costs."""

    name: str
    accuracy: float
    accuracy_real: float
    found: float
    fit_secs: float
    fit_peak_mb: float
    arrays_mb: float
    largest_mb: float
    probe_ms: float
    asked: str


def real_vectors(data: Path) -> tuple[Floats, list[str], int]:
    """Every photo of both sets with a face; the first so many are of ``lfw_ident_dev``."""
    engine = open_engine("default")
    vectors, labels, first = [], [], 0
    for folder in ("lfw_ident_dev", "lfw_pairs_dev"):
        photos = sorted(
            path for path in (data / folder).rglob("*") if path.suffix in PICTURE_SUFFIXES
        )
        found = embed_photos(photos, reader=FaceReader(engine), tell=pages.tell)
        vectors.append(found.vectors[found.found])
        labels += [
            photo.parent.name for photo, there in zip(photos, found.found, strict=True) if there
        ]
        first = first or len(labels)
    return np.concatenate(vectors), labels, first


def unit(rows: NDArray[np.float64]) -> Floats:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def crowd_of(
    vectors: Floats, labels: Sequence[str], first: int, *, people: int, seed: int
) -> Crowd:
    """The real people of the first set, filled up with made-up ones."""
    rng = np.random.default_rng(seed)
    names = np.array(labels)
    residuals, single = [], []
    for name in np.unique(names):
        own = vectors[names == name].astype(np.float64)
        single.append(own[0])
        if len(own) >= 3:
            residuals.append((own - own.mean(axis=0)) * np.sqrt(len(own) / (len(own) - 1)))
    apart = np.concatenate(residuals)
    middle = np.mean(single, axis=0)
    values, axes = np.linalg.eigh(np.cov(np.array(single).T) - np.cov(apart.T))
    spread = axes * np.sqrt(np.maximum(values, 0.0))

    def made_up(count: int, each: int) -> Floats:
        centres = middle + rng.normal(size=(count, len(values))) @ spread.T
        return unit(centres[:, None] + apart[rng.integers(len(apart), size=(count, each))])

    enrolled, asked, own_labels, truth, real = [], [], [], [], []
    known = names[:first]
    for name in np.unique(known):
        own = rng.permutation(vectors[:first][known == name])
        enrolled.append(own[:_ENROLLED])
        asked.append(own[_ENROLLED:])
        own_labels += [name] * _ENROLLED
        truth += [name] * len(own[_ENROLLED:])
        real += [True] * len(own[_ENROLLED:])
    count = people - len(np.unique(known))
    invented = made_up(count, _ENROLLED + _ASKED)
    enrolled.append(invented[:, :_ENROLLED].reshape(-1, vectors.shape[1]))
    asked.append(invented[:, _ENROLLED:].reshape(-1, vectors.shape[1]))
    own_labels += [f"made up {n:06d}" for n in range(count) for _ in range(_ENROLLED)]
    truth += [f"made up {n:06d}" for n in range(count) for _ in range(_ASKED)]
    real += [False] * (count * _ASKED)
    strangers = made_up(_STRANGERS, 1)[:, 0]
    return Crowd(
        np.concatenate(enrolled),
        own_labels,
        np.concatenate(asked),
        truth,
        np.array(real),
        strangers,
    )


def likeness(crowd: Crowd) -> str:
    """How much the made-up people are like real ones, in a sentence."""
    told = []
    for name, real in (("real", True), ("made-up", False)):
        asked = np.flatnonzero(crowd.real == real)[:2000]
        owners = np.array(crowd.labels)
        mine = crowd.enrolled[np.char.startswith(owners, "made up") != real][:4000]
        whose = owners[np.char.startswith(owners, "made up") != real][:4000]
        alike = crowd.asked[asked] @ mine.T
        same = np.array(crowd.truth)[asked][:, None] == whose[None, :]
        told.append(
            f"{name} people's photos have a similarity of {np.median(alike[same]):.2f} (median) to "
            f"their own, and one pair of strangers in 1,000 reaches "
            f"{np.quantile(alike[~same], 0.999):.2f}"
        )
    return "; ".join(told).capitalize() + "."


def measure(name: str, head: Head, crowd: Crowd) -> Measured:
    tracemalloc.start()
    began = perf_counter()
    head.fit(crowd.enrolled, crowd.labels)
    fit_secs = perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    named, best = answers(head, crowd.asked)
    _, strange = answers(head, crowd.strangers)
    right = np.array([head.classes[number] for number in named]) == np.array(crowd.truth)
    level = threshold_at(strange, _FPIR)
    spent = []
    for row in range(60):
        began = perf_counter()
        head.scores(crowd.asked[row : row + 1])
        spent.append(perf_counter() - began)
    sizes = {part: array.nbytes / 1e6 for part, array in head.arrays().items()}
    models: dict[str, float] = {}
    for part, megabytes in sizes.items():
        words = part.split(".")
        model = ".".join(words[:2]) if words[0] == "shard" and len(words) == 3 else "all"
        models[model] = models.get(model, 0.0) + megabytes
    largest = max((size for model, size in models.items() if model != "all"), default=None)
    return Measured(
        name=name,
        accuracy=float(right.mean()),
        accuracy_real=float(right[crowd.real].mean()),
        found=float((right & (best > level)).mean()),
        fit_secs=fit_secs,
        fit_peak_mb=peak / 1e6,
        arrays_mb=sum(sizes.values()),
        largest_mb=sum(sizes.values()) if largest is None else largest,
        probe_ms=float(np.median(spent[10:]) * 1e3),
        asked=shards_asked(head, crowd),
    )


def shards_asked(head: Head, crowd: Crowd) -> str:
    """How many shards people enrolled and strangers are put to, on average."""
    if not isinstance(head, ShardedSoftmax):
        return ""
    means = [
        np.mean(np.concatenate([head.shards_asked(part) for part in np.array_split(rows, 20)]))
        for rows in (crowd.asked, crowd.strangers)
    ]
    return f"{means[0]:.1f}; {means[1]:.1f}"


def answers(head: Head, vectors: Floats) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Whom the head names for each vector, and how surely."""
    named, best = [], []
    for start in range(0, len(vectors), _AT_ONCE):
        scores = head.scores(vectors[start : start + _AT_ONCE])
        named.append(scores.argmax(axis=1))
        best.append(scores.max(axis=1))
    return np.concatenate(named), np.concatenate(best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--vectors", type=Path, help="keep the real people's vectors in this file")
    chosen = parser.parse_args()
    data = pages.data_folder(parser, chosen)
    if chosen.vectors is not None and chosen.vectors.is_file():
        with np.load(chosen.vectors) as kept:
            vectors, labels, first = kept["vectors"], kept["labels"].tolist(), int(kept["first"])
    else:
        vectors, labels, first = real_vectors(data)
        if chosen.vectors is not None:
            np.savez(chosen.vectors, vectors=vectors, labels=np.array(labels), first=first)
    crowd = crowd_of(vectors, labels, first, people=chosen.people, seed=0)
    ways: list[tuple[str, Head]] = [
        ("exact nearest neighbour", NearestFace()),
        *((f"{count} shards", ShardedSoftmax(count)) for count in chosen.shards),
        ("one softmax head", Softmax()),
    ]
    results = []
    for name, head in ways:
        results.append(measure(name, head, crowd))
        print(results[-1], file=sys.stderr, flush=True)
    big = results[-1].arrays_mb
    table = pages.table(
        (
            *("way", "accuracy", "real people", f"DIR at FPIR {_FPIR:.0%}", "fit, s"),
            *("fit, peak MB", "arrays, MB", "largest model, MB", "share of the big head"),
            *("a probe, ms", "shards asked, known; strangers"),
        ),
        [
            (
                one.name,
                f"{one.accuracy:.4f}",
                f"{one.accuracy_real:.4f}",
                f"{one.found:.4f}",
                f"{one.fit_secs:.1f}",
                f"{one.fit_peak_mb:.0f}",
                f"{one.arrays_mb:.2f}",
                f"{one.largest_mb:.2f}",
                f"1/{big / one.largest_mb:.1f}",
                f"{one.probe_ms:.2f}",
                one.asked,
            )
            for one in results
        ],
    )
    text = (
        f"{chosen.people:,} people, {_ENROLLED} photos of each enrolled, {len(crowd.asked):,} "
        f"asked about, {_STRANGERS:,} strangers.\n\n"
        f"{table}\n\n{likeness(crowd)}"
    )
    pages.publish("sharding", text, command="python -m benchmarks.sharding", chosen=chosen)


if __name__ == "__main__":
    main()
