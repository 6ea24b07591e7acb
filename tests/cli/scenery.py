"""Types and calls shared by the tests of the command line."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sightgrid.cli.main import run

STARTS_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FPS = 12
FRAME_PX = (480, 270)
ENROLLED = ("Eileen Collins", "Grace Hopper")
WALKERS = ("Eileen Collins", "visitor A", "visitor B", "visitor C")


@dataclass(frozen=True)
class Called:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error:")]

    def failed_in_one_line(self, code: int = 1) -> str:
        """The one line a failed command owes its user."""
        assert self.code == code, self.err
        assert "Traceback" not in self.err
        assert len(self.errors) == 1, self.err
        assert self.err.splitlines() == self.errors, self.err
        return self.errors[0]


def call(*arguments: str | Path) -> Called:
    """Runs a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Called(code, out.getvalue(), err.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@dataclass(frozen=True)
class Scene:
    """The material: clips, photos by name, a folder of people."""

    folder: Path
    door: Path
    hall: Path
    short: Path
    """Two seconds of visitor A."""
    people: Path
    photos: dict[str, Path]


@dataclass(frozen=True)
class Run:
    """A run of ``track`` on the scene."""

    folder: Path
    called: Called
    document: dict[str, Any] = field(default_factory=dict)
    """What ``--json FILE`` wrote."""

    @property
    def info(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "run.json").read_text("utf-8"))
        return loaded

    def table(self, name: str) -> list[dict[str, str]]:
        return read_csv(self.folder / f"{name}.csv")

    def serial_of(self, person: str) -> str:
        """The serial under which an enrolled person was seen."""
        (serial,) = {row["identity"] for row in self.table("visits") if row["person"] == person}
        return serial
