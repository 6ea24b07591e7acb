"""Reports as CSV and XLSX. No cell is ever a formula, whatever a name begins with."""

from __future__ import annotations

import csv
import io
import re

from sightgrid.attendance.reports import Cell, Table
from sightgrid.domain.errors import MissingExtra

BYTE_ORDER_MARK = "\ufeff"
"""Without it the usual spreadsheet programs take UTF-8 for something else."""
# what makes a spreadsheet read a cell as a formula, also after spaces and in full-width letters
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")
_MOST_IN_CELL = 32_767
_WIDEST = 40


def as_csv(table: Table, *, facts: bool = False) -> bytes:
    """A header and the rows; UTF-8 with a byte-order mark.

    A text that a spreadsheet would calculate gets an apostrophe before it.

    Args:
        facts: whether title and facts stand above the header.
    """
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text, lineterminator="\r\n")
    if facts:
        writer.writerow([safe_cell(table.title)])
        writer.writerows([safe_cell(name), safe_cell(value)] for name, value in table.facts)
        writer.writerow([])
    writer.writerow([safe_cell(column) for column in table.columns])
    writer.writerows([safe_cell(cell) for cell in row] for row in table.rows)
    return text.getvalue().encode()


def safe_cell(cell: Cell) -> str:
    """A cell as it stands in a CSV file."""
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return str(cell)
    clean = _UNWRITABLE.sub("", cell)
    return f"'{clean}" if _FORMULA.match(clean) else clean


def as_xlsx(table: Table) -> bytes:
    """One sheet: title, facts, header, rows; numbers are numbers, texts are only texts.

    Raises:
        MissingExtra: the package ``openpyxl`` is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Alignment, Font, PatternFill
        from openpyxl.utils import get_column_letter
    except ModuleNotFoundError:
        raise MissingExtra("a report as XLSX", extra="server") from None

    book = Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_name(table.title))
    heading, bold = Font(bold=True, size=14), Font(bold=True)
    shade = PatternFill("solid", fgColor="E8ECF1")

    def cell(value: Cell, *, font: Font | None = None, fill: PatternFill | None = None) -> object:
        made = WriteOnlyCell(sheet, value=None)
        if isinstance(value, str):
            made.value = _UNWRITABLE.sub("", value)[:_MOST_IN_CELL]
            # a text that begins with = would be a formula otherwise
            made.data_type = "s"
        else:
            made.value = value
        if font is not None:
            made.font = font
        if fill is not None:
            made.fill = fill
            made.alignment = Alignment(vertical="center")
        return made

    widths = [len(column) for column in table.columns]
    for row in table.rows:
        for number, value in enumerate(row):
            widths[number] = max(widths[number], len(str(value or "")))
    for number, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(number)].width = min(width, _WIDEST) + 2
    above = 1 + len(table.facts) + bool(table.note) + 1
    sheet.freeze_panes = f"A{above + 2}"
    sheet.append([cell(table.title, font=heading)])
    for name, fact in table.facts:
        sheet.append([cell(name, font=bold), cell(fact)])
    if table.note:
        sheet.append([cell(table.note)])
    sheet.append([])
    sheet.append([cell(column, font=bold, fill=shade) for column in table.columns])
    for row in table.rows:
        sheet.append([cell(value) for value in row])
    last = get_column_letter(len(table.columns))
    sheet.auto_filter.ref = f"A{above + 1}:{last}{above + 1 + len(table.rows)}"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sheet_name(title: str) -> str:
    clean = re.sub(r"[\[\]:*?/\\'\x00-\x1f]", " ", title).strip()
    return clean[:31] or "Report"
