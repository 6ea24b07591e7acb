"""Pictures from a camera's process to the inference process, through shared memory.

One writer, one reader, three slots. The writer never waits: it fills a slot that is neither the
newest nor the one being read, then names it the newest. The reader takes the newest only, so a slow
reader skips frames (counted) and never falls behind. Either side may be killed at any moment: a
slot carries its number before and after, and a checksum over its header, so half a message is
never taken for a whole one; what comes back attaches by name and goes on.

The same memory carries the answer back: where the faces are that are being followed, so that the
camera keeps sending those places.

Plain files under /dev/shm are used and not :mod:`multiprocessing.shared_memory`, whose resource
tracker removes a segment when any process that attached to it is killed (until Python 3.13).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import secrets
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue, SightgridError
from sightgrid.domain.frames import EPOCH
from sightgrid.domain.geometry import Bytes
from sightgrid.vision.regions import Area, FollowedFace, Region, RegionFrame

MAX_REGIONS = 64
MAX_STILL = 64
MAX_FOLLOWED = 64
SLOTS = 3
# a whole 4K frame; memory is taken only for the frames that really come
LARGEST_FRAME_BYTES = 3840 * 2160 * 3 // 2

_MAGIC = 0x5347_5249_4E47_0001
_PAGE = 4096
_CONTROL_AT, _FOLLOWED_AT, _SLOTS_AT = 0, _PAGE, 4 * _PAGE
# words of 8 bytes, each written in one go
_W_MAGIC, _W_CAPACITY, _W_NEWEST, _W_GENERATION, _W_STRIDE, _W_WRITTEN, _W_HELD_BACK = range(7)
# the reader's words lie in a cache line of their own
_W_READING, _W_TAKEN, _W_LOST, _W_TORN = range(16, 20)
_WORDS = 64

_SLOT_HEADER = struct.Struct("=QQQqIIIIII")
_AREA = struct.Struct("=IIII")
_HEADER_BYTES = 2048
_FLAG_WHOLE, _FLAG_FULL_RANGE = 1, 2
_FOLLOWED = np.dtype(
    [("key", np.int64), ("at_secs", np.float64), ("box", np.float32, 4), ("speed", np.float32, 2)]
)
_NAME = re.compile(r"^sightgrid-(\d+)-[0-9a-f]{16}$")


class RingError(SightgridError):
    """Shared memory that is missing, full or not ours."""


@dataclass(frozen=True, slots=True)
class RingSpec:
    """All that a process needs to attach to a camera's ring; may be handed to a child."""

    camera: str
    name: str


@dataclass(frozen=True, slots=True)
class RingCounts:
    """What went through a ring so far. ``lost``: written, but replaced by a newer one before it was
    read; ``held_back``: not written at all; ``torn``: half-written when looked at."""

    written: int
    held_back: int
    taken: int
    lost: int
    torn: int


class Ring:
    """The owner's side: makes the memory, and removes it in the end."""

    def __init__(self, spec: RingSpec) -> None:
        self.spec = spec
        self._memory = _Memory(spec)

    @classmethod
    def create(cls, camera: str, *, frame_bytes: int = LARGEST_FRAME_BYTES) -> Ring:
        """A new, empty ring.

        Args:
            frame_bytes: of the largest frame, as I420.

        Raises:
            RingError: the machine has no shared memory left.
        """
        stride = _HEADER_BYTES + _rounded_up(frame_bytes)
        spec = RingSpec(camera, f"sightgrid-{os.getpid()}-{secrets.token_hex(8)}")
        path = _folder() / spec.name
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            try:
                os.ftruncate(descriptor, _SLOTS_AT + SLOTS * stride)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise RingError(
                f"camera {camera}: no shared memory: {error.strerror or error}"
            ) from error
        ring = cls(spec)
        ring._memory.words[_W_CAPACITY] = stride - _HEADER_BYTES
        ring._memory.words[_W_MAGIC] = _MAGIC
        return ring

    def counts(self) -> RingCounts:
        return self._memory.counts()

    def remove(self) -> None:
        """Gives the memory back, once nobody uses it any more. May be called twice; the counts
        stay as they were."""
        self._memory.close()
        with contextlib.suppress(FileNotFoundError):
            (_folder() / self.spec.name).unlink()


