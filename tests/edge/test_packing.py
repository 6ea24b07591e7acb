from __future__ import annotations

import numpy as np
import pytest
from streaming import at, decoded

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.edge.packing import FramePacker, PackingSettings, as_polygons
from sightgrid.edge.ring import Ring, RingReader, RingWriter
from sightgrid.vision.motion import MotionSettings
from sightgrid.vision.regions import FollowedFace, RegionFrame


def picture(seed: int = 0, *, width: int = 320, height: int = 240) -> Bytes:
    """Soft colours, so that halving the chroma changes little."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    return np.stack(
        [
            100 + 60 * np.sin(columns / 37 + seed),
            120 + 50 * np.cos(rows / 29 + seed),
            110 + 40 * np.sin((rows + columns) / 53),
        ],
        axis=2,
    ).astype(np.uint8)


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p", "yuvj422p", "nv12", "bgr24", "yuyv422"])
def test_colours_arrive_as_a_camera_saw_them(
    writer: RingWriter, reader: RingReader, name: str
) -> None:
    packer = FramePacker(writer, PackingSettings())
    pixels = picture()
    assert packer.offer(decoded(pixels, name=name), captured_at=at(0), index=1)
    message = reader.take()
    assert message is not None
    assert message.whole
    shown = message.regions[0].bgr(full_range=message.full_range)
    assert shown.shape == pixels.shape
    apart = np.abs(shown.astype(int) - pixels)
    assert apart.mean() < 3
    assert np.abs((shown.astype(int) - pixels).mean(axis=(0, 1))).max() < 2.5, (
        "television levels read as full ones are off by more"
    )


def test_frames_go_out_at_the_detection_rate(writer: RingWriter, reader: RingReader) -> None:
    packer = FramePacker(writer, PackingSettings(detections_per_sec=5, motion=None))
    for fps, expected in ((20, 5), (30, 5), (12, 5), (4, 4), (5, 5)):
        packer.force()
        sent = sum(
            packer.offer(decoded(picture(n)), captured_at=at(1000 * fps + n / fps), index=n + 1)
            for n in range(10 * fps)
        )
        assert sent == pytest.approx(10 * expected, abs=2), fps


def test_a_pause_is_not_made_up_for(writer: RingWriter) -> None:
    packer = FramePacker(writer, PackingSettings(detections_per_sec=5))
    assert packer.offer(decoded(picture()), captured_at=at(0), index=1)
    assert packer.offer(decoded(picture(1)), captured_at=at(60), index=2)
    assert packer.due_in_secs(at(60.05)) == pytest.approx(0.14)
    assert packer.due_in_secs(at(60.1)) > 0
    assert packer.due_in_secs(at(60.2)) <= 0


def test_another_size_is_noticed_and_begins_anew(writer: RingWriter, reader: RingReader) -> None:
    packer = FramePacker(writer, PackingSettings())
    packer.offer(decoded(picture()), captured_at=at(0), index=1)
    first = reader.take()
    packer.offer(decoded(picture(width=321, height=201)), captured_at=at(1), index=2)
    second = reader.take()
    assert first is not None
    assert second is not None
    assert (second.width, second.height) == (320, 200), "an odd last row and column are left out"
    assert second.generation > first.generation


def test_polygons_are_read_from_flat_lists() -> None:
    assert as_polygons([[0, 0, 0.5, 0, 0.5, 0.25]]) == (((0, 0), (0.5, 0), (0.5, 0.25)),)
    for wrong in ([0.0, 0, 1], [0.0, 0, 1, 1], [0.0, 0, 1, 0, 1, 1.5]):
        with pytest.raises(InvalidValue, match="is no polygon"):
            as_polygons([wrong])


def offered(
    packer: FramePacker, reader: RingReader, pixels: Bytes, number: int
) -> RegionFrame | None:
    packer.offer(decoded(pixels), captured_at=at(number * 0.2), index=number + 1)
    return reader.take()


def test_only_what_moves_is_sent(writer: RingWriter, reader: RingReader) -> None:
    packer = FramePacker(writer, PackingSettings(motion=MotionSettings(whole_secs=2.0)))
    first = offered(packer, reader, picture(), 0)
    assert first is not None
    assert first.whole
    for number in range(1, 25):
        moved = picture()
        left = 40 + 8 * number
        moved[100:140, left : left + 40] = 10
        message = offered(packer, reader, moved, number)
        assert message is not None
        assert message.whole == (number % 10 == 0)
        if not message.whole:
            sent = sum(region.area.pixels for region in message.regions)
            assert 40 * 40 <= sent < 0.25 * 320 * 240
            (region,) = message.regions
            shown = region.bgr(full_range=False)
            area = region.area
            part = moved[area.top : area.bottom, area.left : area.right]
            assert np.abs(shown.astype(int) - part).mean() < 4


def test_a_quiet_camera_still_tells_the_time(writer: RingWriter, reader: RingReader) -> None:
    """So that whoever left the picture is known to have left, and the camera to be there."""
    packer = FramePacker(writer, PackingSettings())
    offered(packer, reader, picture(), 0)
    message = offered(packer, reader, picture(), 1)
    assert message is not None
    assert message.regions == ()
    assert message.captured_at == at(0.2)


def test_nothing_never_takes_the_place_of_something(
    ring: Ring, writer: RingWriter, reader: RingReader
) -> None:
    packer = FramePacker(writer, PackingSettings())
    packer.offer(decoded(picture()), captured_at=at(0), index=1)
    assert not packer.offer(decoded(picture()), captured_at=at(0.2), index=2)
    message = reader.take()
    assert message is not None
    assert message.index == 1
    assert ring.counts().held_back == 1


def test_what_nobody_took_is_sent_again(writer: RingWriter, reader: RingReader) -> None:
    """The gate counts a part as seen once it is sent; a replaced message was not seen."""
    packer = FramePacker(writer, PackingSettings())
    offered(packer, reader, picture(), 0)
    for number, left in ((1, 20), (2, 260)):
        moved = picture()
        moved[40:80, 20:60] = 5
        moved[100:140, left : left + 40] = 10
        packer.offer(decoded(moved), captured_at=at(number * 0.2), index=number + 1)
    message = reader.take()
    assert message is not None
    assert message.index == 3
    for left, top in ((20, 40), (260, 100)):
        assert any(
            area.left <= left and area.top <= top and left + 40 <= area.right
            for area in (region.area for region in message.regions)
        )


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p"])
def test_masked_pixels_never_leave_the_camera(
    writer: RingWriter, reader: RingReader, name: str
) -> None:
    corner = as_polygons([[0, 0, 0.5, 0, 0.5, 0.5, 0, 0.5]])
    packer = FramePacker(writer, PackingSettings(masks=corner))
    bright = np.full((240, 320, 3), (40, 200, 250), np.uint8)
    original = decoded(bright, name=name)
    before = [bytes(plane) for plane in original.planes]
    assert packer.offer(original, captured_at=at(0), index=1)
    message = reader.take()
    assert message is not None
    shown = message.regions[0].bgr(full_range=message.full_range)
    assert shown[:120, :160].max() <= 2
    assert np.abs(shown[126:, 166:].astype(int) - (40, 200, 250)).max() < 8
    assert [bytes(plane) for plane in original.planes] == before, "the decoder needs it unpainted"


def test_followed_faces_are_sent_though_nothing_moves(
    writer: RingWriter, reader: RingReader
) -> None:
    packer = FramePacker(writer, PackingSettings())
    offered(packer, reader, picture(), 0)
    box = (100.0, 80.0, 140.0, 130.0)
    reader.tell([FollowedFace(5, at(0.2).timestamp(), *box, 0.0, 0.0)])
    message = offered(packer, reader, picture(), 1)
    assert message is not None
    assert message.regions[0].area.holds(Box(*box))
    assert message.still == ()
    message = offered(packer, reader, picture(), 2)
    assert message is not None
    assert (message.regions, message.still) == ((), (5,))
