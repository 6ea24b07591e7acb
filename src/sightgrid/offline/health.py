"""What ``sightgrid doctor`` looks at."""

from __future__ import annotations

import io
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.error import FFmpegError

from sightgrid.domain.errors import SightgridError
from sightgrid.store import Store
from sightgrid.vision.acquiring import verify_pack
from sightgrid.vision.onnx import Runtime, is_installed
from sightgrid.vision.packs import cache_folder, installed, load_pack

_LEAST_FREE_BYTES = 2 << 30
# sightgrid was first built then: a clock before it is a clock that was never set
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found and what to do about it."""

    subject: str
    state: Literal["good", "advice", "failed"]
    finding: str
    advice: str | None = None


def check_machine(folder: Path) -> list[Check]:
    """Every check, in order; ``folder`` is where results are to go."""
    checks = _packs()
    checks += [_runtimes(), _video(), _database(), _disk(folder), _cache(), _clock()]
    return checks


def _packs() -> list[Check]:
    checks = []
    try:
        load_pack("default")
    except SightgridError as error:
        checks.append(Check("pack default", "failed", str(error), error.hint))
    for name in installed():
        problems = [f"{f.subject}: {f.problem}" for f in verify_pack(name) if f.problem]
        if problems:
            advice = f"remove {installed()[name]}; it is built or pulled anew"
            checks.append(Check(f"pack {name}", "failed", "; ".join(problems), advice))
        else:
            checks.append(Check(f"pack {name}", "good", "bytes, contract and networks are right"))
    return checks


def _runtimes() -> Check:
    if is_installed(Runtime.OPENVINO):
        return Check("runtimes", "good", "ONNX Runtime and OpenVINO")
    return Check(
        "runtimes",
        "advice",
        "ONNX Runtime only",
        "embeddings run up to 1.7 times as fast with OpenVINO: pip install openvino",
    )


def _video() -> Check:
    """Encodes and decodes a few frames of H.264."""
    try:
        stored = io.BytesIO()
        with av.open(stored, mode="w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for level in (40, 120, 200):
                picture = np.full((64, 64, 3), level, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            container.mux(stream.encode(None))
        stored.seek(0)
        with av.open(stored, mode="r") as container:
            count = sum(1 for _ in container.decode(video=0))
    except (FFmpegError, OSError, ValueError) as error:
        return Check("video", "failed", f"H.264 can't be decoded: {error}", "reinstall PyAV")
    if count != 3:
        return Check("video", "failed", f"{count} of 3 frames came back", "reinstall PyAV")
    return Check("video", "good", "H.264 is encoded and decoded")


def _database() -> Check:
    try:
        with tempfile.TemporaryDirectory() as folder:
            Store.open(Path(folder) / "check.db", create=True).close()
    except (SightgridError, OSError) as error:
        return Check("database", "failed", str(error), "reinstall sightgrid")
    return Check("database", "good", "SQLite is made and migrated")


def _disk(folder: Path) -> Check:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", "failed", f"{folder}: {error.strerror}", "give a folder that exists")
    finding = f"{free / (1 << 30):.1f} GiB free at {folder.resolve()}"
    if free < _LEAST_FREE_BYTES:
        return Check("disk", "advice", finding, "free some space, or give --out on another disk")
    return Check("disk", "good", finding)


def _cache() -> Check:
    root = cache_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as stream:
            stream.write(b"x")
    except OSError as error:
        return Check(
            "cache",
            "failed",
            f"{root}: {error.strerror}",
            "set SIGHTGRID_CACHE to a folder you may write to",
        )
    return Check("cache", "good", str(root))


def _clock() -> Check:
    now = datetime.now(UTC)
    if now < _EARLIEST:
        return Check("clock", "failed", f"it shows {now:%Y-%m-%d}", "set it, e.g. by NTP")
    return Check("clock", "good", f"{now:%Y-%m-%d %H:%M} UTC")
