"""``sightgrid restore``: a backup becomes the server's database again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, write_json
from sightgrid.cli.sites import on_site, site_settings


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@on_site
@json_option
def command(file: Path, config_file: Path, data_folder: Path | None, json_file: str | None) -> None:
    """Fill the configured database, which must be new, from FILE.

    Whoever was erased since the backup was made is erased again.
    """
    from sightgrid.ledger.safekeeping import restore
    from sightgrid.server.site import KEY_FILE
    from sightgrid.store.keys import SiteKeys

    settings = site_settings(config_file, data_folder)
    keys = SiteKeys.open(settings.data_folder / KEY_FILE, create=False)
    database = settings.configuration.database.reveal()
    restored = restore(file, database, keys, at=datetime.now(UTC))
    again = restored.erased_again.deleted
    note(f"{restored.rows} rows restored from {file}")
    if again.sightings or again.people:
        note(f"erased again: {again.people} people, {again.sightings} sightings")
    if json_file is not None:
        document = {
            "rows": restored.rows,
            "erased_again": {"people": again.people, "sightings": again.sightings},
        }
        write_json(document, json_file)
