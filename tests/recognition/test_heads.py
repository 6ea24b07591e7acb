from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.heads import (
    SVM_MOST_CLASSES,
    HeadKind,
    LinearSvm,
    NearestMean,
    NearestNeighbours,
    Softmax,
    check_classes,
    open_head,
)

WIDTH = 32


def faces(people: int, each: int, *, seed: int, spread: float = 0.1) -> tuple[Floats, list[str]]:
    """Unit vectors around a direction a person; the directions do not depend on the seed."""
    directions = np.random.default_rng(7).normal(size=(people, WIDTH))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    noise = np.random.default_rng(seed).normal(size=(people, each, WIDTH)) * spread
    rows = (directions[:, None] + noise).reshape(-1, WIDTH)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = [f"person {number:02d}" for number in range(people) for _ in range(each)]
    return rows.astype(np.float32), labels


@pytest.mark.parametrize("kind", HeadKind)
@pytest.mark.parametrize(("people", "each"), [(2, 1), (2, 3), (9, 1), (9, 4)])
def test_every_head_finds_people_again_and_scores_strangers_lower(
    kind: HeadKind, people: int, each: int
) -> None:
    head = open_head(kind)
    enrolled, labels = faces(people, each, seed=1)
    head.fit(enrolled, labels)
    probes, truth = faces(people, 2, seed=2)
    scores = head.scores(probes)
    assert scores.shape == (len(probes), people)
    assert head.classes == tuple(sorted(set(labels)))
    assert [head.classes[best] for best in scores.argmax(axis=1)] == truth
    strangers = np.random.default_rng(3).normal(size=(50, WIDTH)).astype(np.float32)
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    assert np.median(head.scores(strangers).max(axis=1)) < np.median(scores.max(axis=1))


@pytest.mark.parametrize("kind", HeadKind)
def test_the_answer_for_a_face_does_not_depend_on_the_others_asked_about(kind: HeadKind) -> None:
    head = open_head(kind)
    head.fit(*faces(5, 3, seed=1))
    probes, _ = faces(5, 2, seed=2)
    one_by_one = np.concatenate([head.scores(probe[None]) for probe in probes])
    np.testing.assert_allclose(head.scores(probes), one_by_one, atol=1e-5)


@pytest.mark.parametrize("kind", HeadKind)
def test_labels_may_come_in_any_order(kind: HeadKind) -> None:
    enrolled, labels = faces(4, 3, seed=1)
    order = np.random.default_rng(0).permutation(len(labels))
    straight, mixed = open_head(kind), open_head(kind)
    straight.fit(enrolled, labels)
    mixed.fit(enrolled[order], [labels[row] for row in order])
    probes, truth = faces(4, 2, seed=2)
    assert mixed.classes == straight.classes
    assert [mixed.classes[best] for best in mixed.scores(probes).argmax(axis=1)] == truth


def test_trainable_parameters_are_those_that_training_solves_for() -> None:
    enrolled, labels = faces(6, 2, seed=1)
    counts = {}
    for head in (NearestMean(), NearestNeighbours(), LinearSvm(), Softmax()):
        head.fit(enrolled, labels)
        counts[type(head)] = head.trainable_parameters
    assert counts[NearestMean] == counts[NearestNeighbours] == 0
    assert counts[Softmax] == 6 * (WIDTH + 1)
    # a line for each two people, and the slope that makes its decisions probabilities
    assert counts[LinearSvm] == 15 * (WIDTH + 1) + 1


def test_nearest_mean_is_the_cosine_to_the_mean() -> None:
    head = NearestMean()
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    head.fit(vectors, ["a", "a", "b"])
    np.testing.assert_allclose(head.scores(vectors[:1]), [[np.sqrt(0.5), -1.0]], atol=1e-6)


def test_nearest_neighbours_count_no_more_than_k_of_a_person() -> None:
    head = NearestNeighbours(k=2)
    vectors = np.array([[1, 0], [1, 0], [-1, 0], [0, 1]], np.float32)
    head.fit(vectors, ["a", "a", "a", "b"])
    np.testing.assert_allclose(head.scores(vectors[:1]), [[1.0, 0.0]])


def test_svm_scores_are_probabilities() -> None:
    head = LinearSvm()
    head.fit(*faces(5, 3, seed=1))
    scores = head.scores(faces(5, 2, seed=2)[0])
    assert scores.min() >= 0
    assert scores.max() <= 1
    np.testing.assert_allclose(scores.sum(axis=1), 5 / 2)


def test_svm_refuses_too_many_people_and_says_why() -> None:
    check_classes(HeadKind.SVM, SVM_MOST_CLASSES)
    with pytest.raises(InvalidValue, match="20100 machines"):
        check_classes(HeadKind.SVM, SVM_MOST_CLASSES + 1)
    check_classes(HeadKind.SOFTMAX, 100_000)


@pytest.mark.parametrize("kind", [HeadKind.SVM, HeadKind.SOFTMAX])
def test_heads_that_set_people_against_each_other_need_two(kind: HeadKind) -> None:
    with pytest.raises(InvalidValue, match="two people"):
        open_head(kind).fit(np.eye(2, dtype=np.float32), ["a", "a"])


@pytest.mark.parametrize("kind", HeadKind)
@pytest.mark.parametrize("people", [2, 6])
def test_every_head_is_an_estimator(kind: HeadKind, people: int) -> None:
    enrolled, labels = faces(people, 3, seed=1)
    head = open_head(kind).fit(enrolled, labels)
    probes, truth = faces(people, 2, seed=2)
    assert head.predict(probes) == truth
    assert head.score(probes, truth) == 1.0
    shares = head.predict_proba(probes)
    assert shares.shape == (len(probes), people)
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert [head.classes[best] for best in shares.argmax(axis=1)] == truth
    head.threshold = float(head.scores(probes).max())
    assert head.predict(probes) == [None] * len(truth)


def test_svm_lines_decide_as_libsvm_does() -> None:
    from sklearn.svm import SVC

    probes, _ = faces(5, 2, seed=2)
    for people in (2, 5):
        enrolled, labels = faces(people, 3, seed=1)
        head = LinearSvm().fit(enrolled, labels)
        machine = SVC(kernel="linear", C=1.0, decision_function_shape="ovo").fit(enrolled, labels)
        decisions = np.asarray(machine.decision_function(probes)).reshape(len(probes), -1)
        if people == 2:
            decisions = -decisions
        arrays = head.arrays()
        ours = probes @ arrays["lines"].T + arrays["offsets"]
        np.testing.assert_allclose(ours, decisions, atol=1e-4)


@pytest.mark.parametrize("kind", HeadKind)
def test_vectors_that_are_none_are_refused(kind: HeadKind) -> None:
    enrolled, labels = faces(3, 2, seed=1)
    enrolled[3, 0] = np.nan
    with pytest.raises(InvalidValue, match="vector 4 of 6"):
        open_head(kind).fit(enrolled, labels)
    with pytest.raises(InvalidValue, match="labels"):
        open_head(kind).fit(faces(3, 2, seed=1)[0], labels[:-1])


def test_softmax_tells_its_epochs() -> None:
    told: list[int] = []
    head = open_head(HeadKind.SOFTMAX, tell=told.append).fit(*faces(4, 3, seed=1))
    assert told == list(range(1, head.epochs + 1))
    assert head.epochs > 3
