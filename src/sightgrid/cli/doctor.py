"""``sightgrid doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

import click

from sightgrid.cli.output import json_option, print_table, write_json


@click.command("doctor")
@click.option("--out", default=".", help="Folder whose disk is to hold results.")
@json_option
def command(out: str, json_file: str | None) -> int:
    """Check packs, runtimes, video decoding, database, disk and clock, and say what to do."""
    from pathlib import Path

    from sightgrid.offline.health import check_machine

    checks = check_machine(Path(out))
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
