"""Any process of a box may be killed: another is there within seconds, the rest don't notice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from watching import History, configure, watch

from clips import write_clip
from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.domain.geometry import Bytes
from sightgrid.edge.box import INFERENCE

pytestmark = pytest.mark.streams

NAMES = ("a", "b", "c")


@pytest.fixture
def clip(tmp_path: Path, somebody: list[Bytes]) -> Path:
    return write_clip(tmp_path / "clip.mp4", somebody, fps=10)


class Blow:
    """Strikes a process once all cameras are live, and measures how long it is missed."""

    def __init__(self, post: str, with_signal: signal.Signals) -> None:
        self.post = post
        self.signal = with_signal
        self.struck = 0.0
        self.back_secs: float | None = None
        self.before: dict[str, int] = {}
        self.after: dict[str, int] = {}

    def __call__(self, history: History, elapsed: float) -> bool:
        supervisor = history.box.supervisor
        if not self.struck:
            if elapsed > 3 and all(self._is_live(history, name) for name in NAMES):
                self.before = supervisor.process_ids()
                self.struck = time.monotonic()
                os.kill(self.before[self.post], self.signal)
            return False
        self.after = supervisor.process_ids()
        new = self.after.get(self.post) not in (None, self.before[self.post])
        if self.back_secs is None and new and self._works(history):
            self.back_secs = time.monotonic() - self.struck
            self._back_at = elapsed
        return self.back_secs is not None and elapsed > self._back_at + 2

    def _works(self, history: History) -> bool:
        if self.post == INFERENCE:
            return history.box.inference_facts().get("pid") == self.after[INFERENCE]
        status = history.last(self.post)
        return status.state is CameraState.LIVE and status.process == self.after[self.post]

    def _is_live(self, history: History, name: str) -> bool:
        return history.last(name).state is CameraState.LIVE


def strike(folder: Path, clip: Path, blow: Blow) -> History:
    cameras = {name: {"url": str(clip), "loop": True} for name in NAMES}
    return watch(configure(folder, cameras), blow, most_secs=70)


@pytest.mark.parametrize("post", ["b", INFERENCE])
def test_what_is_killed_is_back_within_ten_seconds(tmp_path: Path, clip: Path, post: str) -> None:
    blow = Blow(post, signal.SIGKILL)
    history = strike(tmp_path, clip, blow)
    assert blow.back_secs is not None
    assert blow.back_secs < 10
    assert history.box.supervisor.restarts[post] == 1
    for name in {*NAMES, INFERENCE} - {post}:
        assert blow.after[name] == blow.before[name]
    for name in set(NAMES) - {post}:
        assert history.troubles(name) == [None], history.story(name)
    if post in NAMES:
        assert Trouble.CRASHED in history.troubles(post)
        assert "SIGKILL" in history.story(post)


def test_a_process_that_hangs_is_ended(tmp_path: Path, clip: Path) -> None:
    blow = Blow("b", signal.SIGSTOP)
    history = strike(tmp_path, clip, blow)
    assert blow.back_secs is not None
    assert blow.back_secs < 25
    assert Trouble.HUNG in history.troubles("b")
    assert history.troubles("a") == history.troubles("c") == [None]


def test_no_process_outlives_the_box(tmp_path: Path, clip: Path) -> None:
    import subprocess
    import sys

    config = tmp_path / "sightgrid.yml"
    config.write_text(f"cameras: {{a: {{url: '{clip}', loop: true}}}}\n", "utf-8")
    box = subprocess.Popen(
        [sys.executable, "-m", "sightgrid", "edge", "--config", str(config)],
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 30
    children: list[psutil.Process] = []
    while time.monotonic() < until and not (tmp_path / "sightgrid-box" / "cameras.json").exists():
        time.sleep(0.2)
    time.sleep(2)
    children = psutil.Process(box.pid).children(recursive=True)
    rings = list(Path("/dev/shm").glob(f"sightgrid-{box.pid}-*"))  # noqa: S108
    assert len(children) >= 2
    assert rings
    box.kill()
    box.wait()
    gone, alive = psutil.wait_procs(children, timeout=10)
    for process in alive:
        process.kill()
    assert not alive
    assert len(gone) == len(children)
