"""Which groups of sightings are enrolled people, and whose the poor sightings are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sightgrid.domain.geometry import Floats
from sightgrid.ledger.groups import Group, any_apart, bar_of, mean_of_rows
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.templates import Template

Likeness = Callable[[Floats], Floats]
"""Vectors (N, D) to how alike each is to every enrolled person, (N, people): a similarity on the
scale of the pack's thresholds, or -1 for whom it can't be."""


def cosines_to(enrolled: Sequence[Floats]) -> Likeness:
    """The cosine to each person's mean face."""
    known = np.stack(enrolled) if enrolled else np.zeros((0, 0), np.float32)

    def alike(vectors: Floats) -> Floats:
        return vectors @ known.T if len(known) else np.zeros((len(vectors), 0), np.float32)

    return alike


def name_groups(
    groups: list[Group],
    alike: Likeness,
    templates: Sequence[Template | None],
    apart: set[tuple[int, int]],
    bands: Bands,
) -> None:
    """Gives groups to the enrolled people they are, best match first; groups of one person are
    joined unless two of their sightings can't be one person."""
    if not groups:
        return
    scores = alike(np.stack([item.vector for item in groups]))
    people = scores.shape[1]
    if not people:
        return
    taken: dict[int, Group] = {}
    for index in np.argsort(-scores.max(axis=1), kind="stable"):
        item = groups[index]
        # whoever is elsewhere at that moment is out of the question: this is somebody like them
        possible = [
            person
            for person in range(people)
            if person not in taken or not any_apart(taken[person].rows, item.rows, apart)
        ]
        best, lead = _leader(scores[index], possible)
        # two enrolled people almost equally alike: naming either would be a guess
        if best is None or scores[index, best] < bands.likely or lead < bands.margin:
            continue
        if best in taken:
            taken[best].rows += item.rows
            item.rows = []
        else:
            item.person = best
            taken[best] = item
    groups[:] = [item for item in groups if item.rows]
    for item in groups:
        item.vector = mean_of_rows(templates, item.rows)


def _leader(scores: Floats, possible: Sequence[int]) -> tuple[int | None, float]:
    """Who of those possible scores best, and its lead over everybody else, possible or not.

    Who looks more like somebody who is elsewhere is a stranger like them, not the next best.
    """
    if not possible:
        return None, 0.0
    best = max(possible, key=lambda person: float(scores[person]))
    others = np.delete(scores, best)
    return best, float(scores[best] - others.max()) if len(others) else float("inf")


def take_in_the_rest(
    groups: list[Group],
    templates: Sequence[Template | None],
    enrolled: Sequence[Floats],
    alike: Likeness,
    apart: set[tuple[int, int]],
    bands: Bands,
) -> None:
    """Gives each sighting that may not found an identity to the one it clearly belongs to.

    An enrolled person is one from the start; no good look of them is needed for that.
    """
    named = {item.person for item in groups}
    waiting = [
        Group([], person, vector) for person, vector in enumerate(enrolled) if person not in named
    ]
    choices = groups + waiting
    if not choices:
        return
    placed = {row for item in groups for row in item.rows}
    # a person is compared by the enrolled faces, which nothing seen since can have spoilt
    centres = np.stack(
        [item.vector if item.person is None else enrolled[item.person] for item in choices]
    )
    columns = [column for column, item in enumerate(choices) if item.person is not None]
    numbers = [item.person for item in choices if item.person is not None]
    rest = [
        (row, template)
        for row, template in enumerate(templates)
        if row not in placed and template is not None and template.worth >= bands.weak_look
    ]
    rest.sort(key=lambda entry: -entry[1].worth)
    for row, template in rest:
        bar = bar_of(template.worth, bands)
        scores = centres @ template.vector
        if len(columns):
            scores[columns] = alike(template.vector[None])[0, numbers]
        best = int(scores.argmax())
        runner_up = float(np.partition(scores, -2)[-2]) if len(scores) > 1 else -1.0
        least = bands.same if choices[best].person is None else bands.likely
        if (
            scores[best] >= least + bar
            and scores[best] - runner_up >= bands.margin
            and not any_apart(choices[best].rows, [row], apart)
        ):
            choices[best].rows.append(row)
    groups += [item for item in waiting if item.rows]
