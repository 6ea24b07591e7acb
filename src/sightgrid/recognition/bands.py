"""Where an answer's bands begin."""

from __future__ import annotations

from dataclasses import dataclass

from sightgrid.domain.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Bands:
    """Similarities at which an answer changes, and how good a look must be to count.

    ``confirmed`` and ``likely`` name an enrolled person; ``same`` joins sightings of a stranger;
    from ``possible`` on, a photo search says that it may be somebody.
    ``agree``: two looks of one track that are this much alike show one face.
    ``margin``: the least lead over the runner-up. ``poor_bar``: how much more alike than good looks
    those must be that are worth nothing. ``good_look``: the worth from which a look can
    mint a serial; ``weak_look``: below this a look can't be told from anybody, nor join anything.
    """

    confirmed: float
    likely: float
    same: float
    possible: float
    agree: float
    margin: float
    poor_bar: float
    good_look: float = 0.25
    weak_look: float = 0.08

    def __post_init__(self) -> None:
        if not -1 <= self.possible <= self.likely <= self.confirmed <= 1:
            raise InvalidValue(
                f"bands must rise: possible {self.possible}, likely {self.likely}, "
                f"confirmed {self.confirmed}"
            )
