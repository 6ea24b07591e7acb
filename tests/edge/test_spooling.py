from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.edge.spools import CLOCK, KEY, drain, open_spool, sighting_id
from tests.wire.sightings import BOX, NOON, sighting

from sightgrid.domain.cameras import Purpose
from sightgrid.domain.errors import SpoolFailed
from sightgrid.domain.presence import Sighting
from sightgrid.edge.spool import Spool
from sightgrid.edge.spooling import SpoolOrder, SpoolSink, priority_of
from sightgrid.wire.records import Gap, GapReason, Priority, parse_line, sighting_of
from sightgrid.wire.sealing import content_of

KEYS = {KEY.key_id: KEY}


def order(path: Path, **priorities: Priority) -> SpoolOrder:
    return SpoolOrder(path, BOX, KEY.sealing.public, CLOCK, priorities)


def coloured(number: int, *, revision: int = 1, camera: str = "entrance") -> Sighting:
    """A sighting whose crops are of one colour each."""
    made = sighting(
        sighting_id=sighting_id(number), revision=revision, camera=camera, points=5, looks=2,
        start=NOON + timedelta(seconds=number),
    )  # fmt: skip
    looks = tuple(
        replace(look, crop=replace(look.crop, pixels=np.full((112, 112, 3), 40 * i, np.uint8)))
        for i, look in enumerate(made.looks, 1)
    )
    return replace(made, looks=looks)


def test_sightings_are_sealed_on_disk_and_only_the_server_reads_them(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "spool.db"
    sink = SpoolSink(order(path))
    for number in range(3):
        sink.put(coloured(number))
    sink.close()
    batch = drain(open_spool(path))
    assert len(batch) == 3
    for number, one in enumerate(batch):
        record = parse_line(one.line)
        content = content_of(record, KEYS)
        back = sighting_of(record, content)
        there = coloured(number)
        assert (back.sighting_id, back.path) == (there.sighting_id, there.path)
        assert (record.box_id, record.boot_id) == (BOX, CLOCK.boot_id)
        for i, look in enumerate(content.looks, 1):
            assert look.crop is not None
            pixels = cv2.imdecode(np.frombuffer(look.crop, np.uint8), cv2.IMREAD_COLOR)
            assert pixels.shape == (112, 112, 3)
            assert abs(float(pixels.mean()) - 40 * i) < 2


def test_revisions_that_come_faster_than_the_disk_are_one(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    sink = SpoolSink(order(path))
    for revision in range(1, 200):
        sink.put(coloured(1, revision=revision))
    sink.close()
    assert sink.kept < 199
    (one,) = drain(open_spool(path))
    assert one.revision == 199


def test_a_sighting_that_breaks_a_bound_is_counted_and_the_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    sink = SpoolSink(order(path))
    sink.put(replace(coloured(1), looks=coloured(1).looks * 20))
    sink.put(coloured(2))
    sink.close()
    bodies = [parse_line(one.line).body for one in drain(open_spool(path))]
    (gap,) = [body for body in bodies if isinstance(body, Gap)]
    assert (gap.reason, gap.dropped) == (GapReason.UNWRITABLE, 1)
    assert len(bodies) == 2


def test_the_purpose_of_a_camera_is_its_claim() -> None:
    assert priority_of((Purpose.TRAJECTORIES, Purpose.ATTENDANCE)) is Priority.ATTENDANCE
    assert priority_of((Purpose.TRAJECTORIES, Purpose.ANALYTICS)) is Priority.ANALYTICS


def test_a_disk_that_fails_is_told_at_the_next_sighting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise SpoolFailed("the disk is on fire")

    monkeypatch.setattr(Spool, "append", fail)
    sink = SpoolSink(order(tmp_path / "spool.db"))
    sink.put(coloured(1))
    sink._thread.join(5)
    with pytest.raises(SpoolFailed, match="on fire"):
        sink.put(coloured(2))
    with pytest.raises(SpoolFailed):
        sink.close()
    assert SpoolFailed.exit_code == 74


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_waited_for_counted_and_recovered_from(small_disk: Path) -> None:
    import time

    path = small_disk / "spool.db"
    sink = SpoolSink(order(path, desk=Priority.ATTENDANCE))
    for number in range(20):
        sink.put(coloured(number))
    until_kept(sink, 20)
    # somebody else fills the disk to the last byte
    stuffing = small_disk / "stuffing"
    with stuffing.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    for number in range(100, 700):
        sink.put(coloured(number, camera="desk" if number % 2 else "entrance"))
        if number % 20 == 0:
            time.sleep(0.02)
    time.sleep(1.5)
    assert sink._thread.is_alive(), "no crash, no giving up"
    stuffing.unlink()
    freed_at = time.monotonic()
    before = sink.kept
    while sink.kept == before:
        assert time.monotonic() - freed_at < 10
        time.sleep(0.02)
    sink.put(coloured(999))
    sink.close()
    records = [parse_line(one.line) for one in drain(open_spool(path))]
    kept = {one.sighting_id for one in records if not isinstance(one.body, Gap)}
    gaps = [one.body for one in records if isinstance(one.body, Gap)]
    lost = sum(gap.dropped for gap in gaps)
    assert lost > 100
    assert {gap.reason for gap in gaps} == {GapReason.DISK_FULL}
    assert len(kept) + lost == 621, "every sighting is there or counted"
    assert sighting_id(999) in kept


def test_a_spool_on_a_disk_that_is_full_from_the_start_waits_for_room(small_disk: Path) -> None:
    import time

    stuffing = small_disk / "stuffing"
    with stuffing.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    sink = SpoolSink(order(small_disk / "spool.db"))
    sink.put(coloured(1))
    time.sleep(0.5)
    assert sink._thread.is_alive()
    stuffing.unlink()
    until_kept(sink, 1)
    sink.close()


def until_kept(sink: SpoolSink, count: int) -> None:
    import time

    deadline = time.monotonic() + 10
    while sink.kept < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
