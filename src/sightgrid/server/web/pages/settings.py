"""The site's settings, each explained: what can be changed here, and what its file says."""

from __future__ import annotations

from zoneinfo import available_timezones

from nicegui import ui

from sightgrid.domain.accounts import Permission
from sightgrid.server.api.health import health
from sightgrid.server.api.site import SiteAnswer, SiteChange, change_site, show_site
from sightgrid.server.web import parts
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor


@page("/settings", title="Settings", permission=Permission.MANAGE_SETTINGS)
async def settings(visitor: Visitor) -> None:
    """Name, time zone, recognition, the server."""
    known = await visitor.ask(show_site)
    with parts.head("Settings", "What the site is called and how it decides."):
        parts.button("API", href="/api/docs", icon="api")
    with parts.card("Site", note=f"Kept in {known.configuration_file}."):
        _site(visitor, known)
    with parts.card(
        "Recognition",
        note=f"Read from 'recognition' in {known.configuration_file} when the server starts.",
    ):
        _explained(
            (
                "Pack",
                known.pack,
                "The networks that find and compare faces. Another pack means that everything is "
                "embedded anew.",
            ),
            (
                "Wrong names",
                f"1 per {_per(known.false_alarms)} passages",
                "How often a stranger may be given a name. Fewer wrong names also means fewer "
                "people recognised.",
            ),
            (
                "Wrong joins",
                f"1 per {_per(known.stranger_merges)} passages",
                "How often two strangers may be taken for one.",
            ),
            (
                "Strangers' window",
                f"{known.stranger_window_hours:g} h",
                "For how long a stranger who comes back is still the same serial.",
            ),
        )
    # open to anybody, so it declares no caller and is asked as it is
    state = await visitor.run(None, lambda caller: health(visitor.site))
    with parts.card("Server"):
        _explained(
            ("Version", state.version, "What this server runs."),
            (
                "Durable",
                "yes" if state.durable else "no",
                "Whether what is stored outlasts a power cut: "
                + ("; ".join(state.findings) if state.findings else "nothing speaks against it."),
            ),
        )


def _site(visitor: Visitor, known: SiteAnswer) -> None:
    with parts.box("form", "narrow"), parts.box("form-line"):
        name = parts.text_input("Name", known.name, note="Shown on every page.")
        zone = parts.select(
            "Time zone",
            sorted({*available_timezones(), known.timezone}),
            known.timezone,
            note="Times and days are shown in it.",
            searchable=True,
        )

    async def save() -> None:
        body = SiteChange(name=(name.value or "").strip() or None, timezone=zone.value)
        await visitor.ask(change_site, body=body)
        ui.navigate.reload()

    with parts.row():
        parts.button("Save", save, kind="primary")
    if not known.has_plan:
        parts.text(
            f"A floor plan is given as 'floor_plan' under 'site' in {known.configuration_file}.",
            tag="p",
            classes="t-small muted",
        )


def _explained(*lines: tuple[str, str, str]) -> None:
    with parts.box("explained", tag="dl"):
        for name, value, words in lines:
            with parts.box("explained-line"):
                parts.text(name, tag="dt")
                with ui.element("dd"):
                    parts.text(value, classes="strong")
                    parts.text(words, tag="p", classes="t-small muted")


def _per(share: float) -> str:
    return f"{round(1 / share):,}".replace(",", " ") if share > 0 else "\u221e"
