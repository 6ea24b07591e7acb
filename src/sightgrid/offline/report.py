"""The report of an offline run: one HTML file for people, which needs nothing but a browser.

It asks for nothing from outside: pictures, style and script lie in the file, and its own content
security policy forbids the rest. What it shows is put together in :mod:`report_page`; what it looks
like is in ``templates/``.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from sightgrid.domain.errors import OutputError
from sightgrid.domain.grid import CameraGrid
from sightgrid.offline.report_facts import TruthRow
from sightgrid.offline.report_page import compose
from sightgrid.offline.results import RunResult

__all__ = ["TruthRow", "write_report"]

LARGEST_CROP_BYTES = 24_000
SHOWN_CROP_PX = 144
JPEG_MAGIC = b"\xff\xd8\xff"


def write_report(
    result: RunResult,
    *,
    folder: Path,
    grid: CameraGrid | None = None,
    truth_rows: Sequence[TruthRow] | None = None,
) -> Path:
    """Writes ``folder/report.html``, whole or not at all.

    Args:
        result: the run; its crops are read from ``folder``, one that is missing is shown as such.
        folder: where the run was written to.
        grid: draws the floor plan if it has positions.
        truth_rows: what really happened, where that is known, to be shown beside the answers.

    Raises:
        OutputError: the file can't be written; a full disk is named as such.
    """
    page = compose(result, grid=grid, truth_rows=truth_rows or ())
    script = _source("report.js")
    html = (
        _templates()
        .get_template("report.html.j2")
        .render(
            page=page,
            script=script,
            script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            crop=lambda path: _data_uri(folder, path),
        )
    )
    target = folder / "report.html"
    # a file name that is no Unicode must not cost the whole report
    _replace(target, html.encode(errors="replace"))
    return target


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("sightgrid.offline", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def _source(name: str) -> str:
    """A packaged file as it is, not as a template."""
    environment = _templates()
    assert environment.loader is not None  # noqa: S101 - given just above; tells the type checker
    return environment.loader.get_source(environment, name)[0]


def _data_uri(folder: Path, path: str) -> str | None:
    """A crop as a ``data:`` URI; ``None`` if it isn't there, is no JPEG or lies elsewhere."""
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        return None
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if not content.startswith(JPEG_MAGIC):
        return None
    if len(content) > LARGEST_CROP_BYTES:
        content = _smaller(content) or content
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def _smaller(content: bytes) -> bytes | None:
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        return None
    scale = min(SHOWN_CROP_PX / max(pixels.shape[:2]), 1.0)
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return encoded.tobytes() if done else None


def _replace(target: Path, content: bytes) -> None:
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"the disk is full: {target.name} can't be written",
                hint=f"free some space in {target.parent}",
            ) from error
        raise OutputError(f"{target} can't be written: {error.strerror or error}") from error
