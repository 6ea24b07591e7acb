"""Evidence in nats: calibrated on people drawn from the model, and quiet where nothing is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.recognition.evidence import EvidenceModel, evidence_model
from sightgrid.recognition.regrouping import group_by_evidence

SIZE = 24


def model() -> EvidenceModel:
    """Two strengths: 0 keeps a tenth of the person, 1 all of them."""
    levels = np.ones((2, SIZE), np.float32)
    return EvidenceModel(
        strengths=np.array([0.0, 1.0], np.float32),
        means=np.stack([0.5 * levels[0], np.zeros(SIZE, np.float32)]),
        basis=np.eye(SIZE, dtype=np.float32),
        between=np.full(SIZE, 4.0, np.float32),
        signal=np.stack([0.1 * levels[0], levels[1]]),
        noise=np.stack([0.5 * levels[0], levels[1]]),
    )


def drawn(
    rng: np.random.Generator, people: int, each: int, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of the model's people at a strength of 0 or 1, and whose they are."""
    own, at = model(), int(strength)
    who = np.repeat(np.arange(people), each)
    person = rng.normal(0, np.sqrt(own.between), (people, SIZE))
    noise = rng.normal(0, np.sqrt(own.noise[at]), (len(who), SIZE))
    return (own.means[at] + own.signal[at] * person[who] + noise).astype(np.float32), who


def nats(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    own = model()
    return own.likelihood(one + other) - own.likelihood(one) - own.likelihood(other)


def test_strangers_exceed_t_no_more_often_than_one_in_e_to_the_t() -> None:
    vectors, _ = drawn(np.random.default_rng(1), people=4000, each=1, strength=1.0)
    evidence = model().weigh(vectors, np.ones(len(vectors), np.float32))
    among_strangers = nats(evidence[:2000], evidence[2000:])
    for level in (1.0, 3.0, 5.0):
        assert (among_strangers > level).mean() <= np.exp(-level)
    assert np.median(among_strangers) < -3


def test_the_right_model_makes_strangers_one_in_one_on_average() -> None:
    # the mean of a likelihood ratio over pairs of strangers is 1: calibrated, not only cautious
    vectors, _ = drawn(np.random.default_rng(2), people=20000, each=1, strength=0.0)
    evidence = model().weigh(vectors, np.zeros(len(vectors), np.float32))
    ratios = np.exp(nats(evidence[:10000], evidence[10000:]))
    assert ratios.mean() == pytest.approx(1.0, abs=0.05)


def test_blurs_tell_little_and_more_looks_tell_more() -> None:
    own = model()
    sharp, _ = drawn(np.random.default_rng(3), people=200, each=3, strength=1.0)
    blurred, _ = drawn(np.random.default_rng(3), people=200, each=3, strength=0.0)
    clear = own.weigh(sharp, np.ones(600, np.float32)).reshape(200, 3, 2, SIZE)
    poor = own.weigh(blurred, np.zeros(600, np.float32)).reshape(200, 3, 2, SIZE)
    assert own.told(poor[:, 0]).mean() < 1.0 < own.told(clear[:, 0]).mean()
    one, two = nats(clear[:, 0], clear[:, 1]), nats(clear[:, 0], clear[:, 1] + clear[:, 2])
    assert two.mean() > one.mean() > 8
    assert abs(nats(poor[:, 0], poor[:, 1]).mean()) < 1.0, "next to nothing, for or against"
    assert one.mean() < own.told(clear[:, 0]).mean(), "no more than there is to tell"


def test_strengths_between_those_of_the_table_are_between() -> None:
    own = model()
    vector = np.ones((1, SIZE), np.float32)
    told = [
        float(own.told(own.weigh(vector, np.array([s], np.float32)))[0]) for s in (0, 0.5, 1, 7)
    ]
    assert told[0] < told[1] < told[2] == told[3]


def test_people_are_told_apart_and_what_cannot_be_is_obeyed() -> None:
    vectors, who = drawn(np.random.default_rng(4), people=12, each=5, strength=1.0)
    evidence = model().weigh(vectors, np.ones(len(vectors), np.float32))
    groups = group_by_evidence(evidence, model=model(), threshold=6.0)
    assert sorted(map(tuple, groups)) == [tuple(np.flatnonzero(who == n)) for n in range(12)]
    parted = group_by_evidence(evidence, model=model(), threshold=6.0, cannot_link=[(0, 1)])
    assert all(not {0, 1} <= set(rows) for rows in parted)
    assert group_by_evidence(evidence[:0], model=model(), threshold=6.0) == []


def test_hints_join_what_is_short_of_the_threshold_and_no_more() -> None:
    vectors, _ = drawn(np.random.default_rng(5), people=2, each=1, strength=0.0)
    evidence = model().weigh(vectors, np.zeros(2, np.float32))
    short = float(nats(evidence[:1], evidence[1:])[0])
    level = short + 1.0
    assert group_by_evidence(evidence, model=model(), threshold=level) == [[0], [1]]
    assert group_by_evidence(evidence, model=model(), threshold=level, hints={(0, 1): 1.5}) == [
        [0, 1]
    ]
    assert group_by_evidence(evidence, model=model(), threshold=level, hints={(0, 1): 0.5}) == [
        [0],
        [1],
    ]


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidValue, match="fit together"):
        replace(model(), between=np.ones(3, np.float32))
    with pytest.raises(InvalidValue, match="positive"):
        replace(model(), noise=np.zeros((2, SIZE), np.float32))


def test_the_default_pack_has_a_model_and_others_have_none() -> None:
    from sightgrid.vision.packs import load_pack

    found = evidence_model(load_pack("default").contract.id)
    assert found is not None
    assert len(found.between) == 128
    assert evidence_model("0" * 64) is None
