"""One identity: who it is, where it was and when, and what was done to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from sightgrid.domain.accounts import Permission
from sightgrid.domain.frames import format_time
from sightgrid.server.api.edits import list_edits
from sightgrid.server.api.identities import IdentityAnswer, show_identity
from sightgrid.server.api.trajectories import list_days, show_planned_trajectory
from sightgrid.server.web import parts
from sightgrid.server.web.choosing import choose_identity
from sightgrid.server.web.edit_history import draw_edits
from sightgrid.server.web.erasing import erase_dialog
from sightgrid.server.web.fragments import draw
from sightgrid.server.web.identity_dialogs import (
    hide_some,
    label_dialog,
    merge_dialog,
    split_dialog,
)
from sightgrid.server.web.paging import page
from sightgrid.server.web.trajectory_view import laid_out
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import counted, name_of_identity, title_of_identity

_ALL = "all"


@page("/identities/{serial}", title="Identity", permission=Permission.SEE_SIGHTINGS)
async def identity(visitor: Visitor, serial: int, day: str = "") -> None:
    """The page; ``day`` is a local day, ``all`` everything, by default the last day."""
    answer = await visitor.ask(show_identity, serial=serial)
    if answer.identity != serial:
        ui.navigate.to(f"/identities/{answer.identity}")
        return
    await _View(visitor, answer, day).draw()


class _View:
    def __init__(self, visitor: Visitor, one: IdentityAnswer, day: str) -> None:
        self._visitor, self._one, self._day = visitor, one, day
        self._root = parts.box("identity")
        self._way: Element
        self._history: Element

    async def draw(self) -> None:
        """The whole page, also anew after an edit."""
        self._root.clear()
        with self._root:
            self._head()
            await self._draw_way_head()
            self._way = parts.box("way")
            await self._draw_way()
            if self._sees_edits():
                with parts.section("What was changed"):
                    self._history = parts.box("edits")
                await self._draw_history()

    def _sees_edits(self) -> bool:
        visitor = self._visitor
        return visitor.may(Permission.EDIT_IDENTITIES) and visitor.caller.account.cameras is None

    def _head(self) -> None:
        visitor, one = self._visitor, self._one
        name = name_of_identity(one)
        with parts.box("identity-head"):
            parts.face(one.best_sighting, size=96, tone=name.tone)
            with parts.column("tight").classes("grow"):
                parts.text(title_of_identity(one), tag="h1", classes="t-title")
                with parts.row():
                    word = "enrolled" if one.known else "stranger"
                    parts.badge(word, tone=name.tone)
                    if one.hidden:
                        parts.badge("hidden", icon="visibility_off")
                    parts.text(
                        f"{counted(one.visits, 'visit')}, {counted(one.sightings, 'sighting')}, "
                        f"{counted(len(one.cameras), 'camera')}",
                        classes="muted",
                    )
                if one.first_seen is not None:
                    parts.text(
                        f"First seen {visitor.when(one.first_seen)}, "
                        f"last {visitor.when(one.last_seen)}",
                        classes="muted",
                    )
                with parts.row("identity-deeds"):
                    parts.button(
                        "Sightings",
                        icon="view_timeline",
                        href=f"/sightings?identity={one.identity}",
                    )
                    if self._sees_edits():
                        self._edits()
                    if visitor.may(Permission.ERASE):
                        parts.button("Erase …", self._erase, kind="danger", icon="delete_forever")

    async def _draw_way_head(self) -> None:
        days = (await self._visitor.ask(list_days, serial=self._one.identity)).items
        with parts.box("way-head"):
            parts.text("Where it was", tag="h2", classes="t-head")
            if days and self._day not in (*days, _ALL):
                self._day = days[-1]
            options = {each: self._day_words(each) for each in reversed(days)}
            parts.select(
                "Day",
                options | {_ALL: f"All {len(days)} days"},
                self._day if days else _ALL,
                on_change=lambda event: self._turn_to(str(event.value)),
            )
            with parts.row("exports"):
                for kind, title in (("csv", "CSV"), ("geojson", "GeoJSON"), ("pdf", "PDF")):
                    parts.button(title, icon="download", kind="quiet", href=self._export(kind))

    def _edits(self) -> None:
        visitor, one = self._visitor, self._one
        parts.button("Merge into …", self._merge, icon="merge")
        if one.sightings > 1:
            parts.button(
                "Split …", lambda: split_dialog(visitor, one, self._again), icon="call_split"
            )
        if not one.known:
            parts.button("Label …", lambda: label_dialog(visitor, one, self._again), icon="label")
        parts.button(
            "Show again" if one.hidden else "Hide",
            lambda: hide_some(visitor, [one], self._again, hidden=not one.hidden),
            icon="visibility" if one.hidden else "visibility_off",
        )

    async def _draw_way(self) -> None:
        since, until = self._span()
        found = await self._visitor.ask(
            show_planned_trajectory, serial=self._one.identity, since=since, until=until
        )
        self._way.clear()
        with self._way:
            if found.visits:
                draw("trajectory.html", **laid_out(found, self._visitor))
            else:
                parts.empty("route", "No visits", "On this day no camera of yours saw it.")

    async def _draw_history(self) -> None:
        answer = await self._visitor.ask(list_edits, identity=self._one.identity, limit=50)
        self._history.clear()
        with self._history:
            draw_edits(self._visitor, answer.items, self._again)

    def _span(self) -> tuple[str | None, str | None]:
        """The local day as two moments."""
        if self._day in ("", _ALL):
            return None, None
        begin = datetime.fromisoformat(self._day).replace(tzinfo=self._visitor.zone)
        # by the calendar: a day may have 23 or 25 hours
        end = (begin + timedelta(days=1)).replace(tzinfo=self._visitor.zone)
        return format_time(begin), format_time(end)

    def _day_words(self, day: str) -> str:
        local = datetime.fromisoformat(day).replace(hour=12, tzinfo=self._visitor.zone)
        return f"{self._visitor.day(local)} {local.year}"

    def _export(self, kind: str) -> str:
        since, until = self._span()
        span = {name: each for name, each in (("since", since), ("until", until)) if each}
        query = f"?{urlencode(span)}" if span else ""
        return f"/api/v1/identities/{self._one.identity}/trajectory.{kind}{query}"

    def _turn_to(self, day: str) -> None:
        if day != self._day:
            ui.navigate.to(f"/identities/{self._one.identity}?{urlencode({'day': day})}")

    async def _again(self) -> None:
        """After an edit; the identity may be part of another one now."""
        self._one = await self._visitor.ask(show_identity, serial=self._one.identity)
        address = f"/identities/{self._one.identity}"
        ui.run_javascript(f"history.replaceState(null, '', {address!r})")
        await self.draw()

    async def _merge(self) -> None:
        one = self._one
        other = await choose_identity(
            self._visitor,
            f"{title_of_identity(one)} is the same person as …",
            besides={one.identity},
        )
        if other is not None:
            await merge_dialog(self._visitor, [one, other], self._again)

    async def _erase(self) -> None:
        """Erasing can't be undone, so it is asked for with a reason."""
        await erase_dialog(self._visitor, self._one)
