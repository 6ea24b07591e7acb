"""Detectors find no fewer faces than when they were last measured (``make benchmarks``).

Needs the photos that ``SIGHTGRID_DATA`` points to. The default detector is held to all pictures,
the slower ones to every eighth.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from benchmarks.detectors import figures, judged_by, measure_short, ours, read_dev
from benchmarks.ratchet import dropped, stored_figures

from sightgrid.domain.errors import MissingExtra
from sightgrid.evaluation.wider import LabelledPicture
from sightgrid.vision.detectors import DetectorName
from sightgrid.vision.packs import load_pack

pytestmark = pytest.mark.footage


@pytest.fixture(scope="module")
def pictures() -> tuple[LabelledPicture, ...]:
    data = Path(os.environ.get("SIGHTGRID_DATA", "missing"))
    if not (data / "widerface_val_dev").is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the WIDER FACE development pictures")
    return read_dev(data)


@pytest.mark.parametrize("name", DetectorName)
def test_no_stored_figure_has_dropped(
    pictures: tuple[LabelledPicture, ...], name: DetectorName
) -> None:
    (candidate,) = (one for one in ours(load_pack("default")) if one.name == name.value)
    try:
        if name is DetectorName.YUNET:
            _, scores = judged_by(candidate, pictures, lambda task, done, total: None)
            measured = figures(candidate.name, scores, short=False)
        else:
            measured = measure_short(candidate, pictures, lambda task, done, total: None)
    except MissingExtra as error:
        pytest.skip(f"{error} ({error.hint})")
    assert len(measured) == 3
    assert not dropped(measured, stored_figures())
