from __future__ import annotations

from typing import Any

import pytest

from sightgrid.domain.people import EnrolledPerson
from sightgrid.store import Store
from sightgrid.store.cards import (
    CardFilter,
    CardKind,
    CardOrder,
    card_of,
    identity_cards,
    serials_matching,
)
from sightgrid.store.decisions import record_decisions
from sightgrid.store.identities import mint, set_alias, set_hidden, set_label
from sightgrid.store.people import enrol
from sightgrid.store.sightings import insert_sightings
from sightgrid.store.visits import save_visits
from sightgrid.trajectory.visits import visits

BY_TIME = CardFilter(order=CardOrder.LAST_SEEN)


@pytest.fixture
def building(store: Store, make: Any) -> Store:
    """Anna (1) on the stairs, then in the hall; strangers 2 and 3 in the hall, 3 later; Bruno (4)
    never seen; stranger 5 on the stairs, hidden; 6 merged into 2."""
    with store.transaction() as tx:
        enrol(tx, EnrolledPerson("Anna", ()))
        enrol(tx, EnrolledPerson("Bruno", ()))
        for person in ("Anna", None, None, "Bruno", None, None):
            mint(tx, minted_at=make.noon, person=person)
        seen = [
            make.sighting(10, camera="stairs"),
            make.sighting(11, after_secs=60),
            make.sighting(20, after_secs=30),
            make.sighting(30, after_secs=300),
            make.sighting(50, camera="stairs", after_secs=400),
            make.sighting(60, after_secs=500),
        ]
        insert_sightings(tx, seen, crop_paths={seen[1].sighting_id: ["a/1"]})
        whose = [(1, "Anna"), (1, "Anna"), (2, None), (3, None), (5, None), (6, None)]
        decided = [
            make.decision(one, serial, person=person)
            for one, (serial, person) in zip(seen, whose, strict=True)
        ]
        record_decisions(tx, decided, decided_at=make.noon)
        save_visits(tx, visits(decided[:5]))
        set_alias(tx, 6, 2)
        set_hidden(tx, 5, True)
        set_label(tx, 3, "grey coat")
    return store


def test_cards_by_number_and_by_time_leave_hidden_and_merged_out(building: Store) -> None:
    with building.snapshot() as tx:
        assert [card.serial for card in identity_cards(tx, CardFilter())] == [1, 2, 3, 4]
        by_time = identity_cards(tx, BY_TIME)
        hidden = identity_cards(tx, CardFilter(kind=CardKind.HIDDEN))
        known = identity_cards(tx, CardFilter(kind=CardKind.KNOWN))
        strangers = identity_cards(tx, CardFilter(kind=CardKind.ANONYMOUS))
        merged = identity_cards(tx, CardFilter(merged=True))
    # who was never seen comes last
    assert [card.serial for card in by_time] == [3, 1, 2, 4]
    assert [card.serial for card in hidden] == [5]
    assert [(card.serial, card.person) for card in known] == [(1, "Anna"), (4, "Bruno")]
    assert [(card.serial, card.label) for card in strangers] == [(2, ""), (3, "grey coat")]
    assert [(card.serial, card.alias_of) for card in merged][-1] == (6, 2)


def test_a_card_counts_what_was_merged_into_it(building: Store) -> None:
    with building.snapshot() as tx:
        anna, two = card_of(tx, 1), card_of(tx, 2)
    assert anna is not None
    assert two is not None
    assert (anna.cameras, anna.visits, anna.sightings) == (("stairs", "hall"), 2, 2)
    assert (two.sightings, two.alias_of) == (2, None)


def test_the_picture_is_that_of_a_sighting_that_has_one(building: Store, make: Any) -> None:
    with building.snapshot() as tx:
        anna, two = card_of(tx, 1), card_of(tx, 2)
    assert anna is not None
    assert two is not None
    assert anna.best_sighting == make.sighting(11).sighting_id
    assert two.best_sighting is None


def test_of_other_cameras_nothing_is_told(building: Store) -> None:
    stairs = frozenset({"stairs"})
    with building.snapshot() as tx:
        cards = identity_cards(tx, CardFilter(cameras=stairs))
        anna, two = card_of(tx, 1, cameras=stairs), card_of(tx, 2, cameras=stairs)
        nobody = identity_cards(tx, CardFilter(cameras=frozenset()))
    assert [card.serial for card in cards] == [1]
    assert anna is not None
    assert (anna.cameras, anna.visits, anna.sightings) == (("stairs",), 1, 1)
    # the picture was taken in the hall
    assert anna.best_sighting is None
    assert (two, nobody) == (None, [])


@pytest.mark.parametrize("order", CardOrder)
def test_pages_follow_each_other_without_gaps(building: Store, order: CardOrder) -> None:
    wanted = CardFilter(order=order)
    with building.snapshot() as tx:
        whole = [card.serial for card in identity_cards(tx, wanted)]
        paged: list[int] = []
        after = None
        for _ in range(len(whole) + 1):
            for card in identity_cards(tx, wanted, after=after, limit=1):
                paged.append(card.serial)
                after = card.place
    assert paged == whole


def test_a_text_finds_numbers_names_and_labels(building: Store) -> None:
    with building.snapshot() as tx:
        assert serials_matching(tx, "#3") == {3}
        assert serials_matching(tx, "6") == {2}
        assert serials_matching(tx, "nn") == {1}
        assert serials_matching(tx, "GREY") == {3}
        assert serials_matching(tx, "grey", names=False) == frozenset()
        assert identity_cards(tx, CardFilter(serials=frozenset())) == []
