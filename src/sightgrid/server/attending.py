"""Looks after sessions by itself: plans, opens, closes and tells of them, sends what is to be sent.

One thread of the server looks every few seconds; whatever it does is a transaction of its own, so
that one course that can't be handled holds up no other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sightgrid.attendance.marking import count
from sightgrid.domain.attendance import SessionState
from sightgrid.domain.errors import InvalidValue, NotFound, SightgridError
from sightgrid.ledger.attending import close_session, due, marked, open_session, plan, tell
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.courses import sessions

_LOG = logging.getLogger(__name__)
_EVERY_SECS = 5.0
_PLAN_EVERY = timedelta(minutes=10)
_BY = "server"


class AttendanceKeeper:
    """The thread that looks after a site's sessions."""

    def __init__(self, site: Site, *, also: Callable[[], object] | None = None) -> None:
        """``also`` is done at every look, such as sending mail."""
        self._site = site
        self._also = also
        self._planned_at: datetime | None = None
        self._told: dict[str, dict[str, int]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="attendance", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after what is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def look(self) -> None:
        """Does whatever is due by now."""
        site, now = self._site, self._site.clock()
        if self._planned_at is None or now - self._planned_at >= _PLAN_EVERY:
            site.store.run(lambda tx: plan(tx, at=now))
            self._planned_at = now
        # a session that was missed altogether is opened by the first look and closed by the second
        for _ in range(2):
            with site.store.snapshot() as tx:
                opening, closing = due(tx, at=now)
            for session_id in opening:
                self._move(partial(open_session, session_id=session_id, by=_BY, at=now))
            for session_id in closing:
                self._move(partial(close_session, session_id=session_id, by=_BY, at=now))
            if not opening:
                break
        self._tell_counts(now)
        if self._also is not None:
            self._also()

    def _move(self, work: Callable[[Transaction], object]) -> None:
        try:
            self._site.store.run(work)
        except (InvalidValue, NotFound) as error:
            # somebody was quicker by hand
            _LOG.info("a session was not moved on: %s", error)

    def _tell_counts(self, now: datetime) -> None:
        """Tells of the open sessions whose counts are others than before."""
        with self._site.store.snapshot() as tx:
            opened = sessions(tx, states=[SessionState.OPEN])
            counts = {
                one.session_id: {
                    status.value: number
                    for status, number in count(marked(tx, one.session_id, at=now).marks).items()
                }
                for one in opened
            }
        for session_id, found in counts.items():
            if self._told.get(session_id) != found:
                self._move(partial(_tell, session_id=session_id, counts=found, at=now))
        self._told = counts

    def _work(self) -> None:
        failures = 0
        while not self._stop.wait(_EVERY_SECS):
            try:
                self.look()
                failures = 0
            except SightgridError as error:
                failures += 1
                if failures == 1:
                    _LOG.warning("sessions can't be looked after: %s", error)
            except Exception as error:  # noqa: BLE001 - the next look may do
                failures += 1
                if failures == 1:
                    # only its kind: the message may hold a name
                    _LOG.error("sessions can't be looked after: %s", type(error).__name__)


def _tell(tx: Transaction, session_id: str, counts: dict[str, int], at: datetime) -> None:
    tx.lock_site()
    tell(tx, session_id, SessionState.OPEN, counts, kind="update", at=at)
