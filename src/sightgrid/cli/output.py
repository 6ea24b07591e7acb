"""Prints results for people (tables) and for machines (JSON), and progress on a terminal."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

_WIDTH_OFF_TERMINAL = 160


def _json_target(_: click.Context, __: click.Parameter, json_file: str | None) -> str | None:
    """Refuses a FILE that can't be written, or that the result must not replace.

    FILE may be left out, so in ``--json clip.mp4`` the recording would be taken for it.
    """
    if json_file in (None, "-"):
        return json_file
    path = Path(json_file)
    if path.is_dir() or not path.parent.is_dir():
        raise click.BadParameter(f"'{json_file}' can't be written: no such folder, or it is one")
    if path.is_file():
        with path.open("rb") as stream:
            if stream.read(64).lstrip()[:1] not in (b"", b"{", b"["):
                raise click.BadParameter(
                    f"'{json_file}' holds something else than JSON and is not replaced; "
                    "give --json last to print the result"
                )
    return json_file


json_option = click.option(
    "--json",
    "json_file",
    is_flag=False,
    flag_value="-",
    metavar="[FILE]",
    callback=_json_target,
    help="Write the result as JSON, to standard output or FILE.",
)


def write_json(document: Any, json_file: str) -> None:
    """Writes a result to standard output (``-``) or a file."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    # a file's name need not be text; what is not becomes a question mark
    text = text.encode("utf-8", "replace").decode("utf-8")
    if json_file == "-":
        click.echo(text)
    else:
        Path(json_file).write_text(text + "\n", "utf-8")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str) -> None:
    """Prints a table to standard output; numbers to the right."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OFF_TERMINAL)
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in rows) and bool(rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, not markup: a person's name may hold brackets
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)


def note(line: str) -> None:
    """One line for the person at the terminal, on standard error."""
    click.echo(line, err=True)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A function that shows how far each task is: ``tell(task, done, total)``.

    Bars appear on a terminal only and are gone at the end.
    """
    if not sys.stderr.isatty():
        yield lambda task, done, total: None
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        known: dict[str, TaskID] = {}

        def tell(task: str, done: int, total: int | None) -> None:
            if task not in known:
                known[task] = bars.add_task(task, total=total)
            bars.update(known[task], completed=done, total=total)

        yield tell


def interrupt_on_termination() -> None:
    """Lets SIGTERM end a command as Ctrl-C does, so that nothing half-written stays behind."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
