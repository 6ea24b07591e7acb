"""Registers as tables, and as files that open."""

from __future__ import annotations

import csv
import io
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook

from sightgrid.attendance.printing import as_pdf
from sightgrid.attendance.reports import (
    Line,
    Table,
    Wanted,
    absentees_table,
    chosen,
    daily_table,
    matrix_table,
    register_table,
    warnings_table,
)
from sightgrid.attendance.spreadsheets import as_csv, as_xlsx, safe_cell
from sightgrid.domain.attendance import Mark, Method, Span, Status
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.presence import Band

PARIS = ZoneInfo("Europe/Paris")
FIRST = datetime(2026, 3, 2, 8, tzinfo=UTC)
P, L, A, E, X = (
    Status.PRESENT,
    Status.LATE,
    Status.ABSENT,
    Status.EXCUSED,
    Status.LEFT_EARLY,
)


def line(
    name: str,
    status: Status,
    *,
    lesson: int = 0,
    number: str = "",
    group: str = "9a",
    course: str = "Logic",
) -> Line:
    starts_at = FIRST + timedelta(days=7 * lesson)
    came = starts_at + timedelta(minutes=2) if status.attended else None
    mark = Mark(
        f"id of {name}",
        status,
        Method.CAMERA if status.attended else Method.NONE,
        "came in time" if status.attended else "no sign of them",
        minutes=80 if status.attended else 0,
        came_at=came,
        camera="door" if status.attended else None,
        band=Band.CONFIRMED if status.attended else None,
        margin=0.2345 if status.attended else None,
    )
    span = Span(starts_at, starts_at + timedelta(minutes=90))
    return Line(f"s{lesson}", course, span, name, number, group, "Arts", mark, 1, True)


def read_csv(data: bytes) -> list[list[str]]:
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_the_register_of_a_session() -> None:
    lines = [line("Zoë", L), line("anna", P, number="7"), line("Bo", A)]
    table = register_table("Logic", lines[0].span, lines, PARIS)
    assert dict(table.facts)["Session"] == "2026-03-02 09:00 to 10:30 (Europe/Paris)"
    assert dict(table.facts)["Register"] == "closed, version 1"
    assert [row[0] for row in table.rows] == ["anna", "Bo", "Zoë"]
    assert table.rows[0] == (
        "anna", "7", "9a", "present", 80, "09:02", "", "camera", "door", "confirmed", 0.234, "",
        "came in time",
    )  # fmt: skip


def test_the_matrix_counts_no_excused_session() -> None:
    lines = [
        *(line("Anna", status, lesson=n) for n, status in enumerate([P, A, E, L])),
        *(line("Bo", status, lesson=n) for n, status in enumerate([E, E])),
    ]
    table = matrix_table("Logic", lines, PARIS)
    assert table.columns[4:] == (
        "2026-03-02 09:00",
        "2026-03-09 09:00",
        "2026-03-16 09:00",
        "2026-03-23 09:00",
    )
    assert table.rows == (
        ("Anna", "", "9a", 66.7, "P", "A", "E", "L"),
        ("Bo", "", "9a", None, "E", "E", "", ""),
    )


def test_absentees_and_warnings() -> None:
    lines = [
        *(line("Anna", status, lesson=n) for n, status in enumerate([P, P, P, A])),
        *(line("Bo", status, lesson=n) for n, status in enumerate([A, X, E, A])),
    ]
    absent = absentees_table("x", lines, PARIS)
    assert [(row[0], row[3]) for row in absent.rows] == [
        ("2026-03-02", "Bo"),
        ("2026-03-23", "Anna"),
        ("2026-03-23", "Bo"),
    ]
    assert warnings_table("x", lines, below=0.75).rows == ((33.3, 1, 3, "Bo", "", "9a"),)
    assert len(warnings_table("x", lines, below=0.76).rows) == 2
    with pytest.raises(InvalidValue, match="share between 0 and 1"):
        warnings_table("x", lines, below=75)


