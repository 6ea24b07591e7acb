"""Processes are started a few at a time, missed when they end, and ended when they hang."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from sightgrid.edge.supervisor import Post, Supervisor


def work(folder: Path, name: str, link: Connection) -> None:
    """Takes a while to start, says so in a file, then reports until it is to end."""
    starting = folder / f"{name}.starting"
    starting.touch()
    time.sleep(0.2)
    starting.unlink()
    while not link.poll(0.05):
        link.send_bytes(b"here")


def brief_life(folder: Path, name: str, link: Connection) -> None:
    link.send_bytes(b"here")
    os._exit(74)


def posts(
    folder: Path, names: list[str], target: Callable[..., None], **more: object
) -> list[Post]:
    return [
        Post(
            name,
            target,
            lambda name=name: (folder, name),  # type: ignore[misc]
            lambda message: True,
            lambda how, code: None,
            **more,  # type: ignore[arg-type]
        )
        for name in names
    ]


def test_only_a_few_start_at_once(tmp_path: Path) -> None:
    names = [str(number) for number in range(6)]
    supervisor = Supervisor(posts(tmp_path, names, work))
    supervisor._at_once = 2
    most, until = 0, time.monotonic() + 60
    try:
        while time.monotonic() < until:
            supervisor.tick(0.02)
            most = max(most, len(list(tmp_path.glob("*.starting"))))
            if all(m.heard_any for m in supervisor._manned):
                break
        assert supervisor.process_ids().keys() == set(names)
        assert 1 <= most <= 2
    finally:
        supervisor.stop()
    assert supervisor.process_ids() == {}


def test_one_waits_for_the_other_it_needs(tmp_path: Path) -> None:
    (first,) = posts(tmp_path, ["first"], work)
    (second,) = posts(tmp_path, ["second"], work, after="first")
    supervisor = Supervisor([second, first])
    try:
        supervisor.tick(0.0)
        assert supervisor.process_ids().keys() == {"first"}
        until = time.monotonic() + 30
        while "second" not in supervisor.process_ids() and time.monotonic() < until:
            supervisor.tick(0.05)
        assert supervisor._manned[1].reported
    finally:
        supervisor.stop()


def test_some_codes_say_that_starting_anew_is_no_use_yet(tmp_path: Path) -> None:
    final = posts(tmp_path, ["disk"], brief_life, final_codes=frozenset({74}))
    supervisor = Supervisor([*final, *posts(tmp_path, ["other"], brief_life)])
    try:
        until = time.monotonic() + 30
        while supervisor.restarts["other"] < 2 and time.monotonic() < until:
            supervisor.tick(0.05)
        assert supervisor.restarts["other"] == 2
        assert supervisor.restarts["disk"] == 1
    finally:
        supervisor.stop()
