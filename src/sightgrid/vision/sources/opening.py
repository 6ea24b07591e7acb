"""Which kind of source lies behind what was typed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sightgrid.domain.errors import SourceError
from sightgrid.domain.locations import URL, redacted
from sightgrid.vision.pictures import PICTURE_SUFFIXES
from sightgrid.vision.sources.folders import PictureFolder
from sightgrid.vision.sources.framesource import FrameSource
from sightgrid.vision.sources.recordings import VideoSource

_ALLOWED_SCHEMES = ("rtsp", "rtsps", "http", "https")


def open_source(location: str, *, camera: str, starts_at: datetime | None) -> FrameSource:
    """The source behind a path or URL.

    Raises:
        SourceError: nothing is there, or it is of no kind that can be read.
    """
    if URL.match(location):
        scheme = location.partition(":")[0].lower()
        if scheme not in _ALLOWED_SCHEMES:
            raise SourceError(
                f"{redacted(location)}: '{scheme}:' is no kind of stream sightgrid reads",
                hint=f"use one of {', '.join(_ALLOWED_SCHEMES)}, or a path",
            )
        return VideoSource(location, camera=camera, starts_at=starts_at)
    path = Path(location)
    if path.is_dir():
        return PictureFolder(path, camera=camera, starts_at=starts_at)
    if not path.exists():
        raise SourceError(f"{location}: there is no such file or folder")
    if not path.is_file():
        raise SourceError(f"{location}: is neither a file nor a folder")
    if path.stat().st_size == 0:
        raise SourceError(f"{location}: the file is empty")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        raise SourceError(
            f"{location}: is a single picture, not a recording",
            hint="give a folder of pictures in their order; to ask whose face a photo shows: "
            "sightgrid identity search",
        )
    return VideoSource(location, camera=camera, starts_at=starts_at)
