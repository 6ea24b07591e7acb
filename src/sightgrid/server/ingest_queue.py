"""Bodies of records that wait to be taken in: how many may, and who is served together.

A box keeps what it has no receipt for, so being told to come again costs it nothing, while waiting
costs everybody. The queue is therefore bounded by time: whoever would wait too long is told so at
once. All who wait when the server turns to them are served together, in one transaction.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from sightgrid.domain.errors import SightgridError
from sightgrid.server.limits import MOST_SIGHTINGS_BYTES
from sightgrid.server.refusals import SlowDown
from sightgrid.wire.receipts import Receipt

LONGEST_WAIT_SECS = 0.6
# of bodies that are being read or wait, for as long as they lie in memory
MOST_BYTES_HELD = 16 * MOST_SIGHTINGS_BYTES
# served together; more would make the first of them wait for the last
MOST_BYTES_TOGETHER = 3 * 1024 * 1024
_COME_AGAIN_SECS = (0.5, 2.5)
# until the first body has shown how long one takes
_FIRST_SECS_PER_BYTE = 1e-7
_NEWEST_COUNTS = 0.3
# a measurement far off the others counts as this many times as much or as little at most
_FAR_OFF = 4.0
_LONGEST_NUMBER = 19


@dataclass(frozen=True, slots=True)
class BoxClock:
    """How the box's clocks stood as it sent, as its headers tell; ``None`` where they don't."""

    boot_id: str
    monotonic_ns: int

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> BoxClock | None:
        """From the headers of a request; what isn't there or no number counts as not told."""
        boot_id = headers.get("sightgrid-boot", "")
        told = headers.get("sightgrid-monotonic-ns", "")
        if not boot_id or not told.isascii() or not told.isdecimal():
            return None
        return cls(boot_id, int(told)) if len(told) <= _LONGEST_NUMBER else None


@dataclass(frozen=True, slots=True)
class Body:
    """What a box sent in one request; ``clock`` is the box's own."""

    box_id: str
    lines: bytes = field(repr=False)
    clock: BoxClock | None = None


Served = list[Receipt] | SightgridError
"""A receipt for each record, in order, or why nothing of a body was taken in."""
Serve = Callable[[Sequence[Body]], Sequence[Served]]


class IngestQueue:
    """Hands bodies to whoever takes them in; thread-safe.

    Args:
        serve: takes bodies in, all of them together.
        at_once: how many groups of bodies are under way at the same time.
    """

    def __init__(
        self, serve: Serve, *, at_once: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._serve = serve
        self._clock = clock
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="ingest")
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Body, Future[list[Receipt]]]] = deque()
        # of bodies that wait or are being taken in
        self._bytes = 0
        self._held = 0
        self._secs_per_byte = _FIRST_SECS_PER_BYTE
        self._last_done = 0.0

    @property
    def wait_secs(self) -> float:
        """How long whoever comes now would wait, as far as can be told."""
        with self._lock:
            return self._bytes * self._secs_per_byte

    @contextmanager
    def room(self, size: int | None) -> Iterator[None]:
        """Memory for a body that is to be read, as long as its request lasts.

        Args:
            size: bytes, as far as they are known.

        Raises:
            SlowDown: there is none, or who waits already waits long enough.
        """
        most = MOST_SIGHTINGS_BYTES if size is None else size
        with self._lock:
            self._refuse_if_long()
            if self._held and self._held + most > MOST_BYTES_HELD:
                raise _come_again()
            self._held += most
        try:
            yield
        finally:
            with self._lock:
                self._held -= most

    def submit(self, body: Body) -> Future[list[Receipt]]:
        """Puts a body into the queue; the receipts come when it is stored.

        Raises:
            SlowDown: who waits already waits long enough.
        """
        future: Future[list[Receipt]] = Future()
        with self._lock:
            self._refuse_if_long()
            self._waiting.append((body, future))
            self._bytes += len(body.lines)
        self._threads.submit(self._turn)
        return future

    def close(self) -> None:
        """Ends when everybody who waits has been served."""
        self._threads.shutdown(wait=True)

    def _refuse_if_long(self) -> None:
        if self._bytes * self._secs_per_byte > LONGEST_WAIT_SECS:
            raise _come_again()

    def _turn(self) -> None:
        group = self._next_group()
        if not group:
            # served together with somebody who came before
            return
        bodies = [body for body, _ in group]
        began = self._clock()
        try:
            served = list(self._serve(bodies))
        except Exception as error:  # noqa: BLE001 - whatever it is, each of them has to be told
            self._done(bodies, began)
            for _, future in group:
                future.set_exception(error)
            return
        self._done(bodies, began)
        for (_, future), answer in zip(group, served, strict=True):
            if isinstance(answer, SightgridError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _next_group(self) -> list[tuple[Body, Future[list[Receipt]]]]:
        group: list[tuple[Body, Future[list[Receipt]]]] = []
        size = 0
        with self._lock:
            while self._waiting:
                body, future = self._waiting[0]
                if group and size + len(body.lines) > MOST_BYTES_TOGETHER:
                    break
                self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    group.append((body, future))
                    size += len(body.lines)
                else:
                    # whoever sent it has gone away meanwhile, and will send it again
                    self._bytes -= len(body.lines)
        return group

    def _done(self, bodies: Sequence[Body], began: float) -> None:
        size = sum(len(body.lines) for body in bodies)
        with self._lock:
            now = self._clock()
            # where several groups are under way, what counts is how often one is done
            took = now - max(began, self._last_done)
            self._last_done = now
            self._bytes -= size
            if size:
                known = self._secs_per_byte
                seen = min(max(took / size, known / _FAR_OFF), known * _FAR_OFF)
                self._secs_per_byte = known + _NEWEST_COUNTS * (seen - known)


def _come_again() -> SlowDown:
    # spread, so that those who are turned away together don't come back together
    wait_secs = random.uniform(*_COME_AGAIN_SECS)  # noqa: S311 - jitter, no secret
    return SlowDown(timedelta(seconds=wait_secs), busy=True)
