"""A server process from start to end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from sightgrid.domain.errors import InvalidValue, SettingsError
from sightgrid.server.app import create_app
from sightgrid.server.certificates import TlsFiles
from sightgrid.server.listening import Listen
from sightgrid.server.photosearch import warm_up
from sightgrid.server.site import Site, SiteSettings
from sightgrid.server.web.mounting import mount_pages
from sightgrid.server.workers import IngestPool
from sightgrid.store.accounts import any_account

SETUP_FILE = "set-up-code"
_STOP_SECS = 10


@dataclass(frozen=True, slots=True)
class Serving:
    """How a server is to run. ``ingest_workers`` are processes beside this one that take sightings
    in; none is enough for a few boxes. ``demo``: a site without cameras gets the sample grid."""

    site: SiteSettings
    listen: Listen
    tls: TlsFiles | None
    ingest_workers: int = 0
    demo: bool = False


def serve(serving: Serving, *, say: Callable[[str], None]) -> None:
    """Serves until it is told to stop (SIGINT, SIGTERM); requests under way are finished.

    Args:
        say: told one line at a time what the person at the terminal should know.

    Raises:
        SettingsError: it would listen to the network without TLS, or can't listen there.
    """
    if serving.tls is None and not serving.listen.is_local:
        raise SettingsError(
            f"--listen {serving.listen.host}: the network needs TLS",
            hint="give --certificate and --key, or --local-authority",
        )
    # before anything else: a second server at the same address must not touch the site
    bound = _bound(serving.listen)
    site = Site(serving.site)
    pool = IngestPool(serving.site, serving.ingest_workers) if serving.ingest_workers else None
    try:
        for finding in site.durability.findings:
            say(f"warning: {finding}")
        offer_setup(site, say=say)
        site.load_grid()
        say(f"sightgrid listens on {serving.listen.url(secure=serving.tls is not None)}")
        app = create_app(site, pool=pool)
        warm_up(site)
        mount_pages(app)
        if serving.demo:
            _play_demo(app, say)
        server = _Server(
            uvicorn.Config(
                app,
                host=serving.listen.host,
                port=serving.listen.port,
                ssl_certfile=None if serving.tls is None else serving.tls.certificate,
                ssl_keyfile=None if serving.tls is None else serving.tls.key,
                log_level="warning",
                # its lines would hold every address that asks
                access_log=False,
                server_header=False,
                # anybody can write X-Forwarded-For; the slowing down of guesses goes by address
                proxy_headers=False,
                timeout_graceful_shutdown=_STOP_SECS,
            )
        )
        # uvicorn raises the signal that ended it once more, which would end us before we clean up
        before = signal.signal(signal.SIGTERM, lambda *_: None)
        try:
            server.run(sockets=[bound])
        finally:
            signal.signal(signal.SIGTERM, before)
    finally:
        bound.close()
        if pool is not None:
            pool.close()
        site.close()


def _play_demo(app: FastAPI, say: Callable[[str], None]) -> None:
    try:
        app.state.demo.begin(actor="demo")
    except InvalidValue:
        return  # it was played into this site at an earlier start
    say("the pages fill within a minute")


class _Server(uvicorn.Server):
    """Ends the streams of events when it is told to stop: it waits for all requests, and they
    would go on for as long as somebody reads."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.events.ending = True


def _bound(listen: Listen) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _not_listening(listen, error) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # whoever else listens there already is noticed here at the latest
        bound.listen()
    except OSError as error:
        bound.close()
        raise _not_listening(listen, error) from None
    return bound


def _not_listening(listen: Listen, error: OSError) -> SettingsError:
    return SettingsError(
        f"--listen {listen.host}:{listen.port}: {error.strerror or error}",
        hint="is a server running there already? another port is given as --listen ADDRESS:PORT",
    )


def offer_setup(site: Site, *, say: Callable[[str], None]) -> None:
    """While there is no account: a code that makes the first owner, told here and in a file that
    only this user can read."""
    path = site.settings.data_folder / SETUP_FILE
    with site.store.snapshot() as tx:
        if any_account(tx):
            path.unlink(missing_ok=True)
            return
    code, _ = site.door.setup_code(None)
    _write_private(path, code)
    say(f"no account yet: make the owner's with the one-time code {code} (also in {path})")


def _write_private(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
