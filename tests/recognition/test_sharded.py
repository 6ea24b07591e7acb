"""Many people in several small heads."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from tests.recognition.test_headfiles import FACTS

from sightgrid.domain.errors import HeadError, InvalidValue
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.headfiles import TrainedHead, load_head, save_head
from sightgrid.recognition.heads import Softmax
from sightgrid.recognition.heads.sharded import ShardedSoftmax, check_shards, divided

WIDTH = 32


def faces(people: int, each: int, *, seed: int, spread: float = 0.12) -> tuple[Floats, list[str]]:
    """Unit vectors around a direction a person; the directions do not depend on the seed."""
    directions = np.random.default_rng(7).normal(size=(people, WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    noise = np.random.default_rng(seed).normal(size=(people, each, WIDTH)) * spread
    rows = (directions[:, None] + noise).reshape(-1, WIDTH)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = [f"person {number:03d}" for number in range(people) for _ in range(each)]
    return rows.astype(np.float32), labels


@pytest.fixture(scope="module")
def head() -> ShardedSoftmax:
    return ShardedSoftmax(6).fit(*faces(120, 3, seed=1))


def test_shards_find_people_as_well_as_one_head(head: ShardedSoftmax) -> None:
    probes, truth = faces(120, 3, seed=2)
    big = Softmax().fit(*faces(120, 3, seed=1))
    right = {
        name: np.mean([one.classes[best] == t for best, t in zip(named, truth, strict=True)])
        for name, one in (("shards", head), ("big", big))
        for named in [one.scores(probes).argmax(axis=1)]
    }
    assert right["big"] > 0.9
    assert right["shards"] >= right["big"] - 0.02


def test_no_model_is_larger_than_its_share_allows(head: ShardedSoftmax) -> None:
    big = Softmax().fit(*faces(120, 3, seed=1))
    whole = sum(array.nbytes for array in big.arrays().values())
    for model in head.models:
        assert len(model.classes) <= ceil(1.2 * 120 / 6)
        own = sum(array.nbytes for array in model.arrays().values())
        assert own <= 1.3 / 6 * whole
    assert sorted(name for model in head.models for name in model.classes) == list(head.classes)
    assert head.trainable_parameters == (120 + 6) * (WIDTH + 1)


def test_a_face_is_put_to_shards_until_one_is_sure(head: ShardedSoftmax) -> None:
    known = head.shards_asked(faces(120, 2, seed=3)[0])
    strangers = np.random.default_rng(3).normal(size=(100, WIDTH)).astype(np.float32)
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    strange = head.shards_asked(strangers)
    assert known.min() == 1
    assert known.mean() < 3
    assert strange.mean() > 5.5
    shares = head.predict_proba(strangers)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)


def test_the_answer_for_a_face_does_not_depend_on_the_others(head: ShardedSoftmax) -> None:
    probes, _ = faces(20, 1, seed=4)
    one_by_one = np.concatenate([head.scores(probe[None]) for probe in probes])
    np.testing.assert_allclose(head.scores(probes), one_by_one, atol=1e-6)


def test_what_a_file_keeps_gives_the_same_head(head: ShardedSoftmax) -> None:
    again = ShardedSoftmax.restored(head.classes, head.arrays(), head.settings(), dimension=WIDTH)
    probes, _ = faces(120, 1, seed=5)
    np.testing.assert_array_equal(again.scores(probes), head.scores(probes))
    assert again.trainable_parameters == head.trainable_parameters


def test_a_sharded_head_lies_in_one_file(head: ShardedSoftmax, tmp_path: Path) -> None:
    contract = EmbeddingContract(id="ab" * 32, pack="default", dimension=WIDTH)
    means, _ = faces(120, 1, seed=1)
    facts = replace(
        FACTS, people=120, trainable_parameters=head.trainable_parameters, epochs=head.epochs
    )
    save_head(TrainedHead(head, contract, means, 0.3, facts), tmp_path / "crew.head")
    again = load_head(tmp_path / "crew.head", contract=contract).head
    assert isinstance(again, ShardedSoftmax)
    assert again.classes == head.classes
    probes, _ = faces(120, 1, seed=5)
    np.testing.assert_array_equal(again.scores(probes), head.scores(probes))


def test_arrays_that_do_not_fit_are_refused(head: ShardedSoftmax) -> None:
    def restored(arrays: dict[str, Floats], **settings: float) -> ShardedSoftmax:
        told = {**head.settings(), **settings}
        return ShardedSoftmax.restored(head.classes, arrays, told, dimension=WIDTH)

    whole = head.arrays()
    with pytest.raises(HeadError, match="each person's shard"):
        restored({**whole, "shard": whole["shard"] + 1})
    with pytest.raises(HeadError, match="softmax head"):
        restored({name: array for name, array in whole.items() if name != "shard.2.weights"})
    with pytest.raises(HeadError, match="holds no array other"):
        restored({**whole, "other": whole["shard"]})
    with pytest.raises(HeadError, match="61 shards"):
        restored(whole, shards=61)
    with pytest.raises(HeadError, match="sure"):
        restored(whole, sure=np.inf)


def test_too_many_shards_are_refused_with_how_many_would_do() -> None:
    with pytest.raises(InvalidValue, match="9 people can't be divided into 5 shards") as caught:
        ShardedSoftmax(5).fit(*faces(9, 2, seed=1))
    assert caught.value.hint == "4 shards are the most"
    with pytest.raises(InvalidValue, match="1 shards are none"):
        ShardedSoftmax(1)
    check_shards(4, 8)


def test_people_who_look_alike_go_together_and_none_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 80)]
    means = centres + 0.05 * rng.normal(size=centres.shape)
    means = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    placed = divided(means, shards=4, most=40)
    own = centres.argmax(axis=1)
    together = sum(int(np.bincount(own[placed == shard]).max()) for shard in range(4))
    assert together >= 75
    # everybody wants the first shard; it takes no more than it may
    alike = np.tile(np.eye(1, 4, dtype=np.float32), (50, 1))
    sizes = np.bincount(divided(alike, shards=5, most=12), minlength=5)
    assert sizes.max() <= 12
    assert sizes.min() >= 2
