"""Cameras: added, tried, masked, placed on the plan, linked, and how each is doing."""

from __future__ import annotations

import json

from nicegui import ui

from sightgrid.domain.accounts import Permission
from sightgrid.server.api.cameras import (
    CameraAnswer,
    CameraChange,
    CameraToTry,
    list_cameras,
    remove,
    try_out,
)
from sightgrid.server.api.cameras import change as change_camera
from sightgrid.server.web import parts
from sightgrid.server.web.camera_form import OWN_MACHINE, PURPOSES, CameraForm, draw_trial
from sightgrid.server.web.camera_plan import draw_plan
from sightgrid.server.web.camera_states import state_badge
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor

_EVERY_SECS = 20.0
_DRAWING_WORDS = (
    "Click corner after corner; a double click, Enter or the first corner closes the shape. Drag "
    "corners to move them, Backspace takes the last one away. What is red is painted over before "
    "anything looks at the picture."
)


@page("/cameras", title="Cameras", permission=Permission.MANAGE_CAMERAS)
async def cameras(visitor: Visitor, add: int = 0) -> None:
    """The list of cameras, then the plan with the links between them."""
    await _Cameras(visitor).draw(adding=bool(add))


class _Cameras:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._drawn = ""

    async def draw(self, *, adding: bool) -> None:
        with parts.head("Cameras", "What watches the site, and how each camera is doing."):
            parts.button("Add a camera", self._add, kind="primary", icon="add")
        self._list = parts.box("column")
        with parts.section(
            "Plan and links",
            "Drag cameras to where they hang. Links say which cameras one can walk between and how "
            "long that takes: who was seen on one can't be on the other sooner.",
        ):
            self._plan = parts.box("column")
        await self._show()
        self._visitor.every(_EVERY_SECS, self._show)
        if adding:
            await self._add()

    async def _show(self) -> None:
        found = (await self._visitor.ask(list_cameras)).items
        now = json.dumps([one.model_dump(mode="json", exclude={"health"}) for one in found])
        if now == self._drawn:
            return
        self._drawn = now
        self._list.clear()
        with self._list:
            self._table(found)
        self._plan.clear()
        with self._plan:
            await draw_plan(self._visitor, found)

    def _table(self, found: list[CameraAnswer]) -> None:
        if not found:
            parts.empty(
                "videocam",
                "No cameras yet",
                "You need the address of its stream. Test it before you add it.",
                action=lambda: parts.button("Add a camera", self._add, kind="primary", icon="add"),
            )
            return
        parts.table(
            ("Camera", "State", "Used for", "Zone", "Watched by", "Masks", ""),
            [self._line(one) for one in found],
            label="Cameras",
        )

    def _line(self, one: CameraAnswer) -> list[parts.Cell]:
        configured = one.url is not None

        def name() -> None:
            with parts.column("tight"):
                parts.text(one.name, classes="strong")
                if one.url:
                    parts.text(one.url, classes="t-mono muted")
                elif not configured:
                    parts.text("No address; its sightings are kept", classes="t-small muted")

        def state() -> None:
            with parts.column("tight"):
                state_badge(one.state, enabled=one.enabled)
                if one.state not in (None, "live") and one.reason:
                    parts.text(one.reason, classes="t-small muted")

        return [
            name,
            state,
            ", ".join(PURPOSES[purpose] for purpose in one.purposes),
            one.zone,
            (one.box or OWN_MACHINE) if configured else None,
            len(one.masks) if configured else None,
            lambda: self._actions(one) if configured else None,
        ]

    def _actions(self, one: CameraAnswer) -> None:
        with parts.row("one-line", "end"):
            parts.icon_button("visibility", f"Test {one.name}", lambda: self._test(one))
            if one.from_file:
                badge = parts.badge("from file", icon="lock")
                badge.props["title"] = "written in the configuration file; change it there"
                return
            parts.icon_button("texture", f"Masks of {one.name}", lambda: self._masks(one))
            parts.icon_button("edit", f"Change {one.name}", lambda: self._edit(one))
            parts.icon_button("delete", f"Remove {one.name}", lambda: self._remove(one))

    async def _add(self) -> None:
        with parts.dialog("Add a camera", wide=True) as asked:

            def added(name: str) -> None:
                asked.close()
                parts.start(self._show())

            await CameraForm(self._visitor, added=added).draw()
        asked.open()

    async def _test(self, one: CameraAnswer) -> None:
        with parts.dialog(f"Test {one.name}", wide=True) as asked:
            where = parts.box("column")
        with where:
            parts.loading(5)
        asked.open()
        found = await self._visitor.ask(try_out, body=CameraToTry(name=one.name))
        where.clear()
        with where:
            draw_trial(found)

    async def _masks(self, one: CameraAnswer) -> None:
        masks = [list(mask) for mask in one.masks]
        with parts.dialog(f"Masks of {one.name}", _DRAWING_WORDS, wide=True) as asked:
            where = parts.box("column")
            with parts.dialog_actions():
                parts.button("Cancel", asked.close)
                keep = parts.button("Keep the masks", lambda: save(), kind="primary")
        with where:
            parts.loading(5)
        keep.props("disabled")
        asked.open()
        found = await self._visitor.ask(try_out, body=CameraToTry(name=one.name))
        where.clear()
        keep.props(remove="disabled")

        def drawn(event: object) -> None:
            masks[:] = getattr(event, "args", {}).get("detail") or []

        async def save() -> None:
            await self._visitor.ask(change_camera, name=one.name, body=CameraChange(masks=masks))
            asked.close()
            parts.toast(f"The masks of {one.name} are kept. Its box has them within a minute.")
            await self._show()

        with where:
            canvas = ui.element("sg-polygons")
            canvas.props["src"] = f"data:image/jpeg;base64,{found.picture}"
            canvas.props["aspect"] = found.width / found.height
            canvas.props["value"] = json.dumps(masks)
            canvas.props["aria-label"] = f"The picture of {one.name}, to draw masks on"
            canvas.on("polygons", drawn, ["detail"])
            parts.button(
                "Clear all",
                lambda: ui.run_javascript(f"getHtmlElement({canvas.id}).clear()"),
                kind="quiet",
                icon="ink_eraser",
            )

    async def _edit(self, one: CameraAnswer) -> None:
        with parts.dialog(f"Change {one.name}") as asked, parts.box("form"):
            url = parts.text_input(
                "New address", note="Leave it empty to keep the address as it is."
            )
            zone = parts.text_input("Zone", one.zone or "")
            purposes = parts.select("Used for", PURPOSES, list(one.purposes), many=True)
            enabled = parts.switch("Switched on", one.enabled)

            async def save() -> None:
                given: dict[str, object] = {
                    "zone": (zone.value or "").strip() or None,
                    "purposes": purposes.value,
                    "enabled": enabled.value,
                }
                if (url.value or "").strip():
                    given["url"] = url.value.strip()
                body = CameraChange.model_validate(given)
                await self._visitor.ask(change_camera, name=one.name, body=body)
                asked.close()
                parts.toast(f"{one.name} was changed.")
                await self._show()

            with parts.dialog_actions():
                parts.button("Cancel", asked.close)
                parts.button("Save", save, kind="primary")
        asked.open()

    async def _remove(self, one: CameraAnswer) -> None:
        sure = await parts.confirm(
            f"Remove {one.name}?",
            "Nobody watches it any more, and its links go. What it saw is kept for as long as the "
            "site keeps sightings.",
            action="Remove",
            danger=True,
        )
        if sure:
            await self._visitor.ask(remove, name=one.name)
            parts.toast(f"{one.name} was removed.")
            await self._show()
