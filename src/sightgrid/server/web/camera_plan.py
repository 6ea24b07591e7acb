"""The plan with the cameras on it, and the links between them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nicegui import ui

from sightgrid.domain.errors import InvalidValue
from sightgrid.server.api.cameras import (
    CameraAnswer,
    CameraChange,
    LinkAnswer,
    NewLink,
    NewLinks,
    change,
    change_links,
    show_grid,
)
from sightgrid.server.api.site import show_site
from sightgrid.server.web import parts
from sightgrid.server.web.visiting import Visitor


async def draw_plan(visitor: Visitor, cameras: Sequence[CameraAnswer]) -> None:
    """Draws the plan and the links where it is called."""
    shown = [one for one in cameras if one.url is not None or one.position is not None]
    if not shown:
        parts.text("Cameras appear here once there are any.", classes="muted")
        return
    await _Plan(visitor, shown).draw()


class _Plan:
    def __init__(self, visitor: Visitor, cameras: Sequence[CameraAnswer]) -> None:
        self._visitor = visitor
        self._cameras = cameras

    async def draw(self) -> None:
        with parts.box("two"):
            self._picture = parts.box()
            self._links = parts.box("column")
        await self._show()

    async def _show(self) -> None:
        grid = await self._visitor.ask(show_grid)
        site = await self._visitor.ask(show_site)
        self._picture.clear()
        with self._picture:
            self._draw_picture(grid.links, has_plan=site.has_plan)
        self._links.clear()
        with self._links:
            self._draw_links(grid.links)

    def _draw_picture(self, links: Sequence[LinkAnswer], *, has_plan: bool) -> None:
        fixed = self._visitor.site.configuration.grid.positions
        placed = []
        for number, one in enumerate(self._cameras):
            # a camera without a place waits at the lower edge
            waiting = ((number + 0.5) / len(self._cameras), 0.92)
            x, y = one.position or waiting
            placed.append({"name": one.name, "x": x, "y": y, "fixed": one.name in fixed})
        drawn = [
            {"origin": link.origin, "target": link.target, "words": _secs(link)} for link in links
        ]
        plan = ui.element("sg-plan")
        if has_plan:
            plan.props["src"] = "/api/v1/cameras/plan"
        plan.props["aspect"] = 2
        plan.props["cameras"] = json.dumps(placed)
        plan.props["links"] = json.dumps(drawn)
        plan.on("placed", self._placed, ["detail"])

    async def _placed(self, event: object) -> None:
        told = getattr(event, "args", {}).get("detail") or {}
        body = CameraChange(position=[told["x"], told["y"]])
        await self._visitor.ask(change, name=told["name"], body=body)

    def _draw_links(self, links: Sequence[LinkAnswer]) -> None:
        own = {
            frozenset((one.origin, one.target))
            for one in self._visitor.site.configuration.grid.links
        }
        if links:
            parts.table(
                ("Between", "and", "Seconds", ""),
                [
                    [
                        link.origin,
                        link.target,
                        _secs(link),
                        self._ending(link, links, frozenset((link.origin, link.target)) in own),
                    ]
                    for link in links
                ],
                label="Links",
            )
        else:
            parts.text("No links yet: anybody may be anywhere at once.", classes="muted")
        if len(self._cameras) > 1:
            parts.button("Add a link", lambda: self._add(links), icon="add_link")

    def _ending(self, link: LinkAnswer, links: Sequence[LinkAnswer], of_file: bool) -> parts.Cell:
        if of_file:
            return lambda: parts.badge("from file", icon="lock")

        async def end() -> None:
            await self._keep([one for one in links if one is not link])
            parts.toast("The link was removed.", undo=back)

        async def back() -> None:
            await self._keep(links)

        words = f"Remove the link between {link.origin} and {link.target}"
        return lambda: parts.icon_button("delete", words, end)

    def _add(self, links: Sequence[LinkAnswer]) -> None:
        names = [one.name for one in self._cameras]
        with parts.dialog(
            "Add a link", "Two cameras that one can walk between, in either direction."
        ) as asked:
            with parts.box("form"):
                with parts.box("form-line"):
                    origin = parts.select("Between", names, names[0])
                    target = parts.select("and", names, names[1])
                with parts.box("form-line"):
                    least = parts.number("At least, s", 2, least=0, most=86_400)
                    most = parts.number("At most, s", None, least=0, most=86_400)

            async def save() -> None:
                if origin.value == target.value:
                    raise InvalidValue("choose two cameras that are not the same")
                fresh = LinkAnswer(
                    origin=origin.value,
                    target=target.value,
                    min_secs=least.value or 0,
                    max_secs=most.value,
                )
                pair = {origin.value, target.value}
                others = [one for one in links if {one.origin, one.target} != pair]
                await self._keep([*others, fresh])
                asked.close()

            with parts.dialog_actions():
                parts.button("Cancel", asked.close)
                parts.button("Add", save, kind="primary")
        asked.open()

    async def _keep(self, links: Sequence[LinkAnswer]) -> None:
        body = NewLinks(links=[NewLink(**one.model_dump()) for one in links])
        await self._visitor.ask(change_links, body=body)
        await self._show()


def _secs(link: LinkAnswer) -> str:
    if link.max_secs is None:
        return f"{link.min_secs:g} or more s"
    return f"{link.min_secs:g} to {link.max_secs:g} s"
