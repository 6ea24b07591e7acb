"""The same figures for each group of people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightgrid.domain.errors import SettingsError
from sightgrid.evaluation.datasets import Pair
from sightgrid.evaluation.groups import (
    group_tables,
    identification_groups,
    read_groups,
    verification_groups,
)
from sightgrid.evaluation.identification import Deal, Probe, identify
from sightgrid.evaluation.photos import PhotoVectors
from sightgrid.evaluation.verification import Metric, verify
from sightgrid.recognition.heads import NearestMean


def written(folder: Path, text: str) -> Path:
    file = folder / "groups.csv"
    file.write_text(text, "utf-8")
    return file


def test_labels_are_read_by_column(tmp_path: Path) -> None:
    file = written(tmp_path, "name, gender,age\na,f,old\nb,m,\n\nelse,m,old\n")
    assert read_groups(file, people=["a", "b", "c"]) == {
        "gender": {"a": "f", "b": "m"},
        "age": {"a": "old"},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: a column name"),
        ("name\na\n", "line 1: a column name"),
        ("gender,age\nf,old\n", "line 1: a column name"),
        ("name,age,age\na,1,2\n", "each once"),
        ("name,gender\na,f,old\n", "line 2: 2 fields expected, got 3"),
        ("name,gender\na,f\n\na,m\n", "line 4: the name stands in line 2 already"),
        ("name,gender\nsomebody,f\n", "labels none of the 1 people"),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read_groups(written(tmp_path, text), people=["a"])


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such list of groups"):
        read_groups(tmp_path / "none.csv", people=["a"])


def on_circle(*degrees: float) -> PhotoVectors:
    angles = np.radians(degrees)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return PhotoVectors(vectors, np.ones(len(degrees), np.bool_), 0.0)


def test_identification_by_group() -> None:
    """a at 0 and b at 90 degrees are enrolled; a is asked about at 10 and 60 (taken for b), b at
    80; stranger c lies 35 from b, stranger d far from both."""
    dealt = Deal(
        ("a", "b", "c", "d"),
        ((0, 0), (1, 1)),
        (
            *(Probe((2,), 0, True), Probe((3,), 0, True), Probe((4,), 1, True)),
            *(Probe((5,), 2, False), Probe((6,), 3, False)),
        ),
    )
    result = identify(dealt, photos=on_circle(0, 90, 10, 60, 80, 125, 225), head=NearestMean())
    labels = {"team": {"a": "red", "b": "blue", "c": "blue"}}
    blue, red = identification_groups(result, dealt, labels)
    assert (blue.value, blue.people, blue.genuine, blue.accepted) == ("blue", 2, 1, 1.0)
    # no stranger may pass the threshold, which is the nearest stranger's own score
    assert (blue.impostor, blue.mistaken) == (1, 0.0)
    assert (red.people, red.genuine, red.accepted, red.impostor) == (1, 2, 0.5, 0)
    assert red.mistaken is None
    (table,) = group_tables((blue, red))
    assert table.title == "By team"
    assert table.rows[1] == ("red", "1", "2", "50.00 %", "0", "-")


def test_verification_by_group_counts_pairs_within_it() -> None:
    photos = [Path(f"{name}/{number}.jpg") for name in "abcd" for number in (1, 2)]
    vectors = on_circle(0, 5, 120, 125, 180, 185, 270, 275)

    def pair(one: int, other: int, fold: str) -> Pair:
        return Pair(fold, photos[one], photos[other], photos[one].parent == photos[other].parent)

    pairs = [
        *(pair(0, 1, "1"), pair(2, 3, "1"), pair(0, 2, "1"), pair(4, 6, "1")),
        *(pair(4, 5, "2"), pair(6, 7, "2"), pair(1, 4, "2"), pair(3, 7, "2")),
    ]
    rows = np.array([[photos.index(p.image_a), photos.index(p.image_b)] for p in pairs])
    result = verify(
        pairs, rows=rows, photos=vectors, metric=Metric.COSINE, far=0.01, subtract_mean=False
    )
    labels = {"team": {"a": "red", "b": "red", "c": "blue"}}
    blue, red = verification_groups(result, pairs, labels)
    assert (red.people, red.genuine, red.accepted) == (2, 2, 1.0)
    assert (red.impostor, red.mistaken) == (1, 0.0)
    assert (blue.people, blue.genuine, blue.impostor, blue.mistaken) == (1, 1, 0, None)
