from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightgrid.domain.errors import ContractMismatch, HeadError, InvalidValue, OutputError
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.domain.safetensors import decode_tensors, encode_tensors
from sightgrid.recognition import headfiles
from sightgrid.recognition.headfiles import TrainedHead, TrainingFacts, load_head, save_head
from sightgrid.recognition.heads import HeadKind, open_head

WIDTH = 8
CONTRACT = EmbeddingContract(id="ab" * 32, pack="default", dimension=WIDTH)
FACTS = TrainingFacts(
    people=3,
    images=6,
    images_without_face=0,
    trainable_parameters=27,
    total_parameters=1027,
    epochs=12,
    secs=0.5,
    secs_per_epoch=0.04,
    accuracy=0.9,
    folds=2,
    held_out_accuracy=None,
    held_out_images=0,
    stranger_rate=0.01,
    stranger_images=6,
    source="folder",
    trained_at="2026-01-02T03:04:05.000Z",
    version="0.1",
)


def unit(rows: Any) -> Floats:
    rows = np.asarray(rows, np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def trained(kind: HeadKind = HeadKind.SOFTMAX, names: str = "abc") -> TrainedHead:
    directions = np.eye(WIDTH)[: len(names)]
    noise = np.random.default_rng(1).normal(size=(2, len(names), WIDTH)) * 0.1
    vectors = unit((directions + noise).reshape(-1, WIDTH))
    head = open_head(kind).fit(vectors, [*names] * 2)
    head.threshold = 0.125
    return TrainedHead(head, CONTRACT, unit(directions), 0.3, FACTS)


@pytest.mark.parametrize("kind", HeadKind)
def test_a_head_read_back_answers_exactly_as_before(kind: HeadKind, tmp_path: Path) -> None:
    before = trained(kind)
    save_head(before, tmp_path / "a.head")
    after = load_head(tmp_path / "a.head", contract=CONTRACT)
    probes = unit(np.random.default_rng(2).normal(size=(20, WIDTH)))
    np.testing.assert_array_equal(before.head.scores(probes), after.head.scores(probes))
    assert before.predict(probes) == after.predict(probes)
    assert after.head.classes == ("a", "b", "c")
    assert after.head.threshold == 0.125
    assert after.facts == FACTS
    assert after.contract == CONTRACT
    save_head(after, tmp_path / "b.head")
    assert (tmp_path / "a.head").read_bytes() == (tmp_path / "b.head").read_bytes()


def test_a_head_without_a_threshold_stays_without(tmp_path: Path) -> None:
    one = trained()
    one.head.threshold = -np.inf
    save_head(one, tmp_path / "a.head")
    assert load_head(tmp_path / "a.head").head.threshold == -np.inf


def test_no_byte_of_a_head_can_be_another(tmp_path: Path) -> None:
    path = tmp_path / "a.head"
    save_head(trained(), path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(bytes(damaged))
        with pytest.raises(HeadError):
            load_head(path)
    for rest in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:rest])
        with pytest.raises(HeadError):
            load_head(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(HeadError, match="SHA-256"):
        load_head(path)


def forged(
    path: Path,
    change: Callable[[dict[str, Any], dict[str, Floats]], object],
) -> Path:
    """A head that says something else, with a checksum that is right."""
    save_head(trained(), path)
    arrays, texts = decode_tensors(path.read_bytes())
    document = json.loads(texts["sightgrid"])
    del document["sha256"]
    change(document, arrays)
    path.write_bytes(headfiles._encoded(document, arrays))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d, a: d.update(classes=["../../x", "b", "c"]), "'../../x'.*read as a path"),
        (lambda d, a: d.update(classes=["a", "b", "c\x1b[2J"]), "can't be shown"),
        (lambda d, a: d.update(classes=["", "b", "c"]), "empty"),
        (lambda d, a: d.update(classes=["a", "a", "b"]), "each named once"),
        (lambda d, a: d.update(classes=["a", "b"]), "mean faces"),
        (lambda d, a: d.update(kind="pickle"), "kind 'pickle'"),
        (lambda d, a: d.update(kind="svm"), "arrays lines, offsets"),
        (lambda d, a: d.update(format=2), "format 2, this version reads 1"),
        (lambda d, a: d.update(threshold=True), "threshold is no number"),
        (lambda d, a: d.update(facts={}), "whole head"),
        (lambda d, a: d["facts"].update(people="<b>3</b>"), "fact people"),
        (lambda d, a: d["facts"].update(accuracy=True), "fact accuracy"),
        (lambda d, a: d["facts"].update(source="x" * 101), "fact source"),
        (lambda d, a: d["facts"].update(version="\x1b[2J"), "fact version"),
        (lambda d, a: d["facts"].update(more=1), "whole head"),
        (lambda d, a: d.pop("contract"), "contract"),
        (lambda d, a: d["contract"].update(dimension=9), "mean faces"),
        (lambda d, a: a["means"].__setitem__((0, 0), np.nan), "no numbers"),
        (lambda d, a: a["head.weights"].__setitem__((0, 0), np.inf), "no numbers"),
        (lambda d, a: a["means"].__imul__(2), "unit length"),
        (lambda d, a: a.update({"head.weights": a["head.weights"][:2]}), "must be"),
        (lambda d, a: a.update({"head.more": a["means"]}), "holds the arrays"),
        (lambda d, a: a.update({"more": a["means"]}), "no head's"),
        (lambda d, a: a.pop("head.biases"), "holds the arrays"),
    ],
)
def test_a_forged_head_with_a_right_checksum_is_refused(
    change: Callable[[dict[str, Any], dict[str, Floats]], object], said: str, tmp_path: Path
) -> None:
    path = forged(tmp_path / "a.head", change)
    with pytest.raises(HeadError, match=said):
        load_head(path)


