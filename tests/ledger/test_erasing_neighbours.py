"""Erasing one identity leaves what others have, and the edits of all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from by_hand import NOON, sighting
from live import Live

from sightgrid.domain.presence import Sighting
from sightgrid.ledger import editing
from sightgrid.ledger.erasing import erase_serial
from sightgrid.store import Store
from sightgrid.store.identities import marks_of

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
