"""Lists in WIDER FACE's text format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightgrid.domain.errors import SettingsError, SourceError
from sightgrid.evaluation.wider import read_wider

LIST = """0--Parade/a.jpg
3
10 20 30 40 0 0 0 0 0 0
50 60 7 8 2 0 0 1 2 0
5 5 0 9 0 0 0 0 0 0
0--Parade/empty.jpg
0
0 0 0 0 0 0 0 0 0 0
b.jpg
1
1 2 3 4 0 0 0 0 0 0
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "0--Parade").mkdir(parents=True)
    for name in ("0--Parade/a.jpg", "0--Parade/empty.jpg", "b.jpg"):
        (folder / name).write_bytes(b"")
    return folder


def written(folder: Path, text: str) -> Path:
    path = folder / "truth.txt"
    path.write_text(text, "utf-8")
    return path


def test_boxes_are_corners_and_invalid_ones_are_marked(tmp_path: Path, images: Path) -> None:
    first, empty, last = read_wider(written(tmp_path, LIST), images=images)
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 60], [50, 60, 57, 68]])
    assert first.invalid.tolist() == [False, True]
    assert first.path == images / "0--Parade/a.jpg"
    assert empty.boxes.shape == (0, 4)
    np.testing.assert_array_equal(last.boxes, [[1, 2, 4, 6]])


def test_a_picture_without_faces_needs_no_line_of_zeros(tmp_path: Path, images: Path) -> None:
    text = LIST.replace("0\n0 0 0 0 0 0 0 0 0 0\n", "0\n")
    plain = read_wider(written(tmp_path, text), images=images)
    official = read_wider(written(tmp_path, LIST), images=images)
    assert [len(picture.boxes) for picture in plain] == [2, 0, 1]
    assert [picture.name for picture in plain] == [picture.name for picture in official]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("3\n10", "2\n10", "line 5"),
        ("3\n10", "4\n10", "line 6"),
        ("3\n10", "many\n10", "line 2"),
        ("50 60 7 8", "50 60 x 8", "line 4"),
        ("50 60 7 8 2 0 0 1 2 0", "50 60 nan 8", "line 4"),
        ("50 60 7 8 2 0 0 1 2 0", "50 60 7", "line 4"),
        ("1\n1 2 3 4 0 0 0 0 0 0\n", "2\n1 2 3 4 0 0 0 0 0 0\n", "line 10"),
        ("b.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n", "b.jpg\n", "line 9"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, images: Path, old: str, new: str, line: str
) -> None:
    assert old in LIST
    with pytest.raises(SettingsError, match=f"truth.txt, {line}:"):
        read_wider(written(tmp_path, LIST.replace(old, new)), images=images)


def test_missing_files_are_named(tmp_path: Path, images: Path) -> None:
    (images / "b.jpg").unlink()
    with pytest.raises(SourceError, match=r"line 9: there is no picture .*b\.jpg"):
        read_wider(written(tmp_path, LIST), images=images)
    with pytest.raises(SettingsError, match="no such list"):
        read_wider(tmp_path / "none.txt", images=images)
    with pytest.raises(SourceError, match="no such folder"):
        read_wider(written(tmp_path, LIST), images=tmp_path / "none")
    with pytest.raises(SettingsError, match="names no picture"):
        read_wider(written(tmp_path, "\n"), images=images)
