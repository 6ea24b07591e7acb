"""When a live picture was taken, and how often to expect the next.

Cameras' clocks are not trusted: the moment counts at which a packet came in, on this machine's
monotonic clock. A camera's own timestamps only tell how far apart two pictures were taken, which
evens out what the network bunches together.
"""

from __future__ import annotations

import math
from collections import deque

_WINDOW_NS = 30_000_000_000
# more than this behind its arrival no picture is dated: then the timestamps are not to be believed
_MOST_DELAY_NS = 2_000_000_000
_LEAST_STEP_NS = 1_000_000
_RHYTHM_SECS = 600.0
_FPS_SECS = 10.0


class ArrivalClock:
    """Dates pictures on the monotonic clock from their arrival and their own timestamps.

    The packet that came through quickest within the last half minute says how the camera's
    timestamps lie to this machine's clock; the others were taken as much later as they say. A
    picture is never dated after its arrival, nor before the one ahead of it. One thread may
    ``observe`` while another dates.
    """

    def __init__(self) -> None:
        # (arrival, offset) with rising offsets: the first is the least of the window
        self._offsets: deque[tuple[int, int]] = deque()
        self._least: int | None = None
        self._last_ns: int | None = None

    def observe(self, arrival_ns: int, pts_secs: float) -> None:
        """A packet with this timestamp has come in."""
        offset = arrival_ns - round(pts_secs * 1e9)
        if self._offsets and abs(offset - self._offsets[0][1]) > _MOST_DELAY_NS:
            self._offsets.clear()
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((arrival_ns, offset))
        while self._offsets[0][0] < arrival_ns - _WINDOW_NS:
            self._offsets.popleft()
        self._least = self._offsets[0][1]

    def date(self, arrival_ns: int, pts_secs: float | None) -> int:
        """The moment a picture was taken, in ns of the monotonic clock; rises with every call."""
        taken = arrival_ns
        least = self._least
        if pts_secs is not None and least is not None:
            by_timestamp = round(pts_secs * 1e9) + least
            if arrival_ns - by_timestamp <= _MOST_DELAY_NS:
                taken = min(by_timestamp, arrival_ns)
        if self._last_ns is not None:
            taken = max(taken, self._last_ns + _LEAST_STEP_NS)
        self._last_ns = taken
        return taken


class Rhythm:
    """Learns how far apart a camera's pictures come, so that a sparse one is not taken for dead.

    ``interval_secs`` is the mean gap as an observer would meet it who comes at any moment
    (long gaps count by their length), over the last ten minutes or so.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        self._weighted = 0.0
        self._short_secs: float | None = None

    def gap(self, secs: float) -> None:
        """One more gap between two pictures, or as long as was waited for one in vain."""
        if secs <= 0:
            return
        fade = math.exp(-secs / _RHYTHM_SECS)
        self._weight = self._weight * fade + secs
        self._weighted = self._weighted * fade + secs * secs
        if self._short_secs is None:
            self._short_secs = secs
        else:
            share = 1.0 - math.exp(-secs / _FPS_SECS)
            self._short_secs += share * (secs - self._short_secs)

    @property
    def interval_secs(self) -> float:
        return self._weighted / self._weight if self._weight else 0.0

    @property
    def fps(self) -> float:
        """Pictures a second over the last ten seconds or so; 0 while unknown."""
        return 1.0 / self._short_secs if self._short_secs else 0.0

    def stall_secs(self, *, least: float, gaps: float = 5.0) -> float:
        """How long to wait for a picture before the stream counts as stalled."""
        return max(least, gaps * self.interval_secs)
