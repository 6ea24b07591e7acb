"""Everything that people changed, the newest first; all of it can be taken back."""

from __future__ import annotations

from sightgrid.domain.accounts import Permission
from sightgrid.server.api.edits import EditRow, list_edits
from sightgrid.server.web import parts
from sightgrid.server.web.edit_history import draw_edits
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor

A_PAGE = 50


@page("/history", title="History", permission=Permission.EDIT_IDENTITIES)
async def history(visitor: Visitor) -> None:
    """The list."""
    with parts.head(
        "History", "Every change that somebody made. Undo works at any time, in any order."
    ):
        parts.button("Identities", icon="arrow_back", href="/identities")
    place, more = parts.box("edits"), parts.box("more")
    rows: list[EditRow] = []
    cursor: str | None = None

    async def add() -> None:
        nonlocal cursor
        answer = await visitor.ask(list_edits, limit=A_PAGE, cursor=cursor)
        rows.extend(answer.items)
        cursor = answer.next_cursor
        show()

    async def again() -> None:
        nonlocal cursor
        rows.clear()
        cursor = None
        await add()

    def show() -> None:
        place.clear()
        with place:
            if rows:
                draw_edits(visitor, rows, again)
            else:
                parts.empty(
                    "history",
                    "Nothing was changed yet",
                    "Merges, splits, labels and the like are listed here.",
                )
        more.clear()
        if cursor is not None:
            with more:
                parts.button("Older", add, icon="expand_more")

    await add()
