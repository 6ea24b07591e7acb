"""``sightgrid demo``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.output import (
    interrupt_on_termination,
    json_option,
    note,
    print_table,
    progress,
    write_json,
)

if TYPE_CHECKING:
    from sightgrid.offline.demonstration import Demonstration

_DEFAULT_OUT = "sightgrid-demo"


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=f"Folder for the results; default {_DEFAULT_OUT}, replaced at each run.",
)
@click.option("--force", is_flag=True, help="Replace the run that lies in --out.")
@click.option(
    "--serve", "pages", is_flag=True, help="Then show it in the browser, from a site beside --out."
)
@click.option(
    "--listen", default="127.0.0.1:8420", show_default=True, metavar="ADDR", help="For --serve."
)
@json_option
def command(out: Path | None, force: bool, pages: bool, listen: str, json_file: str | None) -> int:
    """Try the whole chain on a sample camera grid and see it beside the truth."""
    from sightgrid.offline.demonstration import demonstrate
    from sightgrid.offline.tracking import Step

    interrupt_on_termination()
    began = time.perf_counter()
    with progress() as tell:

        def say(step: Step) -> None:
            tell(step.task, step.done, step.total)

        target = out or Path(_DEFAULT_OUT)
        done = demonstrate(target, force=force or out is None, tell=say)
    for line in (*done.photos.warnings, *done.outcome.notes):
        note(f"note: {line}")
    if json_file is not None:
        write_json(_document(done), json_file)
    if json_file != "-":
        _print(done, target, time.perf_counter() - began)
    if done.outcome.interrupted:
        return 130
    if pages:
        _serve(target.with_name(f"{target.name}-site"), listen)
    return 0


def _serve(folder: Path, listen: str) -> None:
    """A site of its own with the sample grid, until Ctrl-C."""
    from sightgrid.cli.sites import DEFAULT_CONFIGURATION, site_settings
    from sightgrid.server.listening import Listen
    from sightgrid.server.running import Serving, serve

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / DEFAULT_CONFIGURATION
    if not path.exists():
        path.write_text("site: {name: Demo}\n", "utf-8")
    settings = site_settings(path, None)
    serve(Serving(settings, Listen.parse(listen), None, demo=True), say=note)


def _print(done: Demonstration, out: Path, secs: float) -> None:
    result = done.comparison
    start = min(camera.starts_at for camera in done.truth.cameras)
    names = {item.identity.serial: item.identity.person for item in done.outcome.result.identities}

    def clock(moment: object) -> str:
        from datetime import datetime

        return "" if not isinstance(moment, datetime) else f"{(moment - start).total_seconds():.1f}"

    print_table(
        ["who (truth)", "camera", "from s", "to s", "identity", "name", "found from", "to"],
        [
            (
                visit.truth.person,
                visit.truth.camera,
                clock(visit.truth.first_seen),
                clock(visit.truth.last_seen),
                ", ".join(f"#{serial}" for serial in visit.serials) or "missed",
                next((names[s] for s in visit.serials if names.get(s)), "") or "",
                clock(visit.found_from),
                clock(visit.found_to),
            )
            for visit in sorted(result.visits, key=lambda v: (v.truth.person, v.truth.first_seen))
        ],
        title="Trajectories beside the truth",
    )
    click.echo(
        f"{result.visits_found} of {len(result.visits)} true visits found, "
        f"{result.visits_invented} invented, {result.wrong_joins} serials cover two people, "
        f"{result.serials_per_person:.2f} serials a person. {secs:.0f} s."
    )
    packages = ", ".join(sorted({photo.package for photo in done.photos.photos}))
    click.echo(f"People drawn from photos in {packages}. Report: {out / 'report.html'}")


def _document(done: Demonstration) -> dict[str, object]:
    from sightgrid.domain.frames import format_time

    result = done.comparison
    return {
        "visits": [
            {
                "person": visit.truth.person,
                "camera": visit.truth.camera,
                "first_seen": format_time(visit.truth.first_seen),
                "last_seen": format_time(visit.truth.last_seen),
                "identities": list(visit.serials),
            }
            for visit in result.visits
        ],
        "visits_true": len(result.visits),
        "visits_found": result.visits_found,
        "visits_invented": result.visits_invented,
        "wrong_joins": result.wrong_joins,
        "serials_per_person": round(result.serials_per_person, 4),
    }
