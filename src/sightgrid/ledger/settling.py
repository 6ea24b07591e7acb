"""Decides a finished recording as a whole: who each sighting is, which serials are minted.

Live, a sighting must be decided when it comes; a recording can be looked at from all sides first.
So the good sightings are grouped before any serial is spent, groups that are an enrolled person get
their name, serials are minted in order of first appearance, and what was too poor to found an
identity is given to one it clearly belongs to, or left *unsure*.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations

import numpy as np

from sightgrid.domain.errors import ContractMismatch
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.people import EnrolledPerson
from sightgrid.domain.presence import Sighting
from sightgrid.ledger.answers import Settlement, answer
from sightgrid.ledger.constraints import cannot_links
from sightgrid.ledger.groups import Group, bar_of, mean_of_rows
from sightgrid.ledger.naming import Likeness, cosines_to, name_groups, take_in_the_rest
from sightgrid.ledger.pooling import pool_of, pooled_groups, take_in_by_evidence
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import Policy
from sightgrid.recognition.evidence import EvidenceModel
from sightgrid.recognition.regrouping import group
from sightgrid.recognition.templates import Template, mean_of, template_of

_TWO_LOOKS_APART_SECS = 0.15
# a crest or the back of a head is taken for a face now and then, but hardly ever surely
_SURE_DETECTION = 0.80
_SURE_DETECTIONS = 3


def settle(
    sightings: Sequence[Sighting],
    *,
    people: Sequence[EnrolledPerson],
    grid: CameraGrid,
    policy: Policy,
    evidence: EvidenceModel | None = None,
    likeness: Likeness | None = None,
) -> Settlement:
    """Decides every sighting of a recording.

    Args:
        policy: the budgets of mistakes that the thresholds have to keep.
        likeness: how alike faces are to the people, if something else than the cosine to their
            mean face shall say it: a trained head.
        evidence: the embedder's evidence model, if there is one: sightings are then grouped by it
            instead of by plain similarity.

    Raises:
        ContractMismatch: sightings and people were embedded under different contracts.
    """
    ordered = sorted(sightings, key=lambda s: (s.first_seen, s.camera, s.group))
    templates = [template_of(sighting.looks, outlier=policy.outlier) for sighting in ordered]
    enrolled = [mean_of(person.faces) for person in people]
    _check_contracts(templates, people)
    alike = likeness or cosines_to(enrolled)
    apart: set[tuple[int, int]] = set()
    for one, other in cannot_links(ordered, grid=grid):
        apart |= {(one, other), (other, one)}

    # how alike is alike enough depends on how many there are to confuse, which is known only
    # after grouping: group as if every sighting were somebody, then again for those there are
    bands = policy.bands(enrolled=len(people), identities=len(ordered))
    founders = [
        row
        for row, template in enumerate(templates)
        if template is not None and may_found(ordered[row], bands)
    ]
    if evidence is None:
        rough = _found_groups(founders, templates, apart, bands)
        bands = policy.bands(enrolled=len(people), identities=len(rough))
        groups = _found_groups(founders, templates, apart, bands)
        name_groups(groups, alike, templates, apart, bands)
    else:
        pool = pool_of(ordered, templates, model=evidence, grid=grid)

        def pooled(identities: int) -> list[Group]:
            return pooled_groups(
                pool,
                founders,
                templates,
                apart,
                least_nats=policy.nats(identities=identities),
                identities=identities,
            )

        identities = len(pooled(len(founders)))
        bands = policy.bands(enrolled=len(people), identities=identities)
        groups = pooled(identities)
        name_groups(groups, alike, templates, apart, bands)
        take_in_by_evidence(
            groups,
            pool,
            apart,
            least_nats=policy.nats(identities=identities),
            identities=identities,
        )
    take_in_the_rest(groups, templates, enrolled, alike, apart, bands)
    return answer(groups, ordered, templates, people, enrolled, bands)


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


def may_found(sighting: Sighting, bands: Bands, *, within: timedelta | None = None) -> bool:
    """Two good looks, a moment apart, that agree with each other.

    In a recording a track is never broken for longer than the few seconds in which two looks must
    follow each other, so there is no limit to how far they lie apart; ``within`` sets one.
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
            and (within is None or gap_secs <= within.total_seconds())
            and one.embedding is not None
            and other.embedding is not None
            and one.embedding.cosine(other.embedding) >= bands.agree
        ):
            return True
    return False


def _found_groups(
    founders: list[int],
    templates: Sequence[Template | None],
    apart: set[tuple[int, int]],
    bands: Bands,
) -> list[Group]:
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
        bars=np.array([bar_of(template.worth, bands) for template in chosen], np.float32),
    )
    return [
        Group(rows, None, mean_of_rows(templates, rows), founder=rows[0])
        for rows in ([founders[i] for i in cluster] for cluster in clusters)
    ]
