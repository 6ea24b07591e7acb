"""When live pictures were taken: arrival counts, the camera's timestamps only even it out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from sightgrid.vision.sources.arrival import ArrivalClock, Rhythm

SECOND = 1_000_000_000


def dates(arrivals: list[float], stamps: list[float | None]) -> list[float]:
    clock, found = ArrivalClock(), []
    for arrival, stamp in zip(arrivals, stamps, strict=True):
        arrival_ns = round(arrival * SECOND)
        if stamp is not None:
            clock.observe(arrival_ns, stamp)
        found.append(clock.date(arrival_ns, stamp) / SECOND)
    return found


def test_network_jitter_is_evened_out() -> None:
    random = np.random.default_rng(1)
    stamps = [number / 20 for number in range(200)]
    arrivals = list(np.maximum.accumulate([100 + s + random.exponential(0.05) for s in stamps]))
    found = dates(arrivals, list(stamps))
    steps = [b - a for a, b in pairwise(found[40:])]
    assert max(abs(step - 0.05) for step in steps) < 0.01
    assert all(date <= arrival + 0.002 for date, arrival in zip(found, arrivals, strict=True))


def test_without_timestamps_arrival_counts() -> None:
    assert dates([5.0, 5.04, 5.09], [None, None, None]) == [5.0, 5.04, 5.09]


def test_the_cameras_clock_is_never_trusted() -> None:
    # two hours back, then a day ahead: pictures stay dated by when they came
    stamps = [7200.0, 7200.05, 0.0, 0.05, 86400.0, 86400.05]
    arrivals = [1.0, 1.05, 1.1, 1.15, 1.2, 1.25]
    assert dates(arrivals, list(stamps)) == pytest.approx(arrivals, abs=1e-3)


def test_dates_always_rise() -> None:
    found = dates([1.0, 1.0, 1.0], [0.0, 0.05, 0.02])
    assert all(b > a for a, b in pairwise(found))


def test_a_sparse_camera_is_given_time() -> None:
    rhythm = Rhythm()
    for _ in range(1000):
        rhythm.gap(0.05)
    assert rhythm.fps == pytest.approx(20, rel=0.01)
    assert rhythm.stall_secs(least=20) == 20
    for _ in range(12):
        rhythm.gap(25.0)
    assert rhythm.stall_secs(least=20) > 60
