"""The second pass over a source: its frames once more, with a box and a name on every face.

Who somebody is, is only known when the run has ended, so the video can't be written on the way.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace

from sightgrid.domain.errors import OutputError
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.domain.presence import Band, Decision
from sightgrid.domain.tracklets import PathPoint
from sightgrid.offline.lettering import latin, letters

BoxKind: TypeAlias = Literal["known", "stranger", "unsure"]
Colour: TypeAlias = tuple[int, int, int]

COLOURS_BGR: dict[BoxKind, Colour] = {
    "known": (98, 197, 58),
    "stranger": (30, 168, 250),
    "unsure": (184, 184, 184),
}
INK_BGR: Colour = (24, 20, 18)

TICKS_PER_SEC = 90_000
BT709 = 1
LONGEST_BRIDGE_SECS = 1.0
STRETCH_FRAMES = 256


@dataclass(frozen=True, slots=True)
class BoxLabel:
    """A face in a frame: where (pixels of that frame), what to write there, what it is."""

    box: Box
    text: str
    kind: BoxKind


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A decided sighting as it is drawn: its path, the frames of that path, its label."""

    path: tuple[PathPoint, ...]
    indexes: tuple[int, ...]
    text: str
    kind: BoxKind


class Annotator:
    """Writes an H.264 MP4 whose frames keep the times they were captured at.

    The file appears under its name when the writer is closed; until then, and after any error,
    there is only a ``.part`` file, which is removed again. Use it as a context manager.

    Raises:
        OutputError: the file can't be written; a full disk is named as such.
    """

    def __init__(self, path: Path, *, width: int, height: int, fps: float) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        # H.264 at 4:2:0 knows even sizes only: an odd edge is repeated once
        self._width, self._height = width + width % 2, height + height % 2
        self._first: datetime | None = None
        self._last_pts = -1
        self._container: OutputContainer | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(
                str(self._part), "w", format="mp4", options={"movflags": "+faststart"}
            )
            rate = Fraction(min(max(fps, 1.0), 240.0)).limit_denominator(1001)
            self._stream = self._container.add_stream("libx264", rate=rate)
            self._stream.width, self._stream.height = self._width, self._height
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "23", "preset": "veryfast"}
            self._stream.time_base = Fraction(1, TICKS_PER_SEC)
            codec = self._stream.codec_context
            codec.time_base = Fraction(1, TICKS_PER_SEC)
            codec.colorspace = codec.color_primaries = codec.color_trc = BT709
            codec.color_range = ColorRange.MPEG
        except (av.FFmpegError, OSError) as error:
            self.discard()
            raise self._refusal(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, frame: Frame, labels: Sequence[BoxLabel]) -> None:
        """Appends a frame with its boxes. A frame of another size is fitted to the video's."""
        pixels = draw_boxes(frame.pixels, labels)
        if self._first is None:
            self._first = frame.captured_at
        since = (frame.captured_at - self._first).total_seconds()
        # two frames of one moment, or a clock set back, must not stop the video
        self._last_pts = max(self._last_pts + 1, round(since * TICKS_PER_SEC))
        try:
            self._encode(self._fitted(pixels), pts=self._last_pts)
        except (av.FFmpegError, OSError) as error:
            self.discard()
            raise self._refusal(error) from error

    def close(self) -> None:
        """Ends the video and puts it in its place. Nothing is written if there was no frame."""
        if self._container is None:
            return
        if self._first is None:
            self.discard()
            return
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
            self._part.replace(self._path)
        except (av.FFmpegError, OSError) as error:
            self.discard()
            raise self._refusal(error) from error
        self._container = None

    def discard(self) -> None:
        """Leaves no file behind."""
        container, self._container = self._container, None
        if container is not None:
            # what could not be written is thrown away here anyway
            with contextlib.suppress(av.FFmpegError, OSError):
                container.close()
        with contextlib.suppress(OSError):
            self._part.unlink()

    def _encode(self, pixels: Bytes, *, pts: int) -> None:
        container = self._container
        if container is None:
            raise OutputError(f"the video {self._path.name} is already closed")
        picture = av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        picture.pts, picture.time_base = pts, Fraction(1, TICKS_PER_SEC)
        for packet in self._stream.encode(picture):
            container.mux(packet)

    def _fitted(self, pixels: Bytes) -> Bytes:
        height, width = pixels.shape[:2]
        down, across = self._height - height, self._width - width
        if (down, across) == (0, 0):
            return pixels
        if down in (0, 1) and across in (0, 1):
            padded: Bytes = np.pad(pixels, ((0, down), (0, across), (0, 0)), mode="edge")
            return padded
        resized = cv2.resize(pixels, (self._width, self._height), interpolation=cv2.INTER_AREA)
        return np.asarray(resized, np.uint8)

    def _refusal(self, error: OSError | av.FFmpegError) -> OutputError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OutputError(
                f"the disk is full: the annotated video {self._path.name} can't be written",
                hint=f"free some space in {self._path.parent}, or run without --annotate",
            )
        return OutputError(
            f"the annotated video {self._path} can't be written: {error.strerror or error}"
        )


def annotate_source(
    frames: Iterable[Frame], *, labels_at: Callable[[int], Sequence[BoxLabel]], path: Path
) -> None:
    """Writes the frames of one source as a video with boxes; no file if there is no frame.

    Args:
        frames: the source, read once more from its beginning.
        labels_at: a frame's index (from 1) to what was seen in it.
        path: the MP4 to write, by the contract ``annotated/<camera>.mp4``.

    Raises:
        OutputError: the video can't be written, for instance because the disk is full.
    """
    coming = iter(frames)
    opening = list(itertools.islice(coming, 2))
    if not opening:
        return
    step_secs = (opening[-1].captured_at - opening[0].captured_at).total_seconds()
    size = {"width": opening[0].width, "height": opening[0].height}
    with Annotator(path, **size, fps=1.0 / step_secs if step_secs > 0 else 25.0) as video:
        for frame in itertools.chain(opening, coming):
            video.write(frame, labels_at(frame.index))


