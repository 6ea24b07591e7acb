"""``sightgrid doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.camera import config_option
from sightgrid.cli.output import json_option, print_table, write_json

if TYPE_CHECKING:
    from sightgrid.offline.health import Check


@click.command("doctor")
@click.option("--out", default=".", help="Folder whose disk is to hold results.")
@config_option
@json_option
def command(out: str, config_file: Path, json_file: str | None) -> int:
    """Check packs, runtimes, video, database, disk, clock and cameras, and say what to do."""
    from sightgrid.offline.health import check_machine

    checks = check_machine(Path(out)) + _cameras(config_file)
    if json_file is not None:
        write_json(
            [
                {"check": c.subject, "state": c.state, "finding": c.finding, "advice": c.advice}
                for c in checks
            ],
            json_file,
        )
    if json_file != "-":
        print_table(
            ["check", "state", "finding", "what to do"],
            [(c.subject, c.state, c.finding, c.advice or "") for c in checks],
            title="Doctor",
        )
    return 1 if any(check.state == "failed" for check in checks) else 0


def _cameras(config_file: Path) -> list[Check]:
    """Every camera of the configuration, tried for some seconds."""
    from sightgrid.configuration import read_configuration
    from sightgrid.domain.errors import SightgridError
    from sightgrid.offline.health import Check

    if not config_file.exists():
        return [Check("cameras", "good", f"none are set up: there is no {config_file}")]
    try:
        configuration = read_configuration(config_file)
        from sightgrid.edge.checking import check_cameras

        found = check_cameras(configuration)
    except SightgridError as error:
        return [Check("cameras", "failed", str(error), error.hint)]
    return [
        Check(
            f"camera {check.camera}",
            "good" if check.problem is None else "failed",
            check.finding if check.problem is None else f"{check.problem}: {check.finding}",
            check.advice,
        )
        for check in found
    ] or [Check("cameras", "good", f"{config_file} has none")]
