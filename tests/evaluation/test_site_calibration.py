"""The bands' measured precision, and what a calibration says."""

from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.domain.presence import Band
from sightgrid.evaluation.calibration import calibrate_site
from sightgrid.evaluation.calibration_page import calibration_figures, calibration_tables
from sightgrid.recognition.budgets import CalibrationState


def crowd(people: int, each: int, *, spread: float) -> tuple[Floats, list[str]]:
    rng = np.random.default_rng(people)
    rows = np.repeat(rng.normal(size=(people, 32)), each, axis=0)
    rows = rows + spread * rng.normal(size=rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), [f"{n:04d}" for n in range(people) for _ in range(each)]


def test_bands_of_clear_faces_are_right() -> None:
    found = calibrate_site(*crowd(100, 6, spread=0.4), false_alarms=0.01, stranger_merges=0.05)
    assert found.false_alarms.state is CalibrationState.CALIBRATED
    confirmed, likely, unsure, stranger = found.bands
    assert [band.band for band in found.bands] == [
        *(Band.CONFIRMED, Band.LIKELY, Band.UNSURE, Band.STRANGER)
    ]
    assert sum(band.right + band.misnamed for band in found.bands) == 600
    assert sum(band.strangers for band in found.bands) == 600
    assert confirmed.right > 500
    assert confirmed.precision is not None
    assert confirmed.precision > 0.95
    assert confirmed.interval is not None
    assert confirmed.interval[0] <= confirmed.precision <= confirmed.interval[1]
    # a share of about 0.01, then 0.1 of strangers passes
    assert confirmed.strangers <= 20
    assert 20 <= confirmed.strangers + likely.strangers <= 110
    assert unsure.precision is None
    assert stranger.precision is not None
    assert stranger.precision > 0.9
    levels = [band.least for band in found.bands[:3]]
    assert all(level is not None for level in levels)
    assert levels == sorted(levels, key=lambda level: -(level or 0.0))


def test_blurred_faces_make_bands_less_right() -> None:
    clear = calibrate_site(*crowd(100, 6, spread=0.4), false_alarms=0.05, stranger_merges=0.05)
    blurred = calibrate_site(*crowd(100, 6, spread=1.6), false_alarms=0.05, stranger_merges=0.05)
    assert clear.bands[0].right > 2 * blurred.bands[0].right
    assert (clear.bands[0].precision or 0) > (blurred.bands[0].precision or 1)


def test_too_few_people_have_no_bands_and_are_told_in_every_place() -> None:
    found = calibrate_site(*crowd(40, 4, spread=0.4), false_alarms=0.001, stranger_merges=0.001)
    assert found.bands == ()
    names, merges, _ = calibration_figures(found)
    needs = found.false_alarms.needs_people
    assert names.value == f"too few people: needs {needs}"
    assert f"It needs {needs} people" in names.meaning
    assert merges.value.startswith("too few people")
    (grown,) = calibration_tables(found)
    assert [row[0] for row in grown.rows] == ["10", "20", "40", "80", "400"]


def test_one_photo_a_person_is_enough_for_strangers_but_names_nobody() -> None:
    found = calibrate_site(*crowd(400, 1, spread=0.4), false_alarms=0.02, stranger_merges=0.02)
    assert found.false_alarms.state is CalibrationState.CALIBRATED
    assert all(band.right == band.misnamed == 0 for band in found.bands)


def test_labels_must_be_as_many_as_vectors() -> None:
    vectors, labels = crowd(12, 2, spread=0.4)
    with pytest.raises(InvalidValue, match="24 vectors have 23 labels"):
        calibrate_site(vectors, labels[1:], false_alarms=0.1, stranger_merges=0.1)
