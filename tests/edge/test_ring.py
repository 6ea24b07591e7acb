from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from streaming import at

from sightgrid.domain.errors import InvalidValue
from sightgrid.edge import ring as ring_module
from sightgrid.edge.ring import (
    Ring,
    RingError,
    RingReader,
    RingSpec,
    RingWriter,
    remove_stale_rings,
)
from sightgrid.vision.regions import Area, FollowedFace

LEFT, RIGHT = Area(0, 0, 64, 48), Area(320, 240, 32, 16)


def send(writer: RingWriter, index: int, *, value: int | None = None) -> None:
    with writer.message(
        [LEFT, RIGHT],
        index=index,
        captured_at=at(index),
        width=640,
        height=480,
        whole=False,
        full_range=True,
        still=[7, 9],
    ) as planes:
        for number, plane in enumerate(planes):
            plane[:] = index % 200 + number if value is None else value


def face(key: int) -> FollowedFace:
    return FollowedFace(key, 1000.5, 10.0, 20.0, 40.5, 60.0, -3.0, 4.0)


def test_a_message_arrives_as_it_was_sent(writer: RingWriter, reader: RingReader) -> None:
    assert reader.take() is None
    writer.resized(640, 480)
    send(writer, 5)
    message = reader.take()
    assert message is not None
    assert (message.camera, message.index, message.captured_at) == ("door", 5, at(5))
    assert (message.width, message.height, message.whole, message.full_range) == (
        640,
        480,
        False,
        True,
    )
    assert [region.area for region in message.regions] == [LEFT, RIGHT]
    assert [set(region.planes.tolist()) for region in message.regions] == [{5}, {6}]
    assert message.still == (7, 9)
    assert message.generation == writer.generation
    assert reader.take() is None


def test_the_newest_wins_and_the_others_are_counted(
    ring: Ring, writer: RingWriter, reader: RingReader
) -> None:
    writer.resized(640, 480)
    for index in range(1, 8):
        send(writer, index)
    message = reader.take()
    assert message is not None
    assert message.index == 7
    assert reader.take() is None
    counts = ring.counts()
    assert (counts.written, counts.taken, counts.lost) == (7, 7, 6)


def test_what_was_taken_is_not_overwritten(writer: RingWriter, reader: RingReader) -> None:
    writer.resized(640, 480)
    send(writer, 1)
    first = reader.take()
    for index in range(2, 9):
        send(writer, index)
    assert first is not None
    assert set(first.regions[0].planes.tolist()) == {1}


def test_a_message_broken_off_is_never_seen(writer: RingWriter, reader: RingReader) -> None:
    writer.resized(640, 480)
    send(writer, 1)
    with pytest.raises(KeyboardInterrupt):
        _break_off(writer)
    message = reader.take()
    assert message is not None
    assert message.index == 1


def _break_off(writer: RingWriter) -> None:
    with writer.message(
        [LEFT], index=2, captured_at=at(2), width=640, height=480, whole=False, full_range=False
    ) as planes:
        planes[0][:] = 99
        raise KeyboardInterrupt


def test_another_size_and_another_writer_begin_anew(
    ring: Ring, writer: RingWriter, reader: RingReader
) -> None:
    writer.resized(640, 480)
    first = writer.generation
    writer.resized(640, 480)
    assert writer.generation == first
    writer.resized(320, 240)
    assert writer.generation == first + 1
    send(writer, 3)
    again = RingWriter.attach(ring.spec)
    assert again.generation == first + 2
    message = reader.take()
    assert message is not None, "what the writer before it sent is still good"
    assert message.index == 3
    again.resized(640, 480)
    send(again, 4)
    message = reader.take()
    assert message is not None
    assert (message.index, message.generation) == (4, again.generation)


def test_frames_that_are_too_large_are_refused(writer: RingWriter) -> None:
    with pytest.raises(RingError, match="door: frames of 1920x1080 are too large"):
        writer.resized(1920, 1080)


def test_regions_must_fit_the_frame(writer: RingWriter) -> None:
    writer.resized(32, 32)
    with pytest.raises(InvalidValue, match="do not fit"):
        send(writer, 1)


def test_the_followed_faces_go_back_to_the_camera(writer: RingWriter, reader: RingReader) -> None:
    assert writer.followed() == ()
    reader.tell([face(1), face(2)])
    assert writer.followed() == (face(1), face(2))
    reader.tell([])
    assert writer.followed() == ()


def test_a_new_reader_follows_nobody(ring: Ring, writer: RingWriter, reader: RingReader) -> None:
    reader.tell([face(1)])
    RingReader.attach(ring.spec)
    assert writer.followed() == ()


def test_a_ring_that_is_gone_is_said(ring: Ring) -> None:
    ring.remove()
    with pytest.raises(RingError, match="camera door: its shared memory can't be opened"):
        RingReader.attach(ring.spec)
    with pytest.raises(RingError, match="is no ring"):
        RingReader.attach(RingSpec("door", "../../etc/passwd"))
    ring.remove()


def test_memory_is_nobody_elses(ring: Ring) -> None:
    assert (ring_module._folder() / ring.spec.name).stat().st_mode & 0o777 == 0o600


def test_rings_of_killed_boxes_are_removed(tmp_path: Path, ring: Ring) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_make_and_die)
    process.start()
    process.join()
    gone = ring_module._folder().glob(f"sightgrid-{process.pid}-*")
    assert len(list(gone)) == 1
    assert remove_stale_rings() >= 1
    assert not list(ring_module._folder().glob(f"sightgrid-{process.pid}-*"))
    assert (ring_module._folder() / ring.spec.name).exists(), "ours is in use"


def _make_and_die() -> None:
    Ring.create("door")
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_writers_never_leave_half_a_message(ring: Ring, reader: RingReader) -> None:
    """A writer that is killed in the middle, again and again, beside a reader that checks."""
    context = multiprocessing.get_context("spawn")
    seen = 0
    for _ in range(3):
        process = context.Process(target=_write_for_ever, args=(ring.spec,), daemon=True)
        process.start()
        before = seen
        deadline = time.monotonic() + 10
        while seen < before + 200 and time.monotonic() < deadline:
            message = reader.take()
            if message is None:
                continue
            seen += 1
            for number, region in enumerate(message.regions):
                expected = message.index % 200 + number
                assert (region.planes == expected).all(), "half of one and half of another"
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert seen >= before + 200, "the next writer goes on where the killed one ended"
    counts = ring.counts()
    assert counts.taken == counts.lost + seen


def _write_for_ever(spec: RingSpec) -> None:
    writer = RingWriter.attach(spec)
    writer.resized(640, 480)
    for index in range(1, 1_000_000):
        send(writer, index)


def test_checksum_catches_a_damaged_header(
    ring: Ring, writer: RingWriter, reader: RingReader
) -> None:
    writer.resized(640, 480)
    send(writer, 1)
    path = ring_module._folder() / ring.spec.name
    raw = bytearray(path.read_bytes())
    spot = raw.find(np.uint32(640).tobytes(), ring_module._SLOTS_AT)
    with path.open("r+b") as stream:
        stream.seek(spot)
        stream.write(np.uint32(320).tobytes())
    assert reader.take() is None
    assert ring.counts().torn
