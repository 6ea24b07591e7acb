from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightgrid.evaluation.datasets import Pair
from sightgrid.evaluation.photos import PhotoVectors
from sightgrid.evaluation.verification import Metric, photo_rows, verify


def unit(*rows: list[float]) -> np.ndarray:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric.COSINE, [1.0, 0.0, -1.0]),
        (Metric.EUCLIDEAN, [0.0, -np.sqrt(2), -2.0]),
        (Metric.SQUARED_EUCLIDEAN, [0.0, -2.0, -4.0]),
        (Metric.ARCCOS, [0.0, -0.5, -1.0]),
    ],
)
def test_metrics_are_higher_the_more_alike(metric: Metric, expected: list[float]) -> None:
    one = unit([1, 0], [1, 0], [1, 0])
    other = unit([1, 0], [0, 1], [-1, 0])
    np.testing.assert_allclose(metric.scores(one, other), expected, atol=1e-6)


def pairs_of(count: int, *, folds: int) -> list[Pair]:
    """Pair i shows photos 2i and 2i + 1; every other one is of one person."""
    return [
        Pair(str(i // 2 % folds), Path(f"{2 * i:05d}"), Path(f"{2 * i + 1:05d}"), i % 2 == 0)
        for i in range(count)
    ]


def photos_of(pairs: list[Pair], *, noise: float, seed: int = 0) -> PhotoVectors:
    rng = np.random.default_rng(seed)
    rows = []
    for pair in pairs:
        one, other = rng.normal(size=(2, 16))
        if pair.same:
            other = one + noise * other
        rows += [one, other]
    vectors = np.array(rows, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return PhotoVectors(vectors, np.ones(len(rows), np.bool_), 0.0)


@pytest.mark.parametrize("subtract_mean", [False, True])
@pytest.mark.parametrize("metric", Metric)
def test_people_who_are_clearly_apart(metric: Metric, subtract_mean: bool) -> None:
    pairs = pairs_of(80, folds=4)
    _, rows = photo_rows(pairs)
    result = verify(
        pairs,
        rows=rows,
        photos=photos_of(pairs, noise=0.05),
        metric=metric,
        far=0.05,
        subtract_mean=subtract_mean,
    )
    assert result.accuracy == result.auc == result.val == 1.0
    assert result.accuracy_std == result.eer == 0.0
    assert result.far <= 0.2
    assert result.folds == 4


def test_thresholds_come_from_the_other_folds() -> None:
    """One fold's people are all more alike than the others': its own threshold would be perfect."""
    pairs = pairs_of(40, folds=2)
    same = np.array([pair.same for pair in pairs])
    fold = np.array([pair.fold for pair in pairs])
    cosines = np.where(same, 0.5, 0.2) + np.where(fold == "1", 0.4, 0.0)
    angle = np.arccos(cosines)
    vectors = np.zeros((80, 2), np.float32)
    vectors[::2] = [1, 0]
    vectors[1::2] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    photos = PhotoVectors(vectors, np.ones(80, np.bool_), 0.0)
    _, rows = photo_rows(pairs)
    result = verify(
        pairs, rows=rows, photos=photos, metric=Metric.COSINE, far=0.001, subtract_mean=False
    )
    # thresholds 0.75 for fold 0 (all rejected) and 0.35 for fold 1 (all accepted)
    assert result.accuracy == 0.5
    assert result.accuracy_std == 0.0
    assert result.threshold == pytest.approx(0.55)
    assert result.val == 0.5
    assert result.far == 0.5


def test_photos_without_a_face_are_answered_different() -> None:
    pairs = pairs_of(80, folds=4)
    _, rows = photo_rows(pairs)
    whole = photos_of(pairs, noise=0.05)
    found = whole.found.copy()
    vectors = whole.vectors.copy()
    # one photo of a pair of one person, one of a pair of different people
    found[[0, 3]] = False
    vectors[[0, 3]] = 0
    result = verify(
        pairs,
        rows=rows,
        photos=PhotoVectors(vectors, found, 0.0),
        metric=Metric.COSINE,
        far=0.05,
        subtract_mean=False,
    )
    assert result.accuracy == pytest.approx(79 / 80)
    assert result.val == pytest.approx(39 / 40)
    assert np.isneginf(result.scores[[0, 1]]).all()
    assert result.accuracy_interval[0] < 79 / 80 < result.accuracy_interval[1]


def test_every_photo_is_read_once() -> None:
    a, b, c = Path("a"), Path("b"), Path("c")
    names, rows = photo_rows([Pair("1", c, a, True), Pair("1", a, b, False)])
    assert names == ["a", "b", "c"]
    assert rows.tolist() == [[2, 0], [0, 1]]
