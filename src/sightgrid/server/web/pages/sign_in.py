"""Signing in: the browser asks the API itself, since the session's cookie comes with an answer."""

from __future__ import annotations

import json

import anyio.to_thread
from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from nicegui import ui

from sightgrid.server.site import Site
from sightgrid.server.web import parts
from sightgrid.server.web.paging import has_accounts, open_page, served_app


@open_page("/sign-in", title="Sign in")
async def sign_in(request: Request, next: str = "/") -> Response | None:
    site: Site = served_app().state.site
    if not await anyio.to_thread.run_sync(has_accounts, site):
        return RedirectResponse("/welcome", 303)
    # only a path of this very site: whoever sends a link must not lead elsewhere
    following = next if next.startswith("/") and not next.startswith(("//", "/\\")) else "/"
    ui.context.client.content.classes("lone")
    with parts.box("lone-card", tag="main"):
        brand()
        parts.text("Sign in", tag="h1", classes="t-title")
        trouble = parts.notice("", tone="bad").props('role="alert"')
        trouble.set_visibility(False)
        with parts.box("form", tag="form") as form:
            login = parts.text_input("Login").props("autocomplete=username autofocus")
            password = parts.text_input("Password", password=True)
            password.props("autocomplete=current-password")
            send = parts.button("Sign in", kind="primary").props("type=submit").classes("wide")
        parts.text(
            "Forgotten? An owner can make you a new set-up link under Users.",
            tag="p",
            classes="t-small muted",
        )

    async def submit() -> None:
        send.props("disabled")
        answer = await ui.run_javascript(
            f"return await sightgrid.signIn({json.dumps(login.value)}, {json.dumps(password.value)})",
            timeout=30,
        )
        if answer and answer["ok"]:
            ui.navigate.to(following)
            return
        send.props(remove="disabled")
        words = "The server did not answer. Try again." if not answer else answer["message"]
        trouble.default_slot.children[1].text = words[:1].upper() + words[1:]
        trouble.set_visibility(True)

    form.on("submit.prevent", submit, [])
    return None


def brand() -> None:
    """The product's name over a page without frame."""
    with parts.box("lone-brand"):
        ui.element("img").props('src="/web/sightgrid.svg" alt="" width=32 height=32')
        parts.text("sightgrid", classes="brand-name")
