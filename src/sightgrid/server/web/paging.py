"""How a page is registered: who may see it is decided before any of it is drawn."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import quote

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import app as nicegui_app
from nicegui import ui
from pydantic import ValidationError

from sightgrid.domain.accounts import Permission
from sightgrid.domain.errors import NotFound, SightgridError
from sightgrid.server.callers import COOKIE
from sightgrid.server.refusals import NotAllowed, NotSignedIn
from sightgrid.server.site import Site
from sightgrid.server.web import parts
from sightgrid.server.web.frame import draw_alone, draw_frame, registered
from sightgrid.server.web.visiting import Visitor, caller_by_cookie
from sightgrid.store.accounts import any_account

Builder = Callable[..., Awaitable[Any]]
_LOG = logging.getLogger(__name__)


def served_app() -> FastAPI:
    """The server's application, which the pages are mounted on."""
    return cast(FastAPI, nicegui_app.state.sightgrid)


def page(
    path: str, *, title: str, permission: Permission | None, framed: bool = True
) -> Callable[[Builder], Builder]:
    """Registers a page for whoever has the permission; ``None``: anybody signed in.

    The function gets the :class:`Visitor` first; its other parameters are the path's and the
    query's, as in FastAPI. Without an account the site's first page is shown instead, without a
    session the one to sign in.
    """

    def register(build: Builder) -> Builder:
        async def shown(request: Request, **given: Any) -> Response | None:
            app = served_app()
            site: Site = app.state.site
            try:
                caller = await anyio.to_thread.run_sync(
                    caller_by_cookie, site, request.cookies.get(COOKIE, "")
                )
            except NotSignedIn:
                return await _to_the_door(site, request)
            visitor = Visitor(app, request, caller)
            ui.context.client.on_exception(show_failure)
            main = draw_frame(visitor, path, title) if framed else draw_alone()
            with main:
                if permission is not None and not caller.may(permission):
                    ui.context.client.status_code = 403
                    parts.empty(
                        "lock",
                        "This page is not for your role",
                        f"It needs the permission '{permission}'. An owner can change your role.",
                    )
                    return None
                try:
                    answer = await build(visitor, **given)
                    if isinstance(answer, Response):
                        return answer
                except SightgridError as error:
                    if isinstance(error, NotSignedIn):
                        return await _to_the_door(site, request)
                    main.clear()
                    ui.context.client.status_code = 404 if isinstance(error, NotFound) else 422
                    with main:
                        parts.empty("search_off", _sentence(str(error)), error.hint or "")
            return None

        return _register(path, title, build, shown)

    return register


def open_page(path: str, *, title: str) -> Callable[[Builder], Builder]:
    """Registers a page for anybody, without frame: it may tell nothing of the site. The function
    gets the request first."""

    def register(build: Builder) -> Builder:
        async def shown(request: Request, **given: Any) -> Response | None:
            ui.context.client.on_exception(show_failure)
            return cast("Response | None", await build(request, **given))

        return _register(path, title, build, shown)

    return register


def _register(path: str, title: str, build: Builder, shown: Callable[..., Any]) -> Builder:
    """Under the signature that FastAPI reads: the page's own parameters and the request."""
    own = list(inspect.signature(build, eval_str=True).parameters.values())[1:]
    request = inspect.Parameter(
        "request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request
    )
    functools.update_wrapper(shown, build)
    del shown.__wrapped__  # type: ignore[attr-defined]
    shown.__signature__ = inspect.Signature([request, *own])  # type: ignore[attr-defined]
    shown.__annotations__ = {one.name: one.annotation for one in [request, *own]}
    registered.add(path)
    ui.page(path, title=f"{title} · sightgrid", response_timeout=30)(shown)
    return build


async def _to_the_door(site: Site, request: Request) -> RedirectResponse:
    if not await anyio.to_thread.run_sync(has_accounts, site):
        return RedirectResponse("/welcome", 303)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    following = "" if wanted == "/" else f"?next={quote(wanted)}"
    return RedirectResponse(f"/sign-in{following}", 303)


def has_accounts(site: Site) -> bool:
    """Whether anybody could sign in; before that the site is set up."""
    with site.store.snapshot() as tx:
        return any_account(tx)


def show_failure(error: Exception) -> None:
    """Tells who did it what went wrong and what to do; called in the page's context."""
    if isinstance(error, NotSignedIn):
        ui.run_javascript(
            "location.assign('/sign-in?next=' + encodeURIComponent("
            "location.pathname + location.search))"
        )
    elif isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        parts.toast(_sentence(f"{place}: {first['msg']}" if place else first["msg"]), tone="bad")
    elif isinstance(error, NotAllowed):
        parts.toast("Your role may not do that. " + _sentence(str(error)), tone="bad")
    elif isinstance(error, SightgridError):
        hint = "" if error.hint is None else " " + _sentence(error.hint)
        parts.toast(_sentence(str(error)) + hint, tone="bad")
    else:
        parts.toast("This is a fault of sightgrid. The server's log names it.", tone="bad")


def _sentence(text: str) -> str:
    """A message of the product's errors as a sentence of its own."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
