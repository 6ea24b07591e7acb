"""Cameras are added to and taken out of the file; everything else in it stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightgrid.configuration.editing import add_camera, remove_camera, set_site
from sightgrid.domain.errors import NotFound, SettingsError

FILE = """\
# our site
site: {name: Shop}   # a comment that must stay

cameras:
  # by the door
  door:
    url: rtsp://10.0.0.1/x
    masks:
      - [0, 0, 1, 0, 1, 1]
  till: {url: "rtsp://{SIGHTGRID_U}:{SIGHTGRID_P}@10.0.0.2/x",
         zone: shop}

# how they hang together
links: []
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "sightgrid.yml"
    made.write_text(FILE, "utf-8")
    return made


def test_adding_changes_one_line_only(path: Path) -> None:
    add_camera(path, "yard", {"url": "rtsp://10.0.0.3/x", "purposes": ["alerts"]})
    added = '  yard: {url: "rtsp://10.0.0.3/x", purposes: ["alerts"]}\n'
    before, after = FILE.split("\n# how they", 1)
    assert path.read_text("utf-8") == before + added + "\n# how they" + after


def test_removing_takes_a_cameras_lines_only(path: Path) -> None:
    remove_camera(path, "door")
    text = path.read_text("utf-8")
    assert "10.0.0.1" not in text
    assert text == FILE.replace(
        "  door:\n    url: rtsp://10.0.0.1/x\n    masks:\n      - [0, 0, 1, 0, 1, 1]\n", ""
    )
    remove_camera(path, "till")
    assert "cameras:" not in path.read_text("utf-8")
    assert "# how they hang together" in path.read_text("utf-8")


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "new.yml"
    add_camera(path, "door", {"url": "webcam:0"})
    assert path.read_text("utf-8") == 'cameras:\n  door: {url: "webcam:0"}\n'
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (FILE, "door", "line 6: there is a camera 'door' already"),
        (FILE, "a b", "can't be the name"),
        ("cameras: {a: {url: x}}\n", "b", "can't be changed without rewriting"),
        ("site: {nme: x}\ncameras:\n  a: {url: x}\n", "b", "line 1: 'nme' is no field"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    tmp_path: Path, text: str, name: str, words: str
) -> None:
    path = tmp_path / "sightgrid.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        add_camera(path, name, {"url": "rtsp://10.0.0.9/x"})
    assert words in str(caught.value)
    assert path.read_text("utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_camera_that_a_link_names_stays(tmp_path: Path) -> None:
    path = tmp_path / "sightgrid.yml"
    text = "cameras:\n  a: {url: x}\n  b: {url: y}\nlinks: [{from: a, to: b, secs: [1]}]\n"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match="'b' is not known"):
        remove_camera(path, "b")
    assert path.read_text("utf-8") == text
    with pytest.raises(NotFound):
        remove_camera(path, "c")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", 'site: {name: "Mill: 1", timezone: "Asia/Tokyo"}\n'),
        (
            "# a\ncameras: {}\n",
            'site: {name: "Mill: 1", timezone: "Asia/Tokyo"}\n# a\ncameras: {}\n',
        ),
        ("site: {name: Old, timezone: UTC}\n", 'site: {name: "Mill: 1", timezone: "Asia/Tokyo"}\n'),
        (
            "site:\n  # why\n  name: Old # so\nrecognition: {pack: default}\n",
            'site:\n  # why\n  timezone: "Asia/Tokyo"\n  name: "Mill: 1" # so\n'
            "recognition: {pack: default}\n",
        ),
    ],
)
def test_the_sites_fields_are_set_and_all_else_stays(
    tmp_path: Path, text: str, wanted: str
) -> None:
    path = tmp_path / "sightgrid.yml"
    if text:
        path.write_text(text, "utf-8")
    set_site(path, {"name": "Mill: 1", "timezone": "Asia/Tokyo"})
    assert path.read_text("utf-8") == wanted
