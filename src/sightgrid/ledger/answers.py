"""What a recording came to: serials, and for each sighting an answer with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sightgrid.domain.geometry import Floats
from sightgrid.domain.people import EnrolledPerson
from sightgrid.domain.presence import Band, Candidate, Decision, Identity, Match, Sighting
from sightgrid.ledger.groups import Group
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.templates import Template

# bounds the table of similarities held at once
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """What a recording came to: a decision a sighting, in order of first_seen, and every identity
    in order of serial. Enrolled people who were not seen come last."""

    decisions: tuple[Decision, ...]
    identities: tuple[Identity, ...]
    minted_at: Mapping[int, datetime]
    bands: Bands
    """The similarities that applied, for as many people and identities as there were."""


def answer(
    groups: list[Group],
    ordered: Sequence[Sighting],
    templates: Sequence[Template | None],
    people: Sequence[EnrolledPerson],
    enrolled: Sequence[Floats],
    bands: Bands,
) -> Settlement:
    """Mints the serials and writes down every answer with its reason."""
    groups.sort(key=lambda item: min(item.rows))
    identities, minted_at = [], {}
    for serial, item in enumerate(groups, start=1):
        item.rows.sort()
        item.serial = serial
        name = None if item.person is None else people[item.person].name
        identities.append(Identity(serial=serial, person=name))
        minted_at[serial] = ordered[item.rows[0]].first_seen
    seen = {item.person for item in groups}
    ends_at = max((sighting.last_seen for sighting in ordered), default=None)
    for number, person in enumerate(people):
        if number not in seen:
            serial = len(identities) + 1
            identities.append(Identity(serial=serial, person=person.name))
            if ends_at is not None:
                minted_at[serial] = ends_at

    owner = {row: item for item in groups for row in item.rows}
    runners_up = _runners_up(groups, templates, people, enrolled)
    likenesses: dict[int, float] = {}
    for item in groups:
        if item.person is None:
            likenesses |= _likenesses(item, templates)
    decisions = []
    for row, (sighting, template) in enumerate(zip(ordered, templates, strict=True)):
        given, runner_up = owner.get(row), runners_up.get(row)
        if given is None or template is None:
            why = why_unsure(template, bands)
            match = Match(Band.UNSURE, None, None, None, None, runner_up, why)
        elif given.person is None:
            match = stranger_match(given.serial, likenesses.get(row), runner_up)
        else:
            score = float(template.vector @ enrolled[given.person])
            match = named_match(given.serial, people[given.person].name, score, runner_up, bands)
        decisions.append(Decision(sighting, match))
    return Settlement(tuple(decisions), tuple(identities), minted_at, bands)


def named_match(
    serial: int, name: str, score: float, rival: Candidate | None, bands: Bands
) -> Match:
    """The answer for a sighting of an enrolled person. ``score`` is to the enrolled faces."""
    margin = None if rival is None else score - rival.score
    sure = score >= bands.confirmed and (margin is None or margin >= bands.margin)
    if sure:
        reason = "close to the enrolled faces, clear of everybody else"
    elif score >= bands.confirmed:
        nearness = "closer" if margin is not None and margin < 0 else "nearly as close"
        reason = f"close to the enrolled faces, but somebody else is {nearness}"
    elif score >= bands.likely:
        reason = "like the enrolled faces"
    else:
        reason = "like other sightings of this person"
    band = Band.CONFIRMED if sure else Band.LIKELY
    return Match(band, serial, name, score, margin, rival, reason)


def stranger_match(serial: int, score: float | None, runner_up: Candidate | None) -> Match:
    """``score`` is ``None`` for the sighting that is the new one."""
    if score is None:
        reason, margin = "new: like nobody seen before", None
    else:
        reason = "like other sightings of this stranger"
        margin = None if runner_up is None else score - runner_up.score
    return Match(Band.STRANGER, serial, None, score, margin, runner_up, reason)


def _runners_up(
    groups: Sequence[Group],
    templates: Sequence[Template | None],
    people: Sequence[EnrolledPerson],
    enrolled: Sequence[Floats],
) -> dict[int, Candidate]:
    """Whom each sighting is most like apart from whom it was given to, by row; rows without a
    template are left out, and so are all where there is nobody else."""
    strangers = [item for item in groups if item.person is None]
    serials = {item.person: item.serial for item in groups}
    who: list[tuple[int | None, str | None]] = [(item.serial, None) for item in strangers]
    who += [(serials.get(number), person.name) for number, person in enumerate(people)]
    if not who:
        return {}
    own = {row: column for column, item in enumerate(strangers) for row in item.rows}
    named = [(len(strangers) + item.person, item) for item in groups if item.person is not None]
    own |= {row: column for column, item in named for row in item.rows}
    centres = np.stack([item.vector for item in strangers] + list(enrolled))
    seen = [(row, template) for row, template in enumerate(templates) if template is not None]
    found: dict[int, Candidate] = {}
    for start in range(0, len(seen), _ROWS_AT_ONCE):
        block = seen[start : start + _ROWS_AT_ONCE]
        table = np.stack([template.vector for _, template in block]) @ centres.T
        for (row, _), scores in zip(block, table, strict=True):
            if row in own:
                scores[own[row]] = -np.inf
            best = int(scores.argmax())
            if np.isfinite(scores[best]):
                found[row] = Candidate(*who[best], score=float(scores[best]))
    return found


def _likenesses(item: Group, templates: Sequence[Template | None]) -> dict[int, float]:
    """How alike each row of a stranger is to the mean of the others; all but the founder."""
    seen = [(row, template) for row in item.rows if (template := templates[row]) is not None]
    vectors = np.stack([template.vector for _, template in seen]).astype(np.float64)
    # in double precision, so that taking a row out of the sum leaves nothing of it behind
    weighted = vectors * np.array([[template.worth] for _, template in seen])
    others = weighted.sum(axis=0) - weighted
    lengths = np.maximum(np.linalg.norm(others, axis=1), 1e-9)
    scores = (vectors * others).sum(axis=1) / lengths
    alike = {row: float(score) for (row, _), score in zip(seen, scores, strict=True)}
    return {row: score for row, score in alike.items() if row != item.founder}


def why_unsure(template: Template | None, bands: Bands) -> str:
    """Why a sighting was given to nobody."""
    if template is None:
        return "no look could be turned into a vector"
    if template.worth < bands.weak_look:
        return "no look shows enough of a face"
    if template.worth < bands.good_look:
        return "too poor a look to mint a serial, and not clearly anybody known"
    return "no two good looks that agree, and not clearly anybody known"
