"""Trajectories on a small simulated grid are not worse than when last measured
(``make benchmarks``). Needs the photos that ``SIGHTGRID_DATA`` points to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.grid import measure_quick
from benchmarks.ratchet import dropped, stored_figures

pytestmark = pytest.mark.footage


def test_the_small_grid_is_no_worse() -> None:
    data = Path(os.environ.get("SIGHTGRID_DATA", "missing"))
    if not (data / "lfw_ident_dev").is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the LFW development sets")
    assert not dropped(measure_quick(data), stored_figures())
