"""Erasing one identity leaves what others have, and the edits of all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from by_hand import NOON, sighting
from live import Live

from sightgrid.domain.presence import Sighting
from sightgrid.ledger import editing
from sightgrid.ledger.erasing import erase_serial
from sightgrid.store import Store
from sightgrid.store.edits import edits_made
from sightgrid.store.identities import marks_of
from sightgrid.store.schema import DECISION, SIGHTING

HERE: dict[str, Any] = {"by": "account:a", "reason": "", "at": NOON}


@pytest.fixture
def shared(served: Store) -> tuple[Live, list[Sighting]]:
    """Strangers 1 and 2; one sighting was first given to 1, its next revision to 2. Both have a
    label."""
    live = Live(served)
    made = [sighting(0, 0, 2), sighting(0, 20, 22, group=2), sighting(1, 40, 42, group=3)]
    live.takes(*made)
    live.takes(replace(sighting(1, 20, 22, group=2), sighting_id=made[1].sighting_id, revision=2))
    assert [live.serial(one) for one in made] == [1, 2, 2]
    with served.transaction() as tx:
        editing.label(tx, 1, "the gardener", **HERE)
        editing.label(tx, 2, "the postman", **HERE)
    return live, made


def test_the_labels_of_others_stay_and_edits_go_on(
    served: Store, shared: tuple[Live, list[Sighting]]
) -> None:
    live, made = shared
    erase_serial(served, 1, at=NOON)
    with served.transaction() as tx:
        editing.hide(tx, 2, hidden=True, **HERE)
        assert marks_of(tx)[2] == (True, "the postman")
    # the erased serial comes into use again, with a key of its own
    with served.transaction() as tx:
        editing.move(tx, [made[2].sighting_id], into=1, **HERE)
    assert live.serial(made[2]) == 1
    with served.transaction() as tx:
        editing.hide(tx, 1, hidden=True, **HERE)
        assert "gardener" not in str(marks_of(tx))


def test_what_is_somebody_elses_now_stays_theirs(
    served: Store, shared: tuple[Live, list[Sighting]]
) -> None:
    """An older revision had given it to the stranger who is erased."""
    live, made = shared
    before = live.visits(2)
    erased = erase_serial(served, 1, at=NOON)
    assert erased.deleted.sightings == 1
    assert [live.serial(one) for one in made[1:]] == [2, 2]
    assert live.visits(2) == before
    assert live.visits(1) == []
    with served.snapshot() as tx:
        told = tx.connection.execute(
            sa.select(DECISION.c.serial, DECISION.c.own_serial, DECISION.c.runner_up_serial)
        ).all()
    assert {serial for row in told for serial in row} == {2, None}, "nothing names 1 any more"
    # and it is not refused: only what was theirs is in the ledger of erasures
    receipts = live.takes(replace(made[2], revision=2)).receipts
    assert [(one.status, one.code) for one in receipts] == [("stored", None)]


def test_what_people_moved_elsewhere_stays_there_and_what_they_moved_in_goes(
    served: Store,
) -> None:
    live = Live(served)
    made = [sighting(0, 0, 2), sighting(0, 20, 22, group=2), sighting(1, 40, 42, group=3)]
    live.takes(*made)
    with served.transaction() as tx:
        editing.move(tx, [made[1].sighting_id], into=2, **HERE | {"reason": "the postman's back"})
        moved = editing.move(
            tx, [made[2].sighting_id], into=1, **HERE | {"reason": "the gardener again"}
        )
    assert erase_serial(served, 1, at=NOON).deleted.sightings == 2
    assert live.serial(made[1]) == 2
    with served.transaction() as tx:
        assert [edit.reason for edit in edits_made(tx)] == ["the postman's back", ""]
        editing.undo(tx, moved.edit_id, by="account:a", at=NOON)
    assert live.serial(made[1]) == 2


def test_what_is_nobodys_goes_with_who_had_it_unless_somebody_said_no(served: Store) -> None:
    live = Live(served)
    first = sighting(0, 0, 2)
    doubtful, denied = sighting(0, 20, 22, group=2), sighting(0, 40, 42, group=3)
    live.takes(first, doubtful, denied)
    unclear = sighting([0, 1, 2], 20, 22, group=2, worth=0.2)
    live.takes(replace(unclear, sighting_id=doubtful.sighting_id, revision=2))
    with served.transaction() as tx:
        editing.not_this(tx, [denied.sighting_id], 1, **HERE)
    assert [live.serial(one) for one in (first, denied)] == [1, None]
    with served.transaction() as tx:
        # the newer revision is too poor to say who it is
        tx.connection.execute(
            sa.update(DECISION)
            .where(DECISION.c.sighting_id == doubtful.sighting_id, DECISION.c.revision == 2)
            .values(serial=None, own_serial=None, band="unsure", own_band="unsure")
        )
    assert erase_serial(served, 1, at=NOON).deleted.sightings == 2
    with served.snapshot() as tx:
        left = tx.connection.scalars(sa.select(SIGHTING.c.sighting_id)).all()
        told = tx.connection.execute(sa.select(DECISION.c.serial, DECISION.c.own_serial)).all()
    assert list(left) == [denied.sighting_id]
    assert {serial for row in told for serial in row} == {None}
