"""When a camera is tried again, and what is told of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.edge.states import CameraStatus, Retry, state_of

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def test_waits_grow_to_a_minute_and_lie_apart() -> None:
    retry = Retry(chance=random.Random(1))
    waits = [retry.delay_secs(Trouble.UNREACHABLE) for _ in range(9)]
    for wait, plain in zip(waits, (1, 2, 5, 10, 20, 40, 60, 60, 60), strict=True):
        assert plain * 0.8 <= wait <= plain * 1.2
    assert len(set(waits)) == 9


def test_waits_begin_short_again_after_five_good_minutes() -> None:
    retry = Retry(attempt=6)
    retry.was_live(299)
    assert retry.attempt == 6
    retry.was_live(300)
    assert retry.delay_secs(Trouble.STALLED) < 1.3


def test_a_wrong_password_is_tried_seldom() -> None:
    retry = Retry()
    assert all(300 <= retry.delay_secs(Trouble.CREDENTIALS) <= 900 for _ in range(20))
    assert Retry().delay_secs(Trouble.WRONG_ADDRESS) >= 48
    assert Retry().delay_secs(Trouble.FORBIDDEN_ADDRESS) >= 240


def test_every_trouble_has_a_state() -> None:
    assert state_of(Trouble.CREDENTIALS) is CameraState.REFUSED
    assert state_of(Trouble.FILE_ENDED) is CameraState.ENDED
    assert state_of(Trouble.STALLED) is CameraState.OFFLINE


def test_a_report_survives_its_journey() -> None:
    status = CameraStatus(
        "door", CameraState.IMPAIRED, Trouble.BLACK, "dark", AT, AT, frames=3, last_frame=AT
    )
    assert CameraStatus.from_bytes(status.to_bytes()) == status
    # it must fit what a pipe takes in one piece
    assert len(status.to_bytes()) < 4096


def test_since_stays_while_the_state_does() -> None:
    first = CameraStatus("door", CameraState.LIVE, None, "", AT, AT)
    later = first.turned(CameraState.LIVE, None, "", AT + timedelta(seconds=9))
    assert later.since == AT
    other = later.turned(CameraState.IMPAIRED, Trouble.BLACK, "dark", AT + timedelta(seconds=20))
    assert other.since == AT + timedelta(seconds=20)
