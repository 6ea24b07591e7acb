"""Thresholds from a site's own people: what they keep, how sure that is, when it can't be told."""

from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.budgets import (
    CalibrationState,
    ImpostorPassages,
    calibrate,
    design_effect,
    exceeding,
    growth,
    impostor_passages,
)


def made_up(best: list[float], *, each: int = 1) -> ImpostorPassages:
    """Passages with these scores, ``each`` a person, of as many people as that makes."""
    scores = np.sort(np.array(best))[::-1]
    person = np.arange(len(best)) // each
    people = int(person.max()) + 1
    return ImpostorPassages(scores, person, (person + 1) % people, people)


def crowd(people: int, each: int, *, seed: int, width: int = 24) -> tuple[Floats, list[str]]:
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(people, width)), each, axis=0)
    rows = rows + 0.6 * rng.normal(size=rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), [f"{n:04d}" for n in range(people) for _ in range(each)]


def test_every_passage_is_held_against_everybody_else() -> None:
    """a lies at 0 and 20 degrees, b at 90, c at 180; each passage is asked about without its own
    person: a's at 20 is 70 from b, b is 80 from the mean of a and c at 90 from b."""
    degrees = np.radians([0.0, 20.0, 90.0, 180.0])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1).astype(np.float32)
    found = impostor_passages(vectors, ["a", "a", "b", "c"])
    told = {
        (int(person), int(other)): float(best)
        for best, person, other in zip(found.best, found.person, found.taken_for, strict=True)
    }
    assert found.people == 3
    assert told[1, 0] == pytest.approx(np.cos(np.radians(80)), abs=1e-6)
    assert (np.diff(found.best) <= 0).all()
    assert found.best[0] == pytest.approx(np.cos(np.radians(70)), abs=1e-6)
    assert len(found.of([0])) == 2


def test_a_passage_may_be_a_mean_of_looks() -> None:
    vectors, labels = crowd(12, 7, seed=0)
    found = impostor_passages(vectors, labels, looks=3)
    # two whole threes of seven; of a person with fewer, all of them
    assert len(found) == 24
    assert len(impostor_passages(vectors, labels, looks=9)) == 12


