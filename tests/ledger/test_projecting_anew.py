"""Visits and prototypes written anew after edits, and edits that later revisions respect."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa
from by_hand import CONTRACT, enrol, sighting, toward
from live import Live, revised

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Band
from sightgrid.ledger.extending import reproject
from sightgrid.store import Transaction
from sightgrid.store.identities import set_alias
from sightgrid.store.prototypes import prototype
from sightgrid.store.schema import DECISION


def give(tx: Transaction, sighting_id: str, serial: int) -> None:
    """What an edit does to a sighting."""
    tx.connection.execute(
        sa.update(DECISION)
        .where(DECISION.c.sighting_id == sighting_id)
        .values(serial=serial, band=Band.STRANGER.value)
    )


def test_writing_anew_what_nobody_edited_changes_nothing(live: Live) -> None:
    live.enrol([enrol("Anna", 0)])
    for number, who in enumerate((0, 1, toward(0, 1, 0.2), 0, 2)):
        start = 10 * number
        live.takes(sighting(who, start, start + 2, group=number))
    visits = {serial: live.visits(serial) for serial in (1, 2, 3)}
    with live.store.transaction() as tx:
        before = {serial: prototype(tx, serial, CONTRACT.id) for serial in (1, 2, 3)}
        tx.lock_site()
        reproject(tx, [1, 2, 3], grid=CameraGrid())
        for serial, one in before.items():
            anew = prototype(tx, serial, CONTRACT.id)
            assert one is not None
            assert anew is not None
            assert np.allclose(anew.total, one.total)
            assert (anew.sightings, anew.first_seen, anew.last_seen) == (
                one.sightings,
                one.first_seen,
                one.last_seen,
            )
    assert {serial: live.visits(serial) for serial in (1, 2, 3)} == visits


def test_a_moved_sighting_counts_for_its_new_identity_and_stays_there(live: Live) -> None:
    first, seen = sighting(0, 0, 2), sighting(1, 5, 7, group=2)
    live.takes(first, revised(seen, 1, closed=False))
    with live.store.transaction() as tx:
        tx.lock_site()
        give(tx, seen.sighting_id, 1)
        reproject(tx, [1, 2], grid=CameraGrid())
    assert [len(live.visits(serial)) for serial in (1, 2)] == [1, 0]
    assert len(live.visits(1)[0].sighting_ids) == 2
    live.takes(revised(sighting(1, 5, 9, group=2), 2))
    assert live.serial(seen) == 1
    standing = live.standing(seen)
    assert standing.own == (Band.STRANGER, 2)
    assert live.visits(1)[0].last_seen == sighting(1, 5, 9, group=2).last_seen


@pytest.mark.parametrize("undone", [False, True])
def test_merged_and_parted_again(live: Live, undone: bool) -> None:
    live.takes(sighting(0, 0, 2), sighting(1, 5, 7, group=2))
    with live.store.transaction() as tx:
        tx.lock_site()
        for into in (1, None) if undone else (1,):
            set_alias(tx, 2, into)
            reproject(tx, [1, 2], grid=CameraGrid())
    again = sighting(1, 30, 32, group=3)
    live.takes(again)
    assert live.serial(again) == (2 if undone else 1)
    assert [len(visit.sighting_ids) for visit in live.visits(1)] == ([1] if undone else [2, 1])
