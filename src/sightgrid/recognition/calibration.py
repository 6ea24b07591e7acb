"""From a budget of mistakes to the similarity that keeps it.

A pack carries how alike *different* people come out: similarities reached by one pair of strangers
in a hundred, a thousand and so on. Comparing a face with N identities gives it N chances to be
taken for somebody else, so what may happen once in ``B`` passages must happen to one pair in about
``B * N`` (1 - (1 - p)^N, nearly N * p for the small p in question). The threshold therefore rises
with the gallery, by about 0.05 for each tenfold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.recognition.bands import Bands


@dataclass(frozen=True, slots=True)
class ImpostorCurve:
    """Pairs of (false match rate, similarity), rates falling and similarities rising."""

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


@dataclass(frozen=True, slots=True)
class Policy:
    """How many mistakes a site accepts, each as a share of passages.

    ``confirmed`` and ``likely`` bound wrong names given to people who are not enrolled;
    ``stranger_merges`` bounds strangers taken for one another; below ``possible`` two faces are
    not alike at all.
    """

    curve: ImpostorCurve
    confirmed: float = 1e-4
    likely: float = 1e-3
    stranger_merges: float = 1e-3
    possible: float = 1e-2

    def bands(self, *, enrolled: int, identities: int) -> Bands:
        """The similarities that keep the budgets with so many people and identities to confuse."""
        among_people, among_all = max(enrolled, 1), max(identities, 1)
        likely = self.curve.threshold(self.likely / among_people)
        return Bands(
            confirmed=self.curve.threshold(self.confirmed / among_people),
            likely=likely,
            same=self.curve.threshold(self.stranger_merges / among_all),
            possible=min(self.curve.threshold(self.possible / among_all), likely),
        )
