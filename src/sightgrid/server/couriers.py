"""Takes events from the outbox to somebody outside, at least once, however long they are away.

A courier remembers in the database how far its subscriber has acknowledged, so a restart of either
loses nothing; what can't be delivered waits in the outbox and holds up nobody else.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from sightgrid.domain.errors import SightgridError, StoreError
from sightgrid.store import Store
from sightgrid.store.outbox import StoredEvent, events_after
from sightgrid.store.telling import note_told, told_up_to

_LOG = logging.getLogger(__name__)
_POLL_SECS = 0.25
_FIRST_PAUSE_SECS = 1.0
_LONGEST_PAUSE_SECS = 60.0
_AT_ONCE = 100


class DeliveryFailed(SightgridError):
    """The subscriber did not take what was brought; it is brought again."""


class Subscriber(Protocol):
    """Somebody outside who is told of events."""

    name: str

    def deliver(self, events: Sequence[StoredEvent]) -> None:
        """Brings events, in order; returns once all are acknowledged.

        Raises:
            DeliveryFailed: they were not; some may have been taken nevertheless.
        """

    def close(self) -> None:
        """Says good-bye."""


class Courier:
    """A thread that keeps one subscriber told."""

    def __init__(
        self, store: Store, subscriber: Subscriber, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._subscriber = subscriber
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name=f"courier {subscriber.name}", daemon=True
        )

    def start(self) -> None:
        """Begins to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after what is under way."""
        self._stop.set()
        self._thread.join(10)
        self._subscriber.close()

    def _work(self) -> None:
        name, told, failures = self._subscriber.name, None, 0
        while not self._stop.wait(_pause_secs(failures)):
            try:
                if told is None:
                    told = self._store.run(lambda tx: told_up_to(tx, name, at=self._clock()))
                with self._store.snapshot() as tx:
                    events = events_after(tx, told, limit=_AT_ONCE)
                if events:
                    self._subscriber.deliver(events)
                    told = events[-1].event_no
                    self._note(name, told)
                failures = 0
            except DeliveryFailed as error:
                failures += 1
                if failures == 1:
                    _LOG.warning("%s can't be told: %s", name, error)
            except StoreError:
                # the database is away for a moment; whatever was delivered is delivered again
                failures, told = failures + 1, None
            except Exception as error:  # noqa: BLE001 - the next try may do
                failures += 1
                if failures == 1:
                    # only its kind: the message may hold what was to be delivered, and where
                    _LOG.error("%s can't be told: %s", name, type(error).__name__)

    def _note(self, name: str, told: int) -> None:
        at = self._clock()
        self._store.run(lambda tx: note_told(tx, name, told, at=at))


def _pause_secs(failures: int) -> float:
    """Twice as long after each failure, with jitter, so that many don't come back at once."""
    if failures == 0:
        return _POLL_SECS
    longest = min(_FIRST_PAUSE_SECS * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE_SECS)
    return random.uniform(0.5, 1.0) * longest  # noqa: S311 - spreads load, guards no secret


class Couriers:
    """Every courier of a site: one for the broker, if there is one, and one a webhook."""

    def __init__(
        self,
        store: Store,
        *,
        subscribers: Callable[[], dict[str, Callable[[], Subscriber]]],
        clock: Callable[[], datetime],
    ) -> None:
        """``subscribers`` says by name who is to be told now, and how to reach them."""
        self._store = store
        self._subscribers = subscribers
        self._clock = clock
        self._lock = threading.Lock()
        self._couriers: dict[str, Courier] = {}
        self._running = False

    def start(self) -> None:
        """Begins to tell everybody."""
        self._running = True
        self.refresh()

    def refresh(self) -> None:
        """Somebody was added or taken away."""
        if not self._running:
            return
        wanted = self._subscribers()
        with self._lock:
            for name in set(self._couriers) - set(wanted):
                self._couriers.pop(name).stop()
            for name in set(wanted) - set(self._couriers):
                courier = Courier(self._store, wanted[name](), clock=self._clock)
                self._couriers[name] = courier
                courier.start()

    def stop(self) -> None:
        """Ends every courier; what was not acknowledged is told after the next start."""
        self._running = False
        with self._lock:
            for courier in self._couriers.values():
                courier.stop()
            self._couriers.clear()
