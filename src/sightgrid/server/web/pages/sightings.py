"""What the cameras saw, one face after another: the page for looking closely and putting right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from sightgrid.domain.accounts import Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.frames import format_time, parse_time
from sightgrid.domain.presence import Band
from sightgrid.server.api.cameras import list_cameras
from sightgrid.server.api.sightings import SightingAnswer, SightingList, list_sightings
from sightgrid.server.web import parts
from sightgrid.server.web.fragments import draw, on_deeds
from sightgrid.server.web.paging import page
from sightgrid.server.web.sighting_panel import SightingPanel
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import name_of_sighting

A_PAGE = 60
_BANDS = {
    "": "All answers",
    "confirmed": "Confirmed",
    "likely": "Likely",
    "stranger": "Strangers",
    "unsure": "Unsure",
}
_HELP = {
    "← →": "the sighting before, the next",
    "↑ ↓": "a line up, a line down",
    "Enter": "open the identity",
    "C": "confirm that it is right",
    "T": "this is somebody else …",
    "N": "not this person",
    "W": "why this name",
    "?": "this list",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, as it stands in the page's address. ``at``: local time to jump to."""

    camera: str = ""
    identity: int = 0
    band: str = ""
    at: str = ""

    def address(self) -> str:
        told = {
            "camera": self.camera,
            "identity": str(self.identity or ""),
            "band": self.band,
            "at": self.at,
        }
        query = urlencode({name: value for name, value in told.items() if value})
        return f"/sightings?{query}" if query else "/sightings"


@dataclass
class Shown:
    """What of it is on the page."""

    wanted: Wanted
    rows: dict[str, SightingAnswer] = field(default_factory=dict)
    older: str | None = None
    last_hour: str = ""


@page("/sightings", title="Sightings", permission=Permission.SEE_SIGHTINGS)
async def sightings(
    visitor: Visitor,
    camera: str = "",
    identity: int = 0,
    band: str = "",
    at: str = "",
    sighting: str = "",
) -> None:
    """The page; ``sighting`` is chosen from the start."""
    view = _View(visitor, Shown(Wanted(camera, identity, band if band in _BANDS else "", at)))
    await view.draw(sighting)


