"""What a server takes in: a real ``sightgrid server``, fifty boxes, sealed records of five crops.

Two loads: a record a second from each box, then a burst of ten a second from each. A box sends
again what was answered with 429 or 503, when it was told to. Afterwards every acknowledged record
must be in the database once, with its crops. The boxes run on the same machine, in this process.

``--database`` may be given again and again: ``sqlite``, or the URL of a PostgreSQL or MySQL server
on which a database of this measurement's own is made and dropped.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import httpx
import numpy as np
import psutil
import sqlalchemy as sa

from benchmarks import pages
from sightgrid.configuration import read_configuration
from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.server.boxes import code_for, redeem
from sightgrid.server.site import Site, SiteSettings
from sightgrid.store.schema import SIGHTING
from sightgrid.store.schema_subjects import CROP
from sightgrid.wire.content import Content
from sightgrid.wire.receipts import Status, read_receipts
from sightgrid.wire.records import Clock, ClockState, Record, encode
from sightgrid.wire.sealing import SealingKey

LOOKS = 5
CROP_PX = 112
PEOPLE = 500
BATCH = 10
_START_SECS = 60
_GIVE_UP_SECS = 120


@dataclass(frozen=True)
class EnrolledBox:
    """One box as the load has it."""

    box_id: str
    token: str
    instance_id: str
    boot_id: str


@dataclass
class Outcome:
    """How one load went."""

    answers_secs: list[float] = field(default_factory=list)
    """Of the requests that brought receipts."""
    waits_secs: list[float] = field(default_factory=list)
    """From when a record was due to its receipt, refusals and new tries included."""
    turned_away: int = 0
    without_retry_after: int = 0
    other: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    wall_secs: float = 0.0
    server_secs: float = 0.0

    def row(self) -> list[object]:
        p50, p95 = np.percentile(self.answers_secs, [50, 95]) if self.answers_secs else (0, 0)
        late = np.percentile(self.waits_secs, 95) if self.waits_secs else 0
        rate = len(self.acknowledged) / self.wall_secs
        milliseconds = 1000 * self.server_secs / max(len(self.acknowledged), 1)
        return [
            len(self.acknowledged),
            f"{rate:.0f}",
            f"{p50:.3f}",
            f"{p95:.3f}",
            f"{late:.2f}",
            self.turned_away,
            f"{milliseconds:.1f}",
        ]


class Faces:
    """Records of people who pass by; each person's vectors lie close together."""

    def __init__(self, contract: EmbeddingContract, key: SealingKey) -> None:
        rng = np.random.default_rng(1)
        self._contract, self._key, self._rng = contract, key, rng
        self._centres = rng.normal(size=(PEOPLE, contract.dimension))
        self.crops = [_jpeg(rng) for _ in range(40)]
        self._seq = 0

    def line(self, box: EnrolledBox, camera: str, at: datetime) -> tuple[str, bytes]:
        """A sighting's id and its sealed line."""
        self._seq += 1
        centre = self._centres[self._rng.integers(PEOPLE)]
        # twenty frames a second since the hour; each person passes alone
        frame = 1 + round(20 * (at.timestamp() % 3600))
        looks = tuple(self._look(number, centre, at, frame) for number in range(LOOKS))
        seen = Sighting(
            sighting_id=str(uuid.uuid4()),
            revision=1,
            closed=True,
            camera=camera,
            group=self._seq,
            path=tuple(
                PathPoint(
                    frame + 4 * i, at + timedelta(seconds=i / 5), Box(10 + i, 20, 70 + i, 99), 0.9
                )
                for i in range(20)
            ),
            looks=looks,
        )
        picks = self._rng.integers(len(self.crops), size=LOOKS)
        content = Content.of(seen, [self.crops[pick] for pick in picks])
        record = Record(
            box_id=box.box_id,
            boot_id=box.boot_id,
            seq=self._seq,
            sighting_id=seen.sighting_id,
            revision=1,
            closed=True,
            camera=camera,
            first_seen=seen.first_seen,
            last_seen=seen.last_seen,
            clock=Clock(ClockState.SYNCED, 1, seen.last_seen),
            body=content,
        )
        sealed = self._key.seal(
            content, box_id=box.box_id, sighting_id=seen.sighting_id, revision=1
        )
        return seen.sighting_id, encode(replace(record, body=sealed)) + b"\n"

    def _look(self, number: int, centre: np.ndarray, at: datetime, frame: int) -> Look:
        vector = centre + 0.15 * self._rng.normal(size=len(centre))
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        return Look(
            counter=number + 1,
            crop=FaceCrop(
                pixels=np.zeros((0, 0, 3), np.uint8),
                quality=Quality(60.0, 0.9, 0.8, 0.7, 0.6, 1.0, 0.95, 0.1, 0.1, 0.7),
                captured_at=at + timedelta(seconds=number / 2),
                frame_index=frame + 10 * number,
                box_in_frame=Box(10, 20, 70, 99),
                landmarks_in_frame=self._rng.uniform(0, 100, (5, 2)).astype(np.float32),
                detection_score=0.93,
            ),
            embedding=Embedding(unit, self._contract, 0.9),
        )


