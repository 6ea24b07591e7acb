"""``sightgrid evaluate calibration``: which threshold keeps my budget, on my people?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.evaluate.options import (
    answer,
    check_plots,
    engine_settings,
    finite,
    in_words,
    on_photos,
    open_reader,
    print_page_tables,
)
from sightgrid.cli.output import interrupt_on_termination, note, progress

if TYPE_CHECKING:
    from sightgrid.evaluation.calibration import BandPrecision, SiteCalibration
    from sightgrid.recognition.budgets import Calibration

_BUDGET = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command("calibration")
@click.option(
    "--people",
    "people_folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Photos of the site's people, a folder a person.",
)
@click.option(
    "--false-alarms",
    type=_BUDGET,
    default=0.01,
    show_default=True,
    help="Share of strangers' passages that may be given a name.",
)
@click.option(
    "--stranger-merges",
    type=_BUDGET,
    default=0.01,
    show_default=True,
    help="Share of strangers' sightings that may be joined to another stranger.",
)
@click.option(
    "--gallery",
    type=click.IntRange(1),
    help="How many people there will be to be taken for; as many as in the folder by default.",
)
@click.option(
    "--extrapolate",
    is_flag=True,
    help="Where people are too few, go on along the tail of their scores, with a warning.",
)
@on_photos
def command(
    people_folder: Path,
    false_alarms: float,
    stranger_merges: float,
    gallery: int | None,
    extrapolate: bool,
    pack: str,
    detector: str | None,
    degrade: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Which threshold keeps my budget, on my people? And how often is each band right?

    Every photo is held against everybody else, as though its person were not enrolled.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.calibration import calibrate_site
    from sightgrid.evaluation.calibration_page import (
        calibration_figures,
        calibration_page,
        calibration_tables,
    )
    from sightgrid.evaluation.datasets import read_people
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.photos import embed_photos

    check_plots(plots_folder)
    people = read_people(people_folder)
    reader = open_reader(pack, detector, degrade)
    labels = [person.name for person in people for _ in person.photos]
    with progress() as tell:
        photos = embed_photos(
            [photo for person in people for photo in person.photos], reader=reader, tell=tell
        )
    found = calibrate_site(
        photos.vectors[photos.found],
        [label for label, there in zip(labels, photos.found, strict=True) if there],
        false_alarms=false_alarms,
        stranger_merges=stranger_merges,
        gallery=gallery,
        extrapolate=extrapolate,
        undetected=photos.undetected,
    )
    figures = calibration_figures(found)
    pack_level = reader.engine.policy.curve.threshold(false_alarms / found.false_alarms.gallery)
    settings = {"gallery": found.false_alarms.gallery, **engine_settings(reader.engine, degrade)}
    if plots_folder is not None:
        page = calibration_page(
            found, pack_threshold=pack_level, figures=figures, settings=in_words(settings)
        )
        note(f"Page: {write_page(page, folder=plots_folder)}")
    document = calibration_document(found) | {"pack_threshold": pack_level} | settings
    answer(document, figures, "Calibration", json_file)
    print_page_tables(calibration_tables(found), json_file)
    if found.false_alarms.threshold is None:
        note(f"{found.false_alarms.words} Until then the pack's {pack_level:.4f} is an aim.")


def calibration_document(found: SiteCalibration) -> dict[str, Any]:
    """A calibration as JSON."""
    return {
        "false_alarms": _budget(found.false_alarms),
        "stranger_merges": _budget(found.stranger_merges),
        "growth": [_budget(one) for one in found.grown],
        "bands": [_band(one) for one in found.bands],
        "undetected": found.undetected,
    }


def _budget(found: Calibration) -> dict[str, Any]:
    return {
        "budget": found.budget,
        "state": found.state.value,
        "threshold": finite(found.threshold),
        "rate": found.rate,
        "interval": None if found.interval is None else list(found.interval),
        "people": found.people,
        "passages": found.passages,
        "effective_passages": round(found.effective_passages, 1),
        "needs_people": found.needs_people,
        "gallery": found.gallery,
        "message": found.words,
    }


def _band(found: BandPrecision) -> dict[str, Any]:
    return {
        "band": found.band.value,
        "least": finite(found.least),
        "right": found.right,
        "misnamed": found.misnamed,
        "strangers": found.strangers,
        "precision": found.precision,
        "interval": None if found.interval is None else list(found.interval),
    }
