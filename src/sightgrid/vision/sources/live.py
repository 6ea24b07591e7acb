"""Live cameras: the newest picture wins, and every way to fail has a name.

A thread of its own waits for packets, so that they are dated when they come in and none waits in
the network's buffers while a picture is being decoded. If decoding falls behind, whole groups of
pictures are skipped (counted), never queued.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sightgrid.domain.cameras import Trouble
from sightgrid.domain.errors import StreamFault
from sightgrid.domain.locations import Location
from sightgrid.vision.sources.arrival import Rhythm
from sightgrid.vision.sources.decoding import LiveDecoder
from sightgrid.vision.sources.faults import LIMIT, fault_at_opening, fault_while_reading

# a second and a half of packets may wait for the decoder; then it skips to the newest key frame
_MOST_WAITING_NS = 1_500_000_000
_POLL_SECS = 0.5
_BURST_GAP_SECS, _LONGEST_BURST_SECS = 0.02, 0.4
# after a rest, this long for the packet it was for
_OVERSLEEP_SECS = 0.1
# PyAV's own time-out comes after ours, and frees the reading thread
_GRACE_SECS = 5.0

VideoPacket: TypeAlias = "Packet[VideoStream]"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, in seconds."""

    open_secs: float = 15.0
    key_frame_secs: float = 30.0
    stall_secs: float = 20.0


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """How to open one stream.

    Args:
        target: what FFmpeg opens.
        label: the same for people, without secrets.
        options: FFmpeg's, by its names; ``format`` is its name of the container, if it must be
            told.
        timestamps: whether the stream's own are worth anything.
        paced: it is a recording, to be played no faster than it was made; ``loop``: again and
            again.
        examine: looks at the connection once it is open; raises if it is not the one ordered.
        hang_up: ends the connection, so that whoever waits for more of it wakes up.
        explain: asked why it could not be opened, if it knows better than FFmpeg.
    """

    target: Location
    label: str
    options: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    timestamps: bool = True
    paced: bool = False
    loop: bool = False
    examine: Callable[[], None] | None = None
    hang_up: Callable[[], None] | None = None
    explain: Callable[[], StreamFault | None] | None = None


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """A decoded picture and when it was taken, on the monotonic clock.

    ``fresh``: there is no telling what came between this one and the picture before.
    """

    picture: VideoFrame
    taken_ns: int
    fresh: bool


@dataclass(slots=True)
class LiveCounts:
    """What became of the packets so far."""

    packets: int = 0
    frames: int = 0
    skipped: int = 0
    damaged: int = 0
    received_bytes: int = 0


