"""Video files and streams read to their end, frame by frame, on the CPU (PyAV)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sightgrid.domain.errors import InvalidValue, SourceError
from sightgrid.domain.frames import EPOCH, Frame, parse_time
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.locations import URL, redacted
from sightgrid.vision.sources.framesource import PICTURES_PER_SEC, Clock, Ending, SourceFacts

_OPEN_TIMEOUT_SECS = (10.0, 20.0)  # to open, to wait for the next packet
# this many damaged packets in a row are no glitch: the rest of the file is lost
_MAX_DAMAGED_IN_A_ROW = 200
# a timestamp that falls back further than this is a clock that began anew, not a jitter
_RESTART_SECS = 1.0


class VideoSource:
    """A video file or stream, decoded frame by frame on the CPU."""

    def __init__(self, location: str, *, camera: str, starts_at: datetime | None) -> None:
        self.camera = camera
        self.ending = Ending()
        self._location = location
        self._given_start = starts_at
        self._facts: SourceFacts | None = None

    @property
    def label(self) -> str:
        return redacted(self._location)

    def facts(self) -> SourceFacts:
        if self._facts is None:
            with self._open() as container:
                self._facts = self._read_facts(container)
        return self._facts

    def frames(self) -> Iterator[Frame]:
        self.ending = Ending()
        facts = self.facts()
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            began_secs: float | None = None  # the timestamp at which nothing had elapsed
            elapsed = 0.0
            index = 0
            for decoded in self._decoded(container, stream):
                told_secs = None if decoded.pts is None else decoded.time
                if index:
                    # a timestamp that is missing, stands still or jumps back: order is kept by a
                    # step of one frame, or the least step there is
                    last, elapsed = elapsed, elapsed + 1.0 / facts.fps
                    if told_secs is not None and began_secs is not None:
                        if told_secs - began_secs < last - _RESTART_SECS:
                            began_secs = told_secs - elapsed
                        elapsed = max(told_secs - began_secs, last + 0.001)
                if began_secs is None and told_secs is not None:
                    began_secs = told_secs - elapsed
                try:
                    pixels = upright(decoded)
                    captured_at = facts.starts_at + timedelta(seconds=elapsed)
                except (FFmpegError, OverflowError) as error:
                    self.ending.broken_off = f"frame {index + 1} can't be shown: {error}"
                    break
                index += 1
                yield Frame(camera=self.camera, captured_at=captured_at, index=index, pixels=pixels)
            if index == 0:
                raise SourceError(
                    f"{self.label}: not one frame of the video could be decoded",
                    hint="check that it plays, or convert it to H.264 in MP4",
                )
            if self.ending.broken_off is None:
                seen_secs = elapsed + 1.0 / facts.fps
                self.ending.broken_off = self._cut_short(stream, facts, index, seen_secs)

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Frames in order; damaged packets are stepped over and counted."""
        damaged_in_a_row = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self.ending.broken_off = f"reading stopped: {plain(error)}"
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except FFmpegError:
                self.ending.damaged += 1
                damaged_in_a_row += 1
                if damaged_in_a_row > _MAX_DAMAGED_IN_A_ROW:
                    self.ending.broken_off = "the rest of the video is damaged"
                    return
                continue
            if frames:
                damaged_in_a_row = 0
            yield from (frame for frame in frames if isinstance(frame, VideoFrame))

    def _cut_short(
        self, stream: VideoStream, facts: SourceFacts, index: int, seen_secs: float
    ) -> str | None:
        """Why a file that ended without an error holds less than it says, or ``None``."""
        if URL.match(self._location):
            return None
        expected = facts.frame_count
        entries = stream.index_entries
        last = entries[len(entries) - 1] if len(entries) else None
        # frames beyond the end of the file can be told exactly; their count only about, since
        # an edit list may leave some out on purpose
        try:
            size = Path(self._location).stat().st_size
        except OSError:
            # a recorder has removed the file meanwhile; what was open could be read to its end
            size = None
        cut = last is not None and size is not None and last.pos + last.size > size
        if expected and index < expected and (cut or index < 0.9 * expected):
            return f"the file ends after frame {index} of {expected}"
        # Matroska has no count of frames, but most writers note how long each stream lasts
        told_secs = _seconds(stream.metadata.get("DURATION", ""))
        if told_secs is not None and told_secs - seen_secs > max(1.0, 0.02 * told_secs):
            return f"the file ends after {seen_secs:.1f} s of {told_secs:.1f} s"
        return None

    def _open(self) -> InputContainer:
        is_url = bool(URL.match(self._location))
        # a path may begin like a protocol ("a:b.mp4"): only what we took for a URL may be one
        target = self._location if is_url else f"file:{self._location}"
        options = {"rtsp_transport": "tcp"} if is_url else {}
        try:
            container = av.open(
                target,
                mode="r",
                options=options,
                timeout=_OPEN_TIMEOUT_SECS if is_url else None,
                metadata_errors="replace",
            )
        except (FFmpegError, OSError) as error:
            raise SourceError(
                f"{self.label}: can't be read as a video: {plain(error)}",
                hint=None if is_url else "check that the file plays in a video player",
            ) from error
        if not container.streams.video:
            container.close()
            raise SourceError(f"{self.label}: holds no video stream")
        return container

    def _read_facts(self, container: InputContainer) -> SourceFacts:
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate or Fraction(PICTURES_PER_SEC)
        context = stream.codec_context
        if not context.width or not context.height:
            raise SourceError(
                f"{self.label}: can't be read as a video: it has no picture size",
                hint="check that the file plays in a video player",
            )
        starts_at, clock = self._start(container, stream)
        width, height = context.width, context.height
        if not URL.match(self._location):
            # only a decoded frame tells that it is to be shown turned
            first = next(self._decoded(container, stream), None)
            self.ending = Ending()
            if first is not None and _quarter_turns(first) % 2:
                width, height = height, width
        return SourceFacts(
            width=width,
            height=height,
            fps=float(rate),
            frame_count=stream.frames or None,
            codec=context.name,
            starts_at=starts_at,
            clock=clock,
        )

    def _start(self, container: InputContainer, stream: VideoStream) -> tuple[datetime, Clock]:
        if self._given_start is not None:
            return self._given_start, Clock.GIVEN
        if URL.match(self._location) and not container.duration:
            # of a live stream nobody can tell how long it lasts
            return datetime.now(UTC), Clock.ARRIVAL
        told = container.metadata.get("creation_time") or stream.metadata.get("creation_time")
        if told:
            try:
                moment = parse_time(told)
            except InvalidValue:
                return EPOCH, Clock.RELATIVE
            # recorders without a clock write the epoch of MP4 (1904) or of Unix
            if moment.year > 1971:
                return moment, Clock.CONTAINER
        return EPOCH, Clock.RELATIVE


def plain(error: FFmpegError | OSError) -> str:
    """FFmpeg's own word for an error, without the path and number it puts around."""
    return (error.strerror or type(error).__name__).rstrip(".").lower()


def upright(decoded: VideoFrame) -> Bytes:
    """The frame as (H, W, 3) uint8 BGR, turned as the recorder meant it to be shown."""
    pixels: Bytes = decoded.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
    turns = _quarter_turns(decoded)
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _quarter_turns(decoded: VideoFrame) -> int:
    """How many quarter turns, counter-clockwise, bring the frame upright; 0-3."""
    return round(decoded.rotation / 90) % 4


def _seconds(text: str) -> float | None:
    """``00:01:02.500000000`` as seconds; ``None`` if it is no such duration."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
    if match is None:
        return None
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