def remove_stale_rings() -> int:
    """Removes the rings of processes that are gone, say by ``kill -9``; tells how many."""
    removed = 0
    for path in _folder().iterdir():
        match = _NAME.match(path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
    return removed


class RingWriter:
    """The camera's side."""

    def __init__(self, spec: RingSpec) -> None:
        self.camera = spec.camera
        self._memory = _Memory(spec, check=True)
        # what was there before comes from a process that is gone: following begins anew
        self.begin_anew()

    @classmethod
    def attach(cls, spec: RingSpec) -> RingWriter:
        """Raises:
        RingError: there is no such ring.
        """
        return cls(spec)

    @property
    def generation(self) -> int:
        return int(self._memory.words[_W_GENERATION])

    def begin_anew(self) -> None:
        """From here on the picture has nothing to do with the one before."""
        self._memory.words[_W_GENERATION] += 1

    def resized(self, width: int, height: int) -> None:
        """Lays the slots out for frames of this size.

        Raises:
            RingError: such frames are too large, or the machine has no shared memory left.
        """
        payload = _rounded_up(width // 2 * 2 * (height // 2 * 2) * 3 // 2)
        words = self._memory.words
        if payload > int(words[_W_CAPACITY]):
            raise RingError(
                f"camera {self.camera}: frames of {width}x{height} are too large",
                hint="set the camera to 3840x2160 or less, or use its second stream",
            )
        stride = _HEADER_BYTES + payload
        if stride == int(words[_W_STRIDE]):
            return
        self._memory.reserve(_SLOTS_AT + SLOTS * stride)
        words[_W_STRIDE] = stride
        self.begin_anew()

    @property
    def unread(self) -> bool:
        """Whether the newest message has not been taken yet."""
        words = self._memory.words
        return int(words[_W_NEWEST]) >> 2 > int(words[_W_TAKEN])

    def hold_back(self) -> None:
        """Counts a frame that was due and is not sent."""
        self._memory.words[_W_HELD_BACK] += 1

    @contextlib.contextmanager
    def message(
        self,
        areas: Sequence[Area],
        *,
        index: int,
        captured_at: datetime,
        width: int,
        height: int,
        whole: bool,
        full_range: bool,
        still: Sequence[int] = (),
    ) -> Iterator[list[Bytes]]:
        """Opens a slot for a message: yields the planes of every area, (pixels * 3 / 2,) uint8, to
        be filled; sent when the block ends, forgotten if it raises."""
        areas, still = list(areas)[:MAX_REGIONS], list(still)[:MAX_STILL]
        words = self._memory.words
        stride = int(words[_W_STRIDE])
        sizes = [area.pixels * 3 // 2 for area in areas]
        if sum(sizes) + _HEADER_BYTES > stride:
            raise InvalidValue(
                f"{sum(sizes)} bytes of regions do not fit a frame of {width}x{height}"
            )
        newest = int(words[_W_NEWEST])
        taken = {newest & 3, int(words[_W_READING]) - 1}
        slot = next(number for number in range(SLOTS) if number not in taken)
        sequence = (newest >> 2) + 1
        at = _SLOTS_AT + slot * stride
        lock = self._memory.words_at(at, 1)
        lock[0] = 0
        planes = []
        start = at + _HEADER_BYTES
        for size in sizes:
            planes.append(self._memory.bytes_at(start, size))
            start += size
        yield planes
        fields = (
            index,
            int(words[_W_GENERATION]),
            (captured_at - EPOCH) // timedelta(microseconds=1),
            width,
            height,
            _FLAG_WHOLE * whole | _FLAG_FULL_RANGE * full_range,
            len(areas),
            len(still),
        )
        header = self._memory.bytes_at(at, _HEADER_BYTES)
        body = b"".join(_AREA.pack(a.left, a.top, a.width, a.height) for a in areas)
        body += np.array(still, np.int64).tobytes()
        without_sum = _SLOT_HEADER.pack(sequence, *fields, 0)
        total = zlib.crc32(body, zlib.crc32(without_sum))
        packed = _SLOT_HEADER.pack(sequence, *fields, total) + body
        header[8 : len(packed)] = np.frombuffer(packed, np.uint8)[8:]
        lock[0] = sequence
        words[_W_NEWEST] = sequence << 2 | slot
        words[_W_WRITTEN] += 1

    def followed(self) -> tuple[FollowedFace, ...]:
        """Where the faces are that the inference process follows."""
        return self._memory.followed()

    def close(self) -> None:
        self._memory.close()


class RingReader:
    """The inference process's side."""

    def __init__(self, spec: RingSpec) -> None:
        self.camera = spec.camera
        self._memory = _Memory(spec, check=True)
        # a reader before this one may have been killed while it read
        self._memory.words[_W_READING] = 0
        self.tell(())

    @classmethod
    def attach(cls, spec: RingSpec) -> RingReader:
        """Raises:
        RingError: there is no such ring.
        """
        return cls(spec)

    @property
    def unread(self) -> bool:
        """Whether there is a message that was not taken yet."""
        words = self._memory.words
        return int(words[_W_NEWEST]) >> 2 > int(words[_W_TAKEN])

    def take(self) -> RegionFrame | None:
        """The newest message, if there is one that was not taken before."""
        words = self._memory.words
        for _ in range(SLOTS):
            newest = int(words[_W_NEWEST])
            sequence, slot = newest >> 2, newest & 3
            taken = int(words[_W_TAKEN])
            if sequence <= taken:
                return None
            words[_W_READING] = slot + 1
            try:
                message = self._read(slot, sequence)
            finally:
                words[_W_READING] = 0
            if message is not None:
                words[_W_LOST] += sequence - taken - 1
                words[_W_TAKEN] = sequence
                return message
            words[_W_TORN] += 1
        return None

    def _read(self, slot: int, sequence: int) -> RegionFrame | None:
        """The message in the slot, or ``None`` if it changes under our eyes."""
        stride = int(self._memory.words[_W_STRIDE])
        at = _SLOTS_AT + slot * stride
        if at + stride > self._memory.size:
            return None
        lock = self._memory.words_at(at, 1)
        header = self._memory.bytes_at(at, _HEADER_BYTES).tobytes()
        fields = _SLOT_HEADER.unpack_from(header)
        told, index, generation, micros, width, height, flags, regions, still, total = fields
        if told != sequence or regions > MAX_REGIONS or still > MAX_STILL:
            return None
        body = header[_SLOT_HEADER.size :][: regions * _AREA.size + 8 * still]
        without_sum = _SLOT_HEADER.pack(*fields[:-1], 0)
        if zlib.crc32(body, zlib.crc32(without_sum)) != total:
            return None
        areas = [Area(*_AREA.unpack_from(body, n * _AREA.size)) for n in range(regions)]
        keys = np.frombuffer(body, np.int64, still, regions * _AREA.size)
        size = sum(area.pixels * 3 // 2 for area in areas)
        if size + _HEADER_BYTES > stride:
            return None
        pixels = self._memory.bytes_at(at + _HEADER_BYTES, size).copy()
        if int(lock[0]) != sequence:
            return None
        start = 0
        parts = []
        for area in areas:
            end = start + area.pixels * 3 // 2
            parts.append(Region(area, pixels[start:end]))
            start = end
        return RegionFrame(
            camera=self.camera,
            generation=generation,
            index=index,
            captured_at=EPOCH + timedelta(microseconds=micros),
            width=width,
            height=height,
            whole=bool(flags & _FLAG_WHOLE),
            full_range=bool(flags & _FLAG_FULL_RANGE),
            regions=tuple(parts),
            still=tuple(int(key) for key in keys),
        )

    def tell(self, followed: Sequence[FollowedFace]) -> None:
        """Tells the camera's process where the followed faces are."""
        self._memory.tell(followed)

    def counts(self) -> RingCounts:
        return self._memory.counts()

    def close(self) -> None:
        self._memory.close()


class _Memory:
    """A mapped segment and its parts."""

    def __init__(self, spec: RingSpec, *, check: bool = False) -> None:
        if not _NAME.match(spec.name):
            raise RingError(f"camera {spec.camera}: '{spec.name}' is no ring")
        self._path = _folder() / spec.name
        self._camera = spec.camera
        try:
            with self._path.open("r+b") as stream:
                self._mapped = mmap.mmap(stream.fileno(), 0)
        except (OSError, ValueError) as error:
            raise RingError(
                f"camera {spec.camera}: its shared memory can't be opened: {error}",
                hint="the box that made it is gone; start it again",
            ) from error
        self.size = len(self._mapped)
        self.words: NDArray[np.uint64] = self.words_at(_CONTROL_AT, _WORDS)
        if check and int(self.words[_W_MAGIC]) != _MAGIC:
            raise RingError(f"camera {spec.camera}: its shared memory is of another version")

    def words_at(self, at: int, count: int) -> NDArray[np.uint64]:
        return np.frombuffer(self._mapped, np.uint64, count, at)

    def bytes_at(self, at: int, count: int) -> Bytes:
        return np.frombuffer(self._mapped, np.uint8, count, at)

    def reserve(self, size: int) -> None:
        """Takes the pages now, as writing to a page that is not there would kill the process."""
        try:
            with self._path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, size)
        except OSError as error:
            raise RingError(
                f"camera {self._camera}: {size >> 20} MiB of shared memory can't be had: "
                f"{error.strerror or error}",
                hint="in a container, give it more: --shm-size=1g",
            ) from error

    def counts(self) -> RingCounts:
        words = self.words
        return RingCounts(
            written=int(words[_W_WRITTEN]),
            held_back=int(words[_W_HELD_BACK]),
            taken=int(words[_W_TAKEN]),
            lost=int(words[_W_LOST]),
            torn=int(words[_W_TORN]),
        )

    def tell(self, followed: Sequence[FollowedFace]) -> None:
        faces = list(followed)[:MAX_FOLLOWED]
        rows = np.zeros(len(faces), _FOLLOWED)
        for row, face in zip(rows, faces, strict=True):
            row["key"], row["at_secs"] = face.key, face.at_secs
            row["box"] = (face.left, face.top, face.right, face.bottom)
            row["speed"] = (face.speed_x, face.speed_y)
        head = self.words_at(_FOLLOWED_AT, 3)
        data = rows.tobytes()
        turn = int(head[0]) | 1
        head[0] = turn
        head[1] = len(faces)
        head[2] = zlib.crc32(data)
        self.bytes_at(_FOLLOWED_AT + 64, len(data))[:] = np.frombuffer(data, np.uint8)
        head[0] = turn + 1

    def followed(self) -> tuple[FollowedFace, ...]:
        head = self.words_at(_FOLLOWED_AT, 3)
        for _ in range(3):
            turn, count, total = (int(word) for word in head)
            if turn % 2 or count > MAX_FOLLOWED:
                continue
            data = self.bytes_at(_FOLLOWED_AT + 64, count * _FOLLOWED.itemsize).tobytes()
            if int(head[0]) == turn and zlib.crc32(data) == total:
                return tuple(
                    FollowedFace(
                        int(row["key"]),
                        float(row["at_secs"]),
                        *(float(v) for v in row["box"]),
                        *(float(v) for v in row["speed"]),
                    )
                    for row in np.frombuffer(data, _FOLLOWED)
                )
        return ()

    def close(self) -> None:
        self.words = self.words.copy()
        # somebody may still hold a view of it; it goes when they let go
        with contextlib.suppress(BufferError):
            self._mapped.close()


def _folder() -> Path:
    shared = Path("/dev/shm")  # noqa: S108 - memory, not a place for temporary files
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


def _rounded_up(size: int) -> int:
    return (size + _PAGE - 1) // _PAGE * _PAGE
