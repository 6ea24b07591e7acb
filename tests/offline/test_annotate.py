from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest

from sightgrid.domain.errors import OutputError
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.domain.presence import Band, Decision, Match, Sighting
from sightgrid.domain.tracklets import PathPoint
from sightgrid.offline import annotate, lettering
from sightgrid.offline.annotate import (
    COLOURS_BGR,
    Annotator,
    BoxLabel,
    annotate_source,
    draw_boxes,
    labels_by_frame,
)
from sightgrid.offline.lettering import latin, letters

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FACE = BoxLabel(Box(60, 40, 120, 110), "Miranda 0.71", "known")


def frames(count: int, *, width: int = 320, height: int = 240, step_ms: int = 40) -> list[Frame]:
    return [
        Frame(
            "door",
            START + timedelta(milliseconds=step_ms * i + (i % 3) * 7),
            i + 1,
            np.full((height, width, 3), 30 + i, np.uint8),
        )
        for i in range(count)
    ]


def decoded(path: Path) -> tuple[list[float], list[Bytes]]:
    with av.open(str(path)) as video:
        pictures = list(video.decode(video=0))
        times = [float(p.pts * p.time_base) for p in pictures if p.pts and p.time_base]
        return [0.0, *times], [p.to_ndarray(format="bgr24") for p in pictures]


def near(pixel: Bytes, colour: tuple[int, int, int], within: int = 45) -> bool:
    return bool(np.abs(pixel.astype(int) - np.array(colour)).max() <= within)


def test_every_frame_comes_back_at_the_moment_it_was_captured(tmp_path: Path) -> None:
    source = frames(20)
    annotate_source(source, labels_at=lambda index: [FACE], path=tmp_path / "a" / "door.mp4")

    times, pictures = decoded(tmp_path / "a" / "door.mp4")
    assert len(pictures) == 20
    expected = [(f.captured_at - START).total_seconds() for f in source]
    assert times == pytest.approx(expected, abs=1e-4)
    assert pictures[0].shape == (240, 320, 3)


def test_the_box_is_where_it_was_drawn_and_nowhere_else(tmp_path: Path) -> None:
    annotate_source(
        frames(20),
        labels_at=lambda index: [FACE] if index >= 10 else [],
        path=tmp_path / "door.mp4",
    )
    _, pictures = decoded(tmp_path / "door.mp4")
    before, after = pictures[5], pictures[15]
    assert near(after[105, 60], COLOURS_BGR["known"], within=90)
    assert not near(before[105, 60], COLOURS_BGR["known"], within=90)
    assert near(after[75, 90], (45, 45, 45), within=12)


def test_frames_stay_untouched_and_read_only() -> None:
    frame = frames(1)[0]
    drawn = draw_boxes(frame.pixels, [FACE])
    assert drawn is not frame.pixels
    assert (frame.pixels == 30).all()
    assert not frame.pixels.flags.writeable


def test_a_picture_without_faces_is_the_same_picture() -> None:
    frame = frames(1)[0]
    assert (draw_boxes(frame.pixels, []) == frame.pixels).all()


@pytest.mark.parametrize(("width", "height"), [(176, 144), (1920, 1080), (3840, 2160), (90, 160)])
@pytest.mark.parametrize("text", ["#3", "a name far too long for any small frame " * 3])
@pytest.mark.parametrize("corner", [(-0.1, -0.1), (0.85, 0.85), (0.4, -0.05), (0.4, 0.9)])
def test_labels_keep_inside_the_frame(
    width: int, height: int, text: str, corner: tuple[float, float]
) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top = corner[0] * width, corner[1] * height
    box = Box(left, top, left + width * 0.2, top + height * 0.2)
    drawn = draw_boxes(pixels, [BoxLabel(box, text, "stranger")])
    outline = draw_boxes(pixels, [BoxLabel(box, "", "stranger")])
    rows, columns = np.nonzero(drawn[..., 2] != outline[..., 2])
    plate = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert drawn.shape == pixels.shape
    # whole letters of dark ink on the colour: nothing was cut off at the frame's edge
    assert plate.shape[0] >= 12
    assert near(plate.max(axis=(0, 1)), COLOURS_BGR["stranger"], within=4)
    assert plate[..., 2].min() < 60


def test_two_labels_do_not_cover_each_other() -> None:
    pixels = np.zeros((480, 640, 3), np.uint8)
    one = BoxLabel(Box(100, 100, 200, 200), "Miranda 0.71", "known")
    other = BoxLabel(Box(110, 100, 210, 200), "#12", "stranger")
    drawn = draw_boxes(pixels, [one, other])
    alone = draw_boxes(pixels, [one])
    plate = (slice(84, 98), slice(104, 150))
    assert (drawn[plate] == alone[plate]).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("José Núñez", "Jose Nunez"),
        ("Łukasz Groß", "Lukasz Gross"),
        ("Жанна", "Zhanna"),
        ("Ωmega", "Omega"),
        ("김", "gim"),
        ("李", "?"),
    ],
)
def test_names_are_spelled_in_letters_there_are(name: str, expected: str) -> None:
    assert latin(name) == expected


