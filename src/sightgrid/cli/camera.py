"""``sightgrid camera``."""

from __future__ import annotations

import sys
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from sightgrid.cli.output import json_option, note, print_table, write_json

if TYPE_CHECKING:
    from sightgrid.configuration import CameraSettings, Configuration
    from sightgrid.domain.locations import Location
    from sightgrid.edge.probing import ProbeOrder

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default="sightgrid.yml",
    show_default=True,
    help="Configuration file.",
)
_PURPOSES = ["trajectories", "attendance", "analytics", "alerts"]


@click.group("camera")
def command() -> None:
    """List, add, try and remove cameras."""


@command.command("list")
@config_option
@json_option
def list_(config_file: Path, json_file: str | None) -> int:
    """Show the cameras of the configuration, and what each is doing if a box runs."""
    from sightgrid.configuration import read_configuration
    from sightgrid.edge.statusfile import read_statuses

    configuration = read_configuration(config_file)
    statuses = read_statuses(configuration.box.data_folder)
    rows = []
    for camera in configuration.cameras:
        status = statuses.get(camera.name)
        rows.append(
            {
                "camera": camera.name,
                "url": str(camera.url),
                "zone": camera.zone,
                "purposes": [purpose.value for purpose in camera.purposes],
                "enabled": camera.enabled,
                "state": None if status is None else status.state.value,
                "trouble": status.trouble.value if status and status.trouble else None,
                "reason": status.reason if status else "",
                "fps": status.fps if status else None,
            }
        )
    if json_file is not None:
        write_json(rows, json_file)
    if json_file != "-":
        print_table(
            ["camera", "url", "zone", "purposes", "state", "fps", "reason"],
            [
                (
                    row["camera"],
                    row["url"],
                    row["zone"] or "",
                    ", ".join(str(purpose) for purpose in _words(row["purposes"])),
                    "switched off" if not row["enabled"] else row["state"] or "",
                    "" if row["fps"] is None else row["fps"],
                    row["reason"],
                )
                for row in rows
            ],
            title="Cameras" if statuses else "Cameras (no box is running)",
        )
    return 0


@command.command("add")
@click.argument("name")
@click.argument("url")
@config_option
@click.option("--zone", help="Part of the site it looks at.")
@click.option(
    "--purpose",
    "purposes",
    type=click.Choice(_PURPOSES),
    multiple=True,
    help="What its sightings may be used for; repeatable. Default: trajectories.",
)
@click.option(
    "--transport",
    type=click.Choice(["tcp", "udp"]),
    default="tcp",
    show_default=True,
    help="How RTSP carries the pictures.",
)
def add(
    name: str,
    url: str,
    config_file: Path,
    zone: str | None,
    purposes: tuple[str, ...],
    transport: str,
) -> int:
    """Write a camera into the configuration file.

    URL is rtsp://, rtsps://, http:// or https://, webcam:0, or a video file played in real time.
    Write user name and password as {SIGHTGRID_...}, names of environment variables.
    """
    from sightgrid.configuration.editing import add_camera
    from sightgrid.domain.errors import SettingsError
    from sightgrid.domain.locations import Location
    from sightgrid.edge.urls import secrets_of

    open_secrets = [word for word in secrets_of(Location(url)) if not word.startswith("{")]
    if open_secrets:
        raise SettingsError(
            "the address holds a password, which would stand in the file for all to read",
            hint="write rtsp://{SIGHTGRID_CAM_USER}:{SIGHTGRID_CAM_PASSWORD}@... and set them",
        )
    fields: dict[str, object] = {"url": url}
    if purposes:
        fields["purposes"] = list(purposes)
    if zone:
        fields["zone"] = zone
    if transport != "tcp":
        fields["transport"] = transport
    add_camera(config_file, name, fields)
    note(f"camera {name} is in {config_file}; try it: sightgrid camera test {name}")
    return 0


