"""Settling by evidence: what blurs may found, who could have come from where."""

from __future__ import annotations

import numpy as np
import pytest
from tests.ledger.by_hand import DIMENSION, FixedPolicy, enrol, sighting, toward

from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Band, Sighting
from sightgrid.ledger.answers import Settlement
from sightgrid.ledger.pooling import pool_of
from sightgrid.ledger.settling import settle
from sightgrid.recognition.evidence import EvidenceModel
from sightgrid.recognition.templates import template_of

LINE = CameraGrid(links=(CameraLink("hall", "door", 2.0, 4.0),))
OUTLIER = 0.2


def model() -> EvidenceModel:
    """Vectors of strength 1 tell a person well, those of strength 0 hardly at all."""
    ones = np.ones((2, DIMENSION), np.float32)
    return EvidenceModel(
        strengths=np.array([0.0, 1.0], np.float32),
        means=0 * ones,
        basis=4 * np.eye(DIMENSION, dtype=np.float32),
        between=np.full(DIMENSION, 1.0, np.float32),
        signal=np.stack([0.1 * ones[0], ones[1]]),
        noise=np.stack([ones[0], 0.02 * ones[1]]),
    )


def settled(*sightings: Sighting, grid: CameraGrid = LINE, **policy: float) -> Settlement:
    return settle(
        sightings,
        people=[],
        grid=grid,
        policy=FixedPolicy(**policy),  # type: ignore[arg-type]
        evidence=model(),
    )


def serials(settlement: Settlement) -> list[int | None]:
    return [decision.match.serial for decision in settlement.decisions]


def test_one_person_keeps_a_serial_and_another_gets_one() -> None:
    found = settled(
        sighting(0, 0, 2),
        sighting(toward(1.0, 0.3), 10, 12),
        sighting(1, 20, 22),
    )
    assert serials(found) == [1, 1, 2]


def test_who_can_tell_too_little_founds_nothing() -> None:
    found = settled(sighting(0, 0, 2, worth=0.31), sighting(1, 10, 12))
    assert serials(found) == [None, 1]
    assert found.decisions[0].match.band is Band.UNSURE


def test_two_in_one_frame_are_two_whatever_they_say() -> None:
    found = settled(sighting(0, 0, 2, group=1), sighting(0, 0, 2, group=2, left=200))
    assert serials(found) == [1, 2]


def test_enrolled_people_are_named_as_ever() -> None:
    found = settle(
        [sighting(0, 0, 2), sighting(1, 10, 12)],
        people=[enrol("Ada", 1)],
        grid=LINE,
        policy=FixedPolicy(),
        evidence=model(),
    )
    assert [decision.match.person for decision in found.decisions] == [None, "Ada"]


@pytest.mark.parametrize(
    ("gap_secs", "expected"), [(1.0, False), (2.5, True), (5.5, True), (6.5, False)]
)
def test_who_appears_next_door_in_time_could_be_who_left(gap_secs: float, expected: bool) -> None:
    ordered = [
        sighting(0, 0, 10),
        sighting(1, 10 + gap_secs, 20, camera="door"),
        sighting(2, 13, 20, camera="attic"),
    ]
    templates = [template_of(one.looks, outlier=OUTLIER) for one in ordered]
    pool = pool_of(ordered, templates, model=model(), grid=LINE)
    assert (set(pool.could_be) == {(0, 1)}) is expected
    assert not pool.hints(identities=4), "a quarter of four is no more than anybody"
    assert bool(pool.hints(identities=40)) is expected


def test_the_more_could_have_come_the_less_it_says() -> None:
    ordered = [
        sighting(0, 0, 10),
        *(sighting(1, 13, 20, camera="door", group=n, left=90 * n) for n in range(3)),
    ]
    templates = [template_of(one.looks, outlier=OUTLIER) for one in ordered]
    alone = pool_of(ordered[:2], templates[:2], model=model(), grid=LINE)
    crowd = pool_of(ordered, templates, model=model(), grid=LINE)
    assert max(crowd.hints(40).values()) < max(alone.hints(40).values())
    assert len(crowd.could_be) == 3
