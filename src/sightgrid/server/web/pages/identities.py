"""Everybody who was seen, as a grid of faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from sightgrid.domain.accounts import Permission
from sightgrid.domain.presence import Band
from sightgrid.server.api.edits import SightingsOf, move
from sightgrid.server.api.identities import IdentityAnswer, list_identities
from sightgrid.server.api.sightings import list_sightings
from sightgrid.server.web import parts
from sightgrid.server.web.choosing import choose_identity
from sightgrid.server.web.editing import do_edit
from sightgrid.server.web.fragments import draw, on_deeds
from sightgrid.server.web.identity_dialogs import (
    hide_some,
    label_dialog,
    merge_dialog,
    split_dialog,
)
from sightgrid.server.web.paging import page
from sightgrid.server.web.suggesting import draw_suggestions
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import (
    ago,
    counted,
    name_of_identity,
    name_of_sighting,
    title_of_identity,
)
from sightgrid.store.cards import CardKind, CardOrder

A_PAGE = 60
_TABS = {
    "": "All",
    "known": "Known",
    "anonymous": "Anonymous",
    "unsure": "Unsure",
    "hidden": "Hidden",
}
_ORDERS = {"last-seen": "Seen last first", "serial": "By number"}
_EMPTY = {
    "": ("groups", "Nobody was seen yet", "Faces appear here as soon as a camera sees some."),
    "known": (
        "badge",
        "No enrolled person yet",
        "People that you enrol are named when they are seen. Strangers need no enrolment.",
    ),
    "anonymous": ("person_outline", "No strangers", "Whoever was seen here has a name."),
    "unsure": ("task_alt", "Nothing is unsure", "Every sighting was given to somebody."),
    "hidden": ("visibility", "Nobody is hidden", "Hidden identities are kept out of lists."),
}


@page("/identities", title="Identities", permission=Permission.SEE_SIGHTINGS)
async def identities(
    visitor: Visitor, kind: str = "", text: str = "", order: str = "last-seen"
) -> None:
    """The grid; the filter stands in the address."""
    view = _View(
        visitor,
        kind if kind in _TABS else "",
        text.strip(),
        order if order in _ORDERS else "last-seen",
    )
    await view.draw()


class _View:
    def __init__(self, visitor: Visitor, kind: str, text: str, order: str) -> None:
        self._visitor, self._kind, self._text, self._order = visitor, kind, text, order
        self._known: dict[int, IdentityAnswer] = {}
        self._picked: list[str] = []
        self._cursor: str | None = None
        self._list: Element
        self._more: Element
        self._bar: Element

    async def draw(self) -> None:
        visitor = self._visitor
        with parts.head("Identities", "Everybody who was seen, with a name or a number."):
            if visitor.may(Permission.EDIT_IDENTITIES):
                parts.button("History", icon="history", href="/history")
        with parts.box("tabs", tag="nav").props('aria-label="Kind"'):
            for kind, title in _TABS.items():
                tab = parts.link(title, self._address(kind=kind)).classes("tab", remove="link")
                if kind == self._kind:
                    tab.props('aria-current="page"')
        if self._kind != "unsure":
            with parts.box("filters").props('role="search" aria-label="Filter"'):
                typed = parts.text_input("Name, label or number", self._text)
                typed.props("clearable")
                typed.on("keydown.enter", lambda: self._go(text=str(typed.value or "")))
                typed.on("clear", lambda: self._go(text=""))
                parts.select(
                    "Order",
                    _ORDERS,
                    self._order,
                    on_change=lambda event: self._go(order=event.value),
                )
        await self._draw_suggestions()
        self._list = parts.box("people-pages")
        self._more = parts.box("more")
        self._bar = parts.box("pick-bar").props('role="region" aria-label="Selection"')
        self._bar.set_visibility(False)
        on_deeds({"pick": self._pick, "choose": self._choose})
        await self._load()

    async def _draw_suggestions(self) -> None:
        """Merges that the ledger found at night; answered on the page itself."""
        sees_all = self._visitor.caller.account.cameras is None
        if self._kind or self._text or not sees_all:
            return
        if self._visitor.may(Permission.EDIT_IDENTITIES):
            place = parts.box("suggested")
            await draw_suggestions(self._visitor, place, self._load)

    def _address(self, **changed: str) -> str:
        told = {"kind": self._kind, "text": self._text, "order": self._order} | changed
        usual = {"kind": "", "text": "", "order": "last-seen"}
        query = urlencode({name: told[name] for name in told if told[name] != usual[name]})
        return f"/identities?{query}" if query else "/identities"

    def _go(self, **changed: str) -> None:
        ui.navigate.to(self._address(**changed))

    async def _load(self) -> None:
        self._known.clear()
        self._picked, self._cursor = [], None
        self._show_bar()
        self._list.clear()
        with self._list:
            waiting = parts.loading(4)
        await self._add()
        waiting.delete()

    async def _add(self) -> None:
        """One page more."""
        count = await (self._add_unsure() if self._kind == "unsure" else self._add_cards())
        if not count and not self._known:
            with self._list:
                if self._text:
                    parts.empty("search_off", f"Nobody fits “{self._text}”", "Try a number.")
                else:
                    parts.empty(*_EMPTY[self._kind])
        self._more.clear()
        with self._more:
            if self._cursor is not None:
                parts.button("More", self._add, icon="expand_more")

    async def _add_cards(self) -> int:
        answer = await self._visitor.ask(
            list_identities,
            limit=A_PAGE,
            cursor=self._cursor,
            kind=CardKind(self._kind) if self._kind else None,
            text=self._text or None,
            order=CardOrder(self._order),
        )
        self._cursor = answer.next_cursor
        self._known |= {one.identity: one for one in answer.items}
        if answer.items:
            with self._list:
                draw("identities.html", cards=[self._card(one) for one in answer.items])
        return len(answer.items)

    async def _add_unsure(self) -> int:
        answer = await self._visitor.ask(
            list_sightings, limit=A_PAGE, cursor=self._cursor, band=[Band.UNSURE]
        )
        self._cursor = answer.next_cursor
        rows = [
            {
                "id": one.sighting_id,
                "crop": one.sighting_id if one.has_crop else None,
                "name": name_of_sighting(one),
                "time": self._visitor.when(one.first_seen),
                "camera": one.camera,
                "reason": one.reason,
            }
            for one in answer.items
        ]
        if rows:
            with self._list:
                draw("unsure.html", sightings=rows)
        return len(rows)

    def _card(self, one: IdentityAnswer) -> dict[str, Any]:
        counts = counted(one.sightings, "sighting")
        if len(one.cameras) > 1:
            counts += f", {len(one.cameras)} cameras"
        elif one.cameras:
            counts += f", {one.cameras[0]}"
        return {
            "serial": one.identity,
            "name": name_of_identity(one),
            "best": one.best_sighting,
            "label": one.label or (f"#{one.identity}" if one.known else ""),
            "seen": ago(one.last_seen, self._visitor.site.clock()),
            "counts": counts,
        }

    def _pick(self, facts: Mapping[str, str]) -> None:
        self._picked = facts.get("serials", "").split()
        self._show_bar()

    async def _choose(self, facts: Mapping[str, str]) -> None:
        """An unsure sighting was pressed: who is it?"""
        sighting_id = facts.get("sighting", "")
        if not self._visitor.may(Permission.EDIT_IDENTITIES):
            ui.navigate.to(f"/sightings?sighting={sighting_id}")
            return
        await self._give([sighting_id])

    def _show_bar(self) -> None:
        self._bar.clear()
        some = self._chosen()
        unsure = self._picked if self._kind == "unsure" else []
        self._bar.set_visibility(bool(some or unsure))
        if not some and not unsure:
            return
        with self._bar:
            parts.text(f"{len(some or unsure)} selected", classes="pick-count")
            if self._visitor.may(Permission.EDIT_IDENTITIES):
                self._edits(some)
            if unsure:
                parts.button("This is …", lambda: self._give(unsure), icon="person_search")
            parts.button("Clear", self._clear, kind="quiet")

    def _edits(self, some: list[IdentityAnswer]) -> None:
        visitor = self._visitor
        if len(some) > 1:
            parts.button(
                "Merge …",
                lambda: merge_dialog(visitor, some, self._load),
                kind="primary",
                icon="merge",
            )
        if len(some) == 1:
            one = some[0]
            parts.button("Merge into …", lambda: self._merge_into(one), icon="merge")
            if one.sightings > 1:
                parts.button(
                    "Split …", lambda: split_dialog(visitor, one, self._load), icon="call_split"
                )
            if not one.known:
                parts.button(
                    "Label …", lambda: label_dialog(visitor, one, self._load), icon="label"
                )
        if some:
            hidden = self._kind == "hidden"
            parts.button(
                "Show again" if hidden else "Hide",
                lambda: hide_some(visitor, some, self._load, hidden=not hidden),
                icon="visibility" if hidden else "visibility_off",
            )

    async def _merge_into(self, one: IdentityAnswer) -> None:
        other = await choose_identity(
            self._visitor,
            f"{title_of_identity(one)} is the same person as …",
            besides={one.identity},
        )
        if other is not None:
            await merge_dialog(self._visitor, [one, other], self._load)

    async def _give(self, sighting_ids: list[str]) -> None:
        into = await choose_identity(self._visitor, "This is …")
        if into is not None:
            body = SightingsOf(sightings=sighting_ids, identity=into.identity)
            told = f"Given to {title_of_identity(into)}."
            await do_edit(self._visitor, move, told, self._load, body=body)

    def _chosen(self) -> list[IdentityAnswer]:
        if self._kind == "unsure":
            return []
        numbers = [int(word) for word in self._picked if word.isascii() and word.isdecimal()]
        return [self._known[number] for number in numbers if number in self._known]

    def _clear(self) -> None:
        ui.run_javascript("window.sightgridClearPicks()")
