"""From a budget of mistakes to the similarity that keeps it.

A pack carries how alike *different* people come out: similarities reached by one pair of strangers
in a hundred, a thousand and so on. Comparing a face with N identities gives it N chances to be
taken for somebody else, so what may happen once in ``B`` passages must happen to one pair in about
``B * N`` (1 - (1 - p)^N, nearly N * p for the small p in question). The threshold therefore rises
with the gallery, for SFace by about 0.05 for each tenfold.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from sightgrid.domain.likeness import ImpostorCurve
from sightgrid.recognition.bands import Bands

__all__ = ["ImpostorCurve", "Policy"]

# of passages; the others have found their own identity before they could be taken for another
_FIND_NOBODY = 0.3
# levels as shares of pairs of strangers, differences in tenfolds of them (domain.likeness)
_LOOKS_AGREE = 3e-4
_OUTLIER = 0.035
_MARGIN_DECADES = 0.65
_POOR_DECADES = 1.3


@dataclass(frozen=True, slots=True)
class Policy:
    """How many mistakes a site accepts, each as a share of passages.

    ``confirmed`` and ``likely`` bound wrong names given to people who are not enrolled;
    ``stranger_merges`` bounds strangers taken for one another; below ``possible`` two faces are
    not alike at all.

    ``curve`` is of single photos, ``means`` of means of some looks, which is what templates and
    identities are; with some packs strangers' means are much more alike than their single looks.
    Without it ``curve`` stands in.
    """

    curve: ImpostorCurve
    confirmed: float = 1e-4
    likely: float = 1e-3
    stranger_merges: float = 1e-3
    possible: float = 1e-2
    means: ImpostorCurve | None = None

    @property
    def outlier(self) -> float:
        """A look less alike the rest of its track than this shows something else."""
        return self.curve.threshold(_OUTLIER)

    def nats(self, *, identities: int) -> float:
        """The evidence for one person, in nats, that keeps the budget of wrong joins with so many
        identities to confuse: a pair of strangers reaches ``t`` with probability ``exp(-t)``, and
        the comparisons that count are those of passages that have not found their own identity.
        """
        rivals = max(identities, 1) * _FIND_NOBODY
        return log(max(rivals, 1.0) / self.stranger_merges)

    def bands(self, *, enrolled: int, identities: int) -> Bands:
        """The similarities that keep the budgets with so many people and identities to confuse."""
        among_people, among_all = max(enrolled, 1), max(identities, 1)
        curve = self.means or self.curve
        likely = curve.threshold(self.likely / among_people)
        return Bands(
            confirmed=curve.threshold(self.confirmed / among_people),
            likely=likely,
            same=curve.threshold(self.stranger_merges / among_all),
            possible=min(curve.threshold(self.possible / among_all), likely),
            agree=self.curve.threshold(_LOOKS_AGREE),
            margin=_MARGIN_DECADES * self.curve.decade,
            poor_bar=_POOR_DECADES * self.curve.decade,
        )
