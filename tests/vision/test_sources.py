from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from sightgrid.domain.errors import SourceError
from sightgrid.domain.frames import EPOCH, Frame
from sightgrid.vision.sources import (
    Clock,
    FrameSource,
    PictureFolder,
    VideoSource,
    open_source,
    redacted,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WIDTH, HEIGHT = 160, 120


def picture(number: int) -> np.ndarray:
    """Grey by number; white in the corner at the top left."""
    pixels = np.full((HEIGHT, WIDTH, 3), 20 + (number * 3) % 180, np.uint8)
    pixels[:30, :40] = 255
    return pixels


def film(
    path: Path,
    *,
    frames: int = 25,
    stamps_ms: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    rotation: int | None = None,
    container: str | None = None,
) -> Path:
    """A tiny H.264 video at 25 frames a second, or with the given times."""
    with av.open(str(path), "w", format=container, options=options or {}) as file:
        file.metadata.update(metadata or {})
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "5"}
        step = Fraction(1, 25) if stamps_ms is None else Fraction(1, 1000)
        stream.codec_context.time_base = step
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, stamp in enumerate(stamps_ms or range(frames)):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            frame.pts, frame.time_base = stamp, step
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def opened(path: Path, *, starts_at: datetime | None = None) -> FrameSource:
    return open_source(str(path), camera="hall", starts_at=starts_at)


def secs(frames: Sequence[Frame], start: datetime = EPOCH) -> list[float]:
    return [(frame.captured_at - start).total_seconds() for frame in frames]


# whole videos


@pytest.mark.parametrize(
    ("name", "counted"), [("a.mp4", 25), ("a.mkv", None), ("a.avi", 25), ("a.ts", None)]
)
def test_every_frame_comes_in_order_with_its_time(
    tmp_path: Path, name: str, counted: int | None
) -> None:
    source = opened(film(tmp_path / name), starts_at=NOON)
    facts = source.facts()
    assert (facts.width, facts.height, facts.codec) == (WIDTH, HEIGHT, "h264")
    assert facts.fps == pytest.approx(25)
    assert facts.frame_count == counted
    assert (facts.starts_at, facts.clock) == (NOON, Clock.GIVEN)
    frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(1, 26))
    assert {frame.camera for frame in frames} == {"hall"}
    assert secs(frames, NOON) == pytest.approx([i / 25 for i in range(25)], abs=1e-3)
    for number in (0, 12, 24):
        assert frames[number].pixels[100, 100].mean() == pytest.approx(20 + number * 3, abs=6)
    assert source.ending.broken_off is None
    assert source.ending.damaged == 0


def test_it_can_be_read_again(tmp_path: Path) -> None:
    source = opened(film(tmp_path / "a.mp4"))
    next(source.frames())  # and left there
    assert len(list(source.frames())) == len(list(source.frames())) == 25


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_uneven_timestamps_are_kept(tmp_path: Path, name: str) -> None:
    stamps = [0, 40, 80, 500, 1000, 1010, 3000]
    frames = list(opened(film(tmp_path / name, stamps_ms=stamps)).frames())
    assert secs(frames) == pytest.approx([stamp / 1000 for stamp in stamps], abs=2e-3)


def test_the_first_frame_is_at_the_start_whatever_its_timestamp(tmp_path: Path) -> None:
    frames = list(opened(film(tmp_path / "late.mkv", stamps_ms=[5000, 5040, 5080])).frames())
    assert secs(frames) == pytest.approx([0, 0.04, 0.08], abs=2e-3)


def test_a_clock_that_begins_anew_is_followed_on(tmp_path: Path) -> None:
    """Two recordings joined byte by byte, as recorders do with transport streams."""
    one = film(tmp_path / "one.ts", frames=50).read_bytes()
    (tmp_path / "joined.ts").write_bytes(one + one)
    frames = list(opened(tmp_path / "joined.ts").frames())
    assert len(frames) == 100
    assert secs(frames) == pytest.approx([i / 25 for i in range(100)], abs=0.05)


def test_the_containers_own_clock(tmp_path: Path) -> None:
    when = {"creation_time": "2026-01-02T13:00:00.000000+01:00"}
    facts = opened(film(tmp_path / "a.mp4", metadata=when)).facts()
    assert (facts.starts_at, facts.clock) == (NOON, Clock.CONTAINER)
    told = opened(film(tmp_path / "a.mp4", metadata=when), starts_at=EPOCH).facts()
    assert (told.starts_at, told.clock) == (EPOCH, Clock.GIVEN)


@pytest.mark.parametrize("told", ["1970-01-01T00:00:00Z", "1904-01-01T00:00:00Z", "yesterday"])
def test_a_recorder_without_a_clock(tmp_path: Path, told: str) -> None:
    facts = opened(film(tmp_path / "a.mkv", metadata={"creation_time": told})).facts()
    assert (facts.starts_at, facts.clock) == (EPOCH, Clock.RELATIVE)


