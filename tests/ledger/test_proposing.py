"""Answers to proposed merges, and naming strangers: edits that can be undone; no face is learnt
without a consent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from by_hand import CONTRACT, NOON, FixedPolicy, enrol, sighting
from live import Live, consent

from sightgrid.domain.attributes import PLAIN
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.people import Method
from sightgrid.domain.presence import Band
from sightgrid.ledger import editing, proposing
from sightgrid.ledger.people import add_person, give_consent, remove_person, undo_change, withdraw
from sightgrid.ledger.regrouping_nightly import propose_merges
from sightgrid.store import Transaction
from sightgrid.store.consents import consents_of
from sightgrid.store.crops import crop
from sightgrid.store.proposals import ACCEPTED, DECLINED, OPEN, proposals_page
from sightgrid.store.prototypes import prototype

DAY = 24 * 3600
BY: editing.Made = {"by": "account:1", "reason": "same coat", "at": NOON}


@pytest.fixture
def twice(live: Live) -> Live:
    """Person 0 was seen on two days as serials 1 and 3, person 1 as 2; it is proposed."""
    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2))
    live.takes(sighting(0, 3 * DAY, 3 * DAY + 2, group=3))
    find(live)
    return live


def find(live: Live) -> int:
    done = propose_merges(live.store, policy=FixedPolicy(), contract=CONTRACT, at=NOON)
    return done.proposed


def pairs(tx: Transaction, status: str) -> list[tuple[int, int]]:
    rows = proposals_page(tx, status, after=None, limit=10)
    return [(one.proposal.serial, one.proposal.into) for one in proposing.with_evidence(tx, rows)]


def aliases(live: Live) -> dict[int, int | None]:
    return {serial: alias for serial, _, alias in live.serials()}


def test_a_proposal_comes_with_its_evidence(twice: Live) -> None:
    with twice.store.snapshot() as tx:
        (found,) = proposing.with_evidence(tx, proposals_page(tx, OPEN, after=None, limit=10))
    assert (found.proposal.serial, found.proposal.into) == (3, 1)
    assert found.proposal.similarity >= found.proposal.threshold
    assert (found.one.serial, found.other.serial) == (3, 1)
    assert (found.one.visits, found.other.visits) == (1, 1)
    assert [len(some) for some in found.pictures] == [1, 1]


def test_accepting_merges_and_undoing_opens_the_proposal_again(twice: Live) -> None:
    made = twice.store.run(lambda tx: proposing.accept(tx, 3, 1, **BY))
    assert made.consequences.sightings == 1
    assert aliases(twice)[3] == 1
    with twice.store.snapshot() as tx:
        assert (pairs(tx, OPEN), pairs(tx, ACCEPTED)) == ([], [(3, 1)])
    with pytest.raises(InvalidValue, match="answered before"):
        twice.store.run(lambda tx: proposing.accept(tx, 3, 1, **BY))
    twice.store.run(lambda tx: editing.undo(tx, made.edit_id, by="account:1", at=NOON))
    assert aliases(twice)[3] is None
    with twice.store.snapshot() as tx:
        assert pairs(tx, OPEN) == [(3, 1)]


def test_declining_is_for_good_and_can_be_undone_too(twice: Live) -> None:
    made = twice.store.run(lambda tx: proposing.decline(tx, 3, 1, **BY))
    assert find(twice) == 0
    with twice.store.snapshot() as tx:
        assert (pairs(tx, OPEN), pairs(tx, DECLINED)) == ([], [(3, 1)])
    # neither a later look nor another serial of the same person brings it back
    twice.takes(sighting(0, 3 * DAY + 60, 3 * DAY + 62, group=4))
    assert find(twice) == 0
    assert aliases(twice) == {1: None, 2: None, 3: None}
    twice.store.run(lambda tx: editing.undo(tx, made.edit_id, by="account:1", at=NOON))
    with twice.store.snapshot() as tx:
        assert pairs(tx, OPEN) == [(3, 1)]


def test_what_was_never_proposed_is_not_found(twice: Live) -> None:
    for answer in (proposing.accept, proposing.decline):
        with pytest.raises(NotFound, match="never proposed"):
            twice.store.run(lambda tx, answer=answer: answer(tx, 2, 1, **BY))


def test_a_merge_by_hand_settles_what_was_proposed(twice: Live) -> None:
    twice.store.run(lambda tx: editing.merge(tx, 3, into=1, **BY))
    with twice.store.snapshot() as tx:
        assert pairs(tx, OPEN) == []


def roster(live: Live, name: str = "Anna", *, agreed: bool = True) -> str:
    def work(tx: Transaction) -> str:
        person_id = add_person(tx, {"name": name}, attributes=PLAIN, at=NOON)
        if agreed:
            give_consent(tx, person_id, consent(), adult_at=18, at=NOON)
        return person_id

    return live.store.run(work)


def test_a_stranger_is_named_only_as_somebody_who_agreed(live: Live) -> None:
    seen = sighting(0, 0, 2)
    live.takes(seen)
    refused = roster(live, agreed=False)
    with pytest.raises(InvalidValue, match="has not agreed"):
        live.store.run(lambda tx: proposing.name_as(tx, 1, refused, **BY))
    anna = roster(live, "Anna Berg")
    looked = editing.previewed(live.store, lambda tx: proposing.name_as(tx, 1, anna, **BY))
    assert looked.sightings == 1
    assert live.serials() == [(1, None, None)], "a preview mints nothing"
    made = live.store.run(lambda tx: proposing.name_as(tx, 1, anna, **BY))
    assert live.serials() == [(1, "Anna Berg", 2), (2, "Anna Berg", None)]
    assert live.standing(seen).band is Band.CONFIRMED
    with pytest.raises(InvalidValue, match="this person already"):
        live.store.run(lambda tx: proposing.name_as(tx, 1, anna, **BY))
    live.store.run(lambda tx: editing.undo(tx, made.edit_id, by="account:1", at=NOON))
    assert live.serials() == [(1, None, None), (2, "Anna Berg", None)]
    assert live.standing(seen).band is Band.STRANGER


def test_who_was_named_is_recognised_by_what_was_seen_of_them(live: Live) -> None:
    live.takes(sighting(0, 0, 2))
    anna = roster(live)
    live.store.run(lambda tx: proposing.name_as(tx, 1, anna, **BY))
    again = sighting(0, 600, 602, group=2)
    live.takes(again)
    standing = live.standing(again)
    assert (standing.serial, standing.band) == (2, Band.CONFIRMED)


def test_sightings_are_given_to_nobody_who_did_not_agree(live: Live) -> None:
    seen = sighting(1, 0, 2)
    live.takes(seen)
    live.enrol([enrol("Anna", 0)])
    with live.store.snapshot() as tx:
        (person_id,) = tx.connection.exec_driver_sql("select person_id from person").scalars()
        (consent_id,) = consents_of(tx, person_id)
    later = NOON + timedelta(hours=1)
    live.store.run(lambda tx: withdraw(tx, person_id, consent_id, method=Method.QR, at=later))
    by: editing.Made = {**BY, "at": later}
    for edit in (
        lambda tx: editing.merge(tx, 1, into=2, **by),
        lambda tx: editing.move(tx, [seen.sighting_id], into=2, **by),
        lambda tx: editing.confirm(tx, [seen.sighting_id], 2, **by),
    ):
        with pytest.raises(InvalidValue, match="has not agreed"):
            live.store.run(edit)


def test_withdrawing_forgets_what_was_seen_too(live: Live) -> None:
    live.enrol([enrol("Anna", 0)])
    seen = sighting(0, 0, 2)
    live.takes(seen)
    assert live.serial(seen) == 1
    with live.store.snapshot() as tx:
        (person_id,) = tx.connection.exec_driver_sql("select person_id from person").scalars()
        (consent_id,) = consents_of(tx, person_id)
    later = NOON + timedelta(hours=1)
    live.store.run(lambda tx: withdraw(tx, person_id, consent_id, method=Method.QR, at=later))
    with live.store.snapshot() as tx:
        known = prototype(tx, 1, CONTRACT.id)
        assert known is not None
        assert known.total is None
        assert crop(tx, seen.sighting_id) is None
        for table, column in (("look", "vector"), ("sighting", "template"), ("crop", "jpeg")):
            asked = f"select count({column}) from {table}"
            assert tx.connection.exec_driver_sql(asked).scalar() == 0, table
    assert len(live.visits(1)) == 1, "that they were there stays"
    again = sighting(0, 600, 602, group=2)
    live.takes(again)
    assert (live.serial(again), live.standing(again).band) == (2, Band.STRANGER)


def test_who_was_removed_is_a_stranger_until_they_are_put_back(live: Live) -> None:
    live.enrol([enrol("Anna", 0)])
    with live.store.snapshot() as tx:
        (person_id,) = tx.connection.exec_driver_sql("select person_id from person").scalars()
    change = live.store.run(lambda tx: remove_person(tx, person_id, by="account:1", at=NOON))
    seen = sighting(0, 0, 2)
    live.takes(seen)
    assert live.standing(seen).band is Band.STRANGER
    live.store.run(lambda tx: undo_change(tx, change, attributes=PLAIN, by="account:1", at=NOON))
    again = sighting(0, 600, 602, group=2)
    live.takes(again)
    assert live.serial(again) == 1
