"""Reports as PDF, A4, ready to be printed: header on every page, pages numbered."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sightgrid.attendance.reports import Cell, Table
from sightgrid.domain.errors import MissingExtra

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Vera.ttf")
"""The first that the system has; the last comes with the library and knows Latin letters."""
_MARGIN_PT = 36.0
_SIZE_PT = 8.0
_FACT_PT = 9.0
_FACT_GAP_PT = 18.0
_STRETCH = 1.25
_PAD_PT = 3.0
_WIDEST_PT = 150.0
_WIDE_COLUMNS = 14
_TONES = {
    "present": "#dcefe0",
    "P": "#dcefe0",
    "late": "#fbeccb",
    "L": "#fbeccb",
    "left early": "#fbeccb",
    "X": "#fbeccb",
    "absent": "#f6d6d3",
    "A": "#f6d6d3",
    "excused": "#e3e6ee",
    "E": "#e3e6ee",
}


def as_pdf(table: Table, *, made: str) -> bytes:
    """The report as it is handed out.

    Args:
        made: when and where it was made, in words, for the foot of each page.

    Raises:
        MissingExtra: the package ``reportlab`` is not installed.
    """
    try:
        from reportlab.lib.pagesizes import A4, landscape
        from reportlab.pdfgen.canvas import Canvas
    except ModuleNotFoundError:
        raise MissingExtra("a report as PDF", extra="server") from None

    size = landscape(A4) if len(table.columns) > 7 else A4
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=size, invariant=True)
    canvas.setTitle(table.title)
    canvas.setCreator("sightgrid")
    pages = [page for part in _parts(table) for page in _paged(part, size)]
    for number, page in enumerate(pages, 1):
        _draw(canvas, page, size, foot=f"{made}    {number} / {len(pages)}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _parts(table: Table) -> list[Table]:
    """A table that is too wide, as several: what names a row stands at the left of each."""
    if table.wide is None or len(table.columns) - table.wide <= _WIDE_COLUMNS:
        return [table]
    parts = []
    for first in range(table.wide, len(table.columns), _WIDE_COLUMNS):
        last = first + _WIDE_COLUMNS

        def cut(row: Sequence[Any], first: int = first, last: int = last) -> tuple[Any, ...]:
            return (*row[: table.wide], *row[first:last])

        parts.append(
            Table(
                table.title,
                table.facts,
                cut(table.columns),
                tuple(cut(row) for row in table.rows),
                table.note,
                table.wide,
            )
        )
    return parts


def _paged(table: Table, size: tuple[float, float]) -> list[Table]:
    line = _SIZE_PT + 2 * _PAD_PT
    head = _head_pt(table, size[0])
    fits = max(5, int((size[1] - 2 * _MARGIN_PT - head - 30) // line) - 1)
    return [
        Table(table.title, table.facts, table.columns, table.rows[at : at + fits], table.note,
              table.wide)
        for at in range(0, max(1, len(table.rows)), fits)
    ]  # fmt: skip


def _flowed(table: Table, width: float) -> list[list[str]]:
    """The facts in lines, as many in each as there is room for."""
    lines: list[list[str]] = []
    x = room = width - 2 * _MARGIN_PT
    for name, value in table.facts:
        text = _fitting(f"{name}: {value}", room, _FACT_PT)
        needs = _length(text, _FACT_PT)
        if x + needs > room:
            lines.append([])
            x = 0.0
        lines[-1].append(text)
        x += needs + _FACT_GAP_PT
    return lines


def _head_pt(table: Table, width: float) -> float:
    rows = len(_flowed(table, width))
    return 26 + 12 * rows + (12 if table.note else 0) + (22 if table.wide is not None else 8)


def _draw(canvas: Canvas, table: Table, size: tuple[float, float], *, foot: str) -> None:
    width, height = size
    canvas.setFillColor("#1c2430")
    canvas.setFont(_font(table.title), 14)
    canvas.drawString(
        _MARGIN_PT,
        height - _MARGIN_PT - 12,
        _fitting(table.title, width - 2 * _MARGIN_PT, 14),
    )
    y = height - _MARGIN_PT - 28
    for texts in _flowed(table, width):
        x = _MARGIN_PT
        for text in texts:
            canvas.setFont(_font(text), _FACT_PT)
            canvas.drawString(x, y, text)
            x += _length(text, _FACT_PT) + _FACT_GAP_PT
        y -= 12
    if table.note:
        canvas.setFont(_font(table.note), _SIZE_PT)
        canvas.drawString(_MARGIN_PT, y, table.note)
        y -= 12
    widths = _widths(table, width - 2 * _MARGIN_PT)
    line = _SIZE_PT + 2 * _PAD_PT
    top = y - (14 if table.wide is not None else 0)
    canvas.setFillColor("#e8ecf1")
    high = line + (14 if table.wide is not None else 0)
    canvas.rect(_MARGIN_PT, top - line + 2, sum(widths), high, stroke=0, fill=1)
    canvas.setFillColor("#1c2430")
    _headings(canvas, table, widths, top - line + 2 + _PAD_PT)
    y = top - line
    for number, row in enumerate(table.rows):
        if number % 2:
            canvas.setFillColor("#f6f8fa")
            canvas.rect(_MARGIN_PT, y - line + 2, sum(widths), line, stroke=0, fill=1)
        _row(canvas, row, widths, y - line + 2, line)
        y -= line
    canvas.setStrokeColor("#c9d1da")
    canvas.line(_MARGIN_PT, y + 2, _MARGIN_PT + sum(widths), y + 2)
    canvas.setFillColor("#5b6675")
    canvas.setFont(_font(foot), 7.5)
    canvas.drawRightString(width - _MARGIN_PT, _MARGIN_PT - 14, foot)


def _headings(canvas: Canvas, table: Table, widths: Sequence[float], y: float) -> None:
    x = _MARGIN_PT
    for number, (column, width) in enumerate(zip(table.columns, widths, strict=True)):
        if table.wide is not None and number >= table.wide:
            # a session's column is narrow: its day above its time
            day, _, clock = column.partition(" ")
            canvas.setFont(_font(day), 6.5)
            canvas.drawCentredString(x + width / 2, y + 9, day[5:] if len(day) == 10 else day)
            canvas.drawCentredString(x + width / 2, y, clock)
        else:
            text = _fitting(column, width - 2 * _PAD_PT, _SIZE_PT)
            canvas.setFont(_font(text), _SIZE_PT)
            canvas.drawString(x + _PAD_PT, y, text)
        x += width


def _row(
    canvas: Canvas, row: Sequence[Cell], widths: Sequence[float], y: float, line: float
) -> None:
    x = _MARGIN_PT
    for cell, width in zip(row, widths, strict=True):
        text = _fitting("" if cell is None else str(cell), width - 2 * _PAD_PT, _SIZE_PT)
        tone = _TONES.get(text)
        if tone is not None:
            canvas.setFillColor(tone)
            canvas.roundRect(x + 1, y + 1, width - 2, line - 2, 2, stroke=0, fill=1)
        canvas.setFillColor("#1c2430")
        canvas.setFont(_font(text), _SIZE_PT)
        if isinstance(cell, str):
            canvas.drawString(x + _PAD_PT, y + _PAD_PT, text)
        else:
            canvas.drawRightString(x + width - _PAD_PT, y + _PAD_PT, text)
        x += width


def _widths(table: Table, room: float) -> list[float]:
    """As wide as their texts, within limits; what is left or lacking is shared out."""
    found = []
    for number, column in enumerate(table.columns):
        if table.wide is not None and number >= table.wide:
            found.append(34.0)
            continue
        longest = max((str(row[number] or "") for row in table.rows), key=len, default="")
        wanted = max(_length(column, _SIZE_PT), _length(longest, _SIZE_PT)) + 2 * _PAD_PT + 2
        found.append(min(wanted, _WIDEST_PT if number != len(table.columns) - 1 else 220.0))
    stretch = min(room / max(sum(found), 1.0), _STRETCH)
    return [one * stretch for one in found]


def _length(text: str, size: float) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(text, _font(text), size))


@lru_cache(maxsize=8192)
def _fitting(text: str, room: float, size: float) -> str:
    """A text that is no wider than there is room, and has no letters that can't be drawn."""
    clean = _drawable("".join(one if one.isprintable() else " " for one in text))
    shown = clean
    while len(clean) > 1 and _length(shown, size) > room:
        clean = clean[:-1]
        shown = clean.rstrip() + "..."
    return shown