@pytest.mark.parametrize("fonts", [(), ("no-such-font.ttf",)])
def test_accents_are_drawn_without_any_system_font(
    monkeypatch: pytest.MonkeyPatch, fonts: tuple[str, ...]
) -> None:
    monkeypatch.setattr(lettering, "SYSTEM_FONTS", fonts)
    letters.cache_clear()
    pixels = np.zeros((240, 320, 3), np.uint8)
    box = Box(60, 60, 160, 160)
    accented = draw_boxes(pixels, [BoxLabel(box, "José", "known")])
    plain = draw_boxes(pixels, [BoxLabel(box, "Jose", "known")])
    letters.cache_clear()
    assert (accented == plain).all()


def test_odd_sizes_and_changing_sizes_are_fitted(tmp_path: Path) -> None:
    source = [*frames(3, width=161, height=121), *frames(3, width=80, height=60)]
    path = tmp_path / "odd.mp4"
    with Annotator(path, width=161, height=121, fps=25) as video:
        for number, frame in enumerate(source):
            moved = Frame("odd", START + timedelta(seconds=number), number + 1, frame.pixels)
            video.write(moved, [])
    _, pictures = decoded(path)
    assert [p.shape for p in pictures] == [(122, 162, 3)] * 6


def test_a_clock_that_stands_still_does_not_stop_the_video(tmp_path: Path) -> None:
    still = [Frame("c", START, i + 1, f.pixels) for i, f in enumerate(frames(5))]
    annotate_source(still, labels_at=lambda index: [], path=tmp_path / "c.mp4")
    _, pictures = decoded(tmp_path / "c.mp4")
    assert len(pictures) == 5


def test_a_single_frame_is_a_video_and_none_is_no_file(tmp_path: Path) -> None:
    annotate_source(frames(1), labels_at=lambda index: [FACE], path=tmp_path / "one.mp4")
    annotate_source([], labels_at=lambda index: [], path=tmp_path / "none.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["one.mp4"]


def test_an_error_half_way_leaves_no_file(tmp_path: Path) -> None:
    def broken(index: int) -> list[BoxLabel]:
        if index == 7:
            raise ValueError("no such frame")
        return []

    with pytest.raises(ValueError, match="no such frame"):
        annotate_source(frames(20), labels_at=broken, path=tmp_path / "door.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["mux", "close"])
def test_a_full_disk_is_named_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class FullDisk:
        """A container that runs out of space, as libav reports it."""

        def __init__(self, real: av.container.OutputContainer) -> None:
            self._real = real

        def __getattr__(self, name: str) -> object:
            if name == moment:
                self._real.close()
                raise OSError(errno.ENOSPC, "No space left on device")
            return getattr(self._real, name)

    opened = av.open
    monkeypatch.setattr(
        annotate.av, "open", lambda *a, **k: FullDisk(opened(*a, **k)), raising=True
    )
    with pytest.raises(OutputError, match="disk is full") as caught:
        annotate_source(frames(20), labels_at=lambda index: [], path=tmp_path / "door.mp4")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match=r"door\.mp4") as caught:
        annotate_source(frames(2), labels_at=lambda index: [], path=tmp_path / "taken" / "door.mp4")
    assert "\n" not in str(caught.value)


def decision(
    band: Band, serial: int | None, person: str | None, *, indexes: tuple[int, ...] = (1, 5, 200)
) -> Decision:
    path = tuple(
        PathPoint(i, START + timedelta(seconds=i / 25), Box(i, 0, i + 50, 50), 0.9) for i in indexes
    )
    sighting = Sighting("s", 1, True, "door", 1, path, ())
    return Decision(sighting, Match(band, serial, person, 0.714, None, None, "because"))


def test_labels_say_who_and_glide_between_detections() -> None:
    at = labels_by_frame(
        [
            decision(Band.STRANGER, 3, None),
            decision(Band.LIKELY, 4, "Miranda"),
            decision(Band.UNSURE, None, None),
        ],
        camera="door",
    )
    assert [(b.text, b.kind) for b in at(1)] == [
        ("#3", "stranger"),
        ("Miranda? 0.71", "known"),
        ("unsure", "unsure"),
    ]
    assert at(3)[0].box == Box(3, 0, 53, 50)
    assert at(100) == [], "a gap of seconds is not bridged"
    assert len(at(200)) == 3
    assert at(0) == at(201) == []
    assert labels_by_frame([decision(Band.STRANGER, 3, None)], camera="other")(1) == []


def test_a_name_without_a_spelling_keeps_its_serial() -> None:
    at = labels_by_frame([decision(Band.CONFIRMED, 8, "李")], camera="door")
    assert at(1)[0].text == "#8 李 0.71"
