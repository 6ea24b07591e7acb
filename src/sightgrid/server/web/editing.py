"""Edits from a page: made by the API's own functions, told with a button that takes them back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sightgrid.server.api.edits import EditAnswer, undo
from sightgrid.server.web import parts
from sightgrid.server.web.visiting import Visitor

Then = Callable[[], Awaitable[None]]


async def do_edit(
    visitor: Visitor,
    route: Callable[..., EditAnswer],
    told: str,
    then: Then,
    **given: Any,
) -> EditAnswer:
    """Makes an edit, says so with an undo button, and lets the page show what is now.

    Raises:
        SightgridError: the edit was refused.
    """
    made = await visitor.ask(route, **given)
    offer_undo(visitor, [made], told, then)
    await then()
    return made


def offer_undo(visitor: Visitor, made: list[EditAnswer], told: str, then: Then) -> None:
    """Says what was done; the button undoes it all, the last first."""

    async def take_back() -> None:
        for one in reversed(made):
            if one.edit_id is not None:
                await visitor.ask(undo, edit_id=one.edit_id)
        parts.toast("Undone.")
        await then()

    sightings = sum(one.sightings for one in made)
    moved = "" if not sightings else f" {sightings} sightings moved."
    parts.toast(told + moved, undo=take_back)
