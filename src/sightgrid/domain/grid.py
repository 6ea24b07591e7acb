"""The building as the ledger needs to know it: cameras, links between them, shared views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sightgrid.domain.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class CameraLink:
    """Two cameras one can walk between and the seconds that takes, in either direction.

    ``min_secs`` > 0 says that nobody can be on both at once.
    """

    origin: str
    target: str
    min_secs: float
    max_secs: float | None = None

    def __post_init__(self) -> None:
        if self.min_secs < 0 or (self.max_secs is not None and self.max_secs < self.min_secs):
            raise InvalidValue(
                f"link {self.origin} - {self.target}: seconds must be 0 <= least <= most, "
                f"got {self.min_secs} and {self.max_secs}"
            )


@dataclass(frozen=True, slots=True)
class CameraGrid:
    """Cameras with positions on the plan (0-1 from the left and top), links, and the pairs whose
    views are known not to overlap. An empty grid forbids nothing: views may overlap."""

    positions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    links: tuple[CameraLink, ...] = ()
    apart: frozenset[frozenset[str]] = frozenset()

    def least_secs(self, one: str, other: str) -> float | None:
        """The shortest time between being on ``one`` and being on ``other``.

        ``None`` where nothing is known (their views may overlap), 0 where the same face can't be
        on both at once but may change over immediately. A camera never excludes itself here.
        """
        if one == other:
            return None
        pair = {one, other}
        ways = [link.min_secs for link in self.links if {link.origin, link.target} == pair]
        if ways and min(ways) > 0:
            return min(ways)
        return 0.0 if frozenset((one, other)) in self.apart else None

    def apart_from(self, camera: str) -> frozenset[str]:
        """The cameras on which nobody can be while, or just before or after, on this one."""
        named = {name for link in self.links for name in (link.origin, link.target)}
        named.update(*self.apart)
        return frozenset(one for one in named if self.least_secs(camera, one) is not None)

    def forbids(
        self,
        one: str,
        one_span: tuple[datetime, datetime],
        other: str,
        other_span: tuple[datetime, datetime],
    ) -> bool:
        """Whether one person can't have been on ``one`` and ``other`` during these spans."""
        least = self.least_secs(one, other)
        if least is None:
            return False
        gap_secs = max(
            (other_span[0] - one_span[1]).total_seconds(),
            (one_span[0] - other_span[1]).total_seconds(),
        )
        return gap_secs < least
