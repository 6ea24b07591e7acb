"""A trajectory on paper: plan, timeline and table, A4.

Drawn with ReportLab (BSD). Its built-in fonts know the Latin letters of Western Europe; a name that
can't be written with them is left out, and the number stands for it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from sightgrid.server.trajectories import Stay, Way
from sightgrid.trajectory.placing import Place

WIDTH, HEIGHT = A4
_MARGIN = 18 * mm
_INK, _MUTED, _LINE = HexColor("#1c2430"), HexColor("#667080"), HexColor("#d5dae1")
_WAY, _IMPOSSIBLE = HexColor("#2459c4"), HexColor("#b3261e")
_ROW = 5.6 * mm
# more bars than lines on the page would only be a smear
_MOST_ROWS_OF_TIMELINE = 24


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What stands around a way: ``person`` as far as the reader may know, where the cameras lie,
    ``face`` a JPEG if one is kept."""

    site: str
    zone: tzinfo
    person: str | None
    places: Mapping[str, Place]
    links: tuple[tuple[str, str], ...]
    face: bytes | None
    made_at: datetime


def as_pdf(way: Way, sheet: Sheet) -> bytes:
    """The way as a document of one page or more."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=1)
    canvas.setTitle(f"Identity {way.serial}")
    canvas.setCreator("sightgrid")
    top = _head(canvas, way, sheet)
    if way.stays:
        top = _plan(canvas, way, sheet, top)
        top = _timeline(canvas, way, sheet, top)
        _table(canvas, way, sheet, top)
    else:
        _text(canvas, _MARGIN, top, "Nothing was seen of it in this time.", 10, _MUTED)
    _foot(canvas, sheet)
    canvas.save()
    return out.getvalue()


def writable(text: str) -> bool:
    """Whether the built-in fonts have every letter of it."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _head(canvas: Canvas, way: Way, sheet: Sheet) -> float:
    top = HEIGHT - _MARGIN
    left = _MARGIN
    if sheet.face is not None:
        side = 22 * mm
        canvas.drawImage(ImageReader(io.BytesIO(sheet.face)), left, top - side, side, side)
        left += side + 5 * mm
    name = f"Identity #{way.serial}"
    if sheet.person is not None and writable(sheet.person):
        name = f"{sheet.person} (#{way.serial})"
    _text(canvas, left, top - 6 * mm, name, 17, _INK, bold=True)
    if way.stays:
        first, last = way.stays[0].visit.first_seen, way.stays[-1].visit.last_seen
        span = f"{_when(first, sheet.zone)} to {_when(last, sheet.zone)}"
        cameras = len({stay.visit.camera for stay in way.stays})
        told = f"{len(way.stays)} visits on {cameras} cameras"
        _text(canvas, left, top - 12 * mm, span, 10, _MUTED)
        _text(canvas, left, top - 17 * mm, told, 10, _MUTED)
    if sheet.site and writable(sheet.site):
        canvas.setFont("Helvetica", 9)
        canvas.setFillColor(_MUTED)
        canvas.drawRightString(WIDTH - _MARGIN, top - 4 * mm, sheet.site)
    return top - 30 * mm


def _plan(canvas: Canvas, way: Way, sheet: Sheet, top: float) -> float:
    width, height = WIDTH - 2 * _MARGIN, 70 * mm
    left, bottom = _MARGIN, top - height
    canvas.setStrokeColor(_LINE)
    canvas.setLineWidth(0.6)
    canvas.roundRect(left, bottom, width, height, 2 * mm)

    def at(camera: str) -> tuple[float, float]:
        x, y = sheet.places.get(camera, (0.5, 0.5))
        return left + 12 * mm + x * (width - 24 * mm), bottom + 8 * mm + (1 - y) * (
            height - 16 * mm
        )

    for one, other in sheet.links:
        canvas.line(*at(one), *at(other))
    stays = {stay.number: stay for stay in way.stays}
    for leg in way.legs:
        here, there = stays[leg.origin].visit.camera, stays[leg.target].visit.camera
        if here == there:
            continue
        canvas.setStrokeColor(_WAY if leg.hop.possible else _IMPOSSIBLE)
        canvas.setLineWidth(line_width(leg.likeness) * 0.6)
        if leg.hop.unseen_secs > 0:
            canvas.setDash(3, 2)
        canvas.line(*at(here), *at(there))
        canvas.setDash()
    seen: dict[str, list[int]] = {}
    for stay in way.stays:
        seen.setdefault(stay.visit.camera, []).append(stay.number)
    for camera in sheet.places:
        x, y = at(camera)
        numbers = seen.get(camera, [])
        canvas.setFillColor(_WAY if numbers else HexColor("#ffffff"))
        canvas.setStrokeColor(_WAY if numbers else _MUTED)
        canvas.setLineWidth(0.8)
        canvas.circle(x, y, 1.6 * mm, fill=1)
        told = camera if writable(camera) else "?"
        if numbers:
            told += "  " + numbers_in_short(numbers)
        _text(canvas, x + 2.6 * mm, y - 1 * mm, told, 7.5, _INK if numbers else _MUTED)
    return bottom - 9 * mm