def test_a_class_list_that_is_a_text_names_nobody(tmp_path: Path) -> None:
    # "abc" would pass for the three names a, b and c
    path = forged(tmp_path / "a.head", lambda d, a: d.update(classes="abc"))
    with pytest.raises(HeadError):
        load_head(path)


def test_a_head_of_another_contract_is_refused_with_what_to_do(tmp_path: Path) -> None:
    save_head(trained(), tmp_path / "a.head")
    foreign = EmbeddingContract(id="cd" * 32, pack="dlib", dimension=WIDTH)
    with pytest.raises(ContractMismatch, match=r"'default'.*'dlib'") as caught:
        load_head(tmp_path / "a.head", contract=foreign)
    assert "--pack default" in str(caught.value.hint)


def test_other_files_of_tensors_are_no_heads(tmp_path: Path) -> None:
    path = tmp_path / "a.head"
    path.write_bytes(encode_tensors({"means": np.eye(3, dtype=np.float32)}, {}))
    with pytest.raises(HeadError, match="no head of sightgrid"):
        load_head(path)
    with pytest.raises(HeadError, match="can't be read"):
        load_head(tmp_path / "missing.head")
    with pytest.raises(HeadError, match="can't be read"):
        load_head(tmp_path)


def test_a_person_who_could_be_a_path_is_not_saved(tmp_path: Path) -> None:
    head = trained().head
    head.classes = ("../../x", "b", "c")
    with pytest.raises(InvalidValue, match="path"):
        save_head(TrainedHead(head, CONTRACT, trained().means, 0.3, FACTS), tmp_path / "a.head")
    assert list(tmp_path.iterdir()) == []


def test_a_head_that_can_t_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="can't be written"):
        save_head(trained(), tmp_path / "missing" / "a.head")


def test_strangers_are_unknown_by_the_threshold_and_by_the_mean_face() -> None:
    one = trained(HeadKind.NEAREST_MEAN)
    one.head.threshold = 0.5
    near, far = unit([[1, 0.1, 0, 0, 0, 0, 0, 0]]), unit([[1, 0, 0, 0, 2, 0, 0, 0]])
    assert one.predict(near) == ["a"]
    assert one.predict(far) == [None]
    # a head may be sure of whom it has never seen: then the mean face says no
    sure = trained(HeadKind.SOFTMAX)
    sure.head.threshold = -np.inf
    beyond = unit([[1, 0, 0, 0, 4, 0, 0, 0]])
    assert sure.head.predict(beyond) == ["a"]
    assert sure.predict(beyond) == [None]
    alike = sure.likeness(near)
    assert alike[0, 0] > 0.9
    assert (alike[0, 1:] == -1).all()


def test_people_of_a_head_are_their_mean_faces() -> None:
    people = trained().people()
    assert [person.name for person in people] == ["a", "b", "c"]
    assert all(person.faces[0].contract == CONTRACT for person in people)
