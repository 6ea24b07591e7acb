"""Cameras added, changed, tried and taken away on the site's pages, with their rows in the audit.

Those that ``sightgrid.yml`` names are its own: they are shown here and changed there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from sightgrid.configuration import CameraSettings
from sightgrid.configuration.document import configuration_of
from sightgrid.domain.cameras import CAMERA_NAME
from sightgrid.domain.errors import InvalidValue, NotFound, SourceError
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.cameras import (
    StoredCamera,
    cameras,
    grid,
    keep_camera,
    kept_cameras,
    let_camera_go,
    place_camera,
    save_grid,
    set_purposes,
)

_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://")
_TEST_SECS = 90
_PICTURE_WIDTH = 1280
# so the command begins the line that is for people
_SPOKEN = "error: "


@dataclass(frozen=True, slots=True)
class CameraTest:
    """What a camera showed: a picture (JPEG), its size, and the faces in it as boxes in fractions
    of the picture."""

    jpeg: bytes
    width: int
    height: int
    faces: tuple[tuple[float, float, float, float], ...]

    def __repr__(self) -> str:
        return f"CameraTest({self.width}x{self.height}, {len(self.faces)} faces)"


def cameras_of(site: Site) -> tuple[CameraSettings, ...]:
    """Every camera with settings: the file's, then the pages'; a name of the file's counts."""
    with site.store.snapshot() as tx:
        kept = kept_cameras(tx)
    named = {camera.name for camera in site.configuration.cameras}
    added = [_settings(site, one) for one in kept if one.name not in named]
    return (*site.configuration.cameras, *added)


def add_camera(
    site: Site, name: str, url: str, fields: Mapping[str, object], *, actor: str
) -> CameraSettings:
    """Adds a camera; its box is told within a minute.

    Args:
        fields: in the words of ``sightgrid.yml``.

    Raises:
        InvalidValue: the name is taken or none, or the address may not be opened.
        SettingsError: a field is wrong.
    """
    if not CAMERA_NAME.fullmatch(name):
        raise InvalidValue(
            "name: 1 to 100 of the letters A-Z, a-z, digits, _ and -",
            hint="for example entrance or hall-2",
        )
    if any(name == one.name for one in cameras_of(site)):
        raise InvalidValue(f"name: there is a camera '{name}' already")
    stored = StoredCamera(name, checked_url(url), _words(fields))
    settings = _settings(site, stored)
    _write(site, stored, settings, action="camera-added", actor=actor)
    return settings


def change_camera(
    site: Site,
    name: str,
    changes: Mapping[str, object],
    *,
    url: str | None = None,
    actor: str,
) -> CameraSettings:
    """Changes some fields of a camera; ``None`` takes one away.

    Raises:
        NotFound: there is no such camera.
        InvalidValue: the file owns it, or the address may not be opened.
        SettingsError: a field is wrong.
    """
    known = _kept(site, name)
    fields = _words({**known.fields, **changes})
    stored = StoredCamera(name, known.url if url is None else checked_url(url), fields)
    settings = _settings(site, stored)
    _write(site, stored, settings, action="camera-changed", actor=actor, what=sorted(changes))
    # what was taken with other masks may show what is hidden now
    site.stills.forget(name)
    return settings


def remove_camera(site: Site, name: str, *, actor: str) -> None:
    """Takes a camera away; what it saw is kept.

    Raises:
        NotFound: there is no such camera.
        InvalidValue: the file owns it.
    """
    _kept(site, name)
    now = site.clock()

    def remove(tx: Transaction) -> None:
        let_camera_go(tx, name)
        note_event(tx, at=now, actor=actor, action="camera-removed", details={"camera": name})

    site.store.run(remove)
    site.stills.forget(name)


def put_on_plan(site: Site, name: str, place: tuple[float, float] | None, *, actor: str) -> None:
    """Puts a camera on the plan, 0-1 from the left and top; ``None`` takes it off.

    Raises:
        NotFound: there is no such camera.
        InvalidValue: the file says where it is, or the place is beyond the plan.
    """
    if name in site.configuration.grid.positions:
        raise InvalidValue(
            f"{site.configuration.path.name} says where '{name}' is", hint="change it there"
        )
    if place is not None and not all(0.0 <= one <= 1.0 for one in place):
        raise InvalidValue("position: 0 to 1 from the left and from the top")
    now = site.clock()

    def put(tx: Transaction) -> None:
        place_camera(tx, name, place)
        note_event(tx, at=now, actor=actor, action="camera-placed", details={"camera": name})

    site.store.run(put)


