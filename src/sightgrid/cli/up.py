"""``sightgrid up``: the server and this machine's own box."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.edge import has_cameras, local_configuration, watch_until_changed
from sightgrid.cli.output import interrupt_on_termination, note
from sightgrid.cli.sites import on_site, opened_site

if TYPE_CHECKING:
    from sightgrid.configuration import Configuration
    from sightgrid.server.listening import Listen

_PATIENCE_SECS = 60.0
_STOP_SECS = 20.0
_ASK_SECS = 3.0
BOX_NAME = "local"


@click.command("up")
@on_site
@click.option(
    "--listen",
    default="127.0.0.1:8420",
    show_default=True,
    metavar="ADDR",
    help="Address and port; for other machines a certificate is made here.",
)
def command(config_file: Path, data_folder: Path | None, listen: str) -> int:
    """Run the server, and watch the cameras of the configuration, on this one machine.

    The box of this machine enrols itself at its server at the first start. Ctrl-C ends both.
    """
    from sightgrid.server.listening import Listen

    interrupt_on_termination()
    where = Listen.parse(listen)
    configuration = local_configuration(config_file)
    code = _code(configuration, config_file, data_folder)
    order = [sys.executable, "-m", "sightgrid", "server", "--config", str(config_file)]
    order += ["--listen", listen]
    if data_folder is not None:
        order += ["--data", str(data_folder)]
    if not where.is_local:
        order.append("--local-authority")
    server = subprocess.Popen(order)  # noqa: S603 - our own interpreter, no shell
    try:
        url, ca_file = _reached(where, data_folder or config_file.absolute().parent)
        _await(server, url, ca_file)
        if code is not None:
            from sightgrid.edge.enrolment import enrol

            enrol(url, code, configuration.box.data_folder, ca_file=ca_file)
        while server.poll() is None:
            _await_cameras(server, configuration)
            if server.poll() is None:
                watch_until_changed(configuration)
        return server.returncode
    except KeyboardInterrupt:
        return 130
    finally:
        _end(server)


def _code(configuration: Configuration, config_file: Path, data_folder: Path | None) -> str | None:
    """A one-time code for this machine's box; ``None`` if the site knows it already."""
    from sightgrid.edge.enrolment import load
    from sightgrid.server.boxes import code_for
    from sightgrid.store.boxes import boxes

    kept = load(configuration.box.data_folder)
    with opened_site(config_file, data_folder, make=True) as site:
        with site.store.snapshot() as tx:
            known = {box.box_id for box in boxes(tx) if box.revoked_at is None}
        if kept is not None and kept.box_id in known:
            return None
        return code_for(site, BOX_NAME, actor="up")[0]


def _reached(where: Listen, folder: Path) -> tuple[str, Path | None]:
    """How this machine's own box reaches the server."""
    if where.is_local:
        return where.url(secure=False), None
    from sightgrid.server.certificates import AUTHORITY_FILE

    return f"https://localhost:{where.port}", folder / AUTHORITY_FILE


def _await(server: subprocess.Popen[bytes], url: str, ca_file: Path | None) -> None:
    """Waits until the server answers.

    Raises:
        SightgridError: it ended, or never did.
    """
    import httpx

    from sightgrid.domain.errors import SightgridError
    from sightgrid.edge.enrolment import trust

    until = time.monotonic() + _PATIENCE_SECS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise SightgridError("the server did not start", hint="its own words are above")
        try:
            # the authority may not have been written yet
            with httpx.Client(verify=trust(ca_file), timeout=5.0) as client:
                if client.get(f"{url}/api/v1/health").status_code == 200:
                    return
        except (httpx.HTTPError, OSError):
            pass
        time.sleep(0.2)
    raise SightgridError(f"the server did not answer within {_PATIENCE_SECS:.0f} s")


def _await_cameras(server: subprocess.Popen[bytes], configuration: Configuration) -> None:
    """Waits until there is a camera to watch, in the file or added in the browser."""
    if has_cameras(configuration):
        return
    note("no cameras yet: add one in the browser, or with 'sightgrid camera add NAME URL'")
    while server.poll() is None and not has_cameras(configuration):
        time.sleep(_ASK_SECS)
        ask_for_cameras(configuration.box.data_folder)


def ask_for_cameras(folder: Path) -> None:
    """Keeps what the server says of this machine's box now; what is no answer is left out."""
    import httpx

    from sightgrid.domain.errors import SettingsError
    from sightgrid.edge.enrolment import load, renewed, save, trust

    kept = load(folder)
    if kept is None:
        return
    access = kept.access
    headers = {
        "Authorization": f"Bearer {access.token}",
    }
    try:
        with httpx.Client(verify=trust(access.ca_file), timeout=10.0) as client:
            answer = client.get(f"{access.url}/api/v1/boxes/self", headers=headers)
        if answer.status_code == 200:
            save(renewed(kept, answer.content), folder)
    except (httpx.HTTPError, SettingsError, OSError):
        return


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(_STOP_SECS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
