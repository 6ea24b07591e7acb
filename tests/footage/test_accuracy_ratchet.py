"""Recognition is not worse than when it was last measured (``make benchmarks``).

Needs the photos that ``SIGHTGRID_DATA`` points to. Takes minutes the first time; vectors are kept
until the code that makes them changes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.accuracy import measure
from benchmarks.ratchet import dropped, stored_figures

from sightgrid.offline.engine import open_engine

pytestmark = pytest.mark.footage


def test_no_stored_figure_has_dropped(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = Path(os.environ.get("SIGHTGRID_DATA", "missing"))
    if not (data / "lfw_pairs_dev").is_dir() or not (data / "lfw_ident_dev").is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the LFW development sets")
    # beside the test run's own folders, so that it outlives them but not the machine
    kept = tmp_path_factory.getbasetemp().parent / "sightgrid-vectors"
    figures = measure(
        data, engine=open_engine("default"), tell=lambda task, done, total: None, folder=kept
    )
    assert not dropped(figures, stored_figures())
