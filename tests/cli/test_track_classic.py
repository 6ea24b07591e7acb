"""`track` as the *CCTV grid* ancestor did it: Haar cascade and template matching."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from scenery import Run, Scene, call

from sightgrid.domain.frames import parse_time


@pytest.fixture(scope="module")
def classic(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Both cameras over a full minute, which comes 3.5 s after their start."""
    out = tmp_path_factory.mktemp("classic") / "run"
    called = call(
        *("track", scene.door, scene.hall, "--out", out, "--people", scene.people),
        *("--preset", "cctv-classic", "--start", "2026-03-02T08:00:56.500Z"),
    )
    assert called.code == 0, called.err
    return Run(out, called)


def test_the_run_says_how_it_was_made(classic: Run) -> None:
    settings = classic.info["settings"]
    assert (settings["detector"], settings["grouping"]) == ("haar", "template-matching")


def test_groups_count_from_one_in_each_minute_and_end_with_it(classic: Run) -> None:
    groups: dict[tuple[str, str], list[int]] = {}
    for row in classic.table("sightings"):
        minute = row["first_seen"][:16]
        assert row["last_seen"][:16] == minute
        groups.setdefault((row["camera"], minute), []).append(int(row["group"]))
    assert len(groups) == 4, "each camera saw somebody before the minute and after"
    for numbers in groups.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_sightings_and_crops_are_unique_though_group_ids_come_again(classic: Run) -> None:
    rows = classic.table("sightings")
    assert len({(row["camera"], row["group"]) for row in rows}) < len(rows)
    assert len({row["sighting_id"] for row in rows}) == len(rows)
    names = [path.name for path in (classic.folder / "crops").iterdir()]
    four_fields = re.compile(r"(door|hall)_\d{8}T\d{9}Z_(\d+)_(\d+)\.jpg")
    assert all(four_fields.fullmatch(name) for name in names)
    assert {row["crop"].removeprefix("crops/") for row in rows} <= set(names)


def test_a_visit_goes_on_over_the_minute_and_nobody_is_twice_in_a_frame(classic: Run) -> None:
    visits = [row for row in classic.table("visits") if row["person"] == "Eileen Collins"]
    assert {row["camera"] for row in visits} == {"door", "hall"}
    (door,) = [row for row in visits if row["camera"] == "door"]
    assert parse_time(door["first_seen"]).minute == 0
    assert parse_time(door["last_seen"]).minute == 1
    for camera in ("door", "hall"):
        rows = (classic.folder / f"{camera}.mot.txt").read_text("ascii").splitlines()
        keys = sorted(tuple(map(int, row.split(",")[:2])) for row in rows)
        assert all(one != other for one, other in pairwise(keys) if one[1] != -1)


def test_what_is_asked_for_goes_before_the_preset(scene: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out"
    called = call(
        *("track", scene.short, "--out", out, "--preset", "cctv-classic"),
        *("--detector", "yunet", "--grouping", "tracks"),
    )
    assert called.code == 0, called.err
    settings = Run(out, called).info["settings"]
    assert (settings["detector"], settings["grouping"]) == ("yunet", "tracks")


@pytest.mark.parametrize(
    ("option", "value"), [("--preset", "classic"), ("--grouping", "optical-flow")]
)
def test_unknown_names_are_wrong_usage(
    option: str, value: str, scene: Scene, tmp_path: Path
) -> None:
    called = call("track", scene.short, "--out", tmp_path / "out", option, value)
    assert value in called.failed_in_one_line(2)
