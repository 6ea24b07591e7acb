"""What a similarity means: how rarely two different people are as alike.

A similarity says nothing by itself; each network has a scale of its own. With one, strangers hardly
ever reach 0.4, with another they begin at 0.8. What is the same for all is how *rare* a similarity
is among strangers. So nothing outside of a pack's manifest names a similarity: levels are told as a
share of pairs of strangers, differences in tenfolds of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightgrid.domain.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class ImpostorCurve:
    """How alike different people come out with a pack: pairs of (false match rate, similarity),
    rates falling and similarities rising."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        rates = [rate for rate, _ in self.points]
        levels = [level for _, level in self.points]
        falling = rates == sorted(rates, reverse=True) and len(set(rates)) == len(rates)
        if len(self.points) < 2 or not falling or levels != sorted(levels) or min(rates) <= 0:
            raise InvalidValue(
                "an impostor curve needs two or more points, rates falling from 1 towards 0, "
                "similarities rising"
            )

    @classmethod
    def of(cls, points: Sequence[Sequence[float]]) -> ImpostorCurve:
        """A curve from ``[[rate, similarity], ...]`` as it stands in a pack's manifest."""
        return cls(tuple((float(rate), float(level)) for rate, level in points))

    @property
    def decade(self) -> float:
        """By how much a similarity rises as it becomes ten times as rare, between one pair in a
        hundred and one in a hundred thousand."""
        return (self.threshold(1e-5) - self.threshold(1e-2)) / 3

    def threshold(self, rate: float) -> float:
        """The similarity that a pair of different people reaches with probability ``rate``.

        Linear in the logarithm of the rate; beyond the curve's ends along its last piece.
        """
        logs = np.log10([r for r, _ in self.points])
        levels = np.array([level for _, level in self.points])
        wanted = float(np.log10(max(rate, 1e-12)))
        after = int(np.searchsorted(-logs, -wanted))
        piece = min(max(after, 1), len(logs) - 1)
        slope = (levels[piece] - levels[piece - 1]) / (logs[piece] - logs[piece - 1])
        return float(levels[piece] + slope * (wanted - logs[piece]))
