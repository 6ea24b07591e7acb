"""MOTChallenge files: what counts, what is excused, and every mistake told with its line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sightgrid.domain.errors import SettingsError
from sightgrid.evaluation.mot_files import read_result, read_truth, to_compare
from sightgrid.evaluation.tracking_metrics import score_tracking


def written(folder: Path, text: str, name: str = "rows.txt") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_what_track_writes_is_read_as_it_is(tmp_path: Path) -> None:
    """The rows of ``track``; those of faces it was unsure of are counted and left out."""
    from sightgrid.domain.geometry import Box
    from sightgrid.domain.presence import Band, Decision, Match, Sighting
    from sightgrid.domain.tracklets import PathPoint
    from sightgrid.offline.tables import mot_rows

    def decision(serial: int | None, left: float) -> Decision:
        at = datetime(2026, 3, 2, tzinfo=UTC)
        path = tuple(PathPoint(f, at, Box(left, 2, left + 40, 52), 0.8) for f in (1, 2, 3))
        band = Band.UNSURE if serial is None else Band.STRANGER
        return Decision(
            Sighting(f"s{left}", 1, True, "hall", 1, path, ()),
            Match(band, serial, None, None, None, None, ""),
        )

    rows = mot_rows([decision(1, 0), decision(None, 100), decision(None, 200), decision(2, 300)])
    result = read_result(written(tmp_path, rows))
    assert result.unsure == 6
    assert result.named.identity.tolist() == [1, 2] * 3
    assert result.named.boxes[1].tolist() == [300, 2, 340, 52]


def test_the_truth_of_a_simulated_grid_is_read_as_it_is(tmp_path: Path) -> None:
    from sightgrid.vision.simulation import GridTruth, write_mot
    from sightgrid.vision.simulation.truth import CameraTruth, Distribution

    spread = (0.0, 0.0, 0.0)
    camera = CameraTruth(
        "hall", 25, 640, 360, datetime(2026, 3, 2, tzinfo=UTC), 2,
        np.array([1, 1, 2], np.int32), np.array([0, 1, 0], np.int32),
        np.array([[0, 0, 9, 9], [50, 0, 59, 9], [3, 0, 12, 9]], np.float32),
        np.array([1, 0.2, 1], np.float32),
    )  # fmt: skip
    truth = GridTruth(
        "normal", 1, 1.0, ("a", "b"), (camera,), (), (),
        Distribution(2, spread, spread, spread, spread, 0.0, 0.0),
    )  # fmt: skip
    (file,) = write_mot(truth, tmp_path)
    read = read_truth(file)
    assert read.counted.all()
    assert not read.excusing.any()
    assert read.rows.frame.tolist() == [1, 1, 2]
    assert read.rows.identity.tolist() == [1, 2, 1]
    assert read.rows.boxes[2].tolist() == [3, 0, 12, 9]


def test_what_need_not_be_followed_excuses_who_follows_it(tmp_path: Path) -> None:
    truth = read_truth(
        written(
            tmp_path,
            "1,1,0,0,10,10,1,1,1\n"
            "1,2,100,0,10,10,0,8,1\n"  # a distractor
            "1,3,200,0,10,10,0,1,1\n"  # a person that does not count
            "1,4,300,0,10,10,1,3,1\n",  # a car
            "gt.txt",
        )
    )
    result = read_result(
        written(tmp_path, "".join(f"1,{n},{100 * n},1,10,10,1,-1,-1,-1\n" for n in range(5)))
    )
    compared = to_compare(truth, result)
    assert compared.truth.identity.tolist() == [1]
    assert compared.excused == 1
    assert compared.result.identity.tolist() == [0, 2, 3, 4]
    clear = score_tracking(compared.truth, compared.result).clear
    assert (clear.found, clear.false) == (1, 3)


@pytest.mark.parametrize(
    "text",
    [
        "1,1,0,0,10,10,1\n",
        "1, 1, 0, 0, 10, 10, 1, 1, 1\n",
        "1 1 0 0 10 10 1\n",
        "\ufeff1,1,0,0,10,10,1,\r\n\r\n",
        "1.0,1.0,0.0,0e0,1e1,10,1.0\n",
    ],
)
def test_every_way_to_write_a_row(text: str, tmp_path: Path) -> None:
    read = read_truth(written(tmp_path, text))
    assert read.rows.boxes.tolist() == [[0, 0, 10, 10]]
    assert read.counted.tolist() == [True]


GOOD = "1,1,0,0,10,10,1,-1,-1,-1\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "2,1,0,0,10\n", "line 2: 7 to 10 fields expected, got 5"),
        (GOOD + GOOD.replace("\n", ",0\n"), "line 2: 7 to 10 fields expected, got 11"),
        (GOOD + "2,1,0,0,10,10,1,-1\n", "line 2: 8 fields, the lines before have 10"),
        (GOOD + "\n" + GOOD, "line 3: id 1 is in frame 1 already, on line 1"),
        ("1,1,nan,0,10,10,1\n", "line 1: left is 'nan', not a number"),
        ("1,1,0,inf,10,10,1\n", "line 1: top is 'inf', not a number"),
        ("1,1,0,0,,10,1\n", "line 1: width is '', not a number"),
        ("frame,id,left,top,width,height,conf\n", "line 1: frame is 'frame', not a number"),
        ("1,1.5,0,0,10,10,1\n", "line 1: id is '1.5', not a whole number"),
        ("1,1e300,0,0,10,10,1\n", "line 1: id is '1e300', not a whole number"),
        ("1,-2,0,0,10,10,1\n", "line 1: id is -2"),
        ("0,1,0,0,10,10,1\n", "line 1: frame is 0; frames count from 1"),
        ("1,1,0,0,0,10,1\n", "line 1: width is 0"),
        ("1,1,0,0,10,-3,1\n", "line 1: height is -3"),
        ("1,1,0,0,10,10,1,14,1\n", "line 1: class is 14; there are 1 to 13"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, told: str, tmp_path: Path) -> None:
    for read in (read_truth, read_result):
        with pytest.raises(SettingsError) as caught:
            read(written(tmp_path, text))
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\xff\xfe")
    for file, told in (
        (tmp_path / "missing.txt", "there is no such file"),
        (tmp_path, "can't be read"),
        (tmp_path / "picture.txt", "is no text"),
    ):
        with pytest.raises(SettingsError, match=told):
            read_result(file)


def test_a_truth_names_everybody_and_counts_something(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="line 1: id is -1; the truth knows everybody"):
        read_truth(written(tmp_path, "1,-1,0,0,10,10,1\n"))
    with pytest.raises(SettingsError, match="none of its 2 rows counts"):
        read_truth(written(tmp_path, "1,1,0,0,10,10,0,1,1\n1,2,0,0,10,10,1,3,1\n"))


def test_a_result_of_unsure_rows_alone_finds_nothing(tmp_path: Path) -> None:
    truth = read_truth(written(tmp_path, GOOD, "gt.txt"))
    compared = to_compare(truth, read_result(written(tmp_path, GOOD.replace("1,1,", "1,-1,", 1))))
    assert score_tracking(compared.truth, compared.result).clear.missed == 1


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_run_that_saw_nobody_is_an_answer_but_no_truth(text: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    answered = read_result(file)
    assert (len(answered.named), answered.unsure) == (0, 0)
    with pytest.raises(SettingsError, match="holds no row"):
        read_truth(file)