@command.command("remove")
@click.argument("name")
@config_option
def remove(name: str, config_file: Path) -> int:
    """Take a camera out of the configuration file."""
    from sightgrid.configuration.editing import remove_camera

    remove_camera(config_file, name)
    note(f"camera {name} is no longer in {config_file}; what it saw is kept")
    return 0


@command.command("test")
@click.argument("camera", metavar="URL|NAME")
@config_option
@click.option(
    "--secs",
    type=click.FloatRange(1, 600),
    default=10,
    show_default=True,
    help="How long to look.",
)
@click.option("--pack", default="default", show_default=True, help="Model pack.")
@json_option
def test(camera: str, config_file: Path, secs: float, pack: str, json_file: str | None) -> int:
    """Try a camera: what it sends and how many faces are seen, or why it fails.

    `-` reads the URL from standard input, where no list of processes shows it.
    """
    from dataclasses import asdict, replace

    from sightgrid.edge.probing import probe

    order = replace(_order(camera, config_file), secs=secs, pack=pack)
    note(f"looking at {order.location} for {secs:g} s")
    found = probe(order)
    if json_file is not None:
        write_json(
            asdict(found) | {"trouble": None if found.trouble is None else found.trouble.value},
            json_file,
        )
    if json_file != "-":
        click.echo(
            f"{found.codec} {found.width}x{found.height}, {found.fps:g} pictures/s, "
            f"first after {found.connect_secs:.1f} s"
            + (f", {found.damaged} damaged" if found.damaged else "")
        )
        click.echo(f"faces seen at once: {found.faces}")
        if found.trouble is not None:
            click.echo(f"but {found.trouble.value}: {found.reason}")
    return 0


@command.command("snapshot")
@click.argument("camera", metavar="URL|NAME")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
@click.option("--as-box", is_flag=True, help="Open only what a box of this configuration may open.")
def snapshot(camera: str, file: Path, config_file: Path, as_box: bool) -> int:
    """Save one picture of a camera, its masks painted over, as FILE (.jpg or .png).

    `-` reads the URL from standard input, where no list of processes shows it.
    """
    from dataclasses import replace

    from sightgrid.edge.probing import take_picture

    suffix = file.suffix.lower()
    if suffix not in (".jpg", ".jpeg", ".png"):
        raise click.UsageError(f"{file}: a picture ends in .jpg or .png")
    order = _order(camera, config_file)
    if as_box:
        configuration = _configuration(config_file)
        order = replace(order, networks=() if configuration is None else configuration.box.networks)
    file.write_bytes(take_picture(replace(order, picture=suffix)))
    note(f"saved {file}")
    return 0


def _order(camera: str, config_file: Path) -> ProbeOrder:
    """A camera of the configuration by name, else the address that was typed."""
    from sightgrid.edge.probing import ProbeOrder

    configuration = _configuration(config_file)
    settings = _named(configuration, camera)
    networks = () if configuration is None else configuration.box.networks
    if settings is not None:
        return ProbeOrder(
            settings.url, networks=networks, transport=settings.transport, masks=settings.masks
        )
    # whoever types an address at this terminal may open what lies on this machine too
    everywhere = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    return ProbeOrder(_typed(camera), networks=networks or everywhere)


def _configuration(config_file: Path) -> Configuration | None:
    from sightgrid.configuration import read_configuration

    context = click.get_current_context()
    given = context.get_parameter_source("config_file") is ParameterSource.COMMANDLINE
    return read_configuration(config_file) if given or config_file.exists() else None


def _named(configuration: Configuration | None, name: str) -> CameraSettings | None:
    cameras = () if configuration is None else configuration.cameras
    return next((camera for camera in cameras if camera.name == name), None)


def _typed(text: str) -> Location:
    import os

    from sightgrid.configuration.secrets import Secrets
    from sightgrid.domain.locations import Location

    if text == "-":
        text = sys.stdin.readline().strip()
    return Location(Secrets(os.environ, Path.cwd()).filled_in(text))


def _words(found: object) -> list[object]:
    return found if isinstance(found, list) else []
