"""The dense parts of pages: grids of faces, plans, timelines, as HTML made in one piece.

Thousands of elements over a page's websocket would be slow; these come as one text each, escaped by
the template engine. What is pressed in them is told by ``data-act`` (static/ledger.js).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from nicegui import events, ui

_TEMPLATES = Environment(
    loader=PackageLoader("sightgrid.server.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
Deed = Callable[[Mapping[str, str]], Any]
_LONGEST_FACT = 4000


def written(template: str, **facts: Any) -> str:
    """A template filled in; everything in ``facts`` is escaped."""
    return _TEMPLATES.get_template(template).render(facts)


def draw(template: str, **facts: Any) -> ui.html:
    """Shows a filled template; its ``content`` can be set to another."""
    return ui.html(written(template, **facts), sanitize=False)


def on_deeds(deeds: Mapping[str, Deed]) -> None:
    """Says what is done when something with ``data-act="NAME"`` is pressed in a fragment of this
    page. The function gets the element's other ``data-`` facts: words from a browser, to be
    checked like any."""

    async def done(event: events.GenericEventArguments) -> None:
        told = event.args
        if not isinstance(told, dict):
            return
        facts = {
            str(name): str(value)[:_LONGEST_FACT]
            for name, value in told.items()
            if isinstance(value, str | int | float)
        }
        deed = deeds.get(facts.get("act", ""))
        if deed is not None:
            outcome = deed(facts)
            if inspect.isawaitable(outcome):
                await outcome

    ui.on("sightgrid-deed", done)


def number_in(facts: Mapping[str, str], name: str) -> int:
    """A whole number of a deed's facts; 0 where it is none."""
    text = facts.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 11 else 0