def labels_by_frame(
    decisions: Iterable[Decision], *, camera: str
) -> Callable[[int], Sequence[BoxLabel]]:
    """What to draw on which frame of ``camera``, for :func:`annotate_source`.

    Between two detections less than a second apart the box glides, so that it doesn't flicker
    where the detector skipped a frame.
    """
    # a day has thousands of tracks: each frame asks only those alive in its stretch of frames
    stretches: defaultdict[int, list[_Drawn]] = defaultdict(list)
    for decision in decisions:
        if decision.sighting.camera == camera:
            path = decision.sighting.path
            drawn = _Drawn(path, tuple(p.frame_index for p in path), *_caption(decision))
            first, last = path[0].frame_index, path[-1].frame_index
            for stretch in range(first // STRETCH_FRAMES, last // STRETCH_FRAMES + 1):
                stretches[stretch].append(drawn)

    def labels_at(index: int) -> Sequence[BoxLabel]:
        alive = stretches.get(index // STRETCH_FRAMES, ())
        boxes = ((_box_at(track.path, track.indexes, index), track) for track in alive)
        return [BoxLabel(box, track.text, track.kind) for box, track in boxes if box is not None]

    return labels_at


def draw_boxes(pixels: Bytes, labels: Sequence[BoxLabel]) -> Bytes:
    """A copy of ``pixels`` (H, W, 3) uint8 BGR with the boxes and their labels.

    Lines and letters are scaled to the frame; a label stays inside the frame and, where there is
    room, clear of other labels.
    """
    canvas: Bytes = np.array(pixels, np.uint8, order="C")
    height, width = canvas.shape[:2]
    reach = min(height, round(width * 0.75))
    line = max(1, round(reach / 270))
    for label in labels:
        corners = _corners(label.box)
        if line > 1:
            cv2.rectangle(canvas, *corners, INK_BGR, line + max(2, line // 2), cv2.LINE_AA)
        cv2.rectangle(canvas, *corners, COLOURS_BGR[label.kind], line, cv2.LINE_AA)
    taken: list[tuple[int, int, int, int]] = []
    for label in labels:
        if label.box.visible_fraction(width, height) > 0 and label.text:
            plate = _plate(label, size=max(11, round(reach / 36)), most_px=width)
            left, top = _place(label.box, plate.shape[1], plate.shape[0], width, height, taken)
            bottom, right = min(top + plate.shape[0], height), min(left + plate.shape[1], width)
            canvas[top:bottom, left:right] = plate[: bottom - top, : right - left]
            taken.append((left, top, right, bottom))
    return canvas


def _caption(decision: Decision) -> tuple[str, BoxKind]:
    match = decision.match
    if match.band is Band.UNSURE or match.serial is None:
        return "unsure", "unsure"
    if match.person is None:
        return f"#{match.serial}", "stranger"
    score = "" if match.score is None else f" {match.score:.2f}"
    doubt = "?" if match.band is Band.LIKELY else ""
    # a name that may come out as question marks is still told apart by its serial
    serial = f"#{match.serial} " if "?" in latin(match.person) else ""
    return f"{serial}{match.person}{doubt}{score}", "known"


def _box_at(path: Sequence[PathPoint], indexes: Sequence[int], index: int) -> Box | None:
    after = bisect_right(indexes, index)
    if after == 0:
        return None
    before = path[after - 1]
    if before.frame_index == index:
        return before.box
    if after == len(path):
        return None
    following = path[after]
    bridge_secs = (following.captured_at - before.captured_at).total_seconds()
    if bridge_secs > LONGEST_BRIDGE_SECS:
        return None
    share = (index - before.frame_index) / (following.frame_index - before.frame_index)
    one, other = before.box.as_array(), following.box.as_array()
    left, top, right, bottom = (float(v) for v in one + (other - one) * np.float32(share))
    return Box(left, top, right, bottom)


def _corners(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    return (round(box.left), round(box.top)), (round(box.right), round(box.bottom))


def _place(
    box: Box,
    across: int,
    down: int,
    width: int,
    height: int,
    taken: Sequence[tuple[int, int, int, int]],
) -> tuple[int, int]:
    """Left and top of a label: above the box, else below, else inside it; always in the frame."""
    left = min(max(round(box.left), 0), max(width - across, 0))
    tops = (round(box.top) - down, round(box.bottom), round(box.top), round(box.bottom) - down)
    inside = [top for top in tops if 0 <= top <= height - down]
    inside = inside or [min(max(tops[0], 0), max(height - down, 0))]
    for top in inside:
        if not any(
            left < r and left + across > x and top < b and top + down > y for x, y, r, b in taken
        ):
            return left, top
    return left, inside[0]


def _plate(label: BoxLabel, *, size: int, most_px: int) -> Bytes:
    """The label as an opaque picture (h, w, 3): dark letters on the colour of its kind."""
    mask = letters(label.text, size=size, most_px=most_px).astype(np.float32)[..., None] / 255.0
    back = np.array(COLOURS_BGR[label.kind], np.float32)
    plate: Bytes = (back + (np.array(INK_BGR, np.float32) - back) * mask).round().astype(np.uint8)
    return plate
