"""Signing in: the browser asks the API itself, since the session's cookie comes with an answer."""

from __future__ import annotations

import json
from typing import Any

import anyio.to_thread
from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from nicegui import ui
from nicegui.element import Element

from sightgrid.server.site import Site
from sightgrid.server.web import parts
from sightgrid.server.web.frame import draw_alone
from sightgrid.server.web.paging import has_accounts, open_page, served_app

_ANSWER_SECS = 30.0


@open_page("/sign-in", title="Sign in")
async def sign_in(request: Request, next: str = "/") -> Response | None:
    """Login and password; then on to where somebody wanted to go."""
    site: Site = served_app().state.site
    if not await anyio.to_thread.run_sync(has_accounts, site):
        return RedirectResponse("/welcome", 303)
    # only a path of this very site: whoever sends a link must not lead elsewhere
    following = next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"
    with draw_alone(wide=False):
        parts.text("Sign in", tag="h1", classes="t-title")
        trouble = trouble_line()
        with parts.box("form", tag="form") as form:
            login = parts.text_input("Login").props("autocomplete=username autofocus")
            password = parts.text_input("Password", password=True)
            password.props("autocomplete=current-password")
            send = parts.button("Sign in", kind="primary").props("type=submit").classes("wide")
        parts.text(
            "Forgotten? An owner can make you a new set-up code under Users. "
            "You have one already? ",
            tag="p",
            classes="t-small muted",
        )
        parts.link("Set a password with a set-up code", "/set-password").classes("t-small")

    async def submit() -> None:
        given = f"{json.dumps(login.value)}, {json.dumps(password.value)}"
        if await ask_in_browser(f"signIn({given})", send, trouble) is not None:
            ui.navigate.to(following)

    form.on("submit.prevent", submit, [])
    return None


@open_page("/set-password", title="Set a password")
async def set_password(request: Request) -> None:
    """A one-time code and the password it sets."""
    with draw_alone(wide=False):
        parts.text("Set a password", tag="h1", classes="t-title")
        trouble = trouble_line()
        with parts.box("form", tag="form") as form:
            code = parts.text_input("Set-up code", placeholder="ABCDE-FGHJK-LMNPQ-RSTUV")
            code.props("autocomplete=one-time-code")
            password = parts.text_input(
                "New password", password=True, note="12 characters or more; a few words will do."
            ).props("autocomplete=new-password")
            send = parts.button("Set the password", kind="primary")
            send.props("type=submit").classes("wide")
        parts.link("Back to signing in", "/sign-in").classes("t-small")

    async def submit() -> None:
        given = f"{json.dumps(code.value)}, null, {json.dumps(password.value)}"
        if await ask_in_browser(f"setUp({given})", send, trouble) is not None:
            ui.navigate.to("/")

    form.on("submit.prevent", submit, [])


def trouble_line() -> Element:
    """Where a form says what went wrong; hidden until then."""
    trouble = parts.notice("", tone="bad").props('role="alert"')
    trouble.set_visibility(False)
    return trouble


async def ask_in_browser(call: str, send: Element, trouble: Element) -> dict[str, Any] | None:
    """Calls a function of ``sightgrid.js``; what it was told, or ``None`` with the reason shown."""
    send.props("disabled")
    trouble.set_visibility(False)
    try:
        answer = await ui.run_javascript(f"return await sightgrid.{call}", timeout=_ANSWER_SECS)
    except TimeoutError:
        answer = None
    if answer and answer["ok"]:
        told: dict[str, Any] = answer["told"]
        return told
    send.props(remove="disabled")
    words = "The server did not answer. Try again." if not answer else str(answer["message"])
    trouble.default_slot.children[1].text = words[:1].upper() + words[1:]  # type: ignore[attr-defined]
    trouble.set_visibility(True)
    return None
