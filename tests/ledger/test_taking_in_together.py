"""Several boxes' batches in one transaction: each answered as if it had come alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from by_hand import sighting
from live import BOX, Live, arrived, revised

from sightgrid.ledger.arriving import Parcel
from sightgrid.store import Store
from sightgrid.store.keys import SiteKeys
from sightgrid.store.receiving import quarantined
from sightgrid.store.schema import DECISION, SIGHTING, VISIT
from sightgrid.store.schema_subjects import CROP, DATA_KEY

OTHER_BOX = "c" * 36


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Live]:
    """Another site, to which everything comes one by one."""
    keys = SiteKeys.open(tmp_path / "other.key", create=True)
    with Store.open(tmp_path / "other.db", create=True, keys=keys) as opened:
        yield Live(opened)


def count(live: Live, table: sa.Table) -> int:
    with live.store.snapshot() as tx:
        return int(tx.connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def test_boxes_that_wait_together_get_their_own_receipts_and_events(live: Live) -> None:
    one, two, three = sighting(0, 0, 2), sighting(1, 3, 5, camera="door"), sighting(2, 6, 8)
    taken = live.intake.take_all_in(
        [
            Parcel(BOX, [arrived(one), arrived(three)]),
            Parcel(OTHER_BOX, []),
            Parcel(OTHER_BOX, [arrived(two)]),
        ]
    )
    assert [[r.sighting_id for r in each.receipts] for each in taken] == [
        [one.sighting_id, three.sighting_id],
        [],
        [two.sighting_id],
    ]
    assert [[event.event_no for event in each.events] for each in taken] == [
        [1, 2, 3, 4],
        [],
        [5, 6],
    ]
    assert [live.standing(each).box_id for each in (one, three, two)] == [BOX, BOX, OTHER_BOX]


def test_a_bad_record_of_one_box_costs_no_other_box_anything(live: Live) -> None:
    good, other = sighting(0, 0, 2), sighting(1, 3, 5, camera="door")
    bad = replace(sighting(2, 6, 8), camera="x" * 300)
    first, second = live.intake.take_all_in(
        [Parcel(BOX, [arrived(bad), arrived(good)]), Parcel(OTHER_BOX, [arrived(other)])]
    )
    assert [r.status for r in first.receipts] == ["rejected", "stored"]
    assert [r.status for r in second.receipts] == ["stored"]
    assert [live.serial(good), live.serial(other)] == [1, 2], "no serial is spent on the bad one"
    assert [event.event_no for event in second.events] == [3, 4]
    with live.store.snapshot() as tx:
        assert [one.box_id for one in quarantined(tx)] == [BOX]
    assert (count(live, SIGHTING), count(live, CROP), count(live, DATA_KEY)) == (2, 6, 5)


def test_two_boxes_that_send_the_same_sighting_contradict_each_other(live: Live) -> None:
    seen = sighting(0, 0, 2)
    first, second = live.intake.take_all_in(
        [Parcel(BOX, [arrived(seen)]), Parcel(OTHER_BOX, [arrived(seen)])]
    )
    assert [(r.status, r.code) for r in first.receipts] == [("stored", None)]
    assert [(r.status, r.code) for r in second.receipts] == [("rejected", "conflict")]


def test_revisions_of_one_sighting_in_one_batch(live: Live) -> None:
    seen = sighting(0, 0, 2)
    poor = sighting(0, 0, 1, looks=1)
    taken = live.takes(revised(poor, 1, closed=False), revised(seen, 2, closed=False), seen)
    assert [r.status for r in taken.receipts] == ["stored", "stored", "duplicate"]
    assert [event.kind for event in taken.events] == ["new", "update"]
    assert live.standing(seen).revision == 2
    assert (count(live, SIGHTING), count(live, DECISION), count(live, VISIT)) == (1, 2, 1)


def test_a_day_taken_in_at_once_comes_out_as_it_does_one_by_one(live: Live, alone: Live) -> None:
    poor = sighting(1, 39, 40, looks=1, group=90)
    day = [
        *(sighting(n % 4, 12 * n, 12 * n + 2, group=n + 1) for n in range(12)),
        *(
            sighting(n % 3, 12 * n + 4, 12 * n + 7, camera="door", group=40 + n, left=200)
            for n in range(12)
        ),
        # somebody else in the very same frames, and somebody nobody can tell yet
        sighting(5, 0, 2, left=300, group=80),
        poor,
        sighting(1, 41, 43, group=91),
    ]
    taken = live.takes(*day)
    one_by_one = [alone.takes(one) for one in day]
    assert [r.status for r in taken.receipts] == ["stored"] * len(day)
    told = [event for each in one_by_one for event in each.events]
    assert [(e.event_no, e.kind, e.body) for e in taken.events] == [
        (e.event_no, e.kind, e.body) for e in told
    ]
    for seen in day:
        ours, theirs = live.standing(seen), alone.standing(seen)
        assert (ours.serial, ours.band) == (theirs.serial, theirs.band)
    assert live.serials() == alone.serials()
    for serial, _, _ in live.serials():
        spans = [
            [(v.camera, v.first_seen, v.last_seen, v.sighting_ids) for v in one.visits(serial)]
            for one in (live, alone)
        ]
        assert spans[0] == spans[1]


def test_many_unsure_ones_are_asked_again_alike_together_and_alone(live: Live, alone: Live) -> None:
    """Stored before and of the batch itself, more than are ever asked at once."""
    earlier = [sighting(n % 3, 3 * n, 3 * n + 1, looks=1, group=n + 1) for n in range(16)]
    batch = [
        *(sighting(n % 3, 60 + 3 * n, 61 + 3 * n, looks=1, group=20 + n) for n in range(16)),
        *(sighting(n, 120 + 5 * n, 122 + 5 * n, group=40 + n) for n in range(3)),
    ]
    live.takes(*earlier)
    taken = live.takes(*batch)
    told = [event for one in (*earlier, *batch) for event in alone.takes(one).events]
    assert len(taken.events) > 2 * len(batch), "some that were unsure were told again"
    assert [e.body for e in taken.events] == [e.body for e in told[2 * len(earlier) :]]
    for seen in (*earlier, *batch):
        assert live.serial(seen) == alone.serial(seen)
    for serial, _, _ in live.serials():
        assert [v.sighting_ids for v in live.visits(serial)] == [
            v.sighting_ids for v in alone.visits(serial)
        ]
