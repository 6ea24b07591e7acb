"""``evaluate calibration``, ``clustering`` and ``report`` from end to end, on the demo's photos."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sightgrid.cli.main import run
from sightgrid.configuration import Configuration
from sightgrid.domain.faces import Embedding
from sightgrid.domain.people import EnrolledPerson
from sightgrid.evaluation.report import NO_WEIGHTS, why_absent
from sightgrid.server.site import Site, SiteSettings
from sightgrid.store.people import enrol
from sightgrid.vision.packs import load_pack


def check_page(page: Path, *, pictures: int) -> str:
    html = page.read_text("utf-8")
    assert html.count("data:image/png;base64,") == pictures
    assert not re.search(r"https?://|src=\"(?!data:)|<script|<link", html)
    return html


def test_calibration_of_a_handful_says_that_it_is_none(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file, plots = tmp_path / "answer.json", tmp_path / "plots"
    code = run(
        [
            *("evaluate", "calibration", "--people", str(people), "--false-alarms", "0.05"),
            *("--plots", str(plots), "--json", str(json_file)),
        ]
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    answer = json.loads(json_file.read_text("utf-8"))
    names = answer["false_alarms"]
    assert names["state"] == "uncalibrated"
    assert names["threshold"] is None
    assert (names["people"], names["passages"]) == (6, 24)
    assert names["needs_people"] > 6
    assert answer["bands"] == []
    assert "Uncalibrated: 6 people are too few" in told.err
    assert "As the gallery grows" in check_page(plots / "evaluation.html", pictures=1)


def test_people_enrolled_at_the_site_are_calibrated_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    contract = load_pack("default").contract
    site = Site(SiteSettings(Configuration.default(tmp_path / "sightgrid.yml"), tmp_path))
    rng = np.random.default_rng(0)
    try:
        with site.store.transaction() as tx:
            for number in range(20):
                rows = rng.normal(size=(1, 128)) + rng.normal(size=(3, 128)) * 0.5
                rows /= np.linalg.norm(rows, axis=1, keepdims=True)
                faces = [Embedding(row, contract) for row in rows.astype(np.float32)]
                enrol(tx, EnrolledPerson(f"person {number}", tuple(faces)))
    finally:
        site.close()
    called = ["evaluate", "calibration", "--people", "enrolled", "--false-alarms", "0.2"]
    assert run([*called, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    names = answer["false_alarms"]
    assert (names["state"], names["people"], names["passages"]) == ("calibrated", 20, 60)
    assert answer["people"] == "enrolled"
    assert run([*called, "--degrade", "face24"]) == 2
    assert "--detector and --degrade are for photos" in capsys.readouterr().err


def test_clustering_answers_with_every_key(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file, plots = tmp_path / "answer.json", tmp_path / "plots"
    code = run(
        [
            *("evaluate", "clustering", str(people)),
            *("--plots", str(plots), "--json", str(json_file)),
        ]
    )
    assert code == 0, capsys.readouterr().err
    answer = json.loads(json_file.read_text("utf-8"))
    assert (answer["people"], answer["photos"], answer["undetected"]) == (6, 24, 0)
    assert answer["wrong_joins"] == 0
    assert answer["purity"] == answer["bcubed"]["precision"] == 1.0
    assert answer["serials_per_person"] >= 1
    assert answer["bcubed"]["f"] > 0.8
    assert "Other thresholds" in check_page(plots / "evaluation.html", pictures=1)
    assert run(["evaluate", "clustering", str(people), "--threshold", "-1"]) == 0
    assert re.search(r"wrong_joins\W+1 ", capsys.readouterr().out)


def test_report_sets_everything_side_by_side(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file, out = tmp_path / "answer.json", tmp_path / "report"
    code = run(
        [
            *("evaluate", "report", str(people), "--out", str(out), "--pack", "default"),
            *("--pack", "vgg-face", "--detector", "yunet", "--detector", "haar"),
            *("--head", "nearest-mean", "--head", "softmax", "--levels", "clean,face40"),
            *("--enrol", "2", "--seeds", "2", "--json", str(json_file)),
        ]
    )
    assert code == 0, capsys.readouterr().err
    rows = json.loads(json_file.read_text("utf-8"))["rows"]
    measured = [row for row in rows if row["problem"] is None]
    assert {(row["detector"], row["head"]) for row in measured} == {
        (detector, head) for detector in ("yunet", "haar") for head in ("nearest-mean", "softmax")
    }
    best = next(row for row in measured if row["detector"] == "yunet")
    assert [share["level"] for share in best["levels"]] == ["clean", "face40"]
    assert best["levels"][0]["rank1"] == 1.0
    assert best["detect_ms"] > 0
    assert best["embed_ms"] > 0
    assert best["network_mb"] > 10
    trained = next(row for row in measured if row["head"] == "softmax")
    assert trained["trainable_parameters"] == 3 * 129
    assert trained["head_mb"] > 0
    absent = [row for row in rows if row["problem"] is not None]
    assert [(row["pack"], row["problem"]) for row in absent] == [("vgg-face", NO_WEIGHTS)]
    html = check_page(out / "evaluation.html", pictures=1)
    assert html.count(NO_WEIGHTS) == 3


def test_packs_without_weights_are_known() -> None:
    assert why_absent("default") is None
    assert why_absent("vgg-face") in (None, NO_WEIGHTS)


def test_groups_add_tables_and_answers(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    groups = tmp_path / "groups.csv"
    names = sorted(entry.name for entry in people.iterdir())
    lines = [f"{name},{'even' if n % 2 else 'odd'}" for n, name in enumerate(names)]
    groups.write_text("\n".join(["name,side", *lines]) + "\n", "utf-8")
    json_file, plots = tmp_path / "answer.json", tmp_path / "plots"
    code = run(
        [
            *("evaluate", "identification", str(people), "--groups", str(groups)),
            *("--plots", str(plots), "--json", str(json_file)),
        ]
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    shares = json.loads(json_file.read_text("utf-8"))["groups"]
    assert [share["value"] for share in shares] == ["even", "odd"]
    assert sum(share["people"] for share in shares) == 6
    assert "By side" in told.out
    assert "By side" in (plots / "evaluation.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["calibration"], 2, "--people"),
        (["calibration", "--people", "none"], 1, "no such folder of people"),
        (["calibration", "--people", "PEOPLE", "--false-alarms", "0"], 2, "--false-alarms"),
        (["clustering", "PEOPLE", "--threshold", "2"], 2, "--threshold"),
        (["report", "PEOPLE"], 2, "--out"),
        (["report", "PEOPLE", "--out", "o", "--levels", "clean,fog"], 1, "'fog' is no degradation"),
        (["report", "PEOPLE", "--out", "o", "--pack", "none"], 1, "no pack 'none'"),
        (["identification", "PEOPLE", "--groups", "none.csv"], 1, "no such list of groups"),
    ],
)
def test_laboratory_mistakes_take_one_line(
    arguments: list[str],
    code: int,
    told: str,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    called = [str(people) if word == "PEOPLE" else word for word in arguments]
    assert run(["evaluate", *called]) == code
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1
