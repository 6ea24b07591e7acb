"""The wall of cameras: what each sees, how it is, and who was seen last.

A picture is fetched again only when there is a newer one, and the wall is asked for only when
something was seen or half a minute has passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui
from nicegui.element import Element

from sightgrid.domain.accounts import Permission
from sightgrid.domain.cameras import CameraState
from sightgrid.domain.frames import format_time
from sightgrid.server.api.sightings import SightingAnswer
from sightgrid.server.api.wall import WallCamera, show_wall
from sightgrid.server.web import parts
from sightgrid.server.web.camera_states import state_badge
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor

_LOOK_SECS = 1.0
_STILL_SECS = 30
_NOT_LIVE = {CameraState.OFFLINE.value, CameraState.REFUSED.value}


@page("/live", title="Live", permission=Permission.SEE_CAMERAS)
async def live(visitor: Visitor) -> None:
    """Every camera that the visitor may see, and a strip of the last sightings."""
    await _Wall(visitor).draw()


def _first_steps() -> None:
    parts.button("Add one or see the demo", href="/welcome/site", kind="primary")


class _Wall:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._tiles: dict[str, _Tile] = {}
        self._strip: Element | None = None
        self._shown: list[str] = []
        self._dirty = False
        self._waited = 0

    async def draw(self) -> None:
        visitor = self._visitor
        wall = await visitor.ask(show_wall)
        with parts.head("Live", "What the cameras see now, and who was seen last."):
            self._count = parts.text("", classes="muted t-small")
            if visitor.may(Permission.MANAGE_CAMERAS):
                parts.button("Add a camera", icon="add", href="/cameras?add=1")
        if not wall.cameras:
            parts.empty(
                "videocam_off",
                "No cameras yet",
                "Add the first one, or look at the demo."
                if visitor.may(Permission.MANAGE_CAMERAS)
                else "An owner can add the first one.",
                action=_first_steps if visitor.may(Permission.MANAGE_SETTINGS) else None,
            )
            return
        if visitor.may(Permission.SEE_SIGHTINGS):
            with parts.section("Last seen"):
                self._strip = parts.box("strip").props('tabindex="0" role="region"')
                self._strip.props["aria-label"] = "Last sightings"
        with parts.section("Cameras"), parts.grid(320):
            for camera in wall.cameras:
                self._tiles[camera.name] = _Tile(visitor, camera)
        self._show_strip(wall.sightings)
        self._tell(wall.cameras)
        visitor.every(_LOOK_SECS, self._look)
        visitor.on_events(self._happened)

    async def _happened(self, event: Mapping[str, Any]) -> None:
        self._dirty = True

    async def _look(self) -> None:
        self._waited += 1
        if not self._dirty and self._waited < _STILL_SECS:
            return
        self._dirty, self._waited = False, 0
        wall = await self._visitor.ask(show_wall)
        for camera in wall.cameras:
            tile = self._tiles.get(camera.name)
            if tile is not None:
                tile.show(camera)
        self._show_strip(wall.sightings)
        self._tell(wall.cameras)

    def _tell(self, cameras: list[WallCamera]) -> None:
        down = sum(camera.state in _NOT_LIVE for camera in cameras)
        words = f"{len(cameras)} camera{'s'[: len(cameras) != 1]}"
        self._count.text = words + (f", {down} without pictures" if down else "")

    def _show_strip(self, sightings: list[SightingAnswer]) -> None:
        if self._strip is None:
            return
        new = [f"{one.sighting_id} {one.identity} {one.person} {one.band}" for one in sightings]
        if new == self._shown:
            return
        self._shown = new
        self._strip.clear()
        with self._strip:
            if not sightings:
                parts.text("Nobody has been seen yet.", classes="muted")
            for one in sightings:
                self._card(one)

    def _card(self, one: SightingAnswer) -> None:
        card = ui.element("a").classes("strip-card")
        card.props["href"] = f"/sightings?sighting={one.sighting_id}"
        with card:
            shown = one.sighting_id if one.has_crop else None
            parts.face(shown, size=72, tone=parts.band_tone(one.band))
            parts.band_badge(one.band, one.identity, one.person)
            parts.text(one.camera, classes="t-small strip-camera")
            parts.text(self._visitor.when(one.first_seen), classes="t-small muted")


class _Tile:
    """One camera on the wall."""

    def __init__(self, visitor: Visitor, camera: WallCamera) -> None:
        self._visitor = visitor
        self._drawn = ""
        with parts.card(classes="flush tile"):
            with parts.row("between", "tile-head"):
                parts.text(camera.name, tag="h3", classes="t-head")
                self._state = parts.row()
            self._picture = parts.box()
            self._words = parts.row("between", "tile-foot")
        self.show(camera)

    def show(self, camera: WallCamera) -> None:
        """Draws anew what has changed."""
        now = camera.model_dump_json()
        if now == self._drawn:
            return
        self._drawn = now
        for part in (self._state, self._picture, self._words):
            part.clear()
        with self._state:
            state_badge(camera.state, enabled=camera.enabled)
        with self._picture:
            self._draw_picture(camera)
        with self._words:
            if camera.state not in (None, CameraState.LIVE.value) and camera.reason:
                parts.text(camera.reason, classes="t-small")
            elif camera.last_seen is not None:
                seen = self._visitor.when(camera.last_seen)
                parts.text(f"Last face {seen}", classes="t-small muted")
            else:
                parts.text("No face lately", classes="t-small muted")
            if camera.taken_at is not None:
                parts.text(self._visitor.when(camera.taken_at), classes="t-small muted")

    def _draw_picture(self, camera: WallCamera) -> None:
        if camera.taken_at is None:
            with parts.box("still", "no-picture"):
                parts.icon("videocam_off" if camera.state in _NOT_LIVE else "hourglass_empty")
                parts.text(_why_no_picture(self._visitor, camera), classes="t-small")
            return
        # a new address for a new picture, so that the browser fetches that and nothing else
        source = f"/api/v1/cameras/{camera.name}/still?at={format_time(camera.taken_at)}"
        with parts.still(source, f"What {camera.name} sees", camera.aspect):
            for face in camera.faces:
                left, top, right, bottom = face.box
                label = face.person or (f"#{face.identity}" if face.identity else "")
                tone = parts.band_tone(face.band)
                parts.frame_box((left, top, right, bottom), tone=tone, label=label)


def _why_no_picture(visitor: Visitor, camera: WallCamera) -> str:
    if not visitor.may(Permission.SEE_SIGHTINGS):
        return "Your role sees no pictures"
    if not camera.enabled:
        return "Switched off"
    if camera.state in _NOT_LIVE:
        return "No pictures arrive"
    return "Waiting for a picture" if camera.state else "No box watches it yet"
