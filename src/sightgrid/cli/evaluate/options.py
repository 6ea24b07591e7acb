"""What the evaluations share on the command line: options, engines, how an answer is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sightgrid.cli.output import json_option, print_table, write_json

if TYPE_CHECKING:
    from sightgrid.evaluation.page import Figure, Table
    from sightgrid.evaluation.photos import FaceReader
    from sightgrid.offline.engine import Engine

Command = TypeVar("Command", bound=Callable[..., Any])

pack_option = click.option("--pack", default="default", show_default=True, help="Model pack.")
detector_option = click.option(
    "--detector",
    type=click.Choice(["yunet", "mtcnn", "mtcnn-fast", "haar", "hog"]),
    help="What finds the faces; the pack's own by default.",
)
degrade_option = click.option(
    "--degrade",
    metavar="NAME",
    help="Spoil the photos as a poor camera would: faceN, blurN, darkN, noiseN, grey, jpegN, "
    "or several joined by +.",
)
groups_option = click.option(
    "--groups",
    "groups_file",
    type=click.Path(path_type=Path),
    help="CSV with name and labels of people: adds a table for each label.",
)
plots_option = click.option(
    "--plots",
    "plots_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for plots and a page that explains every figure.",
)


def on_photos(command: Command) -> Command:
    """The options of evaluations that embed photos."""
    for option in (json_option, plots_option, degrade_option, detector_option, pack_option):
        command = option(command)
    return command


def check_plots(folder: Path | None) -> None:
    """Fails at once, not after the work, where plots are asked for and can't be made."""
    if folder is not None:
        from sightgrid.evaluation.plots import check_plotting

        check_plotting()


def open_reader(pack: str, detector: str | None, degrade: str | None) -> FaceReader:
    """Opens what finds and embeds faces, with the degradation that was asked for."""
    from sightgrid.domain.errors import InvalidValue
    from sightgrid.evaluation.degradations import Degradation
    from sightgrid.evaluation.photos import FaceReader
    from sightgrid.offline.engine import open_engine

    try:
        degradation = None if degrade is None else Degradation.named(degrade)
    except InvalidValue as error:
        raise click.BadParameter(f"{error} ({error.hint})", param_hint="'--degrade'") from error
    return FaceReader(open_engine(pack, detector=detector), degradation)


def chosen_detector(pack: str, detector: str | None) -> str:
    """The detector that was asked for, else the pack's own."""
    if detector is not None:
        return detector
    from sightgrid.vision.detectors import pack_detector
    from sightgrid.vision.packs import load_pack

    return pack_detector(load_pack(pack)).value


def engine_settings(engine: Engine, degrade: str | None) -> dict[str, Any]:
    """What made the vectors, for the answer."""
    return {
        "pack": engine.pack.manifest.name,
        "contract": engine.pack.contract.id,
        "detector": engine.detector_name.value,
        "degrade": degrade,
        "runtimes": {part: runtime.value for part, runtime in engine.runtimes.items()},
    }


def in_words(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Settings as a page shows them."""
    words = {True: "yes", False: "no", None: "none"}
    told = []
    for name, value in settings.items():
        if isinstance(value, dict):
            text = ", ".join(f"{part}: {one}" for part, one in value.items())
        elif value is None or isinstance(value, bool):
            text = words[value]
        else:
            text = str(value)
        told.append((name.replace("_", " "), text))
    return told


def finite(level: float | None) -> float | None:
    """JSON knows no infinity; a threshold that accepts everything is told as none."""
    return level if level is not None and math.isfinite(level) else None


def print_page_tables(tables: Sequence[Table], json_file: str | None) -> None:
    """Prints the tables that a page holds beside its figures."""
    if json_file != "-":
        for table in tables:
            print_table(list(table.columns), table.rows, title=table.title)


def answer(
    document: dict[str, Any], figures: Sequence[Figure], title: str, json_file: str | None
) -> None:
    """Prints the figures with what they say, or writes the document as JSON."""
    if json_file is not None:
        write_json(document, json_file)
    if json_file != "-":
        print_table(
            ["figure", "value", "95 % interval", "counted over", "what it says"],
            [
                (figure.name, figure.value, figure.interval, figure.sample, figure.meaning)
                for figure in figures
            ],
            title=title,
        )
