"""``sightgrid attendance``: from a class list to a register in a file."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sightgrid.cli.main import run
from sightgrid.configuration import Configuration
from sightgrid.domain.attendance import Course, Span
from sightgrid.server.site import Site, SiteSettings
from sightgrid.store.courses import add_session, course_named
from sightgrid.store.people import insert_person


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with a roster; the current folder is its."""
    monkeypatch.chdir(tmp_path)
    site = Site(SiteSettings(Configuration.default(tmp_path / "sightgrid.yml"), tmp_path))
    with site.store.transaction() as tx:
        for name, number, group in (("Anna", "71", "9a"), ("Bo", "72", "9A"), ("Cem", "73", "9b")):
            insert_person(
                tx, name, {"student_id": number, "class": group}, added_at=datetime.now(UTC)
            )
    site.close()
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert run(["attendance", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert run(["attendance", *words]) != 0
    return capsys.readouterr().err


def test_a_lesson_from_the_command_line(school: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    (school / "timetable.ics").write_text(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\n"
        f"DTSTART:{tomorrow:%Y%m%dT%H%M%SZ}\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    made = told(
        capsys, "course", "Logic", "--class", "9a", "--camera", "door",
        "--calendar", "timetable.ics",
    )  # fmt: skip
    assert (made["people"], made["cameras"], made["sessions_added"]) == (2, ["door"], 1)
    again = told(capsys, "course", "Logic", "--class", "9b")
    assert (again["course_id"], again["people"], again["cameras"]) == (
        made["course_id"],
        1,
        ["door"],
    )
    told(capsys, "course", "Logic", "--class", "9a")
    (planned,) = told(capsys, "list", "--course", "Logic", "--state", "planned")["sessions"]
    session = planned["session_id"]
    assert run(["attendance", "open", session]) == 0
    assert run(["attendance", "mark", session, "71", "late"]) == 0
    assert "nobody on the class list is called '73'" in failed(
        capsys, "mark", session, "73", "late"
    )
    assert run(["attendance", "close", session]) == 0
    assert "reason: say why" in failed(capsys, "mark", session, "Bo", "present")
    assert run(["attendance", "mark", session, "Bo", "present", "--reason", "on paper"]) == 0
    for form in ("csv", "xlsx", "pdf"):
        assert run(["attendance", "report", session, "--out", f"register.{form}"]) == 0
    text = (school / "register.csv").read_bytes().decode("utf-8-sig")
    assert [(row["name"], row["status"]) for row in csv.DictReader(io.StringIO(text))] == [
        ("Anna", "late"),
        ("Bo", "present"),
    ]
    assert run(["attendance", "report", "--kind", "warnings", "--out", "w.csv"]) == 0
    assert "no mail server is configured" in failed(capsys, "mail", session, "--to", "a@b.test")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["open", "nothing"], "there is no session nothing"),
        (["list", "--course", "Art"], "there is no course 'Art'"),
        (["course", "Logic", "--class", "12z"], "nobody on the roster is in the class '12z'"),
        (["report", "--out", "x.docx"], "has to end in .csv, .xlsx or .pdf"),
        (["report", "--out", "x.csv"], "give a SESSION for its register"),
        (["mark", "a", "b", "gone"], "'gone' is not one of"),
    ],
)
def test_mistakes_are_told_in_one_line(
    school: Path, capsys: pytest.CaptureFixture[str], words: list[str], problem: str
) -> None:
    said = failed(capsys, *words)
    assert problem in said
    assert len(said.strip().splitlines()) == 1


def test_a_register_of_three_hundred_is_written_at_once(
    school: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(SiteSettings(Configuration.default(school / "sightgrid.yml"), school))
    now = datetime.now(UTC)
    with site.store.transaction() as tx:
        people = [
            insert_person(tx, f"Person {number}", {"class": "all"}, added_at=now)
            for number in range(300)
        ]
    site.close()
    made = told(capsys, "course", "Lecture", "--class", "all")
    assert made["people"] == len(people)
    site = Site(SiteSettings(Configuration.default(school / "sightgrid.yml"), school))
    with site.store.transaction() as tx:
        lecture: Course = course_named(tx, "Lecture")
        span = Span(now, now + timedelta(hours=1))
        session = add_session(tx, lecture.course_id, span, origin="hand").session_id
    site.close()
    assert run(["attendance", "open", session]) == 0
    assert run(["attendance", "close", session]) == 0
    assert run(["attendance", "report", session, "--out", "r.pdf"]) == 0
    assert (school / "r.pdf").read_bytes().count(b"/Type /Page\n") == 10
