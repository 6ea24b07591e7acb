"""Whom the face of a sighting is like, among everybody that was ever seen or enrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightgrid.ledger.faceindex import Near
from sightgrid.store import Transaction
from sightgrid.store.identities import family_of
from sightgrid.store.looks import SeenFace, templates_of

# of each identity that was found, so many of its best sightings are compared one by one
LOOKED_THROUGH = 24


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """An identity that a face may be. ``score`` is the similarity to its mean face; ``closest`` the
    one of its sightings, among those that may be seen, most like the face, ``closest_score`` how
    much. ``family``: every serial that stands for it."""

    serial: int
    enrolled: bool
    family: tuple[int, ...]
    score: float
    closest: SeenFace | None
    closest_score: float | None


def likenesses(
    tx: Transaction,
    face: SeenFace,
    near: Sequence[Near],
    contract_id: str,
    *,
    cameras: frozenset[str] | None = None,
) -> list[Likeness]:
    """What ``near`` found for a face, each with its most alike sighting besides the face's own.

    Args:
        cameras: whose sightings may be told of; identities were compared as a whole.
    """
    found = []
    for one in near:
        _, family = family_of(tx, one.serial)
        seen = templates_of(tx, family, contract_id, cameras=cameras, most=LOOKED_THROUGH)
        others = [other for other in seen if other.sighting_id != face.sighting_id]
        each = [float(other.vector @ face.vector) for other in others]
        best = max(range(len(each)), key=each.__getitem__, default=None)
        found.append(
            Likeness(
                serial=one.serial,
                enrolled=one.person_id is not None,
                family=family,
                score=one.score,
                closest=None if best is None else others[best],
                closest_score=None if best is None else each[best],
            )
        )
    return found