def test_everybody_once_a_day() -> None:
    later = line("Anna", P, course="Art")
    lines = [later, line("Anna", P), line("Bo", A), line("Anna", L, lesson=1)]
    table = daily_table("attendance", lines, PARIS)
    assert table.columns == ("id", "name", "class", "faculty", "date", "time")
    assert [row[1:] for row in table.rows] == [
        ("Anna", "9a", "Arts", "2026-03-02", "09:02:00"),
        ("Anna", "9a", "Arts", "2026-03-09", "09:02:00"),
    ]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), ["Anna", "Bo", "Cem"]),
        (Wanted(name="AN"), ["Anna"]),
        (Wanted(group="9B"), ["Bo"]),
        (Wanted(course="logic"), ["Anna", "Bo"]),
        (Wanted(statuses=frozenset({A, L})), ["Bo", "Cem"]),
        (Wanted(first_day=date(2026, 3, 3)), ["Bo"]),
        (Wanted(last_day=date(2026, 3, 2)), ["Anna", "Cem"]),
    ],
)
def test_lines_are_chosen(wanted: Wanted, names: list[str]) -> None:
    lines = [
        line("Anna", P),
        line("Bo", A, lesson=1, group="9b"),
        line("Cem", L, course="Art"),
    ]
    assert [one.name for one in chosen(lines, wanted, PARIS)] == names


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n", "\uff1d1"],
)
def test_no_cell_of_a_csv_is_a_formula(name: str) -> None:
    rows = read_csv(as_csv(absentees_table("x", [line(name, A)], PARIS)))
    assert rows[1][3].startswith("'")
    assert safe_cell(name) == f"'{name}"
    # numbers are no texts
    assert safe_cell(-1) == "-1"


def test_csv_keeps_every_letter() -> None:
    lines = [line('Zoë "Z", 王伟', P)]
    rows = read_csv(as_csv(register_table("x", lines[0].span, lines, PARIS), facts=True))
    assert rows[0] == ["x"]
    assert rows[-1][0] == 'Zoë "Z", 王伟'


def test_no_cell_of_a_workbook_is_a_formula() -> None:
    lines = [line("=HYPERLINK(1)", P), line("a\x07b", A, number="=2")]
    table = register_table("A/B [x]: *?", lines[0].span, lines, PARIS)
    sheet = load_workbook(io.BytesIO(as_xlsx(table))).active
    assert sheet is not None
    rows = list(sheet.iter_rows())
    assert {cell.data_type for row in rows for cell in row if cell.value is not None} == {"s", "n"}
    assert sheet.title == "A B  x"
    header = next(n for n, row in enumerate(rows) if row[0].value == "name")
    assert [cell.value for cell in rows[header]] == list(table.columns)
    assert rows[header + 1][0].value == "=HYPERLINK(1)"
    assert rows[header + 2][0].value == "ab"
    assert rows[header + 1][4].value == 80


def test_a_pdf_has_all_rows_on_numbered_pages() -> None:
    lines = [line(f"Person {number:03}", P) for number in range(300)]
    begun = time.process_time()
    data = as_pdf(register_table("Logic", lines[0].span, lines, PARIS), made="test")
    assert time.process_time() - begun < 5
    assert data.startswith(b"%PDF-")
    assert data.count(b"/Type /Page\n") == 10
    assert as_pdf(register_table("Logic", lines[0].span, lines, PARIS), made="test") == data


def test_a_pdf_takes_any_name_and_any_width() -> None:
    names = ["王伟", "さくら", "김민준", "Łukasz", "Ольга", "\U0001f600", "a\x00b", "x" * 400, ""]
    lines = [line(name, P, lesson=n) for name in names for n in range(40)]
    assert as_pdf(matrix_table("王", lines, PARIS), made="test").count(b"/Type /Page\n") == 3
    empty = Table("", (), ("a",), ())
    assert as_pdf(empty, made="").startswith(b"%PDF-")
