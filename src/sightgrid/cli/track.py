"""``sightgrid track``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sightgrid.cli.output import (
    interrupt_on_termination,
    json_option,
    note,
    print_table,
    progress,
    write_json,
)


@click.command("track")
@click.argument("sources", metavar="[NAME=]SOURCE...", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the results."
)
@click.option(
    "--start",
    "starts",
    metavar="TIME|NAME=TIME",
    multiple=True,
    help="When a recording began, ISO-8601; repeatable. Default: as told by the file.",
)
@click.option(
    "--grid",
    "grid_file",
    type=click.Path(path_type=Path),
    help="YAML file with positions, links and overlaps of the cameras.",
)
@click.option(
    "--people",
    type=click.Path(path_type=Path),
    help="Folder of enrolled people: a folder a person, or photos named for the person.",
)
@click.option(
    "--head",
    "head_file",
    type=click.Path(path_type=Path),
    help="A trained head that names people, in place of --people.",
)
@click.option("--pack", help="Model pack. Default: the preset's, default.")
@click.option(
    "--preset",
    type=click.Choice(["default", "cctv-classic", "facenet-classic"]),
    default="default",
    show_default=True,
    help="Sets what is not given: cctv-classic is haar with template-matching, facenet-classic "
    "MTCNN, the pack facenet and an SVM trained on --people.",
)
@click.option(
    "--detector",
    type=click.Choice(["yunet", "mtcnn", "mtcnn-fast", "haar", "hog"]),
    help="What finds the faces. Default: the preset's, else the pack's own.",
)
@click.option(
    "--grouping",
    type=click.Choice(["tracks", "template-matching"]),
    help="How faces of one camera are joined. Default: the preset's, tracks.",
)
@click.option("--annotate", is_flag=True, help="Also write videos with boxes and serials.")
@click.option("--force", is_flag=True, help="Replace the run that lies in the folder.")
@json_option
def command(
    sources: tuple[str, ...],
    out: Path,
    starts: tuple[str, ...],
    grid_file: Path | None,
    people: Path | None,
    head_file: Path | None,
    pack: str | None,
    preset: str,
    detector: str | None,
    grouping: str | None,
    annotate: bool,
    force: bool,
    json_file: str | None,
) -> int:
    """Turn recordings into trajectories: who was on which camera, when.

    Each SOURCE (video file, folder of pictures, or URL) is a camera. Writes tables, crops, a
    database and report.html into the folder given by --out.
    """
    interrupt_on_termination()
    from sightgrid.domain.errors import InvalidValue
    from sightgrid.domain.grid import CameraGrid
    from sightgrid.offline.gridfile import read_grid
    from sightgrid.offline.naming import name_sources
    from sightgrid.offline.presets import preset_named
    from sightgrid.offline.tracking import Step, TrackRequest, track

    if head_file is not None and people is not None:
        raise click.UsageError("--head knows its people already; leave --people or --head out")
    try:
        named = name_sources(sources, starts=starts)
    except InvalidValue as error:
        raise click.UsageError(str(error) + (f" ({error.hint})" if error.hint else "")) from error
    chosen = preset_named(preset)
    cameras = [source.camera for source in named]
    grid = CameraGrid() if grid_file is None else read_grid(grid_file, cameras=cameras)
    request = TrackRequest(
        sources=named,
        out=out,
        grid=grid,
        people=people,
        head=head_file,
        train=chosen.head,
        pack=pack or chosen.pack,
        detector=detector or chosen.detector,
        grouping=grouping or chosen.grouping,
        annotate=annotate,
        force=force,
    )
    with progress() as tell:

        def say(step: Step) -> None:
            tell(step.task, step.done, step.total)

        outcome = track(request, tell=say)
    for line in outcome.notes:
        note(f"note: {line}")
    failed = [source for source in outcome.result.sources if source.state.value == "failed"]
    for source in failed:
        note(f"error: camera {source.camera} is missing from the results: {source.reason}")
    if json_file is not None:
        write_json(run_document(outcome.result), json_file)
    if json_file != "-":
        _print(outcome.result, out)
    if outcome.interrupted:
        note(f"interrupted: what was read until then is in {out}")
        return 130
    return 1 if failed else 0


def run_document(result: Any) -> dict[str, Any]:
    """A run's result as JSON: sources, identities and visits."""
    from sightgrid.domain.frames import format_time

    return {
        "sources": [
            {
                "camera": source.camera,
                "source": source.source,
                "status": source.state.value,
                "reason": source.reason,
                "frames": source.frames,
                "faces": source.faces,
            }
            for source in result.sources
        ],
        "identities": [
            {
                "identity": item.identity.serial,
                "person": item.identity.person,
                "cameras": list(item.cameras),
                "visits": len(item.visits),
                "first_seen": format_time(item.first_seen),
                "last_seen": format_time(item.last_seen),
                "crop": item.crops[0] if item.crops else None,
            }
            for item in result.identities
        ],
        "visits": [
            {
                "identity": visit.serial,
                "person": visit.person,
                "camera": visit.camera,
                "first_seen": format_time(visit.first_seen),
                "last_seen": format_time(visit.last_seen),
                "sightings": len(visit.sighting_ids),
            }
            for visit in result.visits
        ],
        "unsure": sum(1 for d in result.decisions if d.match.serial is None),
    }


def _print(result: Any, out: Path) -> None:
    from sightgrid.domain.frames import format_time

    if result.visits:
        print_table(
            ["identity", "person", "camera", "first seen", "last seen", "sightings"],
            [
                (
                    visit.serial,
                    visit.person or "",
                    visit.camera,
                    format_time(visit.first_seen),
                    format_time(visit.last_seen),
                    len(visit.sighting_ids),
                )
                for visit in result.visits
            ],
            title="Visits",
        )
    unsure = sum(1 for decision in result.decisions if decision.match.serial is None)
    people = len(result.identities)
    cameras = sum(1 for source in result.sources if source.state.value != "failed")
    click.echo(
        f"{_count(people, 'identity', 'identities')} on {_count(cameras, 'camera', 'cameras')}, "
        f"{_count(len(result.visits), 'visit', 'visits')}"
        + (f", {_count(unsure, 'sighting', 'sightings')} unsure" if unsure else "")
        + f". Report: {out / 'report.html'}"
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
