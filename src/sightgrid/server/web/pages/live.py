"""The wall of cameras."""

from __future__ import annotations

from sightgrid.domain.accounts import Permission
from sightgrid.server.api.cameras import list_cameras
from sightgrid.server.web import parts
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor


@page("/live", title="Live", permission=Permission.SEE_CAMERAS)
async def live(visitor: Visitor) -> None:
    """Every camera that the visitor may see."""
    with parts.head("Live", "What the cameras see now."):
        pass
    cameras = (await visitor.ask(list_cameras)).items
    if not cameras:
        parts.empty("videocam_off", "No cameras yet", "Add the first one under Cameras.")
        return
    with parts.grid(280):
        for camera in cameras:
            with parts.card(camera.name):
                parts.badge(camera.state or "nothing heard yet")
