"""Grouping: what is joined, what never is, and that the quick way does what the plain one does."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.regrouping import group


def unit(vectors: np.ndarray) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)


def at_degrees(*angles: float) -> Floats:
    """Directions in a plane: their similarity is the cosine of the angle between them."""
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


class Plain:
    """The same clustering the slow way: all pairs are looked at anew after every join."""

    def __init__(
        self,
        vectors: Floats,
        weights: Floats,
        bars: Floats,
        apart: set[tuple[int, int]],
    ) -> None:
        self.vectors = vectors.astype(np.float64) * weights[:, None].astype(np.float64)
        self.bars = bars
        self.apart = apart | {(b, a) for a, b in apart}
        self.clusters = [[row] for row in range(len(vectors))]

    def lead(self, one: list[int], other: list[int]) -> float | None:
        """How alike two clusters are, less the bar between them; ``None`` if they are apart."""
        if any((a, b) in self.apart for a in one for b in other):
            return None
        means = [self.vectors[rows].sum(axis=0) for rows in (one, other)]
        means = [mean / max(float(np.linalg.norm(mean)), 1e-9) for mean in means]
        bar = max(min(self.bars[row] for row in rows) for rows in (one, other))
        return float(means[0] @ means[1] - bar)

    def leads(self) -> list[tuple[float, int, int]]:
        found = []
        for a, b in combinations(range(len(self.clusters)), 2):
            lead = self.lead(self.clusters[a], self.clusters[b])
            if lead is not None:
                found.append((lead, a, b))
        return sorted(found, reverse=True)

    def run(self, threshold: float, *, least_gap: float) -> list[list[int]] | None:
        """The clusters; ``None`` if somewhere two choices were too close to call."""
        while (leads := self.leads()) and leads[0][0] >= threshold - least_gap:
            if leads[0][0] < threshold + least_gap:
                return None
            if len(leads) > 1 and leads[0][0] - leads[1][0] < least_gap:
                return None
            _, a, b = leads[0]
            self.clusters[a] = sorted(self.clusters[a] + self.clusters[b])
            del self.clusters[b]
        return sorted(self.clusters)


def problem(seed: int, count: int) -> tuple[Floats, Floats, Floats, set[tuple[int, int]]]:
    """Looks scattered around a few faces, some pairs of them known to be two people."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((random.integers(1, 5), 6))
    scattered = centres[random.integers(0, len(centres), count)]
    vectors = unit(scattered + random.uniform(0.1, 1.0) * random.standard_normal((count, 6)))
    weights = random.uniform(0.1, 1.0, count).astype(np.float32)
    bars = (random.uniform(0.0, 0.2, count) * (random.random(count) < 0.4)).astype(np.float32)
    apart = {pair for pair in combinations(range(count), 2) if random.random() < 0.1}
    return vectors, weights, bars, apart


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.floats(0.2, 0.9))
def test_it_does_what_the_plain_method_does(seed: int, count: int, threshold: float) -> None:
    vectors, weights, bars, apart = problem(seed, count)
    wanted = Plain(vectors, weights, bars, apart).run(threshold, least_gap=1e-5)
    assume(wanted is not None)
    found = group(vectors, threshold=threshold, weights=weights, cannot_link=apart, bars=bars)
    assert found == wanted


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(15, 30), st.floats(0.2, 0.9))
def test_it_does_so_when_one_person_is_nearly_all_there_is(
    seed: int, count: int, threshold: float
) -> None:
    random = np.random.default_rng(seed)
    face = np.eye(16)[0] * random.uniform(0.5, 4.0)
    vectors = unit(face + random.standard_normal((count, 16)))
    weights = random.uniform(0.1, 1.0, count).astype(np.float32)
    bars = np.zeros(count, np.float32)
    wanted = Plain(vectors, weights, bars, set()).run(threshold, least_gap=1e-6)
    assume(wanted is not None)
    assert group(vectors, threshold=threshold, weights=weights) == wanted


def test_one_person_seen_very_often_is_grouped_in_moments() -> None:
    random = np.random.default_rng(3)
    vectors = unit(np.eye(64)[0] * 8.0 + random.standard_normal((1500, 64)))
    started = time.process_time()
    assert group(vectors, threshold=0.3) == [list(range(1500))]
    assert time.process_time() - started < 5.0


directions = arrays(np.int8, st.tuples(st.integers(0, 12), st.just(3)), elements=st.integers(-1, 1))


