"""Remembers what each camera usually shows, so that one turned while the box was off is noticed.

Edges on 160 by 90 points, a mean of many seconds: no picture, and nobody in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sightgrid.vision.conditions import UsualView

_SCALE = 1e-3


def load_view(folder: Path | None, camera: str) -> UsualView | None:
    """What was saved of a camera; ``None`` if nothing was, or it can't be read."""
    if folder is None:
        return None
    try:
        with np.load(folder / f"{camera}.npz", allow_pickle=False) as stored:
            edges = {
                name == "infrared": stored[name].astype(np.float32) * np.float32(_SCALE)
                for name in ("colour", "infrared")
                if name in stored
            }
            return UsualView(edges, tuple(float(value) for value in stored["sharpness"]))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def save_view(folder: Path | None, camera: str, view: UsualView) -> None:
    """Keeps a view, whole or not at all; a disk that is full costs no more than the memory."""
    if folder is None or not view.edges:
        return
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
        "infrared" if infrared else "colour": np.round(edges / _SCALE).astype(np.int16)
        for infrared, edges in view.edges.items()
    }
    arrays["sharpness"] = np.array(view.sharpness, np.float32)
    target = folder / f"{camera}.npz"
    fresh = folder / f".{camera}.{os.getpid()}.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with fresh.open("wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
