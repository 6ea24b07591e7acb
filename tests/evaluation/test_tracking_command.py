"""``evaluate tracking`` from end to end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from following import drawn, hand_made

from sightgrid.cli.main import run


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    case = drawn(5, classes=True)
    truth, result = tmp_path / "gt.txt", tmp_path / "res.txt"
    truth.write_text(case.truth, "ascii")
    result.write_text(case.result + "1,-1,5,5,20,20,0.4,-1,-1,-1\n" * 2, "ascii")
    return str(truth), str(result)


def test_it_answers_with_every_key_and_a_page(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file, plots = tmp_path / "answer.json", tmp_path / "new" / "plots"
    called = ["evaluate", "tracking", "--truth", files[0], "--result", files[1]]
    assert run([*called, "--plots", str(plots), "--json", str(json_file)]) == 0
    told = capsys.readouterr().out
    answer = json.loads(json_file.read_text("utf-8"))
    for key in ("hota", "deta", "assa", "idf1", "idp", "idr", "mota", "recall", "precision"):
        assert 0 < answer[key] < 1
        assert key in told
    for key in ("id_switches", "fragments", "found", "missed", "false", "excused"):
        assert isinstance(answer[key], int)
    assert answer["found"] + answer["missed"] == answer["truth_boxes"]
    assert answer["found"] + answer["false"] == answer["result_boxes"]
    assert answer["unsure"] == 2
    assert len(answer["by_alpha"]) == 19
    mean = sum(one["hota"] for one in answer["by_alpha"].values()) / 19
    assert answer["hota"] == pytest.approx(mean)
    pictures = {"alpha.png", "mistakes.png", "lives.png"}
    assert {path.name for path in plots.iterdir()} == pictures | {"evaluation.html"}
    html = (plots / "evaluation.html").read_text("utf-8")
    assert html.count("data:image/png;base64,") == 3
    assert not re.search(r"https?://|src=\"(?!data:)|<script|<link", html)
    assert str(tmp_path) not in html


def test_plots_of_every_case_can_be_drawn(tmp_path: Path) -> None:
    """Also where there is no mistake, or nothing right."""
    for name, case in hand_made().items():
        truth, result = tmp_path / "gt.txt", tmp_path / "res.txt"
        truth.write_text(case.truth, "ascii")
        result.write_text(case.result, "ascii")
        called = ["--truth", str(truth), "--result", str(result), "--json=/dev/null"]
        if name in ("perfect", "nothing right", "one row"):
            called += ["--plots", str(tmp_path / "plots")]
        assert run(["evaluate", "tracking", *called]) == 0


@pytest.mark.parametrize(
    ("result", "code", "told"),
    [
        ("1,1,0,0\n", 1, "res.txt, line 1: 7 to 10 fields expected, got 4"),
        (None, 1, "none.txt: there is no such file"),
    ],
)
def test_mistakes_take_one_line(
    result: str | None,
    code: int,
    told: str,
    files: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "none.txt"
    if result is not None:
        file = tmp_path / "res.txt"
        file.write_text(result, "ascii")
    assert run(["evaluate", "tracking", "--truth", files[0], "--result", str(file)]) == code
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1


def test_a_result_without_rows_scores_nothing(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # as track writes it for a camera before which nobody passed
    nobody = tmp_path / "nobody.txt"
    nobody.touch()
    called = ["--truth", files[0], "--result", str(nobody), "--plots", str(tmp_path / "p")]
    assert run(["evaluate", "tracking", *called, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["hota"], told["idf1"], told["mota"], told["id_switches"]) == (0, 0, 0, 0)
    assert told["missed"] == told["truth_boxes"] > 0
