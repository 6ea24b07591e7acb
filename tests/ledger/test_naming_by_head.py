"""Naming groups of sightings by something else than the cosine to the mean face."""

from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.geometry import Floats
from sightgrid.ledger.groups import Group
from sightgrid.ledger.naming import cosines_to, name_groups, take_in_the_rest
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.templates import Template

BANDS = Bands(
    confirmed=0.6, likely=0.5, same=0.5, possible=0.3, agree=0.4, margin=0.05, poor_bar=0.0
)


def unit(*numbers: float) -> Floats:
    row = np.array(numbers, np.float32)
    return row / np.float32(np.linalg.norm(row))


ANNA, BEN = unit(1, 0, 0), unit(0.9, 0.4, 0)
SEEN = unit(0.95, 0.2, 0)


def template(vector: Floats) -> Template:
    return Template(vector, "ab", worth=0.8, strength=1.0, agreement=1.0)


def chosen(number: int | None) -> object:
    """A head that takes everybody for one person, or for nobody it knows."""
    means = np.stack([ANNA, BEN])

    def alike(vectors: Floats) -> Floats:
        scores = np.full((len(vectors), 2), -1.0, np.float32)
        if number is not None:
            scores[:, number] = vectors @ means[number]
        return scores

    return alike


@pytest.mark.parametrize("number", [0, 1, None])
def test_the_head_says_who_of_those_alike_it_is(number: int | None) -> None:
    groups = [Group([0], None, SEEN)]
    name_groups(groups, chosen(number), [template(SEEN)], set(), BANDS)  # type: ignore[arg-type]
    assert groups[0].person == number


def test_without_a_head_two_almost_equally_alike_are_not_told_apart() -> None:
    groups = [Group([0], None, SEEN)]
    name_groups(groups, cosines_to([ANNA, BEN]), [template(SEEN)], set(), BANDS)
    assert groups[0].person is None


def test_a_head_can_t_talk_a_stranger_into_a_name() -> None:
    stranger = unit(0, 0.2, 1)
    groups = [Group([0], None, stranger)]
    name_groups(groups, chosen(1), [template(stranger)], set(), BANDS)  # type: ignore[arg-type]
    assert groups[0].person is None


@pytest.mark.parametrize(("number", "taken"), [(1, 1), (None, None)])
def test_poor_looks_are_asked_of_the_head_too(number: int | None, taken: int | None) -> None:
    groups: list[Group] = []
    take_in_the_rest(
        groups,
        [template(SEEN)],
        [ANNA, BEN],
        chosen(number),  # type: ignore[arg-type]
        set(),
        BANDS,
    )
    assert [item.person for item in groups] == ([] if taken is None else [taken])
