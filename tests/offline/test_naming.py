"""How cameras get their names and starts from what was typed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.offline.naming import name_sources


def cameras(*sources: str) -> list[str]:
    return [named.camera for named in name_sources(sources)]


def test_a_camera_is_named_for_its_file() -> None:
    assert cameras("a/door.mp4", "hall.2026.mkv") == ["door", "hall-2026"]


def test_files_of_one_name_are_numbered_in_the_order_they_were_given() -> None:
    assert cameras("a/door.mp4", "b/door.mp4", "door.avi") == ["door", "door-2", "door-3"]


def test_a_number_that_is_taken_is_passed_over() -> None:
    assert cameras("a/door.mp4", "door-2=x.mp4", "b/door.mp4") == ["door", "door-2", "door-3"]
    assert cameras("a/door.mp4", "door=x.mp4") == ["door-2", "door"], "a given name comes first"


def test_a_name_may_be_given() -> None:
    (named,) = name_sources(["Back_Door-1=clips/x=y.mp4"])
    assert (named.camera, named.location) == ("Back_Door-1", "clips/x=y.mp4")


def test_an_equals_sign_in_a_files_own_name_is_no_camera_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take=2.mp4").touch()
    (named,) = name_sources(["take=2.mp4"])
    assert (named.camera, named.location) == ("take-2", "take=2.mp4")
    assert cameras("my cam=x.mp4") == ["my-cam-x"], "a name holds no blank, so this is a file"


def test_a_folder_gives_its_own_name_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lobby.day1").mkdir()
    monkeypatch.chdir(tmp_path / "lobby.day1")
    assert cameras(".", "../lobby.day1/") == ["lobby-day1", "lobby-day1-2"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://user:secret@10.0.0.11:554/stream1", "stream1"),
        ("https://host/a/cam.m3u8?token=secret", "cam"),
        ("rtsp://10.0.0.11", "10-0-0-11"),
        ("front=rtsp://10.0.0.11/x?a=b", "front"),
    ],
)
def test_a_url_gives_its_last_part_and_no_secret(url: str, name: str) -> None:
    assert cameras(url) == [name]


@given(st.lists(st.text(min_size=1, max_size=140).filter(lambda t: "\0" not in t), max_size=6))
def test_every_name_is_of_the_allowed_letters_short_and_given_once(stems: list[str]) -> None:
    names = cameras(*(f"missing/{stem.replace('/', '-')}.mp4" for stem in stems))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    assert all(len(name) <= 110 for name in names)
    assert len(set(names)) == len(names)


def test_a_name_given_twice_or_too_long_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'a' is given twice"):
        name_sources(["a=x.mp4", "a=y.mp4"])
    with pytest.raises(InvalidValue, match="too long"):
        name_sources([f"{'a' * 101}=x.mp4"])


def test_a_start_is_for_all_cameras_and_a_named_start_for_its_own() -> None:
    one, other = name_sources(
        ["door.mp4", "hall.mp4"],
        starts=["2026-01-02T03:04:05Z", "hall=2026-01-02T04:04:05.5+01:00"],
    )
    assert one.starts_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert other.starts_at == datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    (third,) = name_sources(["garden.mp4"])
    assert third.starts_at is None


@pytest.mark.parametrize(
    "start", ["", "noon", "door=", "garden=2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z"]
)
def test_a_start_that_is_none_or_for_nobody_is_refused(start: str) -> None:
    with pytest.raises(InvalidValue):
        name_sources(["door.mp4"], starts=[start])
