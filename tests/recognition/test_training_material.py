from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.recognition.training.material import (
    Material,
    check_people,
    image_folds,
    people_groups,
    split_images,
)


def material(**images: int) -> Material:
    labels = [name for name, count in images.items() for _ in range(count)]
    vectors = np.random.default_rng(0).normal(size=(len(labels), 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Material.of(vectors.astype(np.float32), labels)


def with_copies(one: Material) -> Material:
    """Every image with an altered copy right after it."""
    rows = np.repeat(np.arange(len(one.labels)), 2)
    return Material(
        one.vectors[rows],
        tuple(one.labels[row] for row in rows),
        one.images[rows],
        np.arange(len(rows)) % 2 == 0,
    )


def test_every_image_is_tested_once_and_its_person_is_always_learned() -> None:
    one = material(anna=5, ben=2, cleo=7, dan=1)
    turn, folds = image_folds(one, most=5, seed=3)
    assert folds == 5
    labels = np.array(one.labels)
    assert (turn[labels == "dan"] == -1).all(), "the only image can't be tested"
    assert (turn[labels != "dan"] >= 0).all()
    for fold in range(folds):
        learned = set(labels[turn != fold])
        assert learned == {"anna", "ben", "cleo", "dan"}


def test_copies_go_where_their_image_goes() -> None:
    both = with_copies(material(anna=4, ben=6))
    turn, _ = image_folds(both, most=3, seed=0)
    assert (turn[::2] == turn[1::2]).all()
    split = split_images(both, least=4, learn=2, seed=0)
    assert split.learn.image_count == 4
    assert len(split.learn.labels) == 8
    assert split.test.originals.all()
    assert set(split.learn.images).isdisjoint(split.test.images)


def test_nobody_has_two_images() -> None:
    turn, folds = image_folds(material(anna=1, ben=1), most=5, seed=0)
    assert folds == 0
    assert (turn == -1).all()


def test_groups_hold_whole_people() -> None:
    one = material(**{f"p{number}": 3 for number in range(11)})
    groups = people_groups(one, most=5, seed=1)
    assert sorted(set(groups)) == [0, 1, 2, 3, 4]
    for name in one.people:
        assert (
            len({group for group, label in zip(groups, one.labels, strict=True) if label == name})
            == 1
        )


def test_the_ancestors_split_leaves_out_people_with_few_images() -> None:
    split = split_images(material(anna=25, ben=20, cleo=19), least=20, learn=10, seed=0)
    assert split.left_out == ("cleo",)
    assert split.learn.people == split.test.people == ("anna", "ben")
    assert split.learn.image_count == 20
    assert split.test.image_count == 15 + 10
    other = split_images(material(anna=25, ben=20), least=20, learn=10, seed=1)
    assert set(other.learn.images) != set(split.learn.images)


def test_what_can_t_be_divided_is_refused() -> None:
    with pytest.raises(InvalidValue, match="none left to test"):
        split_images(material(anna=5, ben=5), least=3, learn=3, seed=0)
    with pytest.raises(InvalidValue, match="fewer than two people have 20 images"):
        split_images(material(anna=25, ben=5), least=20, learn=10, seed=0)
    with pytest.raises(InvalidValue, match=r"two people or more, got 1 \(anna\)"):
        check_people(material(anna=5))
    with pytest.raises(InvalidValue, match="do not go with"):
        Material.of(np.zeros((3, 4), np.float32), ["anna"])
