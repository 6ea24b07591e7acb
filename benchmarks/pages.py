"""Writes what was measured into docs/benchmarks.md, each benchmark its own section.

A section lies between ``<!-- begin:NAME -->`` and ``<!-- end:NAME -->``; what stands outside of
the markers is written by people and stays. A benchmark does, in its ``main``::

    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)               # --data, --write
    chosen = parser.parse_args()
    data = pages.data_folder(parser, chosen)
    text = pages.table(["detector", "AP"], rows)
    pages.publish("detectors", text, command="python -m benchmarks.detectors", chosen=chosen)

which prints the section and, with ``--write``, puts it into the page together with the date, the
machine and the command. Figures that later versions are held to go through
:mod:`benchmarks.ratchet`.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from sightgrid.domain.errors import OutputError
from sightgrid.offline.engine import usable_cores

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"

_LIBRARIES = {
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "opencv-python-headless": "OpenCV",
    "av": "PyAV",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """``--data DIR``, else ``SIGHTGRID_DATA``, and ``--write``."""
    parser.add_argument("--data", type=Path, help="folder of the photos and videos")
    parser.add_argument(
        "--write", action="store_true", help=f"put the figures into docs/{PAGE.name}"
    )


def data_folder(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> Path:
    """The folder of photos and videos; ends the program where there is none."""
    told = chosen.data or os.environ.get("SIGHTGRID_DATA")
    if not told or not Path(told).is_dir():
        parser.error("--data, or SIGHTGRID_DATA, must be the folder with the photos and videos")
    return Path(told)


def tell(task: str, done: int, total: int | None) -> None:
    """How far a measurement is, on standard error, every now and then."""
    if done % 400 == 0 or done == total:
        print(f"{task}: {done} of {total}", file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def publish(
    name: str, text: str, *, command: str, chosen: argparse.Namespace, page: Path = PAGE
) -> None:
    """Prints the section and, if ``--write`` was given, puts it into the page."""
    print(text)
    if chosen.write:
        write_section(name, text, command=command, page=page)


def write_section(name: str, text: str, *, command: str, page: Path = PAGE) -> None:
    """Puts ``text`` between the markers of ``name``, over what stood there.

    Args:
        text: Markdown, without a heading. command: how anybody measures the same, without paths of
            this machine.

    Raises:
        OutputError: the page has no such section, or its markers are not one pair.
    """
    begin, end = f"<!-- begin:{name} -->", f"<!-- end:{name} -->"
    whole = page.read_text("utf-8")
    if whole.count(begin) != 1 or whole.count(end) != 1 or whole.index(end) < whole.index(begin):
        raise OutputError(
            f"{page.name}: there must be one line {begin} and after it one line {end}",
            hint="put both where the section shall stand",
        )
    measured = (
        f"*Measured {datetime.now(UTC):%Y-%m-%d} by `{command}` on {processor()}, "
        f"{usable_cores()} cores; {libraries()}.*"
    )
    head, rest = whole.split(begin)
    _, tail = rest.split(end)
    unfinished = page.with_name(f"{page.name}.partial-{os.getpid()}")
    unfinished.write_text(f"{head}{begin}\n{text.strip()}\n\n{measured}\n{end}{tail}", "utf-8")
    unfinished.replace(page)


def processor() -> str:
    """The processor's name, as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text("utf-8"), re.MULTILINE)
        if found:
            return " ".join(found[1].replace("(R)", "").split())
    return platform.processor() or platform.machine()


def libraries() -> str:
    """Python and the libraries that set the pace, with their versions."""
    told = [f"Python {platform.python_version()}"]
    for package, title in _LIBRARIES.items():
        try:
            told.append(f"{title} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(told)
