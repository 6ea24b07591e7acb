"""Pictures as nobody should send them, to the photo search: each is answered in good time, in the
memory there is, and never by a fault of ours."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections.abc import Callable

import numpy as np
import psutil
import pytest
from PIL import Image
from tests.server.conftest import Served

from sightgrid.domain.accounts import Role

MOST_SECS = 1.0
MOST_GROWTH_BYTES = 50 * 1024 * 1024


def noise(width: int, height: int, *, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (max(height // 8, 1), max(width // 8, 1), 3), np.uint8)
    return Image.fromarray(small).resize((width, height))


def written(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def turned(turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return written(noise(120, 80), exif=exif)


def png(width: int, height: int, *, rows: int) -> bytes:
    """A grey PNG that says it is of this size and holds this many rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    folded = zlib.compressobj(9)
    row = bytes(1 + width)
    data = b"".join(folded.compress(row) for _ in range(rows)) + folded.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A small PNG whose note unfolds to 100 MB."""
    whole = png(8, 8, rows=8)
    data = b"note\0\0" + zlib.compress(bytes(100_000_000), 9)
    note = struct.pack(">I", len(data)) + b"zTXt" + data
    note += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return whole[:33] + note + whole[33:]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
GOOD: dict[str, Callable[[], bytes]] = {
    **{f"EXIF turn {turn}": (lambda turn=turn: turned(turn)) for turn in range(1, 9)},
    "EXIF turn of no meaning": lambda: turned(77),
    "CMYK": lambda: written(noise(200, 100).convert("CMYK")),
    "grey": lambda: written(noise(200, 100).convert("L")),
    "progressive": lambda: written(noise(200, 100), progressive=True),
    "16-bit PNG": lambda: written(
        Image.fromarray(np.arange(20_000, dtype=np.uint16).reshape(100, 200)), "PNG"
    ),
    "1-bit PNG": lambda: written(noise(200, 100).convert("1"), "PNG"),
    "PNG with palette and transparency": lambda: written(
        noise(64, 64).convert("P"), "PNG", transparency=3
    ),
    "animated WebP": lambda: written(
        noise(64, 64), "WEBP", save_all=True, append_images=[noise(64, 64, seed=n) for n in (1, 2)]
    ),
    "one pixel": lambda: written(noise(1, 1)),
    "1 x 65,500": lambda: written(noise(1, 65_500)),
    "65,500 x 1": lambda: written(noise(65_500, 1)),
    "1 x 65,535": lambda: written(noise(1, 65_535), "PNG"),
    "65,535 x 1": lambda: written(noise(65_535, 1), "PNG"),
    # Pillow takes the rest as black
    "PNG that holds less than it says": lambda: png(1_000, 1_000, rows=1),
    "rubbish after its end": lambda: written(noise(64, 64)) + bytes(1000),
}
BAD: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "one byte": lambda: b"\xff",
    "zeros": lambda: bytes(100_000),
    "JPEG cut off in its middle": lambda: written(noise(640, 480))[:9000],
    "JPEG cut off in its head": lambda: written(noise(640, 480))[:100],
    "JPEG of a head alone": lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "SVG": lambda: SVG,
    "GIF": lambda: written(noise(64, 64), "GIF"),
    "TIFF": lambda: written(noise(64, 64), "TIFF"),
    "HTML": lambda: b"<!doctype html><script>alert(1)</script>",
    "bomb of 2.5 gigapixels": lambda: png(50_000, 50_000, rows=100),
    "bomb just over the limit": lambda: png(20_000, 2_001, rows=1),
    "PNG of 2 billion a side": lambda: (
        png(8, 8, rows=8)[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + png(8, 8, rows=8)[24:]
    ),
    "note that unfolds to 100 MB": text_bomb,
    "JPEG of 65,535 x 65,535 in its head": lambda: (
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff"
        b"\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00" + bytes(100) + b"\xff\xd9"
    ),
}


class Watch:
    """The most memory that this process has while the block lasts, above what it had."""

    def __enter__(self) -> Watch:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def grown(self) -> int:
        return self._process.memory_info().rss - self._before

    def _look(self) -> None:
        while not self._stop.wait(0.005):
            self.most = max(self.most, self.grown())


def test_odd_pictures_are_answered_in_time_and_memory(served: Served) -> None:
    boss = served.program(Role.OWNER)

    def search(picture: bytes) -> int:
        answer = boss.post(
            "/api/v1/search",
            params={"reason": "a test"},
            content=picture,
            headers={"Content-Type": "image/jpeg"},
        )
        assert answer.status_code < 500, answer.text
        return answer.status_code

    search(written(noise(640, 480)))
    for expected, corpus in ((200, GOOD), (422, BAD)):
        for kind, make in corpus.items():
            picture = make()
            with Watch() as memory:
                # of this process, not of the clock on the wall: others may be using the machine
                began = time.process_time()
                assert search(picture) == expected, kind
                took = time.process_time() - began
            assert took < MOST_SECS, kind
            assert memory.most < 4 * MOST_GROWTH_BYTES, kind


@pytest.mark.reliability
def test_odd_pictures_leave_no_memory_behind(served: Served) -> None:
    boss = served.program(Role.OWNER)
    pictures = [make() for make in (*GOOD.values(), *BAD.values())]
    rng = np.random.default_rng(1)
    for picture in list(pictures):
        for _ in range(10):
            if picture:
                damaged = bytearray(picture)
                for at in rng.integers(0, len(damaged), 5):
                    damaged[at] = rng.integers(256)
                pictures.append(bytes(damaged))

    def search_all() -> None:
        for picture in pictures:
            answer = boss.post("/api/v1/search", params={"reason": "a test"}, content=picture)
            assert answer.status_code in (200, 422), answer.text

    search_all()
    with Watch() as memory:
        search_all()
    assert memory.grown() < MOST_GROWTH_BYTES
