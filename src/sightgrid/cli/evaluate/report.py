"""``sightgrid evaluate report``: every detector, pack and head side by side."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.evaluate.options import answer, check_plots, in_words, print_page_tables
from sightgrid.cli.output import interrupt_on_termination, json_option, note, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sightgrid.evaluation.report import Row

_DETECTORS = ("yunet", "mtcnn", "mtcnn-fast", "haar", "hog")
_HEADS = ("nearest-mean", "knn", "svm", "softmax")


@click.command("report")
@click.argument("people_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the page and its picture.",
)
@click.option("--pack", "packs", multiple=True, help="Only this pack; may be given several times.")
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    type=click.Choice(_DETECTORS),
    help="Only this detector; may be given several times.",
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    type=click.Choice(_HEADS),
    help="Only this head; may be given several times.",
)
@click.option(
    "--levels",
    default="clean,face32,face24",
    show_default=True,
    metavar="NAME,…",
    help="How the photos asked about are spoilt: clean, or names as for --degrade.",
)
@click.option(
    "--most-photos",
    type=click.IntRange(2),
    help="Take no more photos of each person than so many, the first by name.",
)
@click.option(
    "--enrol",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Photos enrolled of each known person.",
)
@click.option(
    "--unknown",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Share of the people who are not enrolled.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="How many times people are divided anew.",
)
@json_option
def command(
    people_folder: Path,
    folder: Path,
    packs: tuple[str, ...],
    detectors: tuple[str, ...],
    heads: tuple[str, ...],
    levels: str,
    most_photos: int | None,
    enrol: int,
    unknown: float,
    seeds: int,
    json_file: str | None,
) -> None:
    """What does each detector, pack and head give on my people? DIR holds a folder a person.

    One page with all of them side by side. Packs without weights are listed as such.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.datasets import read_people
    from sightgrid.evaluation.degradations import Degradation
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.report import CLEAN, Terms, compare, known_packs
    from sightgrid.evaluation.report_page import (
        detector_table,
        head_table,
        report_figures,
        report_page,
    )
    from sightgrid.recognition.heads import HeadKind
    from sightgrid.vision.detectors import DetectorName

    check_plots(folder)
    chosen = tuple(dict.fromkeys(name.strip() for name in levels.split(",")))
    for name in chosen:
        if name != CLEAN:
            Degradation.named(name)
    terms = Terms(enrol=enrol, unknown=unknown, seeds=seeds, levels=chosen)
    people = [
        replace(person, photos=person.photos[:most_photos]) for person in read_people(people_folder)
    ]
    with progress() as tell:
        rows = compare(
            people,
            packs=list(dict.fromkeys(packs)) or known_packs(),
            detectors=[DetectorName(name) for name in dict.fromkeys(detectors) or _DETECTORS],
            heads=[HeadKind(name) for name in dict.fromkeys(heads) or _HEADS],
            terms=terms,
            tell=tell,
        )
    figures = report_figures(rows, terms)
    settings: dict[str, Any] = {
        "levels": ", ".join(chosen),
        "most_photos": most_photos,
        "enrol": enrol,
        "unknown": unknown,
        "seeds": seeds,
    }
    page = report_page(
        rows,
        terms=terms,
        people=len(people),
        photos=sum(len(person.photos) for person in people),
        figures=figures,
        settings=in_words(settings),
    )
    note(f"Page: {write_page(page, folder=folder)}")
    answer({"rows": report_rows(rows)} | settings, figures, "Report", json_file)
    print_page_tables([detector_table(rows, terms), head_table(rows, terms)], json_file)


def report_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The combinations as JSON."""
    return [asdict(row) for row in rows]
