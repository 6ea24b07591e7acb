"""CSV that people open in a spreadsheet: no cell becomes a formula, no letter becomes another."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

BOM = "\ufeff"
_GUARD = "'"
# what makes a spreadsheet take a text for a formula
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table as CSV in UTF-8 with a byte order mark, by which spreadsheets know the letters.

    A text that would be taken for a formula gets an apostrophe before it; numbers stay numbers.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow([guarded_cell(column) for column in columns])
    for row in rows:
        writer.writerow([guarded_cell(cell) for cell in row])
    return (BOM + written.getvalue()).encode()


def guarded_cell(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(cell, str) and cell.startswith(_BEGINS_FORMULA):
        return _GUARD + cell
    return "" if cell is None else cell


def plain_cell(text: str) -> str:
    """A cell without the apostrophe that :func:`csv_bytes` gave it."""
    if text.startswith(_GUARD) and text[1:].startswith(_BEGINS_FORMULA):
        return text[1:]
    return text
