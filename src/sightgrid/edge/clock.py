"""The box's clock: set by the wall clock once, then it only ever runs forward."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sightgrid.wire.records import Clock, ClockState

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# adjtimex(2): TIME_ERROR, the clock has not been set by anybody
_UNSYNCHRONISED = 5
# NTP slews what is less; more than that is a step
_STEP = timedelta(seconds=1)
# before sightgrid was written nobody can have run it
_EARLIEST_YEAR = 2026


@dataclass(frozen=True, slots=True)
class BoxClock:
    """Times of one start of a box, from its monotonic clock.

    Made once, in the supervisor, and handed to every process of the box: then the order and the
    durations of what they see are right even if somebody sets the wall clock meanwhile.
    """

    boot_id: str
    anchored_at: datetime
    anchored_ns: int

    @staticmethod
    def anchored() -> BoxClock:
        """Takes its bearings from the wall clock, now."""
        return BoxClock(_boot_id(), datetime.now(UTC), time.monotonic_ns())

    def at(self, monotonic_ns: int) -> datetime:
        """The moment at which :func:`time.monotonic_ns` read so; UTC, aware."""
        return self.anchored_at + timedelta(microseconds=(monotonic_ns - self.anchored_ns) // 1000)

    def now(self) -> datetime:
        return self.at(time.monotonic_ns())

    def state(self) -> ClockState:
        """Whether the times of this clock are those of the world, as far as the box can tell."""
        if abs(datetime.now(UTC) - self.now()) > _STEP:
            return ClockState.STEPPED
        if self.anchored_at.year < _EARLIEST_YEAR or _kernel_says_unsynchronised():
            return ClockState.UNSYNCED
        return ClockState.SYNCED

    def reading(self) -> Clock:
        """What a record says of the clock at the moment it is written."""
        monotonic_ns = time.monotonic_ns()
        return Clock(self.state(), monotonic_ns, self.at(monotonic_ns))


def _boot_id() -> str:
    """One for each start of the machine; where it has none, one for each start of the box."""
    try:
        return str(UUID(_BOOT_ID.read_text("ascii").strip()))
    except (OSError, ValueError):
        return str(uuid4())


def _kernel_says_unsynchronised() -> bool:
    # struct timex is 208 bytes; all zero asks without changing anything
    timex = ctypes.create_string_buffer(512)
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    return adjtimex is not None and int(adjtimex(timex)) == _UNSYNCHRONISED
