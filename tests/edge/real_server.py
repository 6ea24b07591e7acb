"""``sightgrid server`` in a process of its own, on any of the three databases."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

START_SECS = 120
# nothing of a sighting is there without it, and no key opens anything that is gone
ORPHANS = {
    "crops": "SELECT count(*) FROM crop WHERE sighting_id NOT IN "
    "(SELECT sighting_id FROM sighting)",
    "looks": "SELECT count(*) FROM look WHERE sighting_id NOT IN "
    "(SELECT sighting_id FROM sighting)",
    "decisions": "SELECT count(*) FROM sighting WHERE sighting_id NOT IN "
    "(SELECT sighting_id FROM decision)",
    "records": "SELECT count(*) FROM sighting WHERE sighting_id NOT IN "
    "(SELECT sighting_id FROM received)",
    "keys": "SELECT count(*) FROM data_key WHERE subject LIKE 'sighting:%' AND subject NOT IN "
    "(SELECT {subject} FROM sighting)",
}


KEPT = ("crops", "strangers", "sightings", "visits")


@dataclass
class RealServer:
    """A server with its site in ``folder``; ``database`` is a URL, else a file of its own, and
    ``more`` is the rest of its configuration."""

    folder: Path
    database: str = ""
    more: str = ""
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        # sightings made by hand are of a day long ago
        lines = ["site: {name: Test}", "retention: " + json.dumps(dict.fromkeys(KEPT, "3650d"))]
        lines += [f"database: {self.database}"] if self.database else []
        (self.folder / "s.yml").write_text("\n".join([*lines, self.more]) + "\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "sightgrid", *words, "--config", str(self.folder / "s.yml")]

    def start(self) -> None:
        order = self.command("server", "--listen", f"127.0.0.1:{self.port}")
        self.process = subprocess.Popen(order, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/api/v1/health").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        pytest.fail("the server never answered")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def code(self, name: str = "hall") -> str:
        told = subprocess.run(
            self.command("box", "add", name), capture_output=True, text=True, check=True
        )
        return told.stdout.split("--code ")[1].strip()

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """The rows that the database answers."""
        engine = sa.create_engine(
            self.database or f"sqlite:///{self.folder / 'sightgrid.db'}", poolclass=sa.NullPool
        )
        joined = (
            "concat('sighting:', sighting_id)"
            if engine.dialect.name != "sqlite"
            else "'sighting:' || sighting_id"
        )
        with engine.connect() as connection:
            rows = connection.execute(sa.text(question.replace("{subject}", joined)))
            return [tuple(row) for row in rows]

    def ids(self) -> list[str]:
        """The sightings that the server holds."""
        return [one for (one,) in self.ask("SELECT sighting_id FROM sighting")]

    def received(self) -> list[tuple[str, int]]:
        return [(who, no) for who, no in self.ask("SELECT sighting_id, revision FROM received")]

    def orphans(self) -> dict[str, int]:
        """What lies about without its sighting; empty where all is well."""
        found = {name: int(self.ask(question)[0][0]) for name, question in ORPHANS.items()}
        return {name: count for name, count in found.items() if count}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def times(default: int) -> int:
    """How often to kill: the environment's word counts."""
    return int(os.environ.get("KILLS", default))
