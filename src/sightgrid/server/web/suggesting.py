"""A strip of merges that the ledger suggests: both faces, yes or no."""

from __future__ import annotations

from nicegui.element import Element

from sightgrid.server.api.naming import (
    ProposalAnswer,
    SideAnswer,
    Why,
    accept,
    decline,
    list_proposals,
)
from sightgrid.server.web import parts
from sightgrid.server.web.editing import Then, offer_undo
from sightgrid.server.web.visiting import Visitor

_MOST_SHOWN = 12


async def draw_suggestions(visitor: Visitor, place: Element, then: Then) -> None:
    """Fills ``place`` with the open suggestions; nothing where there are none."""
    found = (await visitor.ask(list_proposals, limit=_MOST_SHOWN)).items

    async def again() -> None:
        await draw_suggestions(visitor, place, then)
        await then()

    place.clear()
    if not found:
        return
    with place, parts.section("The same person?"), parts.box("suggestions"):
        for one in found:
            _draw(visitor, one, again)


def _draw(visitor: Visitor, one: ProposalAnswer, again: Then) -> None:
    async def yes() -> None:
        made = await visitor.ask(accept, serial=one.serial, into=one.into, body=Why())
        offer_undo(visitor, [made], f"#{one.serial} is part of #{one.into} now.", again)
        await again()

    async def no() -> None:
        made = await visitor.ask(decline, serial=one.serial, into=one.into, body=Why())
        offer_undo(visitor, [made], "Kept apart; never suggested again.", again)
        await again()

    with parts.box("suggestion"):
        for side in (one.one, one.other):
            _side(side)
        with parts.box("suggestion-words"):
            parts.text(f"similarity {one.similarity:.2f}", classes="t-small muted")
            with parts.row():
                parts.button("Yes", yes, icon="check").props(
                    f'aria-label="Yes, #{one.serial} and #{one.into} are one person"'
                )
                parts.button("No", no, icon="close").props(
                    f'aria-label="No, #{one.serial} and #{one.into} are two people"'
                )


def _side(side: SideAnswer) -> None:
    known = side.person is not None
    with parts.link("", f"/identities/{side.identity}").classes("suggestion-side", remove="link"):
        parts.face(
            side.pictures[0] if side.pictures else None,
            size=64,
            tone="known" if known else "stranger",
        )
        parts.text(side.person or f"#{side.identity}", classes="t-small")
