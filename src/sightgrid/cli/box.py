"""``sightgrid box``: the boxes that may send to this server."""

from __future__ import annotations

from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.sites import on_site, opened_site


@click.group("box")
def command() -> None:
    """Enrol boxes, list them, revoke them."""


@command.command("add")
@click.argument("name")
@on_site
@json_option
def add(name: str, config_file: Path, data_folder: Path | None, json_file: str | None) -> None:
    """Print a one-time code for a new box; it is valid for ten minutes."""
    from sightgrid.domain.frames import format_time
    from sightgrid.server.boxes import code_for

    with opened_site(config_file, data_folder, make=True) as site:
        code, expires_at = code_for(site, name, actor="cli")
    if json_file is not None:
        write_json({"name": name, "code": code, "expires_at": format_time(expires_at)}, json_file)
    if json_file != "-":
        note(f"valid until {format_time(expires_at)}; on the box, run:")
        click.echo(f"sightgrid edge --server URL --code {code}")


@command.command("list")
@on_site
@json_option
def list_boxes(config_file: Path, data_folder: Path | None, json_file: str | None) -> None:
    """List every box and when it was last heard of."""
    from sightgrid.domain.frames import format_time
    from sightgrid.store.boxes import boxes

    with opened_site(config_file, data_folder, make=True) as site, site.store.snapshot() as tx:
        found = boxes(tx)
    items = [
        {
            "box_id": box.box_id,
            "name": box.name,
            "enrolled_at": format_time(box.enrolled_at),
            "last_contact_at": (
                None if box.last_contact_at is None else format_time(box.last_contact_at)
            ),
            "state": (
                "revoked"
                if box.revoked_at is not None
                else "cloned"
                if box.cloned_at is not None
                else "enrolled"
            ),
        }
        for box in found
    ]
    if json_file is not None:
        write_json({"items": items}, json_file)
    if json_file != "-":
        print_table(
            ["box", "name", "enrolled", "last heard of", "state"],
            [[value or "never" for value in item.values()] for item in items],
            title="Boxes",
        )


@command.command("revoke")
@click.argument("box_id")
@on_site
def revoke(box_id: str, config_file: Path, data_folder: Path | None) -> None:
    """Make a box's token void: what it sends from now on is refused."""
    from sightgrid.server.boxes import revoke as revoke_box

    with opened_site(config_file, data_folder, make=True) as site:
        name = revoke_box(site, box_id, actor="cli")
    note(f"box '{name}' is revoked")
