"""What the commands of a server share: which site, opened how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from sightgrid.server.site import Site, SiteSettings

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_CONFIGURATION = "sightgrid.yml"

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIGURATION,
    show_default=True,
    help="Configuration file of the site.",
)
data_option = click.option(
    "--data",
    "data_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the site's keys; the configuration file's own where left out.",
)


def on_site(command: Command) -> Command:
    """The options that say which site is meant."""
    return config_option(data_option(command))


def site_settings(config_file: Path, data_folder: Path | None) -> SiteSettings:
    """What opens the site; without a configuration file everything is as by default."""
    from sightgrid.configuration import Configuration, read_configuration
    from sightgrid.server.site import SiteSettings

    if config_file.exists() or str(config_file) != DEFAULT_CONFIGURATION:
        configuration = read_configuration(config_file)
    else:
        configuration = Configuration.default(config_file)
    folder = data_folder or config_file.absolute().parent
    folder.mkdir(parents=True, exist_ok=True)
    return SiteSettings(configuration, folder)


@contextmanager
def opened_site(
    config_file: Path, data_folder: Path | None, *, make: bool = False
) -> Iterator[Site]:
    """The site for as long as the block lasts. ``make``: a folder without one gets a new one.

    Raises:
        NotFound: there is no site, and none is to be made.
    """
    from sightgrid.domain.errors import NotFound
    from sightgrid.server.site import Site

    folder = config_file.absolute().parent
    if not make and not config_file.exists() and not (folder / "sightgrid.db").exists():
        raise NotFound(
            f"{folder} holds no site: neither {config_file.name} nor sightgrid.db is there",
            hint="go to the site's folder or name its file with --config; "
            "sightgrid up makes a new site",
        )
    site = Site(site_settings(config_file, data_folder))
    try:
        yield site
    finally:
        site.close()
