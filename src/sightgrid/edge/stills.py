"""The last picture of each camera, for people who look at the wall: small, masked, in memory.

A camera's process leaves it in a folder that lies in memory; the uploader sends it. A picture a
minute, and one a second while something moves and somebody is looking.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import av
import cv2
import httpx
import numpy as np

from sightgrid.configuration.settings import Polygon
from sightgrid.domain.frames import format_time

_WIDTH = 640
_JPEG_QUALITY = 72
_STILL_SECS = 60.0
_WATCHED_SECS = 1.0
# a server that says nothing any more: nobody is looking
_BELIEVED_SECS = 15.0
_SUFFIX = ".still"
_WATCHED = ".watched"
_NAME = re.compile(r"^sightgrid-stills-(\d+)$")


def still_folder() -> Path:
    """A folder of this process's own, in memory where the machine has such; only its user may
    look into it."""
    folder = _memory() / f"sightgrid-stills-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def remove_stale_stills() -> None:
    """Removes the pictures of processes that are gone, say by ``kill -9``."""
    for path in _memory().iterdir():
        match = _NAME.match(path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            shutil.rmtree(path, ignore_errors=True)


class StillTaker:
    """In the camera's process: takes a picture when it is time to.

    Args:
        masks: polygons in fractions of the frame, painted over before anything is encoded.
    """

    def __init__(self, folder: Path | None, camera: str, masks: Sequence[Polygon]) -> None:
        self._folder = folder
        self._camera = camera
        self._masks = masks
        self._taken = -_STILL_SECS

    def offer(self, picture: av.VideoFrame, *, captured_at: datetime, moving: bool) -> bool:
        """Whether this picture was taken."""
        if self._folder is None:
            return False
        since = time.monotonic() - self._taken
        if since < _WATCHED_SECS:
            return False
        if since < _STILL_SECS and not (moving and self._is_watched(self._folder)):
            return False
        self._taken = time.monotonic()
        jpeg = _drawn(picture, self._masks)
        frame = f"{picture.width}x{picture.height}"
        head = json.dumps({"taken": format_time(captured_at), "frame": frame}).encode()
        fresh = self._folder / f".{self._camera}"
        # memory that is full is no reason to stop watching
        with suppress(OSError):
            fresh.write_bytes(head + b"\n" + jpeg)
            fresh.replace(self._folder / f"{self._camera}{_SUFFIX}")
        return True

    def _is_watched(self, folder: Path) -> bool:
        try:
            told = (folder / f"{self._camera}{_WATCHED}").stat().st_mtime
        except OSError:
            return False
        return time.time() - told < _BELIEVED_SECS


def _drawn(picture: av.VideoFrame, masks: Sequence[Polygon]) -> bytes:
    """The picture in small, as JPEG. It isn't turned: faces are measured in it as it comes."""
    width = min(_WIDTH, picture.width) // 2 * 2
    height = max(2, round(picture.height * width / picture.width) // 2 * 2)
    pixels = picture.reformat(width=width, height=height, format="bgr24").to_ndarray()
    pixels = np.ascontiguousarray(pixels, np.uint8)
    for mask in masks:
        # a pixel more at each side than the mask: what is made smaller bleeds over its edge
        corners = np.array([[round(x * width), round(y * height)] for x, y in mask], np.int32)
        cv2.fillPoly(pixels, [corners], (0, 0, 0))
        cv2.polylines(pixels, [corners], True, (0, 0, 0), 3)
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data.tobytes() if done else b""


@dataclass(slots=True)
class StillPost:
    """In the uploader: sends new pictures, and notes which cameras somebody has before them."""

    folder: Path
    due: float = 0.0
    sent: dict[str, int] | None = None

    def is_due(self) -> bool:
        return time.monotonic() >= self.due

    async def make(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        """Sends what is new. What fails is not sent again: a newer one comes."""
        self.due = time.monotonic() + _WATCHED_SECS
        sent = self.sent = self.sent or {}
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                written = path.stat().st_mtime_ns
                if sent.get(path.stem) == written:
                    continue
                head, _, jpeg = path.read_bytes().partition(b"\n")
                facts = json.loads(head)
            except (OSError, ValueError):
                continue
            sent[path.stem] = written
            answer = await client.put(
                f"/api/v1/boxes/self/stills/{path.stem}",
                content=jpeg,
                headers={
                    **headers,
                    "Content-Type": "image/jpeg",
                    "Sightgrid-Taken": str(facts["taken"]),
                    "Sightgrid-Frame": str(facts["frame"]),
                },
            )
            if answer.status_code == 200:
                self._note_watched(answer)

    def _note_watched(self, answer: httpx.Response) -> None:
        with suppress(ValueError, OSError, KeyError, TypeError):
            for camera in answer.json()["watched"]:
                if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", str(camera)):
                    (self.folder / f"{camera}{_WATCHED}").touch()


def _memory() -> Path:
    shared = Path("/dev/shm")  # noqa: S108 - memory, not a place for temporary files
    return shared if shared.is_dir() else Path(tempfile.gettempdir())
