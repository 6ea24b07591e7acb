"""A box's part of the configuration, in the words of ``sightgrid.yml``."""

from __future__ import annotations

import hashlib
import json

from pydantic import JsonValue

from sightgrid.configuration import CameraSettings
from sightgrid.server.cameras import cameras_of
from sightgrid.server.site import Site

LOCAL_BOX = "local"
"""What ``sightgrid up`` calls the box of the server's own machine."""


def box_configuration(site: Site, box_name: str) -> tuple[dict[str, JsonValue], str]:
    """The cameras that a box looks after, and a version that changes with them.

    Holds the cameras' passwords, so it goes to nobody but the box.
    """
    configuration = site.configuration
    # a camera that names no box is this machine's own
    names = {box_name, None} if box_name == LOCAL_BOX else {box_name}
    part: dict[str, JsonValue] = {
        "recognition": {"pack": configuration.recognition.pack},
        "cameras": {
            camera.name: _camera(camera) for camera in cameras_of(site) if camera.box in names
        },
    }
    written = json.dumps(part, sort_keys=True).encode()
    return part, hashlib.sha256(written).hexdigest()[:16]


def _camera(camera: CameraSettings) -> dict[str, JsonValue]:
    settings: dict[str, JsonValue] = {
        "url": camera.url.reveal(),
        "purposes": [purpose.value for purpose in camera.purposes],
        "detections_per_sec": camera.detections_per_sec,
        "transport": camera.transport,
        "enabled": camera.enabled,
    }
    if camera.masks:
        settings["masks"] = [
            [coordinate for point in polygon for coordinate in point] for polygon in camera.masks
        ]
    if camera.schedule:
        settings["schedule"] = [str(span) for span in camera.schedule]
    if camera.loop:
        settings["loop"] = True
    if camera.zone is not None:
        settings["zone"] = camera.zone
    return settings
