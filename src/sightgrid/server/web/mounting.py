"""The web application on the server's own: pages under ``/``, the API stays under ``/api``."""

from __future__ import annotations

import importlib
import logging
import re
import secrets
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import HTMLResponse, Response
from nicegui import app as nicegui_app
from nicegui import core, ui
from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PAGES = (
    "start",
    "sign_in",
    "welcome",
    "live",
    "cameras",
    "boxes",
    "users",
    "account",
    "audit",
    "settings",
    "privacy",
    "sightings",
    "identities",
    "identity",
    "history",
    "photo_search",
    "analytics",
)
"""Modules of :mod:`sightgrid.server.web.pages`; each registers its pages when it is imported."""
STYLES = ("sightgrid.css", "ledger.css")
SCRIPTS = ("sightgrid.js", "drawing.js", "ledger.js")

_LOG = logging.getLogger(__name__)
_STATIC = files("sightgrid.server.web") / "static"
# NiceGUI builds its pages in the browser, from templates that it compiles there: 'unsafe-eval' and
# style attributes can't be done without. Scripts in the page itself need the number of this answer,
# and nothing at all may come from, or go to, another host
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'; manifest-src 'self'"
)
_PERMISSIONS = "camera=(self), microphone=(), geolocation=(), payment=(), usb=()"
_SCRIPT = re.compile(rb"<script(?=[\s>])")


def mount_pages(app: FastAPI) -> None:
    """Adds the pages to a server's application, once in a process: NiceGUI knows only one."""
    for name in PAGES:
        importlib.import_module(f"sightgrid.server.web.pages.{name}")
    nicegui_app.add_static_files("/web", str(_STATIC), max_cache_age=3600)
    head = [f'<link rel="stylesheet" href="/web/{name}">' for name in STYLES]
    head += [f'<script src="/web/{name}"></script>' for name in SCRIPTS]
    ui.add_head_html("\n".join(head), shared=True)
    # what is raised is shown to who raised it; a log must not quote it
    nicegui_app._exception_handlers[:] = [_note_failure]
    nicegui_app.add_exception_handler(404, _tell_missing)
    nicegui_app.add_exception_handler(Exception, _tell_failed)
    nicegui_app.add_middleware(_Policy)
    nicegui_app.state.sightgrid = app
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        ui.run_with(
            app,
            title="sightgrid",
            favicon=str(_STATIC / "sightgrid.svg"),
            dark=None,
            language="en-US",
            tailwind=False,
            show_welcome_message=False,
            binding_refresh_interval=None,
            gzip_middleware_factory=lambda inner: GZipMiddleware(inner, compresslevel=5),
            # a laptop's lid, a walk between two access points
            reconnect_timeout=30.0,
        )
    # a path of the API that there is not stays the API's to answer
    mounted = app.router.routes.pop()
    mounted.app = _PagesOnly(mounted.app)  # type: ignore[attr-defined]  # a Mount
    app.router.routes.append(mounted)
    core.sio.eio.cors_allowed_origins = None


class _PagesOnly:
    """Lets nothing through that is the API's, and no websocket from another site's page."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] == "http" and (path == "/api" or path.startswith("/api/")):
            raise HTTPException(404)
        if path.startswith("/_nicegui_ws") and not _same_origin(scope):
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
                return
            raise HTTPException(403)
        await self._app(scope, receive, send)


def _same_origin(scope: Message) -> bool:
    headers = {name: value for name, value in scope.get("headers", ())}
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host")


class _Policy:
    """What a page's browser may do, as headers; scripts in the page get this answer's number."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        began: Message = {}
        body = bytearray()

        async def labelled(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                kinds = dict(message.get("headers", ()))
                if not kinds.get(b"content-type", b"").startswith(b"text/html"):
                    await send(message)
                    return
                began = message
                return
            if not began:
                await send(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            whole = _SCRIPT.sub(b'<script nonce="%s"' % nonce.encode(), bytes(body))
            headers = [pair for pair in began["headers"] if pair[0] != b"content-length"]
            headers += [
                (b"content-length", str(len(whole)).encode()),
                (b"content-security-policy", _POLICY.format(nonce=nonce).encode()),
                (b"permissions-policy", _PERMISSIONS.encode()),
                (b"cross-origin-opener-policy", b"same-origin"),
            ]
            await send({**began, "headers": headers})
            await send({"type": "http.response.body", "body": whole})

        await self._app(scope, receive, labelled)


def _note_failure(error: Exception) -> None:
    """Only the kind and the place: a message may quote what somebody typed."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" in {trace.tb_frame.f_code.co_name}, {trace.tb_lineno}"
    _LOG.error("page: %s%s", type(error).__name__, place)


_PLAIN = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>sightgrid</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/web/sightgrid.css"><script src="/web/sightgrid.js"></script></head>
<body><main class="lone"><div class="empty"><h1 class="t-head">{title}</h1><p>{text}</p>
<a class="button primary" href="/">To the first page</a></div></main></body></html>"""


async def _tell_missing(request: Request, error: Exception) -> Response:
    page = _PLAIN.format(title="There is no such page", text="The address may be mistyped.")
    return HTMLResponse(page, 404)


async def _tell_failed(request: Request, error: Exception) -> Response:
    _note_failure(error)
    text = "This is a fault of sightgrid. The server's log names it. Try again."
    return HTMLResponse(_PLAIN.format(title="The page could not be made", text=text), 500)
