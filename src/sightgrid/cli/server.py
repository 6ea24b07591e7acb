"""``sightgrid server``: the central server."""

from __future__ import annotations

from pathlib import Path

import click

from sightgrid.cli.output import note
from sightgrid.cli.sites import on_site, site_settings


@click.command("server")
@on_site
@click.option(
    "--listen",
    default="127.0.0.1:8420",
    show_default=True,
    metavar="ADDR",
    help="Address and port; anything but this machine needs TLS.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TLS certificate chain, PEM.",
)
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False), help="Key of --certificate, PEM."
)
@click.option(
    "--local-authority",
    is_flag=True,
    help="Use a certificate of an authority made here, to be trusted once on each device.",
)
@click.option(
    "--ingest-workers",
    type=click.IntRange(0, 64),
    default=0,
    show_default=True,
    help="Processes that take sightings in beside the one that answers people.",
)
def command(
    config_file: Path,
    data_folder: Path | None,
    listen: str,
    certificate: Path | None,
    key: Path | None,
    local_authority: bool,
    ingest_workers: int,
) -> None:
    """Run the central server: takes sightings in from boxes, answers people and programs."""
    from datetime import UTC, datetime

    from sightgrid.server.certificates import given_files, local_files, names_of_this_machine
    from sightgrid.server.listening import Listen
    from sightgrid.server.running import Serving, serve

    if (certificate is None) != (key is None):
        raise click.UsageError("--certificate and --key go together")
    if certificate is not None and local_authority:
        raise click.UsageError("give --certificate or --local-authority, not both")
    where = Listen.parse(listen)
    settings = site_settings(config_file, data_folder)
    tls = None
    if certificate is not None and key is not None:
        tls = given_files(certificate, key)
    elif local_authority:
        tls = local_files(
            settings.data_folder,
            names=names_of_this_machine(where.host),
            now=datetime.now(UTC),
        )
        note(f"devices that connect must trust {tls.authority}, once")
    serve(Serving(settings, where, tls, ingest_workers), say=note)
