"""The process that uploads: its whole life, and what it reports to the supervisor."""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sightgrid.domain.errors import SpoolFailed, SpoolFull
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.contact import Contact
from sightgrid.edge.enrolment import Enrolment
from sightgrid.edge.logs import note
from sightgrid.edge.spool import GIB, Spool
from sightgrid.edge.stills import StillPost
from sightgrid.edge.uploader import Uploader, UploadState

_TELL_SECS = 0.5


@dataclass(frozen=True, slots=True)
class UploadOrder:
    """All that the uploading process must know. ``folder`` is the box's own, ``stills`` where the
    cameras leave pictures for those who look."""

    folder: Path
    enrolment: Enrolment
    clock: BoxClock
    limit_bytes: int = 20 * GIB
    stills: Path | None = None


def run_uploader(order: UploadOrder, link: Connection) -> None:
    """The uploading process's whole life: reports twice a second, ends when the link has anything
    to read or is closed; exit code 74 if the disk can't be relied on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended = LinkEnded(link)
    try:
        spool = _open_patiently(order, ended)
        if spool is None:
            return
        uploader = Uploader(
            spool,
            order.enrolment.access,
            order.clock,
            on_turn=lambda: ended.tell(report),
            contacts=[
                Contact(order.enrolment, order.folder, spool, order.clock),
                *([] if order.stills is None else [StillPost(order.stills)]),
            ],
        )

        def report() -> dict[str, object]:
            status = spool.status()
            return {
                "state": uploader.state.value,
                "reason": uploader.reason,
                "delivered": uploader.delivered,
                "pending": status.pending,
                "quarantined": status.quarantined,
                "dropped": status.dropped,
                "used_bytes": status.used_bytes,
                "limit_bytes": status.limit_bytes,
                "oldest_secs": round(status.oldest_secs, 1),
            }

        uploader.run(ended)
        spool.close()
    except SpoolFailed as error:
        note(logging.CRITICAL, "spool-failed", reason=str(error))
        sys.exit(SpoolFailed.exit_code)


def _open_patiently(order: UploadOrder, ended: LinkEnded) -> Spool | None:
    """The spool, as soon as the disk has room to open it; ``None`` if it is time to end."""
    while not ended.is_set():
        try:
            return Spool(
                order.folder / order.enrolment.spool_name,
                box_id=order.enrolment.box_id,
                clock=order.clock,
                limit_bytes=order.limit_bytes,
            )
        except SpoolFull:
            ended.tell(lambda: {"state": UploadState.STARTING.value, "reason": "the disk is full"})
            time.sleep(1.0)
    return None


class LinkEnded:
    """Set once the supervisor wants an end, or is gone; carries reports the other way."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._turns = 0
        self._told = -_TELL_SECS

    def is_set(self) -> bool:
        try:
            return self._link.poll()
        except OSError:
            return True

    def tell(self, facts: Callable[[], Mapping[str, object]]) -> None:
        """Reports, with how often it was asked to: a number that grows says that it works."""
        self._turns += 1
        if time.monotonic() - self._told < _TELL_SECS:
            return
        self._told = time.monotonic()
        with suppress(OSError):
            self._link.send_bytes(json.dumps({"turns": self._turns, **facts()}).encode())
