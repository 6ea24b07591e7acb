"""The options of ``train --head projection``: loss, distance, optimiser, schedule, curves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sightgrid.cli.output import note

if TYPE_CHECKING:
    from sightgrid.recognition.heads import Head
    from sightgrid.recognition.training.projection import ProjectionPlan

Command = TypeVar("Command", bound=Callable[..., Any])

_NAME = "projection"
_RATE = 0.005


@dataclass(frozen=True, slots=True)
class ProjectionOptions:
    """What was asked for; ``None`` where an option was left out."""

    loss: str | None
    distance: str | None
    optimiser: str | None
    rate: float | None
    schedule_file: Path | None
    epochs: int | None
    margin: float | None
    dimension: int | None
    moving_average: float | None
    patience: int | None
    curves_folder: Path | None

    def plan(self, head: str, *, seed: int) -> ProjectionPlan | None:
        """How to train a projection; ``None`` for other heads, which have none of these options."""
        from sightgrid.recognition.training.distances import Distance
        from sightgrid.recognition.training.losses import Loss
        from sightgrid.recognition.training.optimisers import OptimiserName
        from sightgrid.recognition.training.projection import ProjectionPlan
        from sightgrid.recognition.training.schedules import Schedule, read_schedule

        asked = {name: getattr(self, name) for name in self.__dataclass_fields__}
        asked = {name: value for name, value in asked.items() if value is not None}
        if head != _NAME:
            if asked:
                option = next(iter(asked)).removesuffix("_file").removesuffix("_folder")
                raise click.UsageError(
                    f"--{option.replace('_', '-')} is for --head projection, not for {head}"
                )
            return None
        if self.rate is not None and self.schedule_file is not None:
            raise click.UsageError("give --rate or --schedule, not both")
        if asked.pop("curves_folder", None) is not None:
            from sightgrid.evaluation.plots import check_plotting

            check_plotting()
        asked.pop("rate", None)
        if asked.pop("schedule_file", None) is not None and self.schedule_file is not None:
            schedule = read_schedule(self.schedule_file)
        else:
            schedule = Schedule.steady(_RATE if self.rate is None else self.rate)
        for name, kind in (("loss", Loss), ("distance", Distance), ("optimiser", OptimiserName)):
            if name in asked:
                asked[name] = kind(asked[name])
        return ProjectionPlan(**asked, schedule=schedule, seed=seed)

    def report(self, head: Head) -> None:
        """Says why training ended, and draws the curves if they were asked for."""
        from sightgrid.domain.errors import OutputError
        from sightgrid.recognition.heads import Projection

        if not isinstance(head, Projection):
            return
        note(f"note: {head.ended}")
        if self.curves_folder is None:
            return
        from sightgrid.evaluation.training_plots import training_pictures

        try:
            self.curves_folder.mkdir(parents=True, exist_ok=True)
            for name, picture in training_pictures(head.history).items():
                (self.curves_folder / name).write_bytes(picture)
        except OSError as error:
            raise OutputError(
                f"{self.curves_folder} can't be written: {error.strerror or error}"
            ) from error
        note(f"Curves: {self.curves_folder}")


def on_projection(command: Command) -> Command:
    """Adds the options; the command is given them as ``projection``."""

    @functools.wraps(command)
    def gathered(**values: Any) -> Any:
        options = {name: values.pop(name) for name in ProjectionOptions.__dataclass_fields__}
        return command(**values, projection=ProjectionOptions(**options))

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]


_OPTIONS = (
    click.option(
        "--loss",
        type=click.Choice(["triplet", "centre"]),
        help="What a projection makes small; default triplet. centre: a softmax layer and moving "
        "centres.",
    ),
    click.option(
        "--distance",
        type=click.Choice(["squared-euclidean", "arccos"]),
        help="How far apart faces are in a projection; default squared-euclidean.",
    ),
    click.option(
        "--optimiser",
        type=click.Choice(["ADAGRAD", "ADADELTA", "ADAM", "RMSPROP", "MOM"]),
        help="How a projection is trained; default ADAM.",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0, min_open=True),
        help=f"Learning rate of a projection; default {_RATE:g}.",
    ),
    click.option(
        "--schedule",
        "schedule_file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File of learning rates, a line each: `epoch: rate`; a rate of -1 stops.",
    ),
    click.option(
        "--epochs", type=click.IntRange(1, 10_000), help="Most epochs of a projection; default 60."
    ),
    click.option(
        "--margin",
        type=click.FloatRange(0, min_open=True),
        help="How much further away than their own faces other people must be; default 0.2.",
    ),
    click.option(
        "--dimension",
        type=click.IntRange(2),
        help="Numbers in a projected face; default as many as the pack gives.",
    ),
    click.option(
        "--moving-average",
        type=click.FloatRange(0, 1, max_open=True),
        help="Share of the averaged weights that each step keeps; default 0.9, 0 for none.",
    ),
    click.option(
        "--patience",
        type=click.IntRange(1),
        help="Epochs without a better validation after which training stops; default 15.",
    ),
    click.option(
        "--curves",
        "curves_folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for pictures of loss, validation and rate over the epochs.",
    ),
)
