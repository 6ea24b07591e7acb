"""One vector for several looks: weighted, without what shows something else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from sightgrid.domain.errors import ContractMismatch, InvalidValue
from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box
from sightgrid.domain.tracklets import Look
from sightgrid.recognition.templates import Template, mean_of
from sightgrid.recognition.templates import template_of as template_of_looks

CONTRACT = EmbeddingContract("a" * 64, "default", 2)
OTHER = EmbeddingContract("b" * 64, "other", 2)


def face(degrees: float, *, strength: float = 1.0, contract: EmbeddingContract = CONTRACT):
    radians = np.radians(degrees)
    vector = np.array([np.cos(radians), np.sin(radians)], np.float32)
    return Embedding(vector, contract, strength=strength)


def look(embedding: Embedding | None, *, counter: int = 1) -> Look:
    crop = FaceCrop(
        np.zeros((0, 0, 3), np.uint8),
        Quality(60, 1, 1, 1, 1, 1, 1, 0, 0, overall=1.0),
        datetime(2026, 1, 2, tzinfo=UTC),
        counter,
        Box(0, 0, 60, 80),
        np.zeros((5, 2), np.float32),
        0.9,
    )
    return Look(counter, crop, embedding)


def template_of(looks: Sequence[Look]) -> Template | None:
    return template_of_looks(looks, outlier=0.25)


def degrees_of(vector: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(vector[1], vector[0])))


def test_looks_count_by_their_worth() -> None:
    even = template_of([look(face(0)), look(face(60))])
    assert even is not None
    assert degrees_of(even.vector) == pytest.approx(30, abs=0.1)
    uneven = template_of([look(face(0)), look(face(60, strength=0.01))])
    assert uneven is not None
    assert degrees_of(uneven.vector) == pytest.approx(0.6, abs=0.2)


def test_a_template_is_of_unit_length_and_knows_contract_and_agreement() -> None:
    template = template_of([look(face(10)), look(face(50, strength=0.5))])
    assert template is not None
    assert template.vector.dtype == np.float32
    assert float(np.linalg.norm(template.vector)) == pytest.approx(1.0, abs=1e-6)
    assert template.contract_id == CONTRACT.id
    assert template.worth == pytest.approx(1.0)
    assert 0.9 < template.agreement < 1.0
    single = template_of([look(face(33))])
    assert single is not None
    assert single.agreement == pytest.approx(1.0)


def test_a_look_that_shows_something_else_is_left_out() -> None:
    with_outlier = template_of([look(face(0)), look(face(10)), look(face(20)), look(face(110))])
    assert with_outlier is not None
    assert degrees_of(with_outlier.vector) == pytest.approx(10, abs=0.1)


def test_several_outliers_go_one_after_the_other() -> None:
    looks = [look(face(d)) for d in (0, 5, 10, 15, 120, -110)]
    template = template_of(looks)
    assert template is not None
    assert degrees_of(template.vector) == pytest.approx(7.5, abs=0.1)


def test_of_two_looks_that_disagree_neither_is_the_outlier() -> None:
    template = template_of([look(face(0)), look(face(90))])
    assert template is not None
    assert degrees_of(template.vector) == pytest.approx(45, abs=0.1)


def test_without_a_vector_there_is_no_template() -> None:
    assert template_of([]) is None
    assert template_of([look(None)]) is None
    with_one = template_of([look(None), look(face(20))])
    assert with_one is not None
    assert degrees_of(with_one.vector) == pytest.approx(20, abs=0.1)


def test_looks_without_worth_still_give_a_direction() -> None:
    template = template_of([look(face(40, strength=0.0))])
    assert template is not None
    assert degrees_of(template.vector) == pytest.approx(40, abs=0.1)
    assert template.worth == 0.0


def test_embeddings_of_different_contracts_are_never_joined() -> None:
    with pytest.raises(ContractMismatch, match="2 contracts"):
        template_of([look(face(0)), look(face(0, contract=OTHER))])
    with pytest.raises(ContractMismatch):
        mean_of([face(0), face(0, contract=OTHER)])


def test_enrolled_faces_count_alike_whatever_their_strength() -> None:
    mean = mean_of([face(0, strength=0.9), face(60, strength=0.1)])
    assert degrees_of(mean) == pytest.approx(30, abs=0.1)
    assert float(np.linalg.norm(mean)) == pytest.approx(1.0, abs=1e-6)


def test_a_person_without_a_face_has_no_mean() -> None:
    with pytest.raises(InvalidValue, match="at least one face"):
        mean_of([])
