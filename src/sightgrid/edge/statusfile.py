"""The states of a running box's cameras, for whoever asks on the same machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from sightgrid.edge.states import CameraStatus

_NAME = "cameras.json"
# written every two seconds: what is older was left by a box that is gone
_FRESH_SECS = 15.0


def write_statuses(folder: Path, statuses: Iterable[CameraStatus]) -> None:
    """Replaces the file; a full disk is no reason to stop watching."""
    fresh = folder / f".{_NAME}.{os.getpid()}"
    document = {"written": time.time(), "cameras": [status.document() for status in statuses]}
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.write_text(json.dumps(document), "utf-8")
        fresh.replace(folder / _NAME)
    except OSError:
        fresh.unlink(missing_ok=True)


def remove_statuses(folder: Path) -> None:
    """The box has ended: nobody knows any more."""
    (folder / _NAME).unlink(missing_ok=True)


def read_statuses(folder: Path) -> dict[str, CameraStatus]:
    """What a running box last said of its cameras, by name; empty if none runs."""
    try:
        document = json.loads((folder / _NAME).read_text("utf-8"))
        if abs(time.time() - document["written"]) > _FRESH_SECS:
            return {}
        found = [CameraStatus.from_bytes(json.dumps(c).encode()) for c in document["cameras"]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {status.camera: status for status in found}
