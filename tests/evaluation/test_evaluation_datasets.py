from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sightgrid.domain.errors import SettingsError, SourceError
from sightgrid.evaluation.datasets import read_pairs, read_people


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for name, count in (("Anna Lee", 4), ("Ben", 4), ("Cem", 2)):
        (folder / name).mkdir(parents=True)
        for number in range(1, count + 1):
            suffix = "png" if name == "Cem" else "jpg"
            (folder / name / f"{name}_{number:04d}.{suffix}").touch()
    return folder


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: str, name: str = "pairs.txt") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return write


def test_lfw_list_with_tabs(images: Path, listed: Callable[..., Path]) -> None:
    pairs = read_pairs(
        listed(
            "2\t1",
            *("Anna Lee\t1\t2", "Anna Lee\t1\tBen\t2"),
            *("Ben\t3\t4", "Ben\t1\tCem\t2"),
        ),
        images=images,
    )
    assert [(pair.fold, pair.same) for pair in pairs] == [
        *(("1", True), ("1", False)),
        *(("2", True), ("2", False)),
    ]
    assert pairs[0].image_a == images / "Anna Lee" / "Anna Lee_0001.jpg"
    assert pairs[1].image_b == images / "Ben" / "Ben_0002.jpg"
    assert pairs[3].image_b == images / "Cem" / "Cem_0002.png"


def test_lfw_list_of_one_fold_is_dealt_into_folds(
    images: Path, listed: Callable[..., Path]
) -> None:
    lines = ["Ben 1 2", "Ben 1 3", "Ben 1 4", "Ben 1 Cem 1", "Ben 2 Cem 1", "Ben 3 Cem 1"]
    pairs = read_pairs(listed("3", *lines), images=images)
    assert [pair.fold for pair in pairs] == ["1", "2", "3", "1", "2", "3"]
    assert [pair.same for pair in pairs] == [True] * 3 + [False] * 3


def test_csv(images: Path, listed: Callable[..., Path]) -> None:
    pairs = read_pairs(
        listed(
            "same,fold,image_a,image_b",
            "1,x,Ben/Ben_0001.jpg,Ben/Ben_0002.jpg",
            '0,x,Ben/Ben_0001.jpg,"Anna Lee/Anna Lee_0002.jpg"',
            "true,y,Ben/Ben_0003.jpg,Ben/Ben_0002.jpg",
            "false,y,Ben/Ben_0003.jpg,Cem/Cem_0002.png",
            name="pairs.csv",
        ),
        images=images,
    )
    assert [(pair.fold, pair.same) for pair in pairs] == [
        *(("x", True), ("x", False)),
        *(("y", True), ("y", False)),
    ]
    assert pairs[1].image_b == images / "Anna Lee" / "Anna Lee_0002.jpg"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "is empty"),
        (["hello"], "line 1: 'hello' begins no list of pairs"),
        (["2 1", "Ben 1 2"], "line 1: '2 1' promises 4 pairs"),
        (["1", "Ben 1 2", "Ben 1"], "line 3: 3 or 4 fields expected, got 2"),
        (["1", "Ben 1 2", "Ben 1 Cem two"], "line 3: 'two' is no number"),
        (["1", "Ben 1 9", "Ben 1 Cem 1"], "line 2: there is no photo .*Ben_0009.jpg"),
        (["1", "Ben 1 2", "Ben 1 3"], "fold 1 holds no pair of different people"),
        (["1", "Ben 1 2", "Ben 1 Cem 1"], "holds 2 pairs"),
        (["fold,image_a,same", "1,a,1"], "line 1: column image_b is missing"),
        (["fold,image_a,image_b,same", "1,a,1"], "line 2: 4 fields expected, got 3"),
        (
            ["fold,image_a,image_b,same", "1,Ben/Ben_0001.jpg,Ben/Ben_0002.jpg,maybe"],
            "line 2: same is 'maybe'",
        ),
        (["fold,image_a,image_b,same", "1,Ben/a.jpg,Ben/b.jpg,1"], "line 2: there is no photo"),
    ],
)
def test_mistakes_are_named_by_line(
    lines: list[str], told: str, images: Path, listed: Callable[..., Path]
) -> None:
    with pytest.raises((SettingsError, SourceError), match=told):
        read_pairs(listed(*lines), images=images)


def test_missing_list_and_folder(images: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such list"):
        read_pairs(tmp_path / "none.txt", images=images)
    with pytest.raises(SettingsError, match="is a folder"):
        read_pairs(images, images=images)
    with pytest.raises(SourceError, match="no such folder of photos"):
        read_pairs(tmp_path / "none.txt", images=tmp_path / "none")


def test_people_are_folders_with_photos(images: Path, tmp_path: Path) -> None:
    (images / "empty").mkdir()
    (images / ".hidden").mkdir()
    (images / "Ben" / "notes.txt").touch()
    people = read_people(images)
    assert [(person.name, len(person.photos)) for person in people] == [
        *(("Anna Lee", 4), ("Ben", 4), ("Cem", 2)),
    ]
    assert people[1].photos[0].name == "Ben_0001.jpg"
    with pytest.raises(SourceError, match="no such folder"):
        read_people(tmp_path / "none")
    with pytest.raises(SourceError, match="holds no folder"):
        read_people(images / "Ben")