class _View:
    def __init__(self, visitor: Visitor, shown: Shown) -> None:
        self._visitor = visitor
        self._shown = shown
        self._list: Element
        self._more: Element
        self._panel: SightingPanel

    async def draw(self, chosen: str) -> None:
        visitor = self._visitor
        cameras = [one.name for one in (await visitor.ask(list_cameras)).items]
        with parts.head("Sightings", "Every face that was followed, the newest first."):
            parts.icon_button("keyboard", "Keys", self._tell_keys)
        self._filters(cameras)
        with parts.box("ledger-two") as both:
            if chosen:
                both.props("data-chosen")
            with parts.box("ledger-main"):
                self._list = parts.box("hours")
                self._more = parts.box("more")
            with parts.box("ledger-side", tag="aside").props('aria-label="The chosen sighting"'):
                # on a narrow screen it lies over the list
                with parts.box("sheet-close"):
                    parts.icon_button(
                        "close",
                        "Close",
                        lambda: ui.run_javascript(
                            "delete document.querySelector('.ledger-two').dataset.chosen"
                        ),
                    )
                self._panel = SightingPanel(visitor, changed=self._changed)
        on_deeds({"choose": self._choose, "older": self._older_deed})
        visitor.keys(
            {
                "Enter": self._panel.open_identity,
                "c": self._panel.confirm,
                "t": self._panel.give,
                "n": self._panel.refuse,
                "w": self._panel.why,
                "?": self._tell_keys,
            }
        )
        await self._load()
        first = chosen or next(iter(self._shown.rows), "")
        if first:
            # the list needn't wait for the reasons
            ui.timer(0.05, lambda: self._panel.show(first), once=True)
        if self._shown.rows and not chosen:
            ui.run_javascript(
                "setTimeout(() => document.querySelector('.sighting')?.setAttribute("
                "'aria-current', 'true'), 50)"
            )

    def _filters(self, cameras: list[str]) -> None:
        wanted = self._shown.wanted
        with parts.box("filters").props('role="search" aria-label="Filter"'):
            parts.select(
                "Camera",
                {"": "All cameras", **{name: name for name in cameras}},
                wanted.camera if wanted.camera in cameras else "",
                on_change=lambda event: self._narrow(camera=event.value or ""),
            )
            who = parts.text_input("Who", str(wanted.identity or ""), placeholder="Name or number")
            who.on("keydown.enter", lambda: self._find(str(who.value or "")))
            who.on("blur", lambda: self._find(str(who.value or "")))
            self._who = who
            parts.select(
                "Answer",
                _BANDS,
                wanted.band,
                on_change=lambda event: self._narrow(band=event.value or ""),
            )
            moment = parts.text_input("Jump to", wanted.at)
            moment.props("type=datetime-local step=1")
            moment.on("keydown.enter", lambda: self._narrow(at=str(moment.value or "")))
            moment.on("change", lambda: self._narrow(at=str(moment.value or "")))
            with parts.box("filters-end"):
                parts.button("Clear", kind="quiet", href="/sightings")

    async def _find(self, text: str) -> None:
        """Whom a typed name or number means."""
        from sightgrid.server.api.identities import list_identities

        text = text.strip()
        known = self._shown.wanted.identity
        if text in ("", str(known or "")):
            if not text and known:
                await self._narrow(identity=0)
            return
        found = (await self._visitor.ask(list_identities, text=text, limit=2)).items
        if not found:
            raise InvalidValue(f"nobody here is called '{text}'", hint="try the number")
        if len(found) > 1 and not text.lstrip("#").isdecimal():
            parts.toast("Several are called so; the first is shown.", tone="warn")
        exact = [one for one in found if str(one.identity) == text.lstrip("#")]
        await self._narrow(identity=(exact or found)[0].identity)

    async def _narrow(self, **changed: Any) -> None:
        wanted = replace(self._shown.wanted, **changed)
        if wanted == self._shown.wanted:
            return
        self._shown = Shown(wanted)
        ui.run_javascript(f"history.replaceState(null, '', {wanted.address()!r})")
        await self._load()

    async def _load(self) -> None:
        self._list.clear()
        with self._list:
            waiting = parts.loading(4)
        answer = await self._ask(None)
        waiting.delete()
        if not answer.items:
            with self._list:
                self._nothing()
        self._add(answer)

    async def _ask(self, cursor: str | None) -> SightingList:
        wanted = self._shown.wanted
        return await self._visitor.ask(
            list_sightings,
            limit=A_PAGE,
            cursor=cursor,
            camera=wanted.camera or None,
            identity=wanted.identity or None,
            band=[Band(wanted.band)] if wanted.band else None,
            until=self._until(wanted.at),
        )

    def _until(self, at: str) -> str | None:
        """Up to and with the second that was asked for, by the site's clock."""
        if not at:
            return None
        try:
            local = datetime.fromisoformat(at)
        except ValueError:
            return format_time(parse_time(at))
        if local.tzinfo is None:
            local = local.replace(tzinfo=self._visitor.zone)
        return format_time(local + timedelta(seconds=1))

    def _add(self, answer: SightingList) -> None:
        shown = self._shown
        shown.rows |= {one.sighting_id: one for one in answer.items}
        shown.older = answer.next_cursor
        with self._list:
            if answer.items:
                draw("sightings.html", blocks=self._blocks(answer.items))
        self._more.clear()
        with self._more:
            if shown.older is not None:
                parts.button("Older", self._older, icon="expand_more")
            elif shown.rows:
                parts.text("Nothing older.", classes="t-small muted")

    def _blocks(self, rows: list[SightingAnswer]) -> list[dict[str, Any]]:
        """By local hour; a page that begins in the hour where the one before ended goes on."""
        blocks: list[dict[str, Any]] = []
        for one in rows:
            local = one.first_seen.astimezone(self._visitor.zone)
            key = f"{local:%Y-%m-%d %H %z}"
            if not blocks or key != self._shown.last_hour:
                blocks.append(
                    {
                        "day": self._visitor.day(one.first_seen),
                        "hour": f"{local:%H}:00",
                        "continued": not blocks and key == self._shown.last_hour,
                        "sightings": [],
                    }
                )
            self._shown.last_hour = key
            name, time = name_of_sighting(one), self._visitor.clock(one.first_seen)
            blocks[-1]["sightings"].append(
                {
                    "id": one.sighting_id,
                    "crop": one.sighting_id if one.has_crop else None,
                    "name": name,
                    "time": time,
                    "camera": one.camera,
                    "spoken": f"{name.text}, {one.camera}, {time}",
                }
            )
        return blocks

    def _nothing(self) -> None:
        if self._shown.wanted == Wanted():
            parts.empty(
                "view_timeline",
                "Nothing was seen yet",
                "As soon as a camera follows a face, it appears here.",
            )
            return
        parts.empty(
            "filter_alt_off",
            "Nothing fits",
            "No sighting has this camera, person, answer and time together.",
            action=lambda: parts.button("Show all", href="/sightings"),
        )

    async def _choose(self, facts: Mapping[str, str]) -> None:
        await self._panel.show(facts.get("sighting", ""))

    async def _older_deed(self, _: Mapping[str, str]) -> None:
        await self._older()

    async def _older(self) -> None:
        if self._shown.older is not None:
            cursor, self._shown.older = self._shown.older, None
            self._add(await self._ask(cursor))

    async def _changed(self) -> None:
        """After an edit: the list anew, at the same place."""
        self._shown = Shown(self._shown.wanted)
        answer = await self._ask(None)
        self._list.clear()
        if not answer.items:
            with self._list:
                self._nothing()
        self._add(answer)

    def _tell_keys(self) -> None:
        with parts.dialog("Keys") as told:
            parts.facts(_HELP)
        told.open()