def set_links(site: Site, links: Sequence[CameraLink], *, actor: str) -> None:
    """Replaces the links that were made on the pages; those of the file stay.

    Raises:
        InvalidValue: a link names a camera that is not there, or joins one with itself.
    """
    now = site.clock()
    own = site.configuration.grid.links
    owned = {frozenset((link.origin, link.target)) for link in own}

    def save(tx: Transaction) -> None:
        known = {*cameras(tx), *(camera.name for camera in site.configuration.cameras)}
        for link in links:
            for name in (link.origin, link.target):
                if name not in known:
                    raise InvalidValue(f"links: there is no camera '{name}'")
            if link.origin == link.target:
                raise InvalidValue(f"links: '{link.origin}' is linked with itself")
        before = grid(tx)
        fresh = [one for one in links if frozenset((one.origin, one.target)) not in owned]
        save_grid(tx, CameraGrid(before.positions, (*own, *fresh), before.apart), ())
        note_event(tx, at=now, actor=actor, action="links-changed", details={"links": len(fresh)})

    site.store.run(save)


def checked_url(url: str) -> str:
    """An address that may be typed into a page.

    Raises:
        InvalidValue: it is no address of a camera on the network. Files of the server and secrets
            of its surroundings are for those who have a terminal there.
    """
    url = url.strip()
    if not url.lower().startswith(_SCHEMES):
        raise InvalidValue(
            "address: it must begin with rtsp://, rtsps://, http:// or https://",
            hint="the camera's own pages or its handbook name it",
        )
    if "{" in url or "}" in url or any(one.isspace() for one in url) or len(url) > 1000:
        raise InvalidValue("address: braces and spaces can't be part of it")
    return url


def try_camera(site: Site, url: str) -> CameraTest:
    """Fetches one picture of a camera in a process of its own, and looks for faces in it.

    Raises:
        SourceError: no picture could be had, and why.
    """
    jpeg = _picture(site, url)
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SourceError("the camera's picture can't be read")
    height, width = pixels.shape[:2]
    if width > _PICTURE_WIDTH:
        size = (_PICTURE_WIDTH, round(height * _PICTURE_WIDTH / width))
        shown = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        jpeg = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    faces = []
    for one in site.engine.detector.detect(np.ascontiguousarray(pixels, np.uint8)):
        box = one.box
        faces.append((box.left / width, box.top / height, box.right / width, box.bottom / height))
    return CameraTest(jpeg, width, height, tuple(faces))


def _picture(site: Site, url: str) -> bytes:
    """One picture, by the command that takes them: what decodes it may crash without us, and the
    address goes over a pipe, where no list of processes shows it."""
    with TemporaryDirectory(prefix="sightgrid-") as folder:
        file = Path(folder) / "picture.jpg"
        order = [sys.executable, "-m", "sightgrid", "camera", "snapshot", "-", str(file)]
        order.append("--as-box")
        if site.configuration.path.exists():
            order += ["--config", str(site.configuration.path)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter, no shell
                order, input=url.encode() + b"\n", capture_output=True, timeout=_TEST_SECS
            )
        except subprocess.TimeoutExpired:
            raise SourceError(
                "the camera answers, but sends no picture", hint="is the path of its stream right?"
            ) from None
        if done.returncode != 0 or not file.exists():
            raise _said(done.stderr.decode(errors="replace"))
        return file.read_bytes()


def _said(words: str) -> SourceError:
    """The reason that the command gave, which holds no password."""
    for line in words.splitlines():
        if line.startswith(_SPOKEN):
            return SourceError(line.removeprefix(_SPOKEN))
    return SourceError("the camera gave no picture")


def _kept(site: Site, name: str) -> StoredCamera:
    if any(name == one.name for one in site.configuration.cameras):
        raise InvalidValue(
            f"the camera '{name}' is written in {site.configuration.path.name}",
            hint="change it there, then start the server again",
        )
    with site.store.snapshot() as tx:
        for one in kept_cameras(tx):
            if one.name == name:
                return one
    raise NotFound(f"there is no camera '{name}'")


def _settings(site: Site, stored: StoredCamera) -> CameraSettings:
    """The stored words, read as the file's are."""
    document: dict[str, Any] = {"cameras": {stored.name: {**stored.fields, "url": stored.url}}}
    return configuration_of(document, path=site.configuration.path, environment={}).cameras[0]


def _words(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _write(
    site: Site,
    stored: StoredCamera,
    settings: CameraSettings,
    *,
    action: str,
    actor: str,
    what: Sequence[str] = (),
) -> None:
    now = site.clock()

    def write(tx: Transaction) -> None:
        keep_camera(tx, stored)
        set_purposes(tx, stored.name, [one.value for one in settings.purposes])
        details = {"camera": stored.name} | ({"what": " ".join(what)} if what else {})
        note_event(tx, at=now, actor=actor, action=action, details=details)

    site.store.run(write)
