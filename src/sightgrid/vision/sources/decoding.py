"""From a live stream's packets to pictures that can be trusted.

What follows a damaged or missing packet is predicted from pictures that are wrong: it is dropped
until the next key frame. FFmpeg is told to report damage instead of painting over it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sightgrid.domain.cameras import Trouble
from sightgrid.domain.errors import StreamFault
from sightgrid.vision.sources.arrival import ArrivalClock
from sightgrid.vision.sources.framenumbers import FrameNumbers

# timestamps that stand still or run back this often in a row, or jump this far against the clock
_MOST_BACKWARDS = 6
_LARGEST_JUMP_SECS = 10.0
# so much damage in the last minute, and the connection is better made anew
_MOST_DAMAGED_PER_MINUTE = 30
_MINUTE_NS = 60_000_000_000
_REMEMBERED_ARRIVALS = 64
# codecs with a deblocking filter in the loop
_FILTERED = frozenset({"h264", "hevc"})


def lighten(stream: VideoStream) -> None:
    """Sets a stream up for little work and no delay; to be called before the first decode.

    One thread: frame threads would hold pictures back, and each camera has a process of its own.
    The loop filter is left out, which saves a fifth of decoding: what it would have smoothed drifts
    until the next key frame, 41-48 dB from the exact picture, and costs no face
    (docs/benchmarks.md).
    """
    stream.thread_type = "SLICE"
    stream.thread_count = 1
    context = stream.codec_context
    if context.name in _FILTERED:
        # PyAV has no attribute for it; options are read when the decoder opens
        context.options = {**context.options, "skip_loop_filter": "all"}


class LiveDecoder:
    """Decodes one connection's packets. ``after`` is the decoder of the same recording's last
    round, whose dates go on."""

    def __init__(
        self,
        stream: VideoStream,
        *,
        label: str,
        timestamps: bool,
        after: LiveDecoder | None = None,
    ) -> None:
        self.damaged: int = 0 if after is None else after.damaged
        self.begun = False
        self._stream = stream
        self._label = label
        self._timestamps = timestamps
        self._clock: ArrivalClock = ArrivalClock() if after is None else after._clock
        self._arrivals: OrderedDict[int, int] = OrderedDict()
        self._until_key_frame = True
        self._until_key_picture = True
        self._resumed_pts: int | None = None
        self._fresh = True
        self._last_dts_secs: float | None = None
        self._last_arrival_ns: int | None = None
        self._backwards = 0
        self._damage_ns: list[int] = []
        lighten(stream)
        # files and TCP lose nothing on their way, but the camera may before it sends
        self._numbers = (
            FrameNumbers(stream.codec_context.extradata)
            if stream.codec_context.name == "h264"
            else None
        )
        context = stream.codec_context
        context.options = {**context.options, "err_detect": "+crccheck+bitstream+buffer+explode"}

    def came(self, packet: Packet[VideoStream], arrival_ns: int) -> None:
        """A packet has come in, to be decoded later; called by the thread that receives."""
        if self._timestamps and packet.pts is not None and packet.time_base is not None:
            self._clock.observe(arrival_ns, float(packet.pts * packet.time_base))

    def decode(
        self, packet: Packet[VideoStream], arrival_ns: int
    ) -> Iterator[tuple[VideoFrame, int, bool]]:
        """The pictures that a packet completes, with the moment each was taken (ns of the monotonic
        clock) and whether something is missing before it.

        Raises:
            StreamFault: the stream is too damaged, or its timestamps make no sense any more.
        """
        if not self._in_order(packet, arrival_ns):
            return
        if packet.is_corrupt or self._is_gap(packet):
            self._damage(arrival_ns)
        if self._until_key_frame and not packet.is_keyframe:
            return
        if packet.pts is not None:
            self._arrivals[packet.pts] = arrival_ns
            while len(self._arrivals) > _REMEMBERED_ARRIVALS:
                self._arrivals.popitem(last=False)
        if packet.is_corrupt:
            return
        try:
            pictures = packet.decode()
        except FFmpegError:
            self._damage(arrival_ns)
            self._stream.codec_context.flush_buffers()
            return
        if self._until_key_frame:
            self._resumed_pts = packet.pts
        self._until_key_frame = False
        for picture in pictures:
            if self._is_left_over(picture):
                continue
            self._until_key_picture = False
            if picture.is_corrupt:
                self._damage(arrival_ns)
                return
            self.begun = True
            came_ns = arrival_ns
            secs: float | None = None
            if picture.pts is not None and self._timestamps:
                came_ns = self._arrivals.pop(picture.pts, arrival_ns)
                secs = None if picture.time is None else picture.time
            fresh, self._fresh = self._fresh, False
            yield picture, self._clock.date(came_ns, secs), fresh

    def _in_order(self, packet: Packet[VideoStream], arrival_ns: int) -> bool:
        """Whether the packet comes after the one before by its own account."""
        if packet.dts is None or packet.time_base is None or not self._timestamps:
            return True
        secs = float(packet.dts * packet.time_base)
        last_secs, last_arrival_ns = self._last_dts_secs, self._last_arrival_ns
        if last_secs is not None and last_arrival_ns is not None:
            passed_secs = (arrival_ns - last_arrival_ns) / 1e9
            jump_secs = secs - last_secs - passed_secs
            if secs <= last_secs:
                self._backwards += 1
                if self._backwards > _MOST_BACKWARDS or jump_secs < -_LARGEST_JUMP_SECS:
                    self._jumped(secs - last_secs)
                # what it would have been predicted from is not known to be missing: a repeated
                # packet is left out without harm
                return False
            if jump_secs > _LARGEST_JUMP_SECS:
                self._jumped(secs - last_secs)
        self._backwards = 0
        self._last_dts_secs, self._last_arrival_ns = secs, arrival_ns
        return True

    def _is_left_over(self, picture: VideoFrame) -> bool:
        """Whether the decoder had still held the picture back when the damage came."""
        if not self._until_key_picture:
            return False
        if picture.pts is not None and self._resumed_pts is not None:
            return picture.pts < self._resumed_pts
        return not picture.key_frame

    def _is_gap(self, packet: Packet[VideoStream]) -> bool:
        return self._numbers is not None and self._numbers.is_gap(bytes(packet))

    def _jumped(self, secs: float) -> None:
        raise StreamFault(
            Trouble.CLOCK_JUMPED, f"{self._label}: its timestamps jump by {secs:+.1f} s"
        )

    def _damage(self, arrival_ns: int) -> None:
        """Counts a damaged packet or picture; nothing counts until the next key frame."""
        self.damaged += 1
        self._until_key_frame = self._until_key_picture = True
        self._fresh = True
        self._damage_ns = [at for at in self._damage_ns if arrival_ns - at < _MINUTE_NS]
        self._damage_ns.append(arrival_ns)
        if len(self._damage_ns) > _MOST_DAMAGED_PER_MINUTE:
            raise StreamFault(
                Trouble.DAMAGED,
                f"{self._label}: {len(self._damage_ns)} damaged pictures within a minute",
                hint="check the network; of RTSP use transport tcp",
            )