@lru_cache(maxsize=8192)
def _font(text: str) -> str:
    """The font for a text: the usual one, or one for Chinese, Japanese or Korean letters."""
    name, known = _usual()
    if all(ord(one) in known for one in text):
        return name
    return _eastern(text) or name


def _drawable(text: str) -> str:
    """Letters that no font here has are shown as a question mark."""
    _, known = _usual()
    if _eastern(text) is not None:
        return text
    return "".join(one if ord(one) in known else "?" for one in text)


@lru_cache(maxsize=1)
def _usual() -> tuple[str, frozenset[int]]:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    for file in FONTS:
        try:
            font = TTFont("register", file)
        except TTFError:
            continue
        pdfmetrics.registerFont(font)
        return "register", frozenset(font.face.charToGlyph)
    return "Helvetica", frozenset(range(0x20, 0x7F))


def _eastern(text: str) -> str | None:
    """The name of a font that readers of PDF bring along for these letters."""
    letters = [ord(one) for one in text]
    if any(0xAC00 <= one <= 0xD7AF for one in letters):
        name = "HYSMyeongJo-Medium"
    elif any(0x3040 <= one <= 0x30FF for one in letters):
        name = "HeiseiKakuGo-W5"
    elif any(0x4E00 <= one <= 0x9FFF for one in letters):
        name = "STSong-Light"
    else:
        return None
    return _registered(name)


@lru_cache(maxsize=8)
def _registered(name: str) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name
