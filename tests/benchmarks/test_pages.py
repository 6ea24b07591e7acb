"""The page of figures: every benchmark replaces its own section and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmarks.pages import PAGE, table, write_section
from benchmarks.ratchet import Figure, dropped

from sightgrid.domain.errors import OutputError

TEXT = """# Benchmarks
by hand
<!-- begin:speed -->
old
<!-- end:speed -->
between
<!-- begin:grid -->
kept
<!-- end:grid -->
after
"""


def test_a_section_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(TEXT, "utf-8")
    write_section("speed", table(["a", "b"], [[1, "x"]]), command="python -m it", page=page)
    written = page.read_text("utf-8")
    section = written.partition("<!-- begin:speed -->")[2].partition("<!-- end:speed -->")[0]
    assert "old" not in written
    assert "| a | b |\n| --- | --- |\n| 1 | x |" in section
    assert re.search(r"Measured \d{4}-\d\d-\d\d by `python -m it` on .+, \d+ cores", section)
    before, after = TEXT.partition("<!-- begin:speed -->")[0], TEXT.partition("between")[2]
    assert written.startswith(before)
    assert written.endswith(after)
    again = written
    write_section("speed", table(["a", "b"], [[1, "x"]]), command="python -m it", page=page)
    assert page.read_text("utf-8") == again
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.parametrize(
    "text", ["no markers", TEXT + TEXT, "<!-- end:speed --><!-- begin:speed -->"]
)
def test_a_page_without_the_section_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pytest.raises(OutputError, match="begin:speed"):
        write_section("speed", "new", command="c", page=page)
    assert page.read_text("utf-8") == text


def test_the_real_pages_sections_are_pairs_of_markers() -> None:
    marks = re.findall(r"<!-- (begin|end):(\w+) -->", PAGE.read_text("utf-8"))
    names = [name for kind, name in marks if kind == "begin"]
    assert len(names) == len(set(names)) > 0
    assert marks == [(kind, name) for name in names for kind in ("begin", "end")]


def test_a_figure_may_fall_by_its_tolerance_and_no_further() -> None:
    def figure(name: str, value: float) -> Figure:
        return Figure(name, value, (0.0, 1.0), None, 0.01)

    stored = {"recall": figure("recall", 0.8)}
    assert not dropped([figure("recall", 0.791)], stored)
    assert dropped([figure("recall", 0.789)], stored) == ["recall: 0.7890, stored 0.8000"]
    assert dropped([figure("new", 0.9)], stored) == ["new: not stored, run `make benchmarks`"]
