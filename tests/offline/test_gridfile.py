"""Grid files: what they mean, and that a mistake is answered with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import SettingsError
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.offline.gridfile import read_grid

CAMERAS = ("door", "hall", "stairs")


@pytest.fixture
def grid_file(tmp_path: Path) -> Path:
    return tmp_path / "grid.yml"


def read(path: Path, text: str) -> CameraGrid:
    path.write_text(text, "utf-8")
    return read_grid(path, cameras=CAMERAS)


def pair(one: str, other: str) -> frozenset[str]:
    return frozenset((one, other))


def test_positions_links_and_overlaps_are_read(grid_file: Path) -> None:
    grid = read(
        grid_file,
        """
cameras:
  door: {position: [0.2, 0.7]}
  hall: {position: [0.6, 0.3]}
positions:
  stairs: [1, 0]
links:
  - {from: door, to: hall, secs: [4, 60]}
  - {from: hall, to: stairs, secs: [2.5]}
  - {from: door, to: stairs, overlap: false}
""",
    )
    assert grid.positions == {"door": (0.2, 0.7), "hall": (0.6, 0.3), "stairs": (1.0, 0.0)}
    assert grid.links == (
        CameraLink("door", "hall", 4.0, 60.0),
        CameraLink("hall", "stairs", 2.5, None),
    )
    assert grid.apart == {pair("door", "stairs")}


def test_overlap_false_at_the_top_is_said_of_every_pair(grid_file: Path) -> None:
    grid = read(grid_file, "overlap: false\n")
    assert grid.apart == {pair("door", "hall"), pair("door", "stairs"), pair("hall", "stairs")}


def test_overlap_false_of_a_camera_is_said_of_all_its_pairs(grid_file: Path) -> None:
    grid = read(grid_file, "cameras: {hall: {overlap: false}}\n")
    assert grid.apart == {pair("door", "hall"), pair("hall", "stairs")}


def test_without_a_word_on_it_views_may_overlap(grid_file: Path) -> None:
    for text in ("", "# nothing\n", "overlap: true\n", "links: [{from: door, to: hall}]\n"):
        grid = read(grid_file, text)
        assert grid.least_secs("door", "hall") is None


def test_a_grid_may_name_cameras_that_are_not_in_this_run(grid_file: Path) -> None:
    grid = read(grid_file, "links: [{from: door, to: garden, secs: [3, 9]}]\n")
    assert grid.least_secs("garden", "door") == 3.0


def test_json_is_yaml_too(grid_file: Path) -> None:
    grid = read(grid_file, '{"links": [{"from": "door", "to": "hall", "secs": [1, 2]}]}')
    assert grid.links == (CameraLink("door", "hall", 1.0, 2.0),)


@pytest.mark.parametrize(
    ("text", "line", "said", "hint"),
    [
        ("cameras:\n  door: {positon: [0, 0]}\n", 2, "'positon' is no field", "'position'"),
        ("links:\n- {from: a, to: b, sec: [1]}\n", 2, "'sec' is no field", "'secs'"),
        ("overlaps: false\n", 1, "'overlaps' is no field", "'overlap'"),
        ("xyzzy: 1\n", 1, "'xyzzy' is no field", "known: cameras"),
        ("- a\n- b\n", 1, "must be a mapping", None),
        ("cameras: [door]\n", 1, "cameras must be a mapping", None),
        ("links: {from: a, to: b}\n", 1, "links must be a list", None),
        ("cameras:\n  door: {position: 3}\n", 2, "door.position must be a list", None),
        ("cameras:\n  door: {position: [0, 2]}\n", 2, "from 0 to 1", None),
        ("cameras:\n  door: {position: [0.5]}\n", 2, "two numbers", None),
        ("cameras:\n  door: {position: [a, b]}\n", 2, "'a' is no number", None),
        ("cameras:\n  door: {position: [.nan, 0]}\n", 2, "no number", None),
        ("cameras:\n  door: {position: [[0], 0]}\n", 2, "single word or number", None),
        ("cameras:\n  door: {}\n  door: {}\n", 3, "'door' stands twice", None),
        ("overlap: perhaps\n", 1, "neither true nor false", None),
        ("overlap: [false]\n", 1, "single word", None),
        ("links:\n- {from: a}\n", 2, "needs 'to'", None),
        ("links:\n- {from: a, to: a}\n", 2, "to itself", None),
        ("links:\n- {from: [a], to: b}\n", 2, "from: must be a single word", None),
        ("links:\n- {from: a, to: b, secs: [9, 4]}\n", 2, "least <= most", None),
        ("links:\n- {from: a, to: b, secs: [-1, 4]}\n", 2, "least <= most", None),
        ("links:\n- {from: a, to: b, secs: [nan, 4]}\n", 2, "'nan' is no number", None),
        ("links:\n- {from: a, to: b, secs: [1, inf]}\n", 2, "'inf' is no number", None),
        ("links:\n- {from: a, to: b, secs: []}\n", 2, "least seconds", None),
        ("links:\n- {from: a, to: b, secs: [1, 2, 3]}\n", 2, "least seconds", None),
        ("{[a]: b}\n", 1, "single word", None),
        ("cameras: {door: \n", 2, "expected", None),
        ("a: 1\n---\nb: 2\n", 2, "another document", None),
    ],
)
def test_a_mistake_is_answered_with_its_line(
    grid_file: Path, text: str, line: int, said: str, hint: str | None
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(grid_file, text)
    assert f"grid.yml, line {line}: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (hint is None) or hint in (caught.value.hint or "")


def test_what_is_no_text_file_is_said_to_be_none(grid_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        read_grid(grid_file, cameras=CAMERAS)
    with pytest.raises(SettingsError, match="can't be read: Is a directory"):
        read_grid(tmp_path, cameras=CAMERAS)
    for data in (b"\x89PNG\r\n\x1a\n\0\0", b"a: \xff\xfe", b"[" * 100_000):
        grid_file.write_bytes(data)
        with pytest.raises(SettingsError, match=r"grid\.yml"):
            read_grid(grid_file, cameras=CAMERAS)


words = st.sampled_from(
    ["cameras", "links", "overlap", "position", "positions", "from", "to", "secs", "door", "hall"]
)
values = st.recursive(
    st.one_of(words, st.integers(-2, 70), st.floats(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(words, values, max_size=3))
def test_whatever_stands_in_it_is_understood_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    import yaml

    path = tmp_path_factory.getbasetemp() / "any-grid.yml"
    path.write_text(yaml.safe_dump(document), "utf-8")
    mistake: SettingsError | None = None
    grid = CameraGrid()
    try:
        grid = read_grid(path, cameras=CAMERAS)
    except SettingsError as error:
        mistake = error
    assert mistake is None or "any-grid.yml, line " in str(mistake)
    assert all(link.min_secs >= 0 for link in grid.links)
