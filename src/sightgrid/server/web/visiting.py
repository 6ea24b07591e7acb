"""Who looks at a page, and the one door through which pages reach the site's data.

A page is built once and then lives on over its websocket, for hours perhaps. So the session is
asked for anew at every action, and what a page does is a function of the API, called with the
permission that the function's own route declares: pages can do nothing that the API would refuse.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast, get_type_hints
from zoneinfo import ZoneInfo

import anyio.to_thread
from fastapi import FastAPI, Request
from nicegui import background_tasks, ui
from nicegui.client import Client

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.server.api.events import event_as_seen
from sightgrid.server.callers import COOKIE
from sightgrid.server.live import EventFan
from sightgrid.server.refusals import NotAllowed, NotSignedIn
from sightgrid.server.site import Site

Answer = TypeVar("Answer")
_LOOK_EVERY_SECS = 0.5
# how soon somebody who may no longer look hears nothing any more
_CHECK_EVERY_SECS = 5.0


def permission_of(route: Callable[..., Any]) -> Permission | None:
    """The permission that a route of the API declares; ``None``: anybody signed in.

    Raises:
        TypeError: it declares no caller, so nothing is known about who may use it.
    """
    hints = get_type_hints(route, include_extras=True)
    for fact in getattr(hints.get("caller"), "__metadata__", ()):
        check = getattr(fact, "dependency", None)
        if check is not None and hasattr(check, "permission"):
            return cast("Permission | None", check.permission)
    raise TypeError(f"{route.__name__} is no route with a caller")


class Visitor:
    """Who looks at one page. ``caller`` is who it was when the page was built, to decide what is
    shown; what is done is decided by :meth:`ask`."""

    def __init__(self, app: FastAPI, request: Request, caller: Caller) -> None:
        self.app = app
        self.site: Site = app.state.site
        # pages are an application of their own within the server's, which routes ask for theirs
        self.request = Request({**request.scope, "app": app}, request.receive)
        self.caller = caller
        self.zone: ZoneInfo = self.site.configuration.site.zone
        self._token = request.cookies.get(COOKIE, "")

    def may(self, permission: Permission) -> bool:
        return self.caller.may(permission)

    def current_caller(self) -> Caller:
        """Who it is now; reads the database.

        Raises:
            NotSignedIn: the session is over.
        """
        return caller_by_cookie(self.site, self._token)

    async def ask(self, route: Callable[..., Answer], **given: Any) -> Answer:
        """Calls a function of the API as the API would: with the session checked, the permission
        that its route declares, and the caller and the site filled in.

        Raises:
            NotSignedIn: the session is over.
            NotAllowed: the caller lacks the permission.
            SightgridError: whatever the function raises.
        """
        wanted = inspect.signature(route).parameters
        if "site" in wanted:
            given["site"] = self.site
        if "request" in wanted:
            given.setdefault("request", self.request)
        return await self.run(permission_of(route), route, **given)

    async def run(
        self, permission: Permission | None, function: Callable[..., Answer], **given: Any
    ) -> Answer:
        """The same door for a function that is no route: ``function(caller=..., **given)``.

        Raises:
            NotSignedIn: the session is over.
            NotAllowed: the caller lacks the permission.
        """
        caller = await anyio.to_thread.run_sync(self.current_caller)
        if permission is not None and not caller.may(permission):
            raise NotAllowed(f"this needs the permission '{permission}'")
        if inspect.iscoroutinefunction(function):
            return cast(Answer, await function(caller=caller, **given))
        return await anyio.to_thread.run_sync(lambda: function(caller=caller, **given))

    def sign_out(self) -> None:
        """Ends the session, for every page of this browser."""
        self.site.door.sign_out(self._token)

    def clock(self, moment: datetime | None) -> str:
        """The time of day at the site, ``14:02:07``."""
        return "\u2013" if moment is None else moment.astimezone(self.zone).strftime("%H:%M:%S")

    def day(self, moment: datetime | None) -> str:
        """The day at the site, ``Mon 2 Feb``."""
        if moment is None:
            return "\u2013"
        local = moment.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b}"

    def when(self, moment: datetime | None) -> str:
        """Day and time; today's go without the day."""
        if moment is None:
            return "\u2013"
        today = self.site.clock().astimezone(self.zone).date()
        if moment.astimezone(self.zone).date() == today:
            return self.clock(moment)
        return f"{self.day(moment)}, {self.clock(moment)}"

    def every(self, secs: float, action: Callable[[], Awaitable[None]]) -> None:
        """Repeats something for as long as the page is open."""
        ui.timer(secs, action, immediate=False)

    def on_events(self, handler: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
        """Hands every event that the caller may see to ``handler``, as ``GET /events`` tells it,
        for as long as the page is open and the session lasts."""
        client = ui.context.client
        fan: EventFan = self.app.state.events

        async def listen() -> None:
            caller, checked = self.caller, time.monotonic()
            async with fan.listening() as listener:
                while not fan.ending and not client.is_deleted:
                    event = await listener.next(_LOOK_EVERY_SECS)
                    if event is None:
                        continue
                    if time.monotonic() - checked > _CHECK_EVERY_SECS:
                        caller = await anyio.to_thread.run_sync(self.current_caller)
                        checked = time.monotonic()
                    seen = event_as_seen(event, caller)
                    if seen is not None and not client.is_deleted:
                        with client.content:
                            await handler(seen)

        _with_page(client, listen())

    def keys(self, actions: Mapping[str, Callable[[], Any]]) -> None:
        """Single keys, as the browser names them, while no field has the focus."""

        async def pressed(event: Any) -> None:
            if not event.action.keydown or event.modifiers.ctrl or event.modifiers.alt:
                return
            action = actions.get(event.key.name)
            if action is not None:
                done = action()
                if inspect.isawaitable(done):
                    await done

        ui.keyboard(on_key=pressed, repeating=True)


def caller_by_cookie(site: Site, token: str) -> Caller:
    """Who a session's cookie stands for; reads the database.

    A page's actions come over its websocket, which only pages of this server can open and which
    carries the page's own secret number: what the CSRF token is for requests.

    Raises:
        NotSignedIn: nobody, or no longer.
    """
    if not token:
        raise NotSignedIn("sign in first")
    return site.door.by_session(token, csrf_token=None, changes=False)


def _with_page(client: Client, work: Any) -> None:
    """Runs something until the page is gone."""
    task: asyncio.Task[Any] = background_tasks.create(work, name="page")
    client.on_delete(task.cancel)