def _jpeg(rng: np.random.Generator) -> bytes:
    """About 7 KB, as an aligned crop is."""
    small = rng.integers(0, 255, (CROP_PX // 4, CROP_PX // 4, 3), np.uint8)
    pixels = cv2.resize(small, (CROP_PX, CROP_PX), interpolation=cv2.INTER_CUBIC)
    rough = np.clip(pixels.astype(int) + rng.integers(-12, 12, pixels.shape), 0, 255)
    done, data = cv2.imencode(".jpg", rough.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise SystemExit("OpenCV can't write JPEG")
    return bytes(data.tobytes())


@contextmanager
def own_database(where: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if where == "sqlite":
        yield f"sqlite:///{folder / 'sightgrid.db'}"
        return
    name = f"sightgrid_ingest_{os.getpid()}"
    engine = sa.create_engine(where, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield engine.url.set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}{force}")


@contextmanager
def running_server(folder: Path, workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """A server process on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "sightgrid", "server", "--config", "sightgrid.yml"]
    command += ["--listen", f"127.0.0.1:{port}", "--ingest-workers", str(workers)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + _START_SECS
        while True:
            try:
                httpx.get(f"{url}/api/v1/health").raise_for_status()
                break
            except httpx.HTTPError:
                if server.poll() is not None or time.monotonic() > end:
                    raise SystemExit((folder / "server.log").read_text()) from None
                time.sleep(0.2)
        yield url, psutil.Process(server.pid)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def enrolled_boxes(site: Site, count: int) -> list[EnrolledBox]:
    boxes = []
    for number in range(count):
        code, _ = code_for(site, f"box-{number}", actor="benchmark")
        instance = str(uuid.uuid4())
        made = redeem(site, code, instance_id=instance, version="1", address="here")
        boxes.append(EnrolledBox(made.box_id, made.token, instance, str(uuid.uuid4())))
    return boxes


async def load(
    url: str,
    work: dict[EnrolledBox, list[list[tuple[str, bytes]]]],
    server: psutil.Process,
) -> Outcome:
    """Every box sends the next of its batches each second."""
    outcome = Outcome()
    limits = httpx.Limits(max_connections=None)
    used = _processor_secs(server)
    began = time.monotonic() + 0.5
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as http:
        await asyncio.gather(
            *(
                _box(http, box, batches, began + number / len(work), outcome)
                for number, (box, batches) in enumerate(work.items())
            )
        )
    outcome.wall_secs = time.monotonic() - began
    outcome.server_secs = _processor_secs(server) - used
    return outcome


async def _box(
    http: httpx.AsyncClient,
    box: EnrolledBox,
    batches: list[list[tuple[str, bytes]]],
    begin: float,
    outcome: Outcome,
) -> None:
    headers = {
        "Authorization": f"Bearer {box.token}",
        "Sightgrid-Instance": box.instance_id,
        "Sightgrid-Run": box.boot_id,
        "Content-Type": "application/x-ndjson",
    }
    for second, batch in enumerate(batches):
        due = begin + second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        body = b"".join(line for _, line in batch)
        while time.monotonic() < due + _GIVE_UP_SECS:
            asked = time.monotonic()
            try:
                answer = await http.post("/api/v1/sightings", content=body, headers=headers)
            except httpx.HTTPError as error:
                outcome.other.append(type(error).__name__)
                await asyncio.sleep(1)
                continue
            if answer.status_code == 200:
                now = time.monotonic()
                outcome.answers_secs.append(now - asked)
                for receipt in read_receipts(answer.content):
                    if receipt.status in (Status.STORED, Status.DUPLICATE):
                        outcome.acknowledged.add(str(receipt.sighting_id))
                        outcome.waits_secs.append(now - due)
                    else:
                        outcome.other.append(f"{receipt.status} {receipt.code}")
                break
            outcome.turned_away += 1
            if answer.status_code not in (429, 503) or "retry-after" not in answer.headers:
                outcome.without_retry_after += 1
            await asyncio.sleep(float(answer.headers.get("retry-after", 2)))


def _processor_secs(server: psutil.Process) -> float:
    times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def check_stored(settings: SiteSettings, acknowledged: set[str]) -> None:
    """Every acknowledged record is there once, with its crops; ends the program otherwise."""
    site = Site(settings)
    try:
        with site.store.snapshot() as tx:
            ids = list(tx.connection.scalars(sa.select(SIGHTING.c.sighting_id)))
            crops = tx.connection.scalar(sa.select(sa.func.count()).select_from(CROP))
    finally:
        site.close()
    missing = acknowledged - set(ids)
    if missing or len(ids) != len(set(ids)) or crops != LOOKS * len(ids):
        raise SystemExit(f"{len(missing)} lost, {len(ids)} rows, {crops} crops")


def backlog(
    faces: Faces, boxes: list[EnrolledBox], secs: int, batch: int
) -> dict[EnrolledBox, list[list[tuple[str, bytes]]]]:
    """What each box has to send: everybody passed its camera alone, five seconds after the one
    before; the last one now."""
    count = secs * batch
    first = datetime.now(UTC) - timedelta(seconds=5 * count)
    work = {}
    for number, box in enumerate(boxes):
        lines = [
            faces.line(box, f"cam-{number}", first + timedelta(seconds=5 * i)) for i in range(count)
        ]
        work[box] = [lines[i : i + batch] for i in range(0, count, batch)]
    return work


def measured(where: str, workers: int, chosen: argparse.Namespace) -> list[list[object]]:
    """The rows of one database and one number of workers."""
    with (
        tempfile.TemporaryDirectory() as place,
        own_database(where, Path(place)) as database,
    ):
        folder = Path(place)
        (folder / "sightgrid.yml").write_text(f"database: {database}\n")
        settings = SiteSettings(read_configuration(folder / "sightgrid.yml"), folder)
        site = Site(settings)
        boxes = enrolled_boxes(site, chosen.boxes)
        faces = Faces(site.contract, list(site.opening_keys.values())[-1].sealing)
        site.close()
        title = where.partition("+")[0].partition(":")[0]
        rows, acknowledged = [], set[str]()
        for name, secs, batch in (
            ("a record a second", round(60 * chosen.minutes), 1),
            (f"{BATCH} records a second", chosen.burst_secs, BATCH),
        ):
            if not secs:
                continue
            work = backlog(faces, boxes, secs, batch)
            with running_server(folder, workers) as (url, server):
                outcome = asyncio.run(load(url, work, server))
            acknowledged |= outcome.acknowledged
            wanted = len(boxes) * secs * batch
            lacking = wanted - len(outcome.acknowledged)
            if outcome.without_retry_after or outcome.other or lacking:
                print(
                    f"{title}, {workers}: {lacking} without a receipt, "
                    f"{outcome.without_retry_after} refused without Retry-After, "
                    f"{sorted(set(outcome.other))}",
                    file=sys.stderr,
                )
            rows.append(
                [title, workers, f"{len(boxes)} boxes, {name} each, {secs} s", *outcome.row()]
            )
            print(rows[-1], file=sys.stderr, flush=True)
        check_stored(settings, acknowledged)
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--database", action="append", help="sqlite, or a server's URL")
    parser.add_argument("--workers", action="append", type=int, help="--ingest-workers")
    parser.add_argument("--boxes", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--burst-secs", type=int, default=30)
    chosen = parser.parse_args()
    rows = [
        row
        for where in chosen.database or ["sqlite"]
        for workers in chosen.workers or [0, 2]
        for row in measured(where, workers, chosen)
    ]
    columns = [
        "database",
        "workers",
        "load",
        "receipts",
        "a second",
        "answer p50, s",
        "answer p95, s",
        "due to receipt p95, s",
        "told to come again",
        "server's processor time, ms a record",
    ]
    text = pages.table(columns, rows)
    text += "\n\nEvery acknowledged record was in the database once, with its five crops."
    pages.publish(
        "ingest",
        text,
        command=f"python -m benchmarks.ingest --minutes {chosen.minutes:g} --database …",
        chosen=chosen,
    )


if __name__ == "__main__":
    main()
