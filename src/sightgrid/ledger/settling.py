"""Decides a finished recording as a whole: who each sighting is, which serials are minted.

Live, a sighting must be decided when it comes; a recording can be looked at from all sides first.
So the good sightings are grouped before any serial is spent, groups that are an enrolled person get
their name, serials are minted in order of first appearance, and what was too poor to found an
identity is given to one it clearly belongs to, or left *unsure*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

import numpy as np

from sightgrid.domain.errors import ContractMismatch
from sightgrid.domain.geometry import Floats
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.people import EnrolledPerson
from sightgrid.domain.presence import Band, Candidate, Decision, Identity, Match, Sighting
from sightgrid.ledger.constraints import cannot_links
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import Policy
from sightgrid.recognition.regrouping import group
from sightgrid.recognition.templates import Template, mean_of, template_of

_TWO_LOOKS_APART_SECS = 0.15
_LOOKS_AGREE = 0.40
# a crest or the back of a head is taken for a face now and then, but hardly ever surely
_SURE_DETECTION = 0.80
_SURE_DETECTIONS = 3
# how much more alike than good looks poor ones must be: by so much where they are worth nothing,
# by nothing from a fair look on
_POOR_LOOK_BAR = 0.08
_FAIR_LOOK = 0.5
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


@dataclass(slots=True, eq=False)
class _Group:
    """An identity in the making: rows of sightings, perhaps the enrolled person they are.
    ``founder`` is the earliest row that was good enough to found it, if there was one."""

    rows: list[int]
    person: int | None
    vector: Floats
    founder: int | None = None
    serial: int = 0


def settle(
    sightings: Sequence[Sighting],
    *,
    people: Sequence[EnrolledPerson],
    grid: CameraGrid,
    policy: Policy,
) -> Settlement:
    """Decides every sighting of a recording.

    Args:
        policy: the budgets of mistakes that the thresholds have to keep.

    Raises:
        ContractMismatch: sightings and people were embedded under different contracts.
    """
    ordered = sorted(sightings, key=lambda s: (s.first_seen, s.camera, s.group))
    templates = [template_of(sighting.looks) for sighting in ordered]
    enrolled = [mean_of(person.faces) for person in people]
    _check_contracts(templates, people)
    apart: set[tuple[int, int]] = set()
    for one, other in cannot_links(ordered, grid=grid):
        apart |= {(one, other), (other, one)}

    # how alike is alike enough depends on how many there are to confuse, which is known only
    # after grouping: group as if every sighting were somebody, then again for those there are
    bands = policy.bands(enrolled=len(people), identities=len(ordered))
    founders = [
        row
        for row, template in enumerate(templates)
        if template is not None and _may_found(ordered[row], bands)
    ]
    rough = _found_groups(founders, templates, apart, bands)
    bands = policy.bands(enrolled=len(people), identities=len(rough))
    groups = _found_groups(founders, templates, apart, bands)
    _name(groups, enrolled, templates, apart, bands)
    _take_in_the_rest(groups, templates, enrolled, apart, bands)
    return _answer(groups, ordered, templates, people, enrolled, bands)


def _check_contracts(
    templates: Sequence[Template | None], people: Sequence[EnrolledPerson]
) -> None:
    ids = {template.contract_id for template in templates if template is not None}
    ids |= {face.contract.id for person in people for face in person.faces}
    if len(ids) > 1:
        raise ContractMismatch(
            "faces embedded under different contracts can't be compared",
            hint="enrol people again with the pack of this run",
        )


def _may_found(sighting: Sighting, bands: Bands) -> bool:
    """Two good looks, a moment apart, that agree with each other.

    A track is never broken for longer than the few seconds in which two looks must follow each
    other, so within one sighting there is no limit to how far they lie apart.
    """
    if sum(point.score >= _SURE_DETECTION for point in sighting.path) < min(
        _SURE_DETECTIONS, len(sighting.path)
    ):
        return False
    good = [
        look
        for look in sighting.looks
        if look.embedding is not None and look.worth >= bands.good_look
    ]
    for one, other in combinations(good, 2):
        gap_secs = abs((other.crop.captured_at - one.crop.captured_at).total_seconds())
        if (
            gap_secs >= _TWO_LOOKS_APART_SECS
            and one.embedding is not None
            and other.embedding is not None
            and one.embedding.cosine(other.embedding) >= _LOOKS_AGREE
        ):
            return True
    return False


def _found_groups(
    founders: list[int],
    templates: Sequence[Template | None],
    apart: set[tuple[int, int]],
    bands: Bands,
) -> list[_Group]:
    """Groups of good sightings that are one person each."""
    chosen = [template for row in founders if (template := templates[row]) is not None]
    if not chosen:
        return []
    at = {row: position for position, row in enumerate(founders)}
    worths = np.array([template.worth for template in chosen], np.float32)
    clusters = group(
        np.stack([template.vector for template in chosen]),
        threshold=bands.same,
        weights=worths,
        cannot_link=[(at[a], at[b]) for a, b in apart if a in at and b in at and a < b],
        # blurs of different people are more alike than their faces
        bars=(_POOR_LOOK_BAR * (1.0 - np.minimum(worths / _FAIR_LOOK, 1.0))).astype(np.float32),
    )
    return [
        _Group(rows, None, _mean(templates, rows), founder=rows[0])
        for rows in ([founders[i] for i in cluster] for cluster in clusters)
    ]


def _name(
    groups: list[_Group],
    enrolled: Sequence[Floats],
    templates: Sequence[Template | None],
    apart: set[tuple[int, int]],
    bands: Bands,
) -> None:
    """Gives groups to the enrolled people they are, best match first; groups of one person are
    joined unless two of their sightings can't be one person."""
    if not enrolled or not groups:
        return
    known = np.stack(enrolled)
    scores = np.stack([item.vector for item in groups]) @ known.T
    taken: dict[int, _Group] = {}
    for index in np.argsort(-scores.max(axis=1), kind="stable"):
        item = groups[index]
        # whoever is elsewhere at that moment is out of the question: this is somebody like them
        possible = [
            person
            for person in range(len(enrolled))
            if person not in taken or not _any_apart(taken[person].rows, item.rows, apart)
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
        item.vector = _mean(templates, item.rows)


def _leader(scores: Floats, possible: Sequence[int]) -> tuple[int | None, float]:
    """Who of those possible scores best, and its lead over everybody else, possible or not.

    Who looks more like somebody who is elsewhere is a stranger like them, not the next best.
    """
    if not possible:
        return None, 0.0
    best = max(possible, key=lambda person: float(scores[person]))
    others = np.delete(scores, best)
    return best, float(scores[best] - others.max()) if len(others) else float("inf")


def _take_in_the_rest(
    groups: list[_Group],
    templates: Sequence[Template | None],
    enrolled: Sequence[Floats],
    apart: set[tuple[int, int]],
    bands: Bands,
) -> None:
    """Gives each sighting that may not found an identity to the one it clearly belongs to.

    An enrolled person is one from the start; no good look of them is needed for that.
    """
    named = {item.person for item in groups}
    waiting = [
        _Group([], person, vector) for person, vector in enumerate(enrolled) if person not in named
    ]
    choices = groups + waiting
    if not choices:
        return
    placed = {row for item in groups for row in item.rows}
    # a person is compared by the enrolled faces, which nothing seen since can have spoilt
    centres = np.stack(
        [item.vector if item.person is None else enrolled[item.person] for item in choices]
    )
    rest = [
        (row, template)
        for row, template in enumerate(templates)
        if row not in placed and template is not None and template.worth >= bands.weak_look
    ]
    rest.sort(key=lambda entry: -entry[1].worth)
    for row, template in rest:
        bar = _POOR_LOOK_BAR * (1.0 - min(template.worth / _FAIR_LOOK, 1.0))
        scores = centres @ template.vector
        best = int(scores.argmax())
        runner_up = float(np.partition(scores, -2)[-2]) if len(scores) > 1 else -1.0
        least = bands.same if choices[best].person is None else bands.likely
        if (
            scores[best] >= least + bar
            and scores[best] - runner_up >= bands.margin
            and not _any_apart(choices[best].rows, [row], apart)
        ):
            choices[best].rows.append(row)
    groups += [item for item in waiting if item.rows]


def _answer(
    groups: list[_Group],
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
            why = _why_unsure(template, bands)
            match = Match(Band.UNSURE, None, None, None, None, runner_up, why)
        elif given.person is None:
            match = _stranger(given.serial, likenesses.get(row), runner_up)
        else:
            score = float(template.vector @ enrolled[given.person])
            match = _named(given.serial, people[given.person].name, score, runner_up, bands)
        decisions.append(Decision(sighting, match))
    return Settlement(tuple(decisions), tuple(identities), minted_at, bands)


def _named(serial: int, name: str, score: float, rival: Candidate | None, bands: Bands) -> Match:
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


def _stranger(serial: int, score: float | None, runner_up: Candidate | None) -> Match:
    """``score`` is ``None`` for the sighting that is the new one."""
    if score is None:
        reason, margin = "new: like nobody seen before", None
    else:
        reason = "like other sightings of this stranger"
        margin = None if runner_up is None else score - runner_up.score
    return Match(Band.STRANGER, serial, None, score, margin, runner_up, reason)


def _runners_up(
    groups: Sequence[_Group],
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


def _likenesses(item: _Group, templates: Sequence[Template | None]) -> dict[int, float]:
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


def _why_unsure(template: Template | None, bands: Bands) -> str:
    if template is None:
        return "no look could be turned into a vector"
    if template.worth < bands.weak_look:
        return "no look shows enough of a face"
    if template.worth < bands.good_look:
        return "too poor a look to mint a serial, and not clearly anybody known"
    return "no two good looks that agree, and not clearly anybody known"


def _any_apart(some: Sequence[int], others: Sequence[int], apart: set[tuple[int, int]]) -> bool:
    return any((one, other) in apart for one in some for other in others)


def _mean(templates: Sequence[Template | None], rows: Sequence[int]) -> Floats:
    """The mean of some rows' templates, weighted by worth, of unit length (D,)."""
    weighted = [t.vector * t.worth for row in rows if (t := templates[row]) is not None]
    total = np.stack(weighted).sum(axis=0)
    unit: Floats = (total / max(float(np.linalg.norm(total)), 1e-9)).astype(np.float32)
    return unit
