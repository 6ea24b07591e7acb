"""Times, spans and numbers as the report says them to a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sightgrid.domain.frames import EPOCH

SHORT_RUN_SECS = 600.0


@dataclass(frozen=True, slots=True)
class Clock:
    """How the moments of one span are written.

    ``relative`` counts from the start of the recordings (which is the epoch then); ``dated`` says
    the day with each moment; ``millis`` shows milliseconds.
    """

    relative: bool
    dated: bool
    millis: bool

    @classmethod
    def over(cls, first: datetime, last: datetime, *, relative: bool) -> Clock:
        """The clock for moments from ``first`` to ``last``."""
        dated = first.astimezone(UTC).date() != last.astimezone(UTC).date()
        short = (last - first).total_seconds() < SHORT_RUN_SECS
        return cls(relative=relative, dated=dated and not relative, millis=relative or short)

    def moment(self, at: datetime) -> str:
        """``1:03.200`` from the start, ``14:05:06.789`` of the one day, or ``2 Jan 14:05:06``."""
        if self.relative:
            return from_start((at - EPOCH).total_seconds())
        utc = at.astimezone(UTC)
        day = f"{utc.day} {utc:%b} " if self.dated else ""
        millis = f".{utc.microsecond // 1000:03d}" if self.millis else ""
        return f"{day}{utc:%H:%M:%S}{millis}"

    def span(self, first: datetime, last: datetime) -> str:
        """Two moments with a dash; the day only once if it is the same."""
        utc = last.astimezone(UTC)
        if self.dated and utc.date() == first.astimezone(UTC).date():
            return f"{self.moment(first)} – {Clock(False, False, self.millis).moment(utc)}"  # noqa: RUF001
        return f"{self.moment(first)} – {self.moment(last)}"  # noqa: RUF001


def from_start(secs: float) -> str:
    """``m:ss.mmm``, from an hour on ``h:mm:ss.mmm``."""
    millis = round(abs(secs) * 1000)
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{'-' if secs < 0 else ''}{head}:{rest // 1000:02d}.{rest % 1000:03d}"


def duration(secs: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    if secs < 10:
        return f"{max(secs, 0.0):.1f} s"
    whole = round(secs)
    for large, small, step, size in (("min", "s", 60, 1), ("h", "min", 3600, 60)):
        if whole < 60:
            return f"{whole} s"
        if whole < step * (60 if large == "min" else 24):
            rest = whole % step // size
            return f"{whole // step} {large}" + (f" {rest} {small}" if rest else "")
    rest = whole % 86400 // 3600
    return f"{whole // 86400} d" + (f" {rest} h" if rest else "")


def day(at: datetime) -> str:
    """``Friday 2 January 2026``."""
    utc = at.astimezone(UTC)
    return f"{utc:%A} {utc.day} {utc:%B %Y}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 visit``, ``1,204 visits``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
