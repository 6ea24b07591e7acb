"""Events on their way to whoever listens: read from the outbox after commit, fanned out.

One thread of the process reads the outbox, however many listen. Whoever is too slow loses the
oldest, since an event stream must never hold up anything else; the numbers of events, which have no
holes, tell him so.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from sightgrid.domain.errors import StoreError
from sightgrid.store import Store
from sightgrid.store.outbox import StoredEvent, events_after, last_event_no

_POLL_SECS = 0.25
_MOST_WAITING = 1000


class Listener:
    """One who listens."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events: asyncio.Queue[StoredEvent] = asyncio.Queue(_MOST_WAITING)

    async def next(self, timeout_secs: float) -> StoredEvent | None:
        """The next event, or ``None`` if none came in time."""
        try:
            return await asyncio.wait_for(self._events.get(), timeout_secs)
        except TimeoutError:
            return None

    def offer(self, events: Iterable[StoredEvent]) -> None:
        """Hands over events; called from the reading thread."""
        self._loop.call_soon_threadsafe(self._take, list(events))

    def _take(self, events: list[StoredEvent]) -> None:
        for event in events:
            if self._events.full():
                self._events.get_nowait()
            self._events.put_nowait(event)


class EventFan:
    """Reads the outbox and hands every event to all who listen."""

    def __init__(self, store: Store) -> None:
        self.ending = False
        """Set once the server is to stop; whoever listens then ends."""
        self._store = store
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: int | None = None

    def start(self) -> None:
        """Begins to read, from now on: what happens as soon as this returns is told."""
        # with the database away there is nothing to miss yet; the thread asks again
        with suppress(StoreError), self._store.snapshot() as tx:
            self._last = last_event_no(tx)
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends reading."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener]:
        """A listener for as long as the block lasts."""
        listener = Listener(asyncio.get_running_loop())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def _read(self) -> None:
        last = self._last
        while not self._stop.wait(_POLL_SECS):
            try:
                with self._store.snapshot() as tx:
                    if last is None:
                        last = last_event_no(tx)
                        continue
                    events = events_after(tx, last)
            except StoreError:
                # the database is away; what happens meanwhile is in the outbox when it is back
                continue
            if not events:
                continue
            last = events[-1].event_no
            with self._lock:
                listeners = list(self._listeners)
            for listener in listeners:
                listener.offer(events)
