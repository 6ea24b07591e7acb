"""The gallery in memory, when the transaction that it was brought up to date in is undone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from by_hand import NOON, sighting
from live import Live

from sightgrid.domain.errors import StoreBusy
from sightgrid.ledger import projection
from sightgrid.store import Store


def test_strangers_of_long_ago_are_read_though_the_first_try_was_broken_off(
    served: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(served)
    first = sighting(0, 0, 2)
    live.takes(first)
    live.clock = NOON + timedelta(days=3)
    live.takes(sighting(1, 3 * 86_400 - 60, 3 * 86_400 - 58, group=3))
    # three days later another process begins, which holds only who was seen lately
    later = Live(served)
    later.clock = NOON + timedelta(days=3)
    assert later.intake.refresh() == 1

    real = projection.changes_after
    tries = []

    def once_broken_off(*args: Any, **options: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise StoreBusy("another transaction went first")
        return real(*args, **options)

    monkeypatch.setattr(projection, "changes_after", once_broken_off)
    # a box that was away brings what it saw then
    second = sighting(0, 300, 302, camera="stairs", group=2)
    later.takes(second)
    assert later.serial(second) == live.serial(first) == 1