def _timeline(canvas: Canvas, way: Way, sheet: Sheet, top: float) -> float:
    cameras = list(dict.fromkeys(stay.visit.camera for stay in way.stays))
    cameras = cameras[:_MOST_ROWS_OF_TIMELINE]
    first = way.stays[0].visit.first_seen
    last = max(stay.visit.last_seen for stay in way.stays)
    whole = max((last - first).total_seconds(), 1.0)
    left, right = _MARGIN + 34 * mm, WIDTH - _MARGIN
    _text(canvas, left, top, _when(first, sheet.zone), 7.5, _MUTED)
    canvas.setFont("Helvetica", 7.5)
    canvas.drawRightString(right, top, _when(last, sheet.zone))
    y = top - 5 * mm
    for camera in cameras:
        _text(canvas, _MARGIN, y, camera if writable(camera) else "?", 8, _INK)
        canvas.setStrokeColor(_LINE)
        canvas.setLineWidth(0.4)
        canvas.line(left, y + 1 * mm, right, y + 1 * mm)
        canvas.setFillColor(_WAY)
        for stay in way.stays:
            if stay.visit.camera != camera:
                continue
            begin = (stay.visit.first_seen - first).total_seconds() / whole
            end = (stay.visit.last_seen - first).total_seconds() / whole
            canvas.rect(
                left + begin * (right - left),
                y - 0.4 * mm,
                max((end - begin) * (right - left), 0.8 * mm),
                2.8 * mm,
                stroke=0,
                fill=1,
            )
        y -= 5 * mm
    return y - 5 * mm


def _table(canvas: Canvas, way: Way, sheet: Sheet, top: float) -> None:
    columns = (0, 10 * mm, 60 * mm, 98 * mm, 122 * mm, 146 * mm)
    y = _table_head(canvas, columns, top)
    led_there = {leg.target: leg for leg in way.legs}
    for stay in way.stays:
        if y < _MARGIN + 8 * mm:
            _foot(canvas, sheet)
            canvas.showPage()
            y = _table_head(canvas, columns, HEIGHT - _MARGIN)
        leg = led_there.get(stay.number)
        before = "" if leg is None else _span(leg.hop.unseen_secs)
        if leg is not None and not leg.hop.possible:
            before += " (not possible)"
        told = (
            str(stay.number),
            stay.visit.camera if writable(stay.visit.camera) else "?",
            _when(stay.visit.first_seen, sheet.zone),
            _span((stay.visit.last_seen - stay.visit.first_seen).total_seconds()),
            _likeness(stay),
            before,
        )
        for x, text in zip(columns, told, strict=True):
            _text(canvas, _MARGIN + x, y, text, 8, _INK)
        y -= _ROW


def _table_head(canvas: Canvas, columns: tuple[float, ...], y: float) -> float:
    words = ("#", "Camera", "Came", "Stayed", "Likeness", "Unseen before")
    for x, text in zip(columns, words, strict=True):
        _text(canvas, _MARGIN + x, y, text, 8, _MUTED, bold=True)
    canvas.setStrokeColor(_LINE)
    canvas.setLineWidth(0.6)
    canvas.line(_MARGIN, y - 1.6 * mm, WIDTH - _MARGIN, y - 1.6 * mm)
    return y - _ROW


def _foot(canvas: Canvas, sheet: Sheet) -> None:
    told = (
        f"Made {_when(sheet.made_at, sheet.zone)} ({sheet.zone}). Personal data: keep it no longer "
        f"than you need it. Page {canvas.getPageNumber()}"
    )
    _text(canvas, _MARGIN, 10 * mm, told, 7, _MUTED)


def line_width(likeness: float | None) -> float:
    """Points, 1 to 5: the more alike, the wider. ``None``: it is what the identity began with."""
    if likeness is None:
        return 5.0
    return 1.0 + 4.0 * min(max((likeness - 0.2) / 0.6, 0.0), 1.0)


def numbers_in_short(numbers: list[int], *, most: int = 6) -> str:
    """``1, 3, 5`` and, where there are many, how many more."""
    told = ", ".join(str(number) for number in numbers[:most])
    return told if len(numbers) <= most else f"{told} and {len(numbers) - most} more"


def _likeness(stay: Stay) -> str:
    return stay.band.value if stay.likeness is None else f"{stay.likeness:.2f}"


def _when(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _span(secs: float) -> str:
    if secs < 60:
        return f"{secs:.0f} s"
    minutes, rest = divmod(round(secs), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _text(
    canvas: Canvas, x: float, y: float, text: str, size: float, ink: Color, *, bold: bool = False
) -> None:
    canvas.setFont("Helvetica-Bold" if bold else "Helvetica", size)
    canvas.setFillColor(ink)
    canvas.drawString(x, y, text)
