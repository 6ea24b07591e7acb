"""Bad input gets one line that says what is wrong, the contract's exit code, and leaves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenery import Called, Run, Scene, call

from sightgrid.vision.pictures import read_picture


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results" / "out"


@pytest.fixture
def refused(out: Path) -> Callable[..., str]:
    """Runs `track` with bad input; returns its one line, having looked for anything left over."""

    def track(*arguments: str | Path, code: int = 1) -> str:
        called = call("track", *arguments, "--out", out)
        line = called.failed_in_one_line(code)
        assert not out.parent.exists(), "nothing is left behind, not even folders made on the way"
        assert not called.out
        return line

    return track


@pytest.fixture(scope="module")
def truncated(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first half of a recording whose index stands at its beginning, as after a lost link."""
    folder = tmp_path_factory.mktemp("truncated")
    whole = folder / "whole.mp4"
    import av

    with (
        av.open(str(scene.door)) as source,
        av.open(str(whole), "w", options={"movflags": "+faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    broken = folder / "broken.mp4"
    data = whole.read_bytes()
    broken.write_bytes(data[: int(len(data) * 0.6)])
    return broken


def test_missing_file(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "missing.mp4: there is no such file" in refused(tmp_path / "missing.mp4")


def test_text_named_mp4(refused: Callable[..., str], tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("this is no video\n" * 100)
    assert "clip.mp4: can't be read as a video" in refused(clip)


def test_empty_file(refused: Callable[..., str], tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    assert "clip.mp4: the file is empty" in refused(clip)


def test_sound_without_a_picture(refused: Callable[..., str], tmp_path: Path) -> None:
    import av

    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert "holds no video stream" in refused(sound)


def test_folder_without_pictures(refused: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "lobby"
    folder.mkdir()
    (folder / "readme.txt").write_text("no picture")
    assert "holds no pictures" in refused(folder)


def test_folder_of_damaged_pictures(refused: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "lobby"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    assert "none of its pictures can be read, the first: " in refused(folder)


def test_url_of_a_kind_that_is_not_read(refused: Callable[..., str]) -> None:
    line = refused("ftp://user:secret@host/clip.mp4")
    assert "'ftp:'" in line
    assert "secret" not in line


def test_every_bad_source_is_named(refused: Callable[..., str], tmp_path: Path) -> None:
    line = refused(tmp_path / "one.mp4", tmp_path / "two.mp4")
    assert "one.mp4" in line
    assert "two.mp4" in line


def test_unknown_pack(refused: Callable[..., str], scene: Scene) -> None:
    assert "'nonsense'" in refused(scene.short, "--pack", "nonsense")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("yesterday", "'yesterday' is not a time"),
        ("short=noon", "'noon' is not a time"),
        ("garden=2026-01-02T03:04:05Z", "'garden'"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01"),
        ("9999-12-31T23:59:59Z", "9999-12-31"),
    ],
)
def test_bad_start_is_wrong_usage(
    refused: Callable[..., str], scene: Scene, start: str, said: str
) -> None:
    assert said in refused(scene.short, "--start", start, code=2)


def test_a_name_given_twice_is_wrong_usage(refused: Callable[..., str], scene: Scene) -> None:
    line = refused(f"a={scene.short}", f"a={scene.door}", code=2)
    assert "'a' is given twice" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["--detector", "nonsense"],
        ["--grouping", "nonsense"],
    ],
)
def test_unknown_options_and_choices_are_wrong_usage(
    refused: Callable[..., str], scene: Scene, arguments: list[str]
) -> None:
    line = refused(scene.short, *arguments, code=2)
    assert "nonsense" in line
    assert "sightgrid track --help" in line


def test_no_source_or_no_out_is_wrong_usage(scene: Scene, tmp_path: Path) -> None:
    assert "SOURCE" in call("track", "--out", tmp_path / "out").failed_in_one_line(2)
    assert "--out" in call("track", scene.short).failed_in_one_line(2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera:\n  door: {position: [0, 0]}\n", ["line 1", "'camera'", "did you mean 'cameras'"]),
        ("links:\n  - {from: a, to: b}\n  - {form: a, to: b}\n", ["line 3", "did you mean 'from'"]),
        ("cameras: [unclosed\n", ["line "]),
        ("cameras:\n  door: {position: here}\n", ["line 2", "door.position"]),
        ("just a sentence\n", ["line 1", "must be a mapping"]),
        ("a: \0\n", ["no YAML"]),
    ],
)
def test_bad_grid_files_are_answered_with_the_line_and_the_nearest_word(
    refused: Callable[..., str], scene: Scene, tmp_path: Path, text: str, said: list[str]
) -> None:
    grid = tmp_path / "grid.yml"
    grid.write_text(text)
    line = refused(scene.short, "--grid", grid)
    assert "grid.yml" in line
    for words in said:
        assert words in line


def test_missing_grid_file(refused: Callable[..., str], scene: Scene, tmp_path: Path) -> None:
    assert "there is no such file" in refused(scene.short, "--grid", tmp_path / "grid.yml")


def test_missing_people(refused: Callable[..., str], scene: Scene, tmp_path: Path) -> None:
    assert "no such folder" in refused(scene.short, "--people", tmp_path / "people")


def test_empty_people(refused: Callable[..., str], scene: Scene, tmp_path: Path) -> None:
    people = tmp_path / "people"
    people.mkdir()
    assert "nobody could be enrolled" in refused(scene.short, "--people", people)


def test_people_of_empty_photos(refused: Callable[..., str], scene: Scene, tmp_path: Path) -> None:
    people = tmp_path / "people"
    (people / "Ada").mkdir(parents=True)
    (people / "Ada" / "one.jpg").touch()
    line = refused(scene.short, "--people", people)
    assert "nobody could be enrolled" in line
    assert "one.jpg: the file is empty" in line


def test_a_photo_of_two_equal_faces_enrols_nobody(
    refused: Callable[..., str], scene: Scene, tmp_path: Path
) -> None:
    photo = read_picture(scene.photos["Eileen Collins"])
    people = tmp_path / "people"
    people.mkdir()
    cv2.imwrite(str(people / "Ada.png"), np.hstack([photo, photo[:, ::-1]]))
    assert "2 faces of about one size" in refused(scene.short, "--people", people)


def test_one_bad_source_among_good_ones_keeps_the_others(scene: Scene, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("this is no video\n" * 100)
    out = tmp_path / "out"
    called = call("track", bad, scene.short, "--out", out)
    assert called.code == 1
    assert len(called.errors) == 1
    assert "camera bad" in called.errors[0]
    run = Run(out, called)
    assert [(s["camera"], s["status"]) for s in run.info["sources"]] == [
        ("bad", "failed"),
        ("short", "done"),
    ]
    assert "can't be read as a video" in run.info["sources"][0]["reason"]
    assert {row["camera"] for row in run.table("visits")} == {"short"}
    assert not (out / "bad.mot.txt").exists(), "not read is not the same as nobody there"
    assert "can't be read as a video" in unescape((out / "report.html").read_text("utf-8"))


def test_a_recording_that_breaks_off_is_kept_to_the_break_with_a_warning(
    truncated: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    called = call("track", truncated, "--out", out, "--annotate")
    assert called.code == 0, called.err
    (warning,) = called.err.splitlines()
    assert warning.startswith("note: broken: broke off after")
    run = Run(out, called)
    (source,) = run.info["sources"]
    assert source["status"] == "broken-off"
    assert 10 < source["frames"] < 84
    assert run.table("visits")
    assert (out / "annotated" / "broken.mp4").stat().st_size > 0


def test_a_recording_without_a_face_is_a_run_without_rows(tmp_path: Path) -> None:
    folder = tmp_path / "wall"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((120, 160, 3), 90, np.uint8))
    out = tmp_path / "out"
    called = call("track", folder, "--out", out)
    assert called.code == 0, called.err
    for table in ("sightings", "visits", "identities"):
        assert Run(out, called).table(table) == []
    assert (out / "wall.mot.txt").read_text() == ""
    assert (out / "report.html").is_file()


def test_names_that_are_no_utf_8_do_no_harm(scene: Scene, tmp_path: Path) -> None:
    clip = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    shutil.copyfile(scene.short, clip)
    photo = scene.photos["visitor A"]
    people = tmp_path / "people"
    people.mkdir()
    shutil.copyfile(photo, os.fsencode(people) + b"/Andr\xe9" + os.fsencode(photo.suffix))
    out = tmp_path / "out"
    called = call("track", clip, "--people", people, "--out", out)
    assert called.code == 0, called.err
    (visit,) = Run(out, called).table("visits")
    assert visit["camera"] == "caf"
    assert visit["person"] == "Andr?"


def test_out_is_a_file(scene: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    assert "is a file" in call("track", scene.short, "--out", out).failed_in_one_line()
    assert "is a file" in call("track", scene.short, "--out", out, "--force").failed_in_one_line()
    assert out.read_text() == "mine"


def test_out_below_a_file(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = call("track", scene.short, "--out", tmp_path / "file" / "a" / "out").failed_in_one_line()
    assert "file is a file, not a folder" in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 300 kB on it, less than a run needs."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"can't mount a small disk here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("name", ["out", "."])
def test_a_full_disk_is_said_and_nothing_is_left(scene: Scene, tiny_disk: Path, name: str) -> None:
    called: Called = call("track", scene.door, "--out", tiny_disk / name)
    line = called.failed_in_one_line()
    assert "disk" in line
    assert "full" in line
    assert list(tiny_disk.iterdir()) == []
