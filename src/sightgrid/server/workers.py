"""Processes that take sightings in beside the one that answers people.

Opening and deciding records is work for a processor, and one process uses one. Bodies go over as
bytes, receipts come back; every worker has its own connection to the database, whose site lock
puts their decisions in order.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta

from sightgrid.server.ingest_queue import Body, Served
from sightgrid.server.ingesting import Ingest
from sightgrid.server.refusals import SlowDown
from sightgrid.server.site import Site, SiteSettings

_RESTART_SECS = 2
# set in each worker by _begin
_INGEST: list[Ingest] = []


class IngestPool:
    """Some workers; thread-safe."""

    def __init__(self, settings: SiteSettings, workers: int) -> None:
        self.workers = workers
        self._settings = settings
        self._replacing = threading.Lock()
        self._pool = self._start()
        # a process takes seconds to begin: better before the first box calls than while it waits
        self._pool.submit(_is_there).result()

    def take_all_in(self, bodies: Sequence[Body]) -> Sequence[Served]:
        """As :meth:`Ingest.take_all_in`, in a worker.

        Raises:
            SlowDown: a worker has died; it is being replaced.
        """
        pool = self._pool
        try:
            return pool.submit(_take_all_in, list(bodies)).result()
        except BrokenProcessPool:
            # whatever it was doing was one transaction: it is stored whole or not at all, and
            # without a receipt the box sends it again
            with self._replacing:
                # all that waited for the broken one come here; only the first replaces it
                if self._pool is pool:
                    self._pool = self._start()
            raise SlowDown(timedelta(seconds=_RESTART_SECS), busy=True) from None

    def close(self) -> None:
        """Ends the workers when they are done with what they have."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._settings,),
        )


def _begin(settings: SiteSettings) -> None:
    _INGEST.append(Ingest(Site(settings)))


def _is_there() -> bool:
    return bool(_INGEST)


def _take_all_in(bodies: Sequence[Body]) -> list[Served]:
    return _INGEST[0].take_all_in(bodies)
