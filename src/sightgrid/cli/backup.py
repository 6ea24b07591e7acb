"""``sightgrid backup``: everything a server knows, in one encrypted file."""

from __future__ import annotations

from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, write_json
from sightgrid.cli.sites import on_site, opened_site


@click.command("backup")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write; it must not exist yet.",
)
@on_site
@json_option
def command(out: Path, config_file: Path, data_folder: Path | None, json_file: str | None) -> None:
    """Write an encrypted copy of the server's database, while it runs."""
    from sightgrid.ledger.safekeeping import back_up

    with opened_site(config_file, data_folder) as site:
        made = back_up(site.store, site.keys, out, at=site.clock())
        key = site.keys.path
    note(f"{made.rows} rows, {made.size_bytes / 1e6:.1f} MB in {made.path}")
    note(f"it opens only with {key}: keep a copy of that elsewhere, and of {key.name}.erasures")
    if json_file is not None:
        document = {"file": str(made.path), "rows": made.rows, "bytes": made.size_bytes}
        write_json(document, json_file)