@settings(max_examples=200, deadline=None)
@given(directions, st.floats(-0.5, 1.0), st.data())
def test_every_row_is_in_one_cluster_and_what_is_apart_stays_apart(
    coarse: np.ndarray, threshold: float, data: st.DataObject
) -> None:
    """Coarse directions, so that many similarities are exactly the same."""
    vectors = unit(coarse[np.any(coarse != 0, axis=1)].astype(np.float64))
    rows = range(len(vectors))
    pairs = list(combinations(rows, 2))
    apart = set(data.draw(st.lists(st.sampled_from(pairs)))) if pairs else set()
    found = group(vectors, threshold=threshold, cannot_link=apart)
    assert sorted(row for cluster in found for row in cluster) == list(rows)
    assert all(cluster == sorted(cluster) for cluster in found)
    assert found == sorted(found), "clusters are in order of their first row"
    for cluster in found:
        assert not apart & set(combinations(cluster, 2))


@settings(max_examples=200, deadline=None)
@given(directions, st.floats(-0.5, 1.0))
def test_nothing_is_left_that_should_have_been_joined(coarse: np.ndarray, threshold: float) -> None:
    vectors = unit(coarse[np.any(coarse != 0, axis=1)].astype(np.float64))
    count = len(vectors)
    plain = Plain(vectors, np.ones(count, np.float32), np.zeros(count, np.float32), set())
    plain.clusters = group(vectors, threshold=threshold)
    # rows that cancel each other out have no direction: how alike those are is nobody's guess
    sums = [vectors[rows].sum(axis=0) for rows in plain.clusters]
    assume(all(float(np.linalg.norm(total)) > 1e-3 for total in sums))
    assert all(lead < threshold + 1e-5 for lead, _, _ in plain.leads())


def test_alike_rows_are_joined_and_others_are_not() -> None:
    assert group(at_degrees(0, 10, 90, 100, 200), threshold=0.9) == [[0, 1], [2, 3], [4]]


def test_nobody_is_nobody_and_one_is_one() -> None:
    assert group(np.zeros((0, 4), np.float32), threshold=0.5) == []
    assert group(at_degrees(30), threshold=0.5) == [[0]]


def test_two_rows_known_to_be_two_people_are_not_even_joined_by_a_third() -> None:
    found = group(at_degrees(0, 2, 1), threshold=0.9, cannot_link=[(0, 1)])
    assert sorted(map(len, found)) == [1, 2]
    assert not any({0, 1} <= set(cluster) for cluster in found)


def test_a_link_may_be_given_in_either_order_and_twice() -> None:
    vectors = at_degrees(0, 1)
    for links in ([(0, 1)], [(1, 0)], [(0, 1), (1, 0), (0, 1)]):
        assert group(vectors, threshold=0.5, cannot_link=links) == [[0], [1]]


def test_a_bar_asks_of_a_poor_look_to_be_more_alike() -> None:
    vectors = at_degrees(0, 20)  # similarity 0.94
    for bars, joined in (((0.0, 0.0), True), ((0.03, 0.0), True), ((0.0, 0.06), False)):
        found = group(vectors, threshold=0.9, bars=np.array(bars, np.float32))
        assert found == ([[0, 1]] if joined else [[0], [1]])


def test_the_higher_bar_of_two_counts_not_their_sum() -> None:
    bars = np.array([0.03, 0.03], np.float32)
    assert group(at_degrees(0, 20), threshold=0.9, bars=bars) == [[0, 1]]


def test_a_row_of_greater_weight_draws_its_cluster_towards_it() -> None:
    vectors = at_degrees(0, 20, 46)  # the first two join; is the third near enough to their mean?
    for weights, found in (
        ((1.0, 9.0, 1.0), [[0, 1, 2]]),
        ((1.0, 1.0, 1.0), [[0, 1], [2]]),
        ((9.0, 1.0, 1.0), [[0, 1], [2]]),
    ):
        assert group(vectors, threshold=0.85, weights=np.array(weights, np.float32)) == found


def test_rows_that_are_exactly_the_same_are_in_one_cluster_each() -> None:
    """As when a recording is given twice: the nearest of a row is then one of many."""
    coarse = [[0, -1, -1], [1, -1, -1], *[[-1, -1, -1]] * 2, [-1, 1, -1], *[[-1, -1, -1]] * 3]
    vectors = unit(np.array([*coarse, [-1, 0, -1]], np.float64))
    found = group(vectors, threshold=0.0)
    assert sorted(row for cluster in found for row in cluster) == list(range(9))


def test_arrays_of_the_wrong_length_are_refused() -> None:
    for name in ("bars", "weights"):
        with pytest.raises(InvalidValue, match=name):
            group(at_degrees(0, 1), threshold=0.5, **{name: np.ones(3, np.float32)})
