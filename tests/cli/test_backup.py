"""Backup, restore and upgrade as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sightgrid.cli.main import run


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_and_back(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["user", "add", "olga", "--role", "owner"]) == 0
    assert run(["backup", "--out", "a.backup", "--json=made.json"]) == 0
    made = json.loads((site / "made.json").read_text())
    assert made["bytes"] == (site / "a.backup").stat().st_size
    assert run(["backup", "--out", "a.backup"]) == 1
    assert "exists already" in capfd.readouterr().err
    assert run(["restore", "a.backup"]) == 1
    assert "not empty" in capfd.readouterr().err
    for file in site.glob("sightgrid.db*"):
        file.rename(site / f"old-{file.name}")
    assert run(["restore", "a.backup", "--json=back.json"]) == 0
    assert json.loads((site / "back.json").read_text())["rows"] == made["rows"]
    capfd.readouterr()
    assert run(["user", "list"]) == 0
    assert "olga" in capfd.readouterr().out


def test_without_the_key_nothing_is_restored(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["user", "list"]) == 0
    assert run(["backup", "--out", "a.backup"]) == 0
    (site / "site.key").unlink()
    for file in site.glob("sightgrid.db*"):
        file.unlink()
    assert run(["restore", "a.backup"]) == 1
    assert "site key" in capfd.readouterr().err
    assert not (site / "sightgrid.db").exists()


def test_nothing_to_upgrade(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["user", "list"]) == 0
    assert run(["database", "upgrade", "--json=done.json"]) == 0
    assert json.loads((site / "done.json").read_text())["backup"] is None
    assert "this version already" in capfd.readouterr().err
    assert list(site.glob("before-upgrade*")) == []


def test_a_folder_without_a_site_gets_none(site: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for command in (["identity", "list"], ["people", "list"], ["backup", "--out", "a.backup"]):
        assert run(command) == 1
        assert "holds no site" in capfd.readouterr().err
    assert list(site.iterdir()) == []
