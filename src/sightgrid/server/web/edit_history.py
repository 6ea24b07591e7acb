"""What people changed, as a list with buttons that take it back."""

from __future__ import annotations

from collections.abc import Sequence

from sightgrid.server.api.edits import EditRow, undo
from sightgrid.server.web import parts
from sightgrid.server.web.editing import Then
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import counted

_ICONS = {
    "merge": "merge",
    "split": "call_split",
    "move": "person_search",
    "not-this": "close",
    "confirm": "check",
    "hide": "visibility_off",
    "label": "label",
    "name": "badge",
}


def draw_edits(visitor: Visitor, edits: Sequence[EditRow], then: Then) -> None:
    """Draws edits in the order given; what was undone stands there struck out."""
    if not edits:
        parts.text("Nothing was changed by hand.", classes="muted")
        return
    with parts.box("edit-list", tag="ul"):
        for one in edits:
            with parts.box("edit", "undone" if one.undone_at is not None else "", tag="li"):
                parts.icon(_ICONS.get(one.kind, "edit"))
                with parts.column("tight").classes("grow"):
                    parts.text(words_of(one), classes="edit-words")
                    told = f"{visitor.when(one.made_at)}, {one.made_by_login or 'a former account'}"
                    if one.reason:
                        told += f": {one.reason}"
                    parts.text(told, classes="t-small muted")
                if one.undone_at is not None:
                    parts.text(f"undone {visitor.when(one.undone_at)}", classes="t-small muted")
                else:
                    parts.button("Undo", _take_back(visitor, one, then), kind="quiet", icon="undo")


def words_of(one: EditRow) -> str:
    """An edit as a sentence."""
    some = counted(one.sightings, "sighting")
    match one.kind:
        case "merge":
            return f"#{one.identity} merged into #{one.into}"
        case "split":
            return f"{some} of #{one.identity} split off as #{one.into}"
        case "move":
            return f"{some} given to #{one.into or one.identity}"
        case "not-this":
            return f"{some} are not #{one.identity}"
        case "confirm":
            return f"{some} confirmed as #{one.identity}"
        case "hide":
            return f"#{one.identity} hidden or shown"
        case "label":
            return f"#{one.identity} labelled"
        case _:
            return f"{one.kind} of #{one.identity}"


def _take_back(visitor: Visitor, one: EditRow, then: Then) -> Then:
    async def take_back() -> None:
        done = await visitor.ask(undo, edit_id=one.edit_id)
        moved = f" {counted(done.sightings, 'sighting')} moved back." if done.sightings else ""
        parts.toast(f"Undone.{moved}")
        await then()

    return take_back
