"""The results' folder appears whole or not at all, and nothing of its owner's is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sightgrid.domain.errors import OutputError
from sightgrid.offline.outfolder import check_free, staged


def write_run(folder: Path, *names: str) -> None:
    with staged(folder) as stage:
        for name in names:
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("new")


def names_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("existing", [False, True])
def test_nothing_is_seen_of_a_run_until_it_is_whole(tmp_path: Path, existing: bool) -> None:
    out = tmp_path / "a" / "b" / "out"
    if existing:
        out.mkdir(parents=True)
    with staged(out) as stage:
        (stage / "run.json").write_text("new")
        assert not (out / "run.json").exists()
    assert names_in(tmp_path) == ["a/b/out/run.json"]
    assert out.stat().st_mode & 0o777 == 0o777 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_fails_leaves_nothing(
    tmp_path: Path, existing: bool, failure: type[BaseException]
) -> None:
    out = tmp_path / "a" / "out"
    if existing:
        out.mkdir(parents=True)

    def fail() -> None:
        with staged(out) as stage:
            (stage / "run.json").write_text("new")
            raise failure

    with pytest.raises(failure):
        fail()
    if existing:
        assert list(out.iterdir()) == []
    else:
        assert list(tmp_path.iterdir()) == []


def test_folders_on_the_way_that_held_something_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError), staged(tmp_path / "a" / "b" / "out"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "can't be written")]
)
def test_a_failed_write_is_told_in_words(tmp_path: Path, code: int, said: str) -> None:
    with pytest.raises(OutputError, match=said), staged(tmp_path / "out"):
        raise OSError(code, os.strerror(code))
    assert list(tmp_path.iterdir()) == []


def test_a_run_replaces_a_run_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    old = ("run.json", "visits.csv", "old.mot.txt", "crops/old.jpg", "clips/old.mp4", "truth/x")
    write_run(out, *old)
    (out / "mine.txt").write_text("mine")
    (out / "crops-of-mine").mkdir()
    write_run(out, "run.json", "visits.csv", "new.mot.txt", "crops/new.jpg")
    assert names_in(out) == [
        "crops/new.jpg",
        "mine.txt",
        "new.mot.txt",
        "run.json",
        "visits.csv",
    ]
    assert (out / "crops-of-mine").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_where_no_run_lies_only_files_of_the_same_name_are_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "clips").mkdir(parents=True)
    for name in ("clips/holiday.mp4", "truth", "garden.mot.txt", "visits.csv"):
        (out / name).write_text("mine")
    write_run(out, "run.json", "visits.csv")
    assert names_in(out) == [
        "clips/holiday.mp4",
        "garden.mot.txt",
        "run.json",
        "truth",
        "visits.csv",
    ]
    assert (out / "visits.csv").read_text() == "new"


def test_a_link_to_a_folder_is_used_as_that_folder(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    write_run(tmp_path / "out", "run.json")
    assert (tmp_path / "out").is_symlink()
    assert names_in(tmp_path / "disk") == ["run.json"]


def test_a_long_name_is_no_hindrance(tmp_path: Path) -> None:
    out = tmp_path / ("é" * 127)
    write_run(out, "run.json")
    assert names_in(out) == ["run.json"]


def test_free_is_what_is_missing_or_empty(tmp_path: Path) -> None:
    check_free(tmp_path / "a" / "out", force=False)
    check_free(tmp_path, force=False)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_unfinished_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".partial-x1y2").mkdir()
    check_free(tmp_path, force=False)


def test_taken_is_what_holds_anything_unless_forced(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    with pytest.raises(OutputError, match="not empty") as caught:
        check_free(tmp_path, force=False)
    assert "--force" in (caught.value.hint or "")
    check_free(tmp_path, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_a_file_or_dangling_link_in_the_way_is_said(tmp_path: Path, force: bool) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for out in ("file", "file/out", "file/a/b/out", "link", "link/out"):
        with pytest.raises(OutputError, match="is a file, not a folder"):
            check_free(tmp_path / out, force=force)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_said_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="may not be written to"):
        check_free(tmp_path / "out", force=False)
