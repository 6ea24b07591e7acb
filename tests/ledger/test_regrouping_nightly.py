"""Merges proposed at night, embeddings made anew by day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from by_hand import CONTRACT, DIMENSION, NOON, FixedPolicy, enrol, sighting, toward
from live import Live, revised

from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.ledger.reembedding import reembed
from sightgrid.ledger.regrouping_nightly import propose_merges
from sightgrid.ledger.taking_in import Intake
from sightgrid.store.edits import keep_apart, proposals
from sightgrid.store.people import contracts
from sightgrid.store.sightings import sighting as stored

DAY = 24 * 3600
NEW = EmbeddingContract("f" * 64, "new", DIMENSION)


def proposed(live: Live) -> list[tuple[int, int]]:
    propose_merges(live.store, policy=FixedPolicy(), contract=CONTRACT, at=NOON)
    with live.store.snapshot() as tx:
        return [(one.serial, one.into) for one in proposals(tx)]


def test_strangers_of_other_days_are_proposed_once(live: Live) -> None:
    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2))
    live.takes(sighting(0, 3 * DAY, 3 * DAY + 2, group=3))
    assert [serial for serial, _, _ in live.serials()] == [1, 2, 3]
    assert proposed(live) == [(3, 1)]
    assert proposed(live) == [(3, 1)]
    assert {alias for _, _, alias in live.serials()} == {None}, "nothing is merged by itself"


def test_a_stranger_of_before_the_enrolment_is_proposed_to_the_person(live: Live) -> None:
    live.takes(sighting(0, 0, 2))
    live.enrol([enrol("Anna", 0)])
    assert proposed(live) == [(1, 2)]


def test_who_is_known_to_be_two_people_is_not_proposed(live: Live) -> None:
    live.takes(sighting(0, 0, 2), sighting(0, 1, 3, group=2, left=200))
    assert [serial for serial, _, _ in live.serials()] == [1, 2]
    assert proposed(live) == []
    live.takes(sighting(5, 10, 12, group=3), sighting(5, 3 * DAY, 3 * DAY + 2, group=4))
    with live.store.transaction() as tx:
        keep_apart(tx, 4, 3)
    assert proposed(live) == []


def in_another_space(crops: Sequence[bytes]) -> list[Embedding | None]:
    """A pack whose vectors are another's turned round; the test's crops name whose they are."""
    return [
        None if crop == b"bad" else Embedding(toward(*[0.0] * _who(crop), 1.0)[::-1].copy(), NEW)
        for crop in crops
    ]


def _who(crop: bytes) -> int:
    return {b"hall-1-0": 0, b"hall-2-50": 1, b"crop": 7}[crop.split(b" ")[0]]


def test_after_a_change_of_packs_everybody_is_known_again(live: Live) -> None:
    live.enrol([enrol("Anna", 7)])
    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2))
    told: list[int] = []
    done = reembed(live.store, in_another_space, NEW, policy=FixedPolicy(), tell=told.append)
    assert (done.sightings, done.people, done.without_crops, told) == (2, 1, 0, [2])
    again = reembed(live.store, in_another_space, NEW, policy=FixedPolicy())
    assert (again.sightings, again.people) == (0, 0)
    with live.store.snapshot() as tx:
        assert set(contracts(tx)) == {CONTRACT.id, NEW.id}
        for look in stored(tx, "hall-1-0").looks:
            assert look.embedding is not None
            assert look.embedding.contract == NEW
            assert look.worth == pytest.approx(1.0)
    live.intake = Intake(live.store, policy=FixedPolicy(), contract=NEW, clock=lambda: NOON)
    assert live.intake.refresh() == 3
    for who, serial in ((0, 2), (1, 3), (7, 1)):
        vector = toward(*[0.0] * who, 1.0)[::-1].copy()
        seen = sighting(vector, 20 + 5 * who, 22 + 5 * who, group=50 + who, contract=NEW)
        live.takes(seen)
        assert live.serial(seen) == serial


def test_whose_crops_are_gone_keeps_the_serial_and_leaves_the_gallery(live: Live) -> None:
    from sightgrid.store.crops import save_crops

    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2))
    with live.store.transaction() as tx:
        save_crops(tx, "hall-1-0", [])
    done = reembed(live.store, in_another_space, NEW, policy=FixedPolicy())
    assert (done.sightings, done.without_crops) == (1, 1)
    live.intake = Intake(live.store, policy=FixedPolicy(), contract=NEW, clock=lambda: NOON)
    assert live.intake.refresh() == 1
    assert len(live.visits(1)) == len(live.visits(2)) == 1


def test_an_unsure_sighting_of_the_old_pack_stays_unsure(live: Live) -> None:
    other = EmbeddingContract("b" * 64, "old", DIMENSION)
    seen = revised(sighting(0, 0, 2, contract=other), 1)
    live.takes(seen)
    assert live.serial(seen) is None
    reembed(live.store, in_another_space, NEW, policy=FixedPolicy())
    assert live.serial(seen) is None
    with live.store.snapshot() as tx:
        back = stored(tx, seen.sighting_id)
    assert all(look.embedding is not None and look.embedding.contract == NEW for look in back.looks)
    assert np.isfinite(back.quality)
