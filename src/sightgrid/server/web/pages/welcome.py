"""The first steps of a new site: its owner, its name, then the first camera or the demo."""

from __future__ import annotations

import json
from zoneinfo import available_timezones

import anyio.to_thread
from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from nicegui import ui

from sightgrid.domain.accounts import Permission
from sightgrid.server.api.cameras import list_cameras
from sightgrid.server.api.site import SiteChange, change_site, load_demo, show_demo, show_site
from sightgrid.server.site import Site
from sightgrid.server.web import parts
from sightgrid.server.web.camera_form import CameraForm
from sightgrid.server.web.frame import draw_alone
from sightgrid.server.web.pages.sign_in import ask_in_browser, trouble_line
from sightgrid.server.web.paging import has_accounts, open_page, page, served_app
from sightgrid.server.web.visiting import Visitor

_POLL_SECS = 0.5


@open_page("/welcome", title="Welcome")
async def welcome(request: Request) -> Response | None:
    """The first owner, made with the code that the server printed."""
    site: Site = served_app().state.site
    if await anyio.to_thread.run_sync(has_accounts, site):
        return RedirectResponse("/", 303)
    with draw_alone(wide=False):
        _steps(1)
        parts.text("Welcome", tag="h1", classes="t-title")
        parts.text(
            "Nobody has an account here yet. The server has printed a one-time code where it was "
            "started; it is also in the file set-up-code beside its configuration.",
            tag="p",
            classes="muted",
        )
        trouble = trouble_line()
        with parts.box("form", tag="form") as form:
            code = parts.text_input("Set-up code", placeholder="ABCDE-FGHJK-LMNPQ-RSTUV")
            code.props("autocomplete=one-time-code autofocus")
            login = parts.text_input("Your login").props("autocomplete=username")
            password = parts.text_input(
                "Password", password=True, note="12 characters or more; a few words will do."
            ).props("autocomplete=new-password")
            send = parts.button("Create the owner's account", kind="primary")
            send.props("type=submit").classes("wide")

    async def submit() -> None:
        given = [json.dumps(one.value) for one in (code, login, password)]
        if await ask_in_browser(f"setUp({', '.join(given)})", send, trouble) is not None:
            ui.navigate.to("/welcome/site")

    form.on("submit.prevent", submit, [])
    return None


@page("/welcome/site", title="Welcome", permission=Permission.MANAGE_SETTINGS, framed=False)
async def first_site(visitor: Visitor) -> None:
    """What the site is called; then a camera or the demo."""
    known = await visitor.ask(show_site)
    has_cameras = bool((await visitor.ask(list_cameras)).items)
    zone = "" if known.timezone == "UTC" else known.timezone
    _steps(2)
    parts.text("Your site", tag="h1", classes="t-title")
    with parts.box("form"), parts.box("form-line"):
        name = parts.text_input("Name", known.name, note="Shown on every page.")
        zones = parts.select(
            "Time zone",
            sorted(available_timezones()),
            zone or "UTC",
            note="Times are shown in it.",
            searchable=True,
        )

    async def keep() -> None:
        change = SiteChange(name=(name.value or "").strip() or None, timezone=zones.value)
        if change.name != known.name or change.timezone != known.timezone:
            await visitor.ask(change_site, body=change)

    where = parts.box("column")
    if not zone:
        # the browser knows where it is
        parts.start(_guess_zone(zones))

    def offer() -> None:
        where.clear()
        with where:
            if has_cameras:
                parts.notice("This site has cameras already.", tone="good")
                parts.button("Go to the cameras", go_on, kind="primary")
                return
            parts.text("How do you want to begin?", tag="h2", classes="t-head")
            with parts.grid(260):
                with parts.card("Add the first camera", classes="choice"):
                    parts.text(
                        "An RTSP or HTTP address. You see its picture and the faces in it before "
                        "it is added.",
                        tag="p",
                        classes="muted",
                    )
                    parts.button("Add a camera", add, kind="primary", icon="add_a_photo")
                with parts.card("See the demo first", classes="choice"):
                    parts.text(
                        "Four drawn cameras, ten people, two of them known by name. It takes "
                        "a minute or two.",
                        tag="p",
                        classes="muted",
                    )
                    parts.button("Show me the demo", demo, icon="play_circle")
            parts.link("Later: go to the site as it is", "/live").classes("t-small")

    async def go_on() -> None:
        await keep()
        ui.navigate.to("/live")

    async def add() -> None:
        await keep()
        where.clear()
        with where:
            _steps(3)
            form = CameraForm(visitor, added=lambda name: ui.navigate.to("/cameras"))
            await form.draw()
            parts.button("Back", offer, kind="quiet", icon="arrow_back")

    async def demo() -> None:
        await keep()
        await visitor.ask(load_demo)
        where.clear()
        with where:
            _Waiting(visitor)

    offer()


class _Waiting:
    """How far the demo has come; then on to the wall of cameras."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        with parts.box("column").props('role="status"') as self._where:
            self._words = parts.text("Opening the networks", tag="p")
            self._bar = parts.progress("Loading the demo")
        self._timer = ui.timer(_POLL_SECS, self._look)

    async def _look(self) -> None:
        told = await self._visitor.ask(show_demo)
        self._words.text = f"{told.words}…"
        parts.set_progress(self._bar, told.share)
        if told.trouble is not None:
            self._timer.deactivate()
            self._where.clear()
            with self._where:
                parts.notice(f"{told.trouble}. {told.hint or ''}", tone="bad")
                parts.button("Back", lambda: ui.navigate.to("/welcome/site"))
        elif told.done:
            self._timer.deactivate()
            ui.navigate.to("/live")


async def _guess_zone(zones: ui.select) -> None:
    guess = await ui.run_javascript("return Intl.DateTimeFormat().resolvedOptions().timeZone")
    if guess in zones.options:
        zones.value = guess


def _steps(now: int) -> None:
    names = ("Owner", "Site", "First camera")
    with parts.box("steps", tag="ol").props('aria-label="Steps"'):
        for number, name in enumerate(names, 1):
            step = parts.text(f"{number}. {name}", tag="li")
            if number == now:
                step.props('aria-current="step"')
