"""``sightgrid evaluate grid``: are trajectories right on a camera grid whose truth is known?"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.evaluate.options import (
    answer,
    check_plots,
    chosen_detector,
    detector_option,
    in_words,
    pack_option,
    plots_option,
)
from sightgrid.cli.output import interrupt_on_termination, json_option, note, progress

if TYPE_CHECKING:
    from sightgrid.evaluation.grid import GridEvaluation


@click.command("grid")
@click.option(
    "--photos",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Photos of the people who walk, a folder a person; five or more of each.",
)
@click.option(
    "--cameras",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    help="Cameras, in a line.",
)
@click.option(
    "--people",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="People who walk.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Length of every camera's clip.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides who walks where."
)
@click.option(
    "--preset",
    type=click.Choice(["normal", "hard"]),
    default="normal",
    show_default=True,
    help="How hard faces are to recognise.",
)
@click.option(
    "--unseen-fraction",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of the people who are not enrolled; the others are, with one photo each.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep the clips, the truth and the run in.",
)
@pack_option
@detector_option
@click.option(
    "--grouping",
    type=click.Choice(["tracks", "template-matching"]),
    default="tracks",
    show_default=True,
    help="How faces of one camera are joined.",
)
@plots_option
@json_option
def command(
    photos: Path,
    cameras: int,
    people: int,
    minutes: float,
    seed: int,
    preset: str,
    unseen_fraction: float,
    keep: Path | None,
    pack: str,
    detector: str | None,
    grouping: str,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Are trajectories right? Renders a camera grid from photos, tracks it, compares with the
    truth.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.grid import PRESETS, GridTask, evaluate_grid
    from sightgrid.evaluation.grid_page import grid_figures, grid_page
    from sightgrid.evaluation.page import write_page
    from sightgrid.offline.outfolder import check_free

    check_plots(plots_folder)
    detector = chosen_detector(pack, detector)
    task = GridTask(
        photos=photos,
        cameras=cameras,
        people=people,
        minutes=minutes,
        seed=seed,
        preset=PRESETS[preset],
        unseen_fraction=unseen_fraction,
    )
    with ExitStack() as stack:
        if keep is None:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="sightgrid-grid-"))
            )
        else:
            check_free(keep, force=False)
            folder = keep
        with progress() as tell:
            evaluation = evaluate_grid(
                task,
                folder=folder,
                pack=pack,
                detector=detector,
                grouping=grouping,
                tell=tell,
            )
        figures = grid_figures(evaluation)
        settings = {
            "cameras": cameras,
            "people": people,
            "minutes": minutes,
            "seed": seed,
            "preset": preset,
            "unseen_fraction": unseen_fraction,
            "enrolled_people": task.enrolled_people,
            "pack": pack,
            "detector": detector,
            "grouping": grouping,
        }
        if plots_folder is not None:
            page = grid_page(
                evaluation, run=folder / "run", figures=figures, settings=in_words(settings)
            )
            note(f"Page: {write_page(page, folder=plots_folder)}")
    answer(grid_document(evaluation) | settings, figures, "Simulated grid", json_file)


def grid_document(evaluation: GridEvaluation) -> dict[str, Any]:
    """An evaluated grid as JSON."""
    scores = evaluation.scores
    return {
        "idf1": round(scores.idf1, 6),
        "hota": round(scores.hota, 6),
        "purity": round(scores.purity, 6),
        "wrong_joins": scores.wrong_joins,
        "serials_per_person": round(scores.serials_per_person, 6),
        "visits_recall": round(scores.visits_recall, 6),
        "visits_precision": round(scores.visits_precision, 6),
        "realtime_factor": round(evaluation.realtime_factor, 3),
        "distribution": asdict(evaluation.truth.distribution),
        "people_found": scores.people_found,
        "visits_true": len(evaluation.truth.visits),
        "visits_told": len(evaluation.result.visits),
        "sightings": len(scores.sightings),
        "sightings_unsure": sum(one.serial is None for one in scores.sightings),
        "names_right": scores.names_right,
        "names_wrong": scores.names_wrong,
        "render_secs": round(evaluation.render_secs, 3),
        "track_secs": round(evaluation.track_secs, 3),
    }
