"""Ctrl-C and SIGTERM: exit 130, what was read until then is kept, nothing half-written stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scenery import Run, Scene, call

from sightgrid.vision.detection import YuNet


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sightgrid", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # out of this terminal's reach, so that only the test interrupts it
        start_new_session=True,
        # who started the tests in the background has made them deaf to Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_has_read(
    scene: Scene, tmp_path: Path, sign: signal.Signals
) -> None:
    out = tmp_path / "out"
    sources = [f"cam{number}={scene.hall}" for number in range(6)]
    process = start("track", scene.short, *sources, "--out", out)
    # the first camera's crops are on disk: it is in the middle of the work
    wait_for(lambda: list(tmp_path.glob(".out.partial-*/crops/cam0_*")), process)
    process.send_signal(sign)
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 130, complained
    assert "Traceback" not in complained
    assert complained.splitlines()[-1].startswith("interrupted: what was read until then is in")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]

    states = [source["status"] for source in json.loads((out / "run.json").read_text())["sources"]]
    assert states[0] == "done"
    assert states[-1] == "interrupted"
    assert states == sorted(states), "done, then interrupted, nothing else"
    run = Run(out, call("identity", "list", "--run", out))
    assert run.called.code == 0
    cameras = {row["camera"] for row in run.table("sightings")}
    assert {"short", "cam0"} <= cameras
    assert "cam5" not in cameras


def test_an_interrupt_before_anything_was_read_leaves_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    monkeypatch.setattr("sightgrid.offline.knowing.enrol_folder", interrupted)
    called = call(
        *("track", scene.short, "--people", scene.people, "--out", tmp_path / "new" / "out")
    )
    assert called.code == 130
    assert called.err.split() == ["interrupted"]
    assert list(tmp_path.iterdir()) == []


def test_a_second_interrupt_while_the_results_are_written_leaves_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sightgrid.offline.tracking.write_report", interrupted)
    called = call("track", scene.short, "--out", tmp_path / "out")
    assert called.code == 130
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_our_own_is_one_line_and_leaves_nothing(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such luck\nat all")

    monkeypatch.setattr(YuNet, "detect", broken)
    line = call("track", scene.short, "--out", tmp_path / "out").failed_in_one_line()
    assert "RuntimeError: no such luck at all" in line
    assert "--debug" in line
    assert list(tmp_path.iterdir()) == []
