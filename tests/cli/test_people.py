"""`sightgrid people`: the roster from a terminal, each mistake in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scenery import call

from sightgrid.configuration import Configuration
from sightgrid.server.site import Site, SiteSettings

CONSENT = ("--text-version", "1", "--channel", "paper", "--evidence", "folder", "--given-by", "A")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    Site(SiteSettings(Configuration.default(folder / "sightgrid.yml"), folder)).close()
    return folder


@pytest.fixture
def school(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site of students in the folder that commands are called in."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    (tmp_path / "sightgrid.yml").write_text("people: {attributes: student, adult_at: 16}\n")
    (tmp_path / "consent.txt").write_text("I agree.")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(*arguments: str | Path) -> Any:
    called = call("people", *arguments, "--json")
    assert called.code == 0, called.err
    return json.loads(called.out)


def add(number: str, name: str, *more: str) -> str:
    called = call("people", "add", "--set", f"student_id={number}", "--set", f"name={name}", *more)
    assert called.code == 0, called.err
    return called.out.strip()


def test_somebody_is_added_found_changed_and_changed_back(school: Path) -> None:
    person_id = add("s-1", "Anna Berg", "--set", "class=7b")
    add("s-2", "Bo Chen")
    assert [one["name"] for one in answer("list", "--search", "7B anna")["items"]] == ["Anna Berg"]
    changed = answer("update", "s-1", "--set", "class=8b")
    assert changed["person"]["fields"]["class"] == "8b"
    assert answer("undo", changed["change_id"])["fields"]["class"] == "7b"
    gone = answer("remove", person_id, "--yes")
    assert [one["name"] for one in answer("list")["items"]] == ["Bo Chen"]
    answer("undo", gone["change_id"])
    assert len(answer("list")["items"]) == 2
    assert "Anna Berg" in call("people", "show", "s-1").out


def test_mistakes_are_one_line_that_names_the_field(school: Path) -> None:
    add("s-1", "Anna Berg")
    again = call("people", "add", "--set", "student_id=s-1", "--set", "name=Eva")
    assert "student_id" in again.failed_in_one_line()
    assert "FIELD=VALUE" in call("people", "add", "--set", "name").failed_in_one_line(2)
    assert "no person 's-9'" in call("people", "show", "s-9").failed_in_one_line()
    missing = call("people", "import", school / "none.csv")
    assert "none.csv" in missing.failed_in_one_line()
    photo = school / "photo.jpg"
    photo.write_bytes(b"no picture")
    assert "has not agreed" in call("people", "enrol", "s-1", photo).failed_in_one_line()


def test_consent_is_written_down_and_withdrawn(school: Path) -> None:
    add("s-1", "Anna Berg", "--set", "birthday=2000-01-01")
    add("s-2", "Kim", "--set", "birthday=2020-01-01")
    given = answer("consent", "s-1", "--text", "consent.txt", *CONSENT)
    child = call("people", "consent", "s-2", "--text", "consent.txt", *CONSENT)
    assert "guardian" in child.failed_in_one_line()
    shown = answer("show", "s-1")
    assert (shown["agreed"], len(shown["consents"][0]["text_sha256"])) == (True, 64)
    done = answer("withdraw", "s-1", given["consent_id"], "--method", "pin")
    assert done["method"] == "pin"
    assert answer("show", "s-1")["agreed"] is False


def test_a_list_goes_in_and_out(school: Path) -> None:
    wrong = school / "wrong.csv"
    wrong.write_text("student_id,name\ns-1,Anna\ns-1,Bo\n")
    called = call("people", "import", wrong)
    assert called.code == 1
    assert "line 3, student_id: stands in line 2 already" in called.err
    assert answer("list")["items"] == []
    good = school / "good.csv"
    good.write_text("student_id,name\ns-1,Anna\ns-2,=Bo\n")
    assert answer("import", good, "--preview")["added"] == 2
    assert answer("import", good)["added"] == 2
    out = school / "out.csv"
    assert call("people", "export", out).code == 0
    text = out.read_text("utf-8-sig")
    assert "'=Bo" in text
    assert answer("import", out)["unchanged"] == 2
