"""The spool with 72 hours in it: start-up, memory, how fast it drains, how long live records wait.

``python -m benchmarks.spool [--records 259200] [--write]``: fills a spool on the disk under
``--folder``, opens it in a process of its own, then drains it to a server on loopback that stores
every record durably, while a live record comes each second.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sqlite3
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import uuid4

from tests.edge.plain_server import PlainServer

from benchmarks import pages
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.spool import Spool
from sightgrid.edge.spooled import Entry
from sightgrid.edge.uploader import ServerAccess, Uploader
from sightgrid.wire.records import Priority, Record, Sealed

BOX = "box"
MIB = 1024**2


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=259_200, help="72 hours at one a second")
    options.add_argument("--bytes", type=int, default=6_000, help="sealed bytes of a record")
    options.add_argument("--folder", type=Path, help="where the spool is made")
    options.add_argument("--drain-secs", type=float, default=60.0)
    pages.add_options(options)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "spool.db"
        clock = BoxClock.anchored()
        began = time.perf_counter()
        fill(path, clock, given.records, given.bytes)
        filled_secs = time.perf_counter() - began
        single_ms = append_alone(Path(folder) / "alone.db", clock, given.bytes)
        idle_mib, _ = in_a_process(Path(folder) / "empty.db", clock)
        full_mib, start_secs = in_a_process(path, clock)
        rate, waits = drain(path, clock, Path(folder), given.drain_secs, given.bytes)
        size_gib = path.stat().st_size / 1024**3
    rows = [
        [f"{given.records:,} records of {given.bytes:,} sealed bytes", f"{size_gib:.2f} GiB"],
        ["filling, 500 a commit", f"{given.records / filled_secs:,.0f} records a second"],
        ["one durable append (median of 200)", f"{single_ms:.1f} ms"],
        ["opening it, leases recovered, first batch in hand", f"{start_secs:.2f} s"],
        ["memory beyond a process with an empty spool", f"{full_mib - idle_mib:.0f} MiB"],
        ["drained over loopback, receipts durable", f"{rate:,.0f} records a second"],
        [
            "a live record meanwhile, from append to the server's disk",
            f"median {statistics.median(waits):.2f} s, longest {max(waits):.2f} s",
        ],
    ]
    text = pages.table(["what", "measured"], rows)
    pages.publish("spool", text, command="python -m benchmarks.spool", chosen=given)


def record(clock: BoxClock, number: int, size: int) -> Entry:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    filling = number.to_bytes(8, "big") * (size // 8)
    made = Record(
        box_id=BOX, boot_id=clock.boot_id, seq=0, sighting_id=str(uuid4()), revision=1, closed=True,
        camera="entrance", first_seen=now, last_seen=now, clock=clock.reading(),
        body=Sealed("0" * 16, filling),
    )  # fmt: skip
    return Entry(replace(made), Priority.ANALYTICS)


def fill(path: Path, clock: BoxClock, records: int, size: int) -> None:
    spool = Spool(path, box_id=BOX, clock=clock)
    for start in range(0, records, 500):
        spool.append([record(clock, n, size) for n in range(start, min(start + 500, records))])
    spool.close()


def append_alone(path: Path, clock: BoxClock, size: int) -> float:
    spool = Spool(path, box_id=BOX, clock=clock)
    times = []
    for number in range(200):
        one = record(clock, number, size)
        began = time.perf_counter()
        spool.append([one])
        times.append(time.perf_counter() - began)
    spool.close()
    return 1000 * statistics.median(times)


def in_a_process(path: Path, clock: BoxClock) -> tuple[float, float]:
    """MiB at most, and seconds until the first batch is in hand."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_open, args=(path, clock, writer))
    process.start()
    peak_mib, secs = reader.recv()
    process.join()
    return peak_mib, secs


def _open(path: Path, clock: BoxClock, link: Connection) -> None:
    began = time.perf_counter()
    spool = Spool(path, box_id=BOX, clock=clock)
    spool.recover_leases()
    spool.status()
    batch = spool.lease(most_records=50, most_bytes=256 * 1024)
    secs = time.perf_counter() - began
    spool.release(batch)
    spool.close()
    link.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, secs))


def drain(
    path: Path, clock: BoxClock, folder: Path, secs: float, size: int
) -> tuple[float, list[float]]:
    """Records a second, and how long each live record took."""
    server = PlainServer(folder)
    stop = threading.Event()

    def upload() -> None:
        spool = Spool(path, box_id=BOX, clock=clock)
        Uploader(spool, ServerAccess(server.url, "token", "instance"), clock).run(stop)
        spool.close()

    thread = threading.Thread(target=upload)
    thread.start()
    writer = Spool(path, box_id=BOX, clock=clock)
    live: dict[str, float] = {}
    # what is there before the uploader has begun is backlog
    while not server.requests:
        time.sleep(0.05)
    began = time.time()
    while time.time() - began < secs:
        one = record(clock, 0, size)
        writer.append([one])
        live[one.record.sighting_id] = time.time()
        time.sleep(1.0)
    time.sleep(12.0)
    stop.set()
    thread.join()
    took = time.time() - began
    writer.close()
    server.close()
    with sqlite3.connect(folder / "server.db") as rows:
        came = dict(rows.execute("SELECT id, at FROM row").fetchall())
    missing = [one for one in live if one not in came]
    print(json.dumps({"arrived": len(came), "live": len(live), "live missing": len(missing)}))
    return len(came) / took, [came[one] - at for one, at in live.items() if one in came]


if __name__ == "__main__":
    main()