@pytest.mark.parametrize(
    ("vectors", "labels", "told"),
    [
        (np.eye(2, dtype=np.float32), ["a", "a"], "two people"),
        (np.full((2, 2), np.nan, np.float32), ["a", "b"], "no number"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(
    vectors: Floats, labels: list[str], told: str
) -> None:
    with pytest.raises(InvalidValue, match=told):
        impostor_passages(vectors, labels)


@pytest.mark.parametrize("budget", [0.0, 1.0, -0.1])
def test_a_budget_is_a_share(budget: float) -> None:
    with pytest.raises(InvalidValue, match="no share"):
        calibrate(made_up(list(range(100))), budget=budget)


def test_the_threshold_is_the_smallest_that_keeps_the_budget() -> None:
    passages = made_up([n / 1000 for n in range(1000)])
    # compared with 999 others, so 1 in 100 among 1,000 is nearly the same
    found = calibrate(passages, budget=0.01)
    assert found.state is CalibrationState.CALIBRATED
    assert found.threshold == pytest.approx(0.99)
    assert found.rate is not None
    assert found.interval is not None
    assert found.rate <= 0.01
    assert found.interval[0] < found.rate < found.interval[1]
    assert (passages.best > found.threshold - 0.001).mean() > 0.0099
    assert found == calibrate(passages, budget=0.01)


def test_too_few_people_are_told_with_how_many_it_needs() -> None:
    found = calibrate(made_up([n / 500 for n in range(500)]), budget=0.001)
    assert found.state is CalibrationState.TOO_FEW_PEOPLE
    assert found.threshold is found.interval is None
    # two false alarms in 2 / 0.001 independent passages, and each person here is one
    assert found.needs_people == pytest.approx(2000, abs=10)
    assert f"needs {found.needs_people} people" in found.words
    assert "Too few people for this budget" in found.words


def test_the_number_it_needs_is_enough() -> None:
    vectors, labels = crowd(60, 5, seed=1)
    short = calibrate(impostor_passages(vectors, labels), budget=0.004)
    assert short.state is CalibrationState.TOO_FEW_PEOPLE
    vectors, labels = crowd(2 * short.needs_people, 5, seed=1)
    enough = calibrate(impostor_passages(vectors, labels), budget=0.004)
    assert enough.state is CalibrationState.CALIBRATED


def test_a_handful_of_people_is_uncalibrated_whatever_the_budget() -> None:
    found = calibrate(impostor_passages(*crowd(5, 40, seed=2)), budget=0.3)
    assert found.state is CalibrationState.UNCALIBRATED
    assert found.threshold is None
    assert "pack's own thresholds" in found.words


def test_extrapolation_comes_with_a_warning_and_lies_beyond() -> None:
    rng = np.random.default_rng(3)
    passages = made_up(rng.normal(0.2, 0.1, 600).tolist())
    seen = calibrate(passages, budget=0.01)
    found = calibrate(passages, budget=0.001, extrapolate=True)
    assert found.state is CalibrationState.EXTRAPOLATED
    assert found.words.startswith("Warning: extrapolated")
    assert found.threshold is not None
    assert seen.threshold is not None
    # of a normal distribution one in a thousand lies 3.09 deviations up
    assert seen.threshold < found.threshold
    assert found.threshold == pytest.approx(0.2 + 3.09 * 0.1, abs=0.06)
    assert found.threshold <= 1


def test_passages_that_go_together_count_for_less() -> None:
    scores = np.sort(np.random.default_rng(4).random(1000))[::-1]
    people = np.arange(1000)
    apart = ImpostorPassages(
        scores, np.random.default_rng(5).permutation(people) % 100, people, 100
    )
    together = ImpostorPassages(scores, people // 10, people, 100)
    assert design_effect(apart, share=0.05) < 2
    assert design_effect(together, share=0.05) == pytest.approx(10, rel=0.1)


def test_more_people_to_be_taken_for_raise_the_threshold() -> None:
    passages = impostor_passages(*crowd(150, 6, seed=6))
    levels = [
        found.threshold
        for found in growth(passages, budget=0.05, galleries=(40, 150, 300))
        if found.threshold is not None
    ]
    assert len(levels) == 3
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]


def test_fewer_people_to_be_taken_for_are_judged_as_if_they_were_left_out() -> None:
    """The conversion to another gallery, held to a gallery that really is of that size."""
    vectors, labels = crowd(240, 5, seed=7)
    whole = calibrate(impostor_passages(vectors, labels), budget=0.05, gallery=60)
    assert whole.threshold is not None
    named = []
    for seed in range(20):
        kept = np.random.default_rng(seed).permutation(240)[:60]
        inside = np.isin(np.repeat(np.arange(240), 5), kept)
        means = vectors[inside].reshape(60, 5, -1).sum(axis=1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        named.append(((vectors[~inside] @ means.T).max(axis=1) > whole.threshold).mean())
    assert np.mean(named) == pytest.approx(0.05, abs=0.015)


def test_the_interval_holds_for_other_people() -> None:
    inside, shares = [], []
    for seed in range(40):
        vectors, labels = crowd(200, 6, seed=100 + seed)
        site, strangers = vectors[:600], vectors[600:]
        found = calibrate(impostor_passages(site, labels[:600]), budget=0.02)
        assert found.threshold is not None
        assert found.interval is not None
        means = site.reshape(100, 6, -1).sum(axis=1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        share = float(((strangers @ means.T).max(axis=1) > found.threshold).mean())
        shares.append(share)
        inside.append(found.interval[0] <= share <= found.interval[1])
    assert 0.01 <= np.mean(shares) <= 0.04
    assert np.mean(inside) >= 0.85


def test_shares_above_levels() -> None:
    passages = made_up([0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(
        exceeding(passages, np.array([0.0, 0.1, 0.25, 0.4])), [1.0, 0.75, 0.5, 0.0]
    )