class LiveStream:
    """One connection to a camera, from opening to its first fault; not to be used again."""

    def __init__(
        self, order: StreamOrder, *, patience: Patience | None = None, rhythm: Rhythm | None = None
    ) -> None:
        self.counts = LiveCounts()
        self.rhythm = rhythm or Rhythm()
        self.codec = ""
        self._order = order
        self._patience = patience or Patience()
        self._waiting: deque[tuple[int, VideoPacket, LiveDecoder]] = deque()
        self._news = threading.Condition()
        self._rest_until_ns = 0
        self._stopping = False
        self._ended = False
        self._fault: StreamFault | None = None
        self._decoder: LiveDecoder | None = None
        self._ready: deque[LiveFrame] = deque()
        self._opened_ns: int | None = None
        self._packet_ns: int | None = None
        self._burst_over = False
        self._began_ns = time.monotonic_ns()
        self._thread = threading.Thread(target=self._receive, name="receiver", daemon=True)
        self._thread.start()

    @property
    def opened(self) -> bool:
        return self._opened_ns is not None

    def next(self, wait_secs: float, *, rest_until_ns: int = 0) -> LiveFrame | None:
        """The next picture, or ``None`` if none came in ``wait_secs``.

        Packets that come in before ``rest_until_ns`` of the monotonic clock wait for the first
        that comes after it: decoded one after the other they cost less than each by itself, as
        the processor's caches still hold the picture that the next is predicted from.

        Raises:
            StreamFault: none will come any more, and why.
        """
        until = time.monotonic() + wait_secs
        while not self._ready:
            waiting = self._take(max(until - time.monotonic(), 0.0), rest_until_ns)
            if waiting is None:
                self._check_patience()
                return None
            arrival_ns, packet, decoder = waiting
            self._ready.extend(
                LiveFrame(picture, taken_ns, fresh)
                for picture, taken_ns, fresh in decoder.decode(packet, arrival_ns)
            )
            self.counts.damaged = decoder.damaged
            if not self._ready and time.monotonic() >= until:
                self._check_patience()
                return None
        self.counts.frames += 1
        return self._ready.popleft()

    def stop(self, wait_secs: float = 2.0) -> bool:
        """Ends the connection; ``False`` if the thread hangs in it and only its process's end
        can end it."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        if self._order.hang_up is not None and self._thread.is_alive():
            self._order.hang_up()
        self._thread.join(wait_secs)
        return not self._thread.is_alive()

    def _take(
        self, wait_secs: float, rest_until_ns: int
    ) -> tuple[int, VideoPacket, LiveDecoder] | None:
        until = time.monotonic() + wait_secs
        with self._news:
            self._rest_until_ns = rest_until_ns
            while not self._has_news() and (left := until - time.monotonic()) > 0:
                # the packet that is rested for may never come, and the others not wait for ever
                overslept = rest_until_ns / 1e9 + _OVERSLEEP_SECS - time.monotonic()
                self._news.wait(min(left, overslept) if self._waiting else left)
            if not self._has_news():
                return None
            if self._waiting and not self._burst_over:
                self._wait_for_burst_to_end()
            if self._waiting:
                return self._waiting.popleft()
            if self._fault is not None:
                raise self._fault
            if self._ended:
                raise StreamFault(Trouble.FILE_ENDED, f"{self._order.label}: played to its end")
            return None

    def _has_news(self) -> bool:
        """Whether something has come in that is not to wait for more, or nothing ever will."""
        if self._fault is not None or self._ended:
            return True
        if not self._waiting:
            return False
        rested = max(self._waiting[-1][0], time.monotonic_ns() - round(1e9 * _OVERSLEEP_SECS))
        return not self._burst_over or rested >= self._rest_until_ns

    def _wait_for_burst_to_end(self) -> None:
        """Waits until the packets come one by one.

        What came in while FFmpeg looked at the stream is delivered all at once; how its timestamps
        lie to our clock is known only when the last of it is there.
        """
        until = time.monotonic() + _LONGEST_BURST_SECS
        count = -1
        while count != self.counts.packets and time.monotonic() < until:
            count = self.counts.packets
            # notified by each packet; quiet for this long, the burst is over
            self._news.wait(_BURST_GAP_SECS)
        self._burst_over = True

    def _check_patience(self) -> None:
        now = time.monotonic_ns()
        label = self._order.label
        if self._opened_ns is None:
            if (now - self._began_ns) / 1e9 > self._patience.open_secs + _GRACE_SECS:
                raise StreamFault(
                    Trouble.TIMED_OUT,
                    f"{label}: no answer",
                    hint=LIMIT,
                )
            return
        decoder = self._decoder
        if decoder is not None and not decoder.begun:
            if (now - self._opened_ns) / 1e9 > self._patience.key_frame_secs:
                raise StreamFault(
                    Trouble.NO_KEY_FRAME,
                    f"{label}: no key frame in {self._patience.key_frame_secs:.0f} s",
                    hint="set the camera to a key frame (I-frame) every 2 seconds",
                )
            if self._packet_ns is not None and now - self._packet_ns < 5e9:
                return
        quiet_secs = (now - (self._packet_ns or self._opened_ns)) / 1e9
        if quiet_secs > self.rhythm.stall_secs(least=self._patience.stall_secs):
            self.rhythm.gap(quiet_secs)
            raise StreamFault(Trouble.STALLED, f"{label}: no picture for {quiet_secs:.0f} s")

    # the receiving thread

    def _receive(self) -> None:
        container: InputContainer | None = None
        try:
            container, decoder = self._open()
            while True:
                self._receive_from(container, decoder)
                if not (self._order.loop and self._order.paced) or self._stopping:
                    break
                container.close()
                container, decoder = self._open()
            with self._news:
                if self._order.paced:
                    self._ended = True
                else:
                    self._fault = StreamFault(
                        Trouble.BROKEN_OFF, f"{self._order.label}: the camera ended the stream"
                    )
        except StreamFault as fault:
            self._fault = fault
        except (FFmpegError, OSError) as error:
            if container is None:
                self._fault = self._fault_at_opening(error)
            else:
                self._fault = fault_while_reading(self._order.label, error)
        finally:
            with self._news:
                self._news.notify_all()
            if container is not None:
                container.close()

    def _fault_at_opening(self, error: FFmpegError | OSError) -> StreamFault:
        # FFmpeg calls it invalid data when we have interrupted its waiting
        waited_secs = (time.monotonic_ns() - self._began_ns) / 1e9
        if not self._order.paced and waited_secs >= 0.95 * self._patience.open_secs:
            return StreamFault(
                Trouble.TIMED_OUT, f"{self._order.label}: connected, but no stream came", hint=LIMIT
            )
        explained = self._order.explain() if self._order.explain is not None else None
        return explained or fault_at_opening(self._order.label, error)

    def _open(self) -> tuple[InputContainer, LiveDecoder]:
        order, patience = self._order, self._patience
        stall_secs = self.rhythm.stall_secs(least=patience.stall_secs)
        container = av.open(
            order.target.reveal(),
            mode="r",
            format=order.format,
            options=dict(order.options),
            timeout=None if order.paced else (patience.open_secs, stall_secs + _GRACE_SECS),
            metadata_errors="replace",
        )
        try:
            if order.examine is not None:
                order.examine()
            if not container.streams.video:
                raise StreamFault(Trouble.NO_VIDEO, f"{order.label}: holds no video")
            stream = container.streams.video[0]
            decoder = LiveDecoder(
                stream, label=order.label, timestamps=order.timestamps, after=self._decoder
            )
        except BaseException:
            container.close()
            raise
        with self._news:
            self.codec = stream.codec_context.name
            self._decoder = decoder
            self._opened_ns = self._opened_ns or time.monotonic_ns()
        return container, decoder

    def _receive_from(self, container: InputContainer, decoder: LiveDecoder) -> None:
        pace = _Pace() if self._order.paced else None
        number = container.streams.video[0].index
        skipping = False
        # all streams, so that one that sends sound only does not keep us from stopping
        for item in container.demux():
            if self._stopping:
                return
            if item.stream_index != number:
                continue
            packet = cast(VideoPacket, item)
            arrival_ns = time.monotonic_ns()
            if packet.size == 0:  # the end of a recording: what the decoder holds back comes out
                with self._news:
                    self._waiting.append((arrival_ns, packet, decoder))
                continue
            if pace is not None and not self._wait_for(pace.due_ns(packet)):
                return
            arrival_ns = time.monotonic_ns()
            with self._news:
                decoder.came(packet, arrival_ns)
                self.counts.packets += 1
                self.counts.received_bytes += packet.size
                if self._packet_ns is not None:
                    self.rhythm.gap((arrival_ns - self._packet_ns) / 1e9)
                self._packet_ns = arrival_ns
                skipping = self._make_room(arrival_ns, packet, skipping)
                if skipping:
                    self.counts.skipped += 1
                else:
                    self._waiting.append((arrival_ns, packet, decoder))
                    if arrival_ns >= self._rest_until_ns:
                        self._news.notify_all()
        if pace is not None:
            # what has been received is still to be looked at before the recording begins anew
            while self._waiting and not self._stopping:
                time.sleep(0.01)

    def _make_room(self, arrival_ns: int, packet: VideoPacket, skipping: bool) -> bool:
        """Whether to skip the packet: the decoder is behind, and this is no key frame yet."""
        if packet.is_keyframe:
            if skipping or self._is_behind(arrival_ns):
                self.counts.skipped += len(self._waiting)
                self._waiting.clear()
            return False
        return skipping or self._is_behind(arrival_ns)

    def _is_behind(self, arrival_ns: int) -> bool:
        return bool(self._waiting) and arrival_ns - self._waiting[0][0] > _MOST_WAITING_NS

    def _wait_for(self, due_ns: int) -> bool:
        """Sleeps until a moment; ``False`` if it is time to stop instead."""
        while not self._stopping:
            left = (due_ns - time.monotonic_ns()) / 1e9
            if left <= 0:
                return True
            time.sleep(min(left, _POLL_SECS))
        return False


class _Pace:
    """When the packets of a recording would have come in, had it been live."""

    def __init__(self) -> None:
        self._began_ns = time.monotonic_ns()
        self._first_secs: float | None = None

    def due_ns(self, packet: VideoPacket) -> int:
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None or packet.time_base is None:
            return time.monotonic_ns()
        secs = float(stamp * packet.time_base)
        if self._first_secs is None:
            self._first_secs = secs
        return self._began_ns + round((secs - self._first_secs) * 1e9)
