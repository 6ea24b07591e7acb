"""``sightgrid evaluate calibration``: which threshold keeps my budget, on my people?"""

from __future__ import annotations

from dataclasses import dataclass
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
from sightgrid.cli.sites import on_site, opened_site

if TYPE_CHECKING:
    from sightgrid.domain.geometry import Floats
    from sightgrid.evaluation.calibration import BandPrecision, SiteCalibration
    from sightgrid.recognition.budgets import Calibration
    from sightgrid.recognition.calibration import Policy

_ENROLLED = "enrolled"
_BUDGET = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command("calibration")
@click.option(
    "--people",
    required=True,
    metavar="DIR|enrolled",
    help="Photos of the site's people, a folder a person; or the people enrolled at the site.",
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
@on_site
def command(
    people: str,
    false_alarms: float,
    stranger_merges: float,
    gallery: int | None,
    extrapolate: bool,
    pack: str,
    detector: str | None,
    degrade: str | None,
    plots_folder: Path | None,
    config_file: Path,
    data_folder: Path | None,
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
    from sightgrid.evaluation.page import write_page

    check_plots(plots_folder)
    if people == _ENROLLED:
        if detector is not None or degrade is not None:
            raise click.UsageError(
                "--detector and --degrade are for photos; of people enrolled vectors are kept"
            )
        faces = _enrolled_faces(pack, (config_file, data_folder))
    else:
        faces = _photographed_faces(Path(people), pack, detector, degrade)
    found = calibrate_site(
        faces.vectors,
        faces.labels,
        false_alarms=false_alarms,
        stranger_merges=stranger_merges,
        gallery=gallery,
        extrapolate=extrapolate,
        undetected=faces.undetected,
    )
    figures = calibration_figures(found)
    pack_level = faces.policy.curve.threshold(false_alarms / found.false_alarms.gallery)
    settings = {"gallery": found.false_alarms.gallery, **faces.settings}
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


@dataclass(frozen=True, slots=True, eq=False)
class _Faces:
    """Vectors to calibrate on (N, D) with whom they show, and how they were made."""

    vectors: Floats
    labels: list[str]
    undetected: int
    policy: Policy
    settings: dict[str, Any]


def _photographed_faces(
    folder: Path, pack: str, detector: str | None, degrade: str | None
) -> _Faces:
    from sightgrid.evaluation.datasets import read_people
    from sightgrid.evaluation.photos import embed_photos

    people = read_people(folder)
    reader = open_reader(pack, detector, degrade)
    with progress() as tell:
        photos = embed_photos(
            [photo for person in people for photo in person.photos], reader=reader, tell=tell
        )
    names = [person.name for person in people for _ in person.photos]
    return _Faces(
        photos.vectors[photos.found],
        [name for name, there in zip(names, photos.found, strict=True) if there],
        photos.undetected,
        reader.engine.policy,
        engine_settings(reader.engine, degrade),
    )


def _enrolled_faces(pack_name: str, site: tuple[Path, Path | None]) -> _Faces:
    """The faces that the site's people were enrolled with, as far as this pack made them."""
    import numpy as np

    from sightgrid.offline.engine import policy_of
    from sightgrid.store.people import enrolled
    from sightgrid.vision.packs import load_pack

    pack = load_pack(pack_name)
    with opened_site(*site) as opened, opened.store.snapshot() as tx:
        people = enrolled(tx)
    # by number: two people may have one name
    kept = [
        (f"{number:06d}", face.vector)
        for number, person in enumerate(people)
        for face in person.faces
        if face.contract.id == pack.contract.id
    ]
    vectors = [vector for _, vector in kept]
    return _Faces(
        np.stack(vectors) if vectors else np.zeros((0, pack.contract.dimension), np.float32),
        [label for label, _ in kept],
        0,
        policy_of(pack),
        {"people": _ENROLLED, "pack": pack_name, "contract": pack.contract.id},
    )


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
