from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime, timedelta

from sightgrid.edge.clock import BoxClock
from sightgrid.wire.records import ClockState


def test_it_tells_the_time_of_day_and_runs_on() -> None:
    clock = BoxClock.anchored()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=0.2)
    before = clock.now()
    time.sleep(0.02)
    assert timedelta(seconds=0.02) <= clock.now() - before < timedelta(seconds=2)
    assert clock.now().tzinfo is not None


def test_every_process_of_a_box_has_the_same_clock() -> None:
    clock = BoxClock.anchored()
    assert pickle.loads(pickle.dumps(clock)) == clock  # noqa: S301
    assert BoxClock.anchored().boot_id == clock.boot_id


def test_a_clock_from_before_the_program_existed_was_never_set() -> None:
    year_1970 = BoxClock.anchored()
    asleep = BoxClock(year_1970.boot_id, datetime(1970, 1, 1, tzinfo=UTC), time.monotonic_ns())
    assert asleep.state() is not ClockState.SYNCED
    assert asleep.reading().read_at.year == 1970


def test_a_step_is_noticed() -> None:
    clock = BoxClock.anchored()
    assert clock.state() is not ClockState.STEPPED
    late = BoxClock(clock.boot_id, clock.anchored_at - timedelta(hours=2), clock.anchored_ns)
    assert late.state() is ClockState.STEPPED
