"""The page of an evaluation: one HTML file that needs nothing but a browser, its plots inside."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sightgrid import __version__
from sightgrid.domain.errors import OutputError
from sightgrid.domain.frames import format_time

PAGE_FILE = "evaluation.html"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and what it says: ``meaning`` is a sentence, ``sample`` what it was counted over,
    ``interval`` how far off it may be by chance, empty where that is not known."""

    name: str
    value: str
    interval: str
    sample: str
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class Plot:
    """A picture and what it shows. ``file`` is its name in the folder, ``png`` its bytes; a
    ``wide`` one gets the page's whole width."""

    file: str
    title: str
    caption: str
    png: bytes
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under their columns, and a sentence on what they are."""

    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What an evaluation has to say. ``settings`` are names and values; ``notes`` sentences."""

    title: str
    lead: str
    settings: Sequence[tuple[str, str]]
    figures: Sequence[Figure]
    plots: Sequence[Plot]
    notes: Sequence[str]
    tables: Sequence[Table] = ()


def write_page(page: Page, *, folder: Path) -> Path:
    """Writes ``evaluation.html`` and every plot as a file of its own into ``folder``, over those
    of an earlier evaluation.

    Raises:
        OutputError: the folder or a file can't be written.
    """
    templates = Environment(
        loader=PackageLoader("sightgrid.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = templates.get_template("evaluation.html.j2").render(
        page=page,
        inline={plot.file: base64.b64encode(plot.png).decode("ascii") for plot in page.plots},
        version=__version__,
        made_at=format_time(datetime.now(UTC)),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for plot in page.plots:
            (folder / plot.file).write_bytes(plot.png)
        (folder / PAGE_FILE).write_text(html, "utf-8")
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder} can't be written: {error.strerror or error}",
            hint="give another folder with --plots",
        ) from error
    return folder / PAGE_FILE


def percent(share: float) -> str:
    """A share as people read it: 99.27 %."""
    return f"{share * 100:.2f} %"


def percent_span(span: tuple[float, float] | None) -> str:
    """An interval of shares; empty for none."""
    return "" if span is None else f"{span[0] * 100:.2f} to {span[1] * 100:.2f} %"
