"""Keeps every process of a box at its post.

A process is judged by its progress, not by its life: each reports twice a second over a pipe; one
that falls silent is killed and started anew, one that ends by itself is started anew. All share
one loop, so nothing here may wait for any of them.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from sightgrid.edge.logs import note

_SPAWN = get_context("spawn")
_START_SECS = 60.0
# all at once they would keep each other from starting in time, be killed for it, and begin again
_STARTING_PER_CORE = 2
_SILENT_SECS = 10.0
_STOP_SECS = 5.0
# a process that lived longer than this did not fail at its start
_SHORT_LIFE_SECS = 30.0
_DELAYS_SECS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)


@dataclass(frozen=True, slots=True)
class Post:
    """One process to be kept running.

    Args:
        name: unique, and fit for logs.
        work: runs in the process, with what ``brief`` gives and a link to the supervisor; ends
            once the link has anything to read or is closed.
        brief: called before each start.
        heard: takes each message of the process; ``False`` says that it shows no progress.
        ended: is told how the process ended, in words, and with which code.
        final_codes: exit codes after which starting anew is no use for a minute.
        after: the post that must have reported once before this one is started first.
    """

    name: str
    work: Callable[..., None]
    brief: Callable[[], tuple[object, ...]]
    heard: Callable[[bytes], bool]
    ended: Callable[[str, int], None]
    final_codes: frozenset[int] = frozenset()
    after: str | None = None


@dataclass(slots=True)
class _Manned:
    post: Post
    process: SpawnProcess | None = None
    link: Connection | None = None
    started: float = 0.0
    progressed: float = 0.0
    heard_any: bool = False
    reported: bool = False  # in any of its lives
    failures: int = 0
    start_at: float = 0.0
    killed_for: str = field(default="")


class Supervisor:
    """Starts, watches and stops the processes of a box."""

    def __init__(self, posts: Iterable[Post]) -> None:
        self._manned = [_Manned(post) for post in posts]
        self._at_once = _STARTING_PER_CORE * len(os.sched_getaffinity(0))
        self.restarts = {manned.post.name: 0 for manned in self._manned}

    def tick(self, wait_secs: float) -> None:
        """Starts what is due, takes what was reported, ends what is stuck."""
        now = time.monotonic()
        for manned in sorted(self._manned, key=lambda m: m.start_at):
            if manned.process is None and now >= manned.start_at and self._may_start(manned):
                self._start(manned)
        links = {m.link: m for m in self._manned if m.link is not None}
        for ready in wait(list(links), timeout=wait_secs):
            if isinstance(ready, Connection):
                self._hear(links[ready])
        for manned in self._manned:
            self._check(manned)

    def process_ids(self) -> dict[str, int]:
        """The processes that run, by post."""
        return {
            m.post.name: m.process.pid
            for m in self._manned
            if m.process is not None and m.process.pid is not None
        }

    def stop(self, *, last: Iterable[str] = ()) -> None:
        """Ends all processes; those named in ``last`` after the others, to finish what came in."""
        late = set(last)
        for group in (
            [m for m in self._manned if m.post.name not in late],
            [m for m in self._manned if m.post.name in late],
        ):
            for manned in group:
                if manned.link is not None:
                    try:
                        manned.link.send_bytes(b"stop")
                    except OSError:
                        continue  # it is gone already
            until = time.monotonic() + _STOP_SECS * (2 if group and late else 1)
            for manned in group:
                self._await_end(manned, until)

    def _await_end(self, manned: _Manned, until: float) -> None:
        process, link = manned.process, manned.link
        if process is None:
            return
        while process.is_alive() and time.monotonic() < until:
            # a process that has much to say must be able to say it, or it never ends
            if link is not None and not link.closed and link.poll(0.05):
                self._hear(manned)
                link = manned.link
            else:
                process.join(0.05)
        if process.is_alive():
            process.kill()
            process.join()
        if manned.link is not None:
            manned.link.close()
            manned.link = None
        manned.process = None

    def _may_start(self, manned: _Manned) -> bool:
        starting = sum(m.process is not None and not m.heard_any for m in self._manned)
        if starting >= self._at_once:
            return False
        after = manned.post.after
        return after is None or any(m.reported and m.post.name == after for m in self._manned)

    def _start(self, manned: _Manned) -> None:
        ours, theirs = _SPAWN.Pipe(duplex=True)
        process = _SPAWN.Process(
            target=manned.post.work,
            args=(*manned.post.brief(), theirs),
            name=f"sightgrid-{manned.post.name}",
            daemon=True,
        )
        process.start()
        theirs.close()
        now = time.monotonic()
        manned.process, manned.link = process, ours
        manned.started = manned.progressed = now
        manned.heard_any, manned.killed_for = False, ""

    def _hear(self, manned: _Manned) -> None:
        if manned.link is None:
            return
        try:
            message = manned.link.recv_bytes()
        except (EOFError, OSError):
            manned.link.close()
            manned.link = None
            return
        if manned.post.heard(message) or not manned.heard_any:
            manned.progressed = time.monotonic()
        manned.heard_any = manned.reported = True

    def _check(self, manned: _Manned) -> None:
        process = manned.process
        if process is None:
            return
        now = time.monotonic()
        if not process.is_alive():
            self._bury(manned, process)
            return
        limit = _SILENT_SECS if manned.heard_any else _START_SECS
        if now - manned.progressed > limit and not manned.killed_for:
            manned.killed_for = f"no progress for {now - manned.progressed:.0f} s"
            note(logging.WARNING, "process-stuck", process=manned.post.name, pid=process.pid)
            process.kill()

    def _bury(self, manned: _Manned, process: SpawnProcess) -> None:
        while manned.link is not None and manned.link.poll():
            self._hear(manned)
        if manned.link is not None:
            manned.link.close()
        process.join()
        code = process.exitcode or 0
        lived = time.monotonic() - manned.started
        manned.failures = 0 if lived > _SHORT_LIFE_SECS else manned.failures + 1
        delay = _DELAYS_SECS[min(manned.failures, len(_DELAYS_SECS) - 1)]
        if code in manned.post.final_codes:
            delay = _DELAYS_SECS[-1]
        manned.process, manned.link = None, None
        manned.start_at = time.monotonic() + delay
        self.restarts[manned.post.name] += 1
        how = manned.killed_for or _how_it_ended(code)
        note(
            logging.WARNING,
            "process-ended",
            process=manned.post.name,
            how=how,
            lived_secs=round(lived, 1),
            again_in_secs=delay,
        )
        manned.post.ended(how, code)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"it ended with code {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
