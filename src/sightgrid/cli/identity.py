"""``sightgrid identity``: the ledger of who was seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.editing import merge, split, undo
from sightgrid.cli.naming import accept, decline, name, proposals
from sightgrid.cli.output import json_option, print_table, write_json
from sightgrid.cli.runs import ledger_of
from sightgrid.cli.searching import search
from sightgrid.cli.sites import on_site, opened_site

if TYPE_CHECKING:
    from sightgrid.store import Transaction

_run_option = click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of an offline run; else the configured server's ledger.",
)


@click.group("identity")
def command() -> None:
    """Look into the ledger: who was seen, where, when; put right who is who."""


command.add_command(merge)
command.add_command(split)
command.add_command(undo)
command.add_command(search)
command.add_command(name)
command.add_command(proposals)
command.add_command(accept)
command.add_command(decline)


@command.command("list")
@_run_option
@on_site
@json_option
def list_identities(
    folder: Path | None, config_file: Path, data_folder: Path | None, json_file: str | None
) -> None:
    """List every identity with its cameras and times."""
    from sightgrid.store.identities import identities

    with _ledger(folder, config_file, data_folder) as tx:
        rows = identities(tx)
    if json_file is not None:
        write_json(
            [
                {
                    "identity": row.serial,
                    "person": row.person,
                    "alias_of": row.alias_of,
                    "cameras": list(row.cameras),
                    "visits": row.visits,
                    "sightings": row.sightings,
                    "first_seen": _time(row.first_seen),
                    "last_seen": _time(row.last_seen),
                    "crop": row.best_crop,
                }
                for row in rows
            ],
            json_file,
        )
    if json_file != "-":
        print_table(
            ["identity", "person", "cameras", "visits", "sightings", "first seen", "last seen"],
            [
                (
                    row.serial,
                    row.person or "",
                    ", ".join(row.cameras),
                    row.visits,
                    row.sightings,
                    _time(row.first_seen) or "not seen",
                    _time(row.last_seen) or "",
                )
                for row in rows
            ],
            title="Identities",
        )


@command.command("show")
@click.argument("serial", type=int)
@_run_option
@on_site
@json_option
def show(
    serial: int,
    folder: Path | None,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Show an identity: its visits, and every sighting with the reason for its answer."""
    from sightgrid.store.decisions import decisions_of
    from sightgrid.store.identities import identity
    from sightgrid.store.visits import visits_of

    with _ledger(folder, config_file, data_folder) as tx:
        row = identity(tx, serial)
        visits, sightings = visits_of(tx, row.serial), decisions_of(tx, row.serial)
    if json_file is not None:
        write_json(
            {
                "identity": row.serial,
                "person": row.person,
                "visits": [
                    {
                        "camera": visit.camera,
                        "first_seen": _time(visit.first_seen),
                        "last_seen": _time(visit.last_seen),
                        "sightings": list(visit.sighting_ids),
                    }
                    for visit in visits
                ],
                "sightings": [
                    {
                        "sighting_id": item.sighting_id,
                        "camera": item.camera,
                        "group": item.group,
                        "first_seen": _time(item.first_seen),
                        "last_seen": _time(item.last_seen),
                        "faces": item.faces,
                        "quality": round(item.quality, 3),
                        "band": item.band.value,
                        "score": None if item.score is None else round(item.score, 4),
                        "reason": item.reason,
                        "crops": list(item.crop_paths),
                    }
                    for item in sightings
                ],
            },
            json_file,
        )
    if json_file == "-":
        return
    name = f"identity {row.serial}" + (f", {row.person}" if row.person else "")
    print_table(
        ["camera", "first seen", "last seen", "sightings"],
        [(v.camera, _time(v.first_seen), _time(v.last_seen), len(v.sighting_ids)) for v in visits],
        title=f"Visits of {name}",
    )
    print_table(
        ["camera", "group", "first seen", "faces", "quality", "band", "similarity", "reason"],
        [
            (
                item.camera,
                item.group,
                _time(item.first_seen),
                item.faces,
                f"{item.quality:.2f}",
                item.band.value,
                "" if item.score is None else f"{item.score:.2f}",
                item.reason,
            )
            for item in sightings
        ],
        title=f"Sightings of {name}",
    )


@contextmanager
def _ledger(
    folder: Path | None, config_file: Path, data_folder: Path | None
) -> Iterator[Transaction]:
    """The ledger of an offline run or of the site, for reading."""
    from sightgrid.store import Store

    if folder is None:
        with opened_site(config_file, data_folder) as site, site.store.snapshot() as tx:
            yield tx
        return
    with Store.open(ledger_of(folder), create=False) as store, store.snapshot() as tx:
        yield tx


def _time(moment: datetime | None) -> str | None:
    from sightgrid.domain.frames import format_time

    return None if moment is None else format_time(moment)
