"""A box's two halves in one process, to be killed: one appends and says so, one uploads."""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from pathlib import Path

from tests.edge.spools import CLOCK, entry, open_spool

from sightgrid.edge.uploader import BackOff, ServerAccess, Uploader


def fill_and_send(path: Path, url: str, start: int, link: Connection) -> None:
    """Appends records numbered from ``start``; each is told of once ``append`` has returned."""

    def send() -> None:
        spool = open_spool(path)
        access = ServerAccess(url, "token", "instance")
        Uploader(spool, access, CLOCK, back_off=BackOff(0.01, 0.05)).run(threading.Event())

    threading.Thread(target=send, daemon=True).start()
    spool = open_spool(path)
    number = start
    while True:
        one = entry(number, filling=4_000)
        spool.append([one])
        link.send(one.record.sighting_id)
        number += 1
