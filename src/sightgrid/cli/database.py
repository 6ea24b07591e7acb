"""``sightgrid database``: brings a server's database to this version."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, write_json
from sightgrid.cli.sites import on_site, site_settings


@click.group("database")
def command() -> None:
    """Look after the server's database."""


@command.command("upgrade")
@click.option(
    "--backup",
    "backup_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the backup; by default beside the site's keys, named by the time.",
)
@on_site
@json_option
def upgrade_database(
    backup_file: Path | None, config_file: Path, data_folder: Path | None, json_file: str | None
) -> None:
    """Bring the database to this version, after a backup of it. Stop the server before."""
    from sightgrid.ledger.safekeeping import upgrade
    from sightgrid.server.site import KEY_FILE
    from sightgrid.store.keys import SiteKeys

    settings = site_settings(config_file, data_folder)
    keys = SiteKeys.open(settings.data_folder / KEY_FILE, create=False)
    now = datetime.now(UTC)
    out = backup_file or settings.data_folder / f"before-upgrade-{now:%Y%m%dT%H%M%SZ}.backup"
    upgraded = upgrade(settings.configuration.database.reveal(), keys, out, at=now)
    if upgraded.backup is None:
        note("the database is of this version already")
    else:
        note(f"backed up to {upgraded.backup.path}")
        note(f"upgraded from {upgraded.before} to {upgraded.after}")
    if json_file is not None:
        made = None if upgraded.backup is None else str(upgraded.backup.path)
        write_json({"before": upgraded.before, "after": upgraded.after, "backup": made}, json_file)
