"""``sightgrid edge``, and how a box is run from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.camera import config_option
from sightgrid.cli.output import interrupt_on_termination, note
from sightgrid.cli.sites import DEFAULT_CONFIGURATION

if TYPE_CHECKING:
    from sightgrid.configuration import Configuration
    from sightgrid.edge.enrolment import Enrolment
    from sightgrid.edge.states import CameraStatus


@click.command("edge")
@config_option
@click.option("--server", "url", metavar="URL", help="The server to enrol this box at.")
@click.option("--code", help="One-time code of 'sightgrid box add', printed on the server.")
@click.option(
    "--ca",
    "ca_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Authority that signed the server's certificate, PEM.",
)
def command(config_file: Path, url: str | None, code: str | None, ca_file: Path | None) -> int:
    """Watch cameras until interrupted, and send what they see to the server.

    With --server and --code this box is enrolled first; later starts need neither. The server says
    which cameras a box watches; where it names none, those of the configuration are watched.
    Without a server sightings go to the box's folder. On a terminal every change of a camera's
    state is told in a line; otherwise the log goes to standard error, a JSON object a line.
    """
    if (url is None) != (code is None):
        raise click.UsageError("--server and --code go together")
    from sightgrid.domain.errors import MissingExtra

    try:
        from sightgrid.edge.enrolment import enrol
    except ModuleNotFoundError as error:
        raise MissingExtra("watching cameras", extra="edge") from error
    local = local_configuration(config_file)
    if url is not None and code is not None:
        enrolled = enrol(url, code, local.box.data_folder, ca_file=ca_file)
        note(f"enrolled at {enrolled.access.url} as {enrolled.box_id}")
    return run_box(local)


def local_configuration(config_file: Path) -> Configuration:
    """The file's; the default one need not exist."""
    from sightgrid.configuration import Configuration, read_configuration

    if config_file.exists() or str(config_file) != DEFAULT_CONFIGURATION:
        return read_configuration(config_file)
    return Configuration.default(config_file)


def run_box(local: Configuration) -> int:
    """Runs a box until Ctrl-C or SIGTERM, anew whenever the server has changed what it watches."""
    interrupt_on_termination()
    try:
        while watch_until_changed(local):
            note("the server has changed this box's part of the configuration: starting anew")
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            note("stopped")
    return 130


def has_cameras(local: Configuration) -> bool:
    """Whether there is anything to watch, by the server's part or by the file."""
    from sightgrid.edge.enrolment import load

    configuration = _with_the_servers_part(local, load(local.box.data_folder))
    return any(camera.enabled for camera in configuration.cameras)


def watch_until_changed(local: Configuration) -> bool:
    """Runs a box; ``True`` once there is a new configuration."""
    from sightgrid.domain.errors import MissingExtra, SettingsError

    try:
        from sightgrid.edge.box import Box
    except ModuleNotFoundError as error:
        raise MissingExtra("watching cameras", extra="edge") from error
    from sightgrid.edge.enrolment import load
    from sightgrid.edge.logs import Redactor, write_logs_to
    from sightgrid.edge.urls import secrets_of

    folder = local.box.data_folder
    enrolment = load(folder)
    configuration = _with_the_servers_part(local, enrolment)
    if not any(camera.enabled for camera in configuration.cameras):
        raise SettingsError(
            f"{local.path}: has no cameras, and the server names none for this box",
            hint="add one: sightgrid camera add NAME URL",
        )
    secrets = set(configuration.secret_values)
    for camera in configuration.cameras:
        secrets |= secrets_of(camera.url)
    if enrolment is not None:
        secrets.add(enrolment.access.token)
    on_terminal = sys.stderr.isatty()
    if not on_terminal:
        write_logs_to(sys.stderr, Redactor(secrets))
    told: dict[str, str] = {}

    def tell(statuses: list[CameraStatus]) -> None:
        for status in statuses:
            line = status.state.value
            if status.trouble is not None:
                line += f" ({status.trouble.value}): {status.reason}"
            if told.get(status.camera) != line:
                told[status.camera] = line
                note(f"{status.camera}: {line}")

    def changed() -> bool:
        if enrolment is None:
            return False
        kept = load(folder)
        return kept is not None and kept != enrolment

    box = Box(configuration, uplink=enrolment)
    if on_terminal:
        where = box.sightings if enrolment is None else enrolment.access.url
        note(f"watching {len(box.board.statuses())} cameras; sightings go to {where}")
    box.run(changed, on_change=tell if on_terminal else None)
    return True


def _with_the_servers_part(local: Configuration, enrolment: Enrolment | None) -> Configuration:
    """The server's cameras and pack, where it names cameras; the rest is this machine's own."""
    from dataclasses import replace

    from sightgrid.configuration import configuration_of

    if enrolment is None or not enrolment.configuration.get("cameras"):
        return local
    part = configuration_of(enrolment.configuration, path=local.path, environment={})
    return replace(local, cameras=part.cameras, recognition=part.recognition)
