"""``evaluate verification`` and ``identification`` from end to end, on the demo's photos."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.conftest import PEOPLE

from sightgrid.cli.main import run


@pytest.fixture(scope="module")
def pairs(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = ["2\t3"]
    for fold in (PEOPLE[:3], PEOPLE[3:]):
        lines += [f"{name}\t1\t4" for name in fold]
        lines += [f"{one}\t1\t{fold[n - 1]}\t2" for n, one in enumerate(fold)]
    path = tmp_path_factory.mktemp("list") / "pairs.txt"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_verification_answers_with_every_key(
    people: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file = tmp_path / "answer.json"
    plots = tmp_path / "new" / "plots"
    code = run(
        [
            *("evaluate", "verification", "--pairs", str(pairs), "--images", str(people)),
            *("--far", "0.01", "--plots", str(plots), "--json", str(json_file)),
        ]
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    answer = json.loads(json_file.read_text("utf-8"))
    for key in ("accuracy", "accuracy_std", "auc", "eer", "val", "val_std", "far", "threshold"):
        assert isinstance(answer[key], float)
    assert (answer["pairs"], answer["undetected"], answer["folds"]) == (12, 0, 2)
    assert answer["accuracy"] == answer["auc"] == 1.0
    assert "accuracy" in told.out
    pictures = {"roc.png", "det.png", "scores.png", "look-alikes.png"}
    assert {path.name for path in plots.iterdir()} == pictures | {"evaluation.html"}
    check_page((plots / "evaluation.html").read_text("utf-8"), pictures=4)


def test_identification_answers_with_every_key(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file = tmp_path / "answer.json"
    plots = tmp_path / "plots"
    code = run(
        [
            *("evaluate", "identification", str(people), "--enrol", "1", "--seed", "1"),
            *("--degrade", "face32", "--plots", str(plots), "--json", str(json_file)),
        ]
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    answer = json.loads(json_file.read_text("utf-8"))
    assert answer["dir_at_fpir"].keys() == answer["dir_interval"].keys() == {"0.01", "0.001"}
    assert (answer["people"], answer["probes"], answer["impostor_probes"]) == (6, 21, 12)
    assert answer["rank1"] >= 0.8
    assert answer["trainable_parameters"] == 0
    assert answer["fit_secs"] >= 0
    assert answer["probe_ms"] > 0
    assert answer["degrade"] == "face32"
    pictures = {"cmc.png", "det.png", "scores.png", "look-alikes.png"}
    assert {path.name for path in plots.iterdir()} == pictures | {"evaluation.html"}
    check_page((plots / "evaluation.html").read_text("utf-8"), pictures=4)


def check_page(html: str, *, pictures: int) -> None:
    """The page asks for nothing from outside and explains every figure."""
    assert html.count("data:image/png;base64,") == pictures
    assert not re.search(r"https?://|src=\"(?!data:)|<script|<link", html)
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", html, re.S)
    assert len(rows) >= 7
    assert all(row.rstrip("</tdr>\n").endswith(".") for row in rows)


def test_one_photo_gives_one_vector_however_often_it_is_asked(people: Path) -> None:
    from sightgrid.evaluation.degradations import Degradation
    from sightgrid.evaluation.photos import FaceReader, embed_photos
    from sightgrid.offline.engine import open_engine

    photos = sorted(people.rglob("*.png"))[:9]
    reader = FaceReader(open_engine("default"), Degradation(24))
    told: list[tuple[int, int | None]] = []
    once = embed_photos(photos, reader=reader, tell=lambda _, done, total: told.append((done, 9)))
    again = embed_photos(photos, reader=reader, tell=lambda *_: None)
    np.testing.assert_array_equal(once.vectors, again.vectors)
    assert told[-1] == (9, 9)
    empty = embed_photos([], reader=reader, tell=lambda *_: None)
    assert empty.vectors.shape == (0, 128)


def test_degradation_makes_the_face_as_wide_as_it_says(people: Path) -> None:
    from sightgrid.evaluation.degradations import Degradation

    pixels = np.zeros((200, 300, 3), np.uint8)
    assert Degradation.named("face30").apply(pixels, face_width=60.0).shape == (200, 300, 3)
    assert Degradation(20).apply(pixels, face_width=80.0).shape == (100, 150, 3)
    # a face narrower than asked for is not enlarged beyond the x2 of every photo
    assert Degradation(60).apply(pixels, face_width=30.0).shape == (400, 600, 3)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["verification", "--pairs", "p.txt"], 2, "--images"),
        (["verification", "--pairs", "none.txt", "--images", "."], 1, "no such list of pairs"),
        (["identification", "none"], 1, "no such folder of people"),
        (["identification", "PEOPLE", "--shards", "2"], 1, "shards need --head softmax"),
        (["identification", "PEOPLE", "--degrade", "tiny"], 2, "known are face32"),
        (["identification", "PEOPLE", "--degrade", "face2"], 2, "no degradation"),
        (["identification", "PEOPLE", "--unknown", "1"], 2, "--unknown"),
        (["identification", "PEOPLE", "--enrol", "4"], 1, "enrol fewer photos"),
        (["identification", "PEOPLE", "--head", "svm", "--unknown", "0.9"], 1, "two people"),
        (["identification", "PEOPLE", "--pack", "none"], 1, "no pack 'none'"),
    ],
)
def test_mistakes_take_one_line(
    arguments: list[str],
    code: int,
    told: str,
    people: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    called = [str(people) if word == "PEOPLE" else word for word in arguments]
    assert run(["evaluate", *called]) == code
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1
