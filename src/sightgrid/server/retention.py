"""Runs retention by itself, and by hand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sightgrid.domain.errors import SightgridError
from sightgrid.domain.retention import RetentionSettings
from sightgrid.ledger.retaining import Expired, retain
from sightgrid.store import Store

_LOG = logging.getLogger(__name__)
EVERY_SECS = 600.0
_FIRST_SECS = 30.0
BY_ITSELF = "retention"


@dataclass(frozen=True, slots=True)
class LastRun:
    """How the last run went; ``trouble`` is ``None`` if it did what it should."""

    at: datetime
    expired: tuple[Expired, ...]
    trouble: str | None = None


class Retention:
    """A thread that removes what is past its time every ten minutes."""

    def __init__(
        self, store: Store, settings: RetentionSettings, *, clock: Callable[[], datetime]
    ) -> None:
        self.settings = settings
        self.last: LastRun | None = None
        self._store = store
        self._clock = clock
        self._stop = threading.Event()
        self._alone = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins; the first run comes soon, for what went past its time while nothing ran."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, name="retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; a run under way goes on to the end of its present part, and is finished after the
        next start."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
            self._thread = None

    def run(
        self, *, actor: str = BY_ITSELF, reason: str = "its time is over", dry_run: bool = False
    ) -> Sequence[Expired]:
        """Does it once, now. By hand, every class gets its row in the audit.

        Raises:
            StoreError: the database can't be written; what is done so far stays done.
        """
        with self._alone:
            now = self._clock()
            expired = retain(
                self._store,
                self.settings,
                at=now,
                actor=actor,
                reason=reason,
                dry_run=dry_run,
                note_all=actor != BY_ITSELF,
            )
            if not dry_run:
                self.last = LastRun(now, tuple(expired))
        return expired

    def _work(self) -> None:
        wait = _FIRST_SECS
        while not self._stop.wait(wait):
            wait = EVERY_SECS
            try:
                self.run()
            except SightgridError as error:
                self._failed(str(error))
            except Exception as error:  # noqa: BLE001 - the next run may do
                # only its kind: the message may hold what was to be removed
                self._failed(type(error).__name__)

    def _failed(self, trouble: str) -> None:
        _LOG.error("retention failed: %s", trouble)
        self.last = LastRun(self._clock(), (), trouble)