@pytest.mark.parametrize("name", ["rtsp-hall.mp4", "https.mp4", "a:b.mp4", "rtsp:x.mp4", "ä ö.mp4"])
def test_a_file_is_a_file_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    film(tmp_path / "plain.mp4", frames=3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    source = opened(Path(name))
    assert len(list(source.frames())) == 3
    assert source.facts().clock is Clock.RELATIVE
    assert source.label == name


CORNERS = {"top left": (5, 5), "top right": (5, -5), "bottom left": (-5, 5)}


@pytest.mark.parametrize(
    ("clockwise", "corner"),
    [(0, "top left"), (90, "top right"), (180, "bottom right"), (270, "bottom left")],
)
def test_a_turned_recording_is_shown_upright(tmp_path: Path, clockwise: int, corner: str) -> None:
    path = film(tmp_path / "phone.mp4", frames=3)
    # the matrix of the track header, as phones write it: where x and y of a stored pixel are shown
    a, b = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    raw = bytearray(path.read_bytes())
    matrix = raw.index(b"tkhd") + 44
    one = 1 << 16
    raw[matrix : matrix + 36] = struct.pack(
        ">9i", a * one, b * one, 0, -b * one, a * one, 0, 0, 0, 1 << 30
    )
    path.write_bytes(raw)
    source = opened(path)
    pixels = next(iter(source.frames())).pixels
    upright = (WIDTH, HEIGHT) if clockwise % 180 == 0 else (HEIGHT, WIDTH)
    assert (pixels.shape[1], pixels.shape[0]) == upright
    assert (source.facts().width, source.facts().height) == upright
    bright = {
        name: float(pixels[row, column].mean())
        for name, (row, column) in (CORNERS | {"bottom right": (-5, -5)}).items()
    }
    assert max(bright, key=lambda name: bright[name]) == corner
    assert pixels.flags.c_contiguous


def test_a_rotation_written_by_ffmpeg_itself(tmp_path: Path) -> None:
    source = opened(film(tmp_path / "r.mp4", frames=3, rotation=90))
    assert next(iter(source.frames())).pixels.shape == (WIDTH, HEIGHT, 3)


# broken videos


def test_a_video_cut_before_its_index_cannot_be_opened(tmp_path: Path) -> None:
    raw = film(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(raw[: len(raw) * 6 // 10])
    with pytest.raises(SourceError, match=r"cut\.mp4: can't be read as a video") as caught:
        opened(tmp_path / "cut.mp4").facts()
    assert caught.value.hint is not None


@pytest.mark.parametrize("kept", [0.4, 0.7, 0.97])
def test_a_video_cut_after_its_index_is_kept_to_the_break(tmp_path: Path, kept: float) -> None:
    raw = film(tmp_path / "whole.mp4", frames=100, options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(raw[: int(len(raw) * kept)])
    source = opened(tmp_path / "cut.mp4")
    frames = list(source.frames())
    assert 10 < len(frames) < 100
    assert secs(frames) == pytest.approx([i / 25 for i in range(len(frames))], abs=1e-3)
    assert source.ending.broken_off == f"the file ends after frame {len(frames)} of 100"


def test_a_matroska_file_cut_off(tmp_path: Path) -> None:
    raw = film(tmp_path / "whole.mkv", frames=100).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(raw[: len(raw) // 2])
    source = opened(tmp_path / "cut.mkv")
    frames = list(source.frames())
    assert 10 < len(frames) < 75
    assert source.ending.broken_off is not None
    assert source.ending.broken_off.endswith("s of 4.0 s")


def test_damage_in_the_middle_is_stepped_over(tmp_path: Path) -> None:
    path = film(tmp_path / "whole.mkv", frames=100)
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    path.write_bytes(raw)
    source = opened(path)
    frames = list(source.frames())
    assert 60 < len(frames) <= 100
    assert secs(frames)[-1] == pytest.approx(99 / 25, abs=0.05)
    assert secs(frames) == sorted(secs(frames))


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match=r"a\.mp4: the file is empty"):
        opened(tmp_path / "a.mp4")


@pytest.mark.parametrize("content", ["just a note\n", "#EXTM3U\nhttp://127.0.0.1:9/a.ts\n"])
def test_a_text_that_calls_itself_a_video(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.mp4").write_text(content * 40)
    with pytest.raises(SourceError, match=r"a\.mp4: can't be read as a video"):
        opened(tmp_path / "a.mp4").facts()


def test_sound_without_a_picture(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=16000)
        samples = np.zeros((1, 1024), np.float32)
        for number in range(8):
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, number * 1024
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(SourceError, match=r"a\.mp4: holds no video stream"):
        opened(tmp_path / "a.mp4").facts()


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        opened(tmp_path / "gone.mp4")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        opened(Path("/dev/null"))


# folders of pictures


def save(path: Path, level: int, size: tuple[int, int] = (40, 30)) -> None:
    Image.new("RGB", size, (level, level, level)).save(path)


def test_pictures_come_in_natural_order(tmp_path: Path) -> None:
    names = ["img1.png", "img2.png", "img10.png", "IMG11.png", "img100.png", "other1²2.png"]
    for level, name in enumerate(names):
        save(tmp_path / name, 10 * level)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_bytes(b"thumbnail of the system")
    source = opened(tmp_path, starts_at=NOON)
    assert isinstance(source, PictureFolder)
    frames = list(source.frames())
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [0, 10, 20, 30, 40, 50]
    assert [frame.index for frame in frames] == [1, 2, 3, 4, 5, 6]
    assert secs(frames, NOON) == pytest.approx([i / 25 for i in range(6)])
    facts = source.facts()
    assert (facts.width, facts.height, facts.frame_count, facts.fps) == (40, 30, 6, 25.0)
    assert facts.clock is Clock.GIVEN
    assert source.ending.broken_off is None


def test_a_damaged_picture_is_left_out_and_told(tmp_path: Path) -> None:
    for number in range(1, 4):
        save(tmp_path / f"{number}.png", number)
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:50])
    source = opened(tmp_path)
    frames = list(source.frames())
    # the others keep their numbers and times
    assert [(frame.index, int(frame.pixels[0, 0, 0])) for frame in frames] == [(2, 2), (3, 3)]
    assert frames[0].captured_at == EPOCH + timedelta(seconds=1 / 25)
    assert source.ending.damaged == 1
    assert source.ending.broken_off is not None
    assert "1 of its pictures" in source.ending.broken_off
    assert "1.png" in source.ending.broken_off
    assert source.facts().clock is Clock.RELATIVE


def test_folders_that_give_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no pictures") as caught:
        opened(tmp_path).facts()
    assert caught.value.hint is not None
    assert ".jpg" in caught.value.hint
    (tmp_path / "a.jpg").write_text("no picture")
    (tmp_path / "b.jpg").mkdir()
    with pytest.raises(SourceError, match=r"none of its pictures can be read, the first: .*a\.jpg"):
        next(opened(tmp_path).frames())


# addresses


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("rtsp://admin:s3cret@10.0.0.11/stream", "rtsp://***@10.0.0.11/stream"),
        ("rtsp://admin@10.0.0.11:554/stream", "rtsp://***@10.0.0.11:554/stream"),
        ("RTSP://admin:s3cret@[::1]:554/x", "rtsp://***@[::1]:554/x"),
        ("https://cam/live?user=a&password=s3cret", "https://cam/live?***"),
        ("https://cam/live?user=a@s3cret", "https://***"),
        ("https://cam/live#s3cret", "https://cam/live"),
        ("rtsp://cam/user=a&password=s3cret&channel=1", "rtsp://cam/user=a&password=***&channel=1"),
        ("rtsp://admin:p@s3cret@cam/x", "rtsp://***@cam/x"),
        ("rtsp://admin:p/s3cret@cam/x", "rtsp://***"),
        ("rtsp://admin:p#s3cret@cam/x", "rtsp://***"),
        ("rtsp://admin:p?s3cret@cam/x", "rtsp://***"),
        ("http://cam:99999/x", "http://cam:99999/x"),
        ("/recordings/hall@noon?.mp4", "/recordings/hall@noon?.mp4"),
        ("hall:noon@s.mp4", "hall:noon@s.mp4"),
    ],
)
def test_credentials_are_hidden(location: str, shown: str) -> None:
    assert redacted(location) == shown


@pytest.mark.parametrize(
    "location", ["ftp://admin:s3cret@cam/a.mp4", "file:///etc/passwd", "concat://a|b", "rtmp://cam"]
)
def test_addresses_of_other_kinds_are_refused(location: str) -> None:
    with pytest.raises(SourceError, match="is no kind of stream") as caught:
        open_source(location, camera="hall", starts_at=None)
    assert "s3cret" not in str(caught.value)
    assert caught.value.hint is not None
    assert "rtsp" in caught.value.hint


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_does_not_answer(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    location = f"{scheme}://admin:s3cret@127.0.0.1:9/stream"
    source = open_source(location, camera="hall", starts_at=None)
    assert isinstance(source, VideoSource)
    with pytest.raises(SourceError, match="can't be read as a video") as caught:
        next(source.frames())
    told: Any = f"{caught.value} {caught.value.hint} {source.label}"
    assert "s3cret" not in told
    assert "admin" not in told
