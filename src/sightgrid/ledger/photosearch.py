"""Photo search over a server's ledger: the index finds who is alike, the rows tell the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sightgrid.domain.faces import Embedding
from sightgrid.ledger.faceindex import FaceIndex, Near
from sightgrid.ledger.searching import worded
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import Policy
from sightgrid.store import Transaction
from sightgrid.store.found import (
    FoundSighting,
    Whereabouts,
    found_sightings,
    label_of,
    whereabouts,
)
from sightgrid.store.identities import family_of
from sightgrid.store.people import names_of

NEWEST = 20
BEST = 8
# who was on none of the asker's cameras is left out, so more are looked at
_MORE = 4


@dataclass(frozen=True, slots=True)
class SeenThen:
    """A sighting of somebody found, and how alike the face is to it, where that is still known."""

    sighting_id: str
    camera: str
    first_seen: datetime
    last_seen: datetime
    score: float | None


@dataclass(frozen=True, slots=True)
class Hit:
    """An identity that a face may be.

    ``score`` is the similarity to the mean of what was seen or enrolled of it, ``closest`` to the
    one sighting most like it; ``wording`` and ``band`` say what that means. ``sightings`` are the
    newest; ``best_sighting`` is the best whose picture is kept.
    """

    serial: int
    person_id: str | None
    person: str | None
    label: str
    score: float
    closest: float
    wording: str
    band: str
    where: Whereabouts
    sightings: tuple[SeenThen, ...]
    best_sighting: str | None


def find_face(
    tx: Transaction,
    index: FaceIndex,
    face: Embedding,
    *,
    policy: Policy,
    limit: int,
    cameras: frozenset[str] | None = None,
) -> list[Hit]:
    """The identities most like a face, best first; strangers and enrolled people alike.

    Args:
        index: refreshed past what is to be found.
        cameras: whose sightings may be told; ``None``: all.
    """
    bands = policy.bands(enrolled=index.people, identities=index.identities)
    near = index.nearest(face.vector, limit if cameras is None else _MORE * limit)
    names = names_of(tx, {one.person_id for one in near if one.person_id is not None})
    found: list[Hit] = []
    for one in near:
        if len(found) == limit:
            break
        hit = _hit(tx, one, face, names, bands, cameras)
        if hit is not None:
            found.append(hit)
    return found


def _hit(
    tx: Transaction,
    near: Near,
    face: Embedding,
    names: Mapping[str, str],
    bands: Bands,
    cameras: frozenset[str] | None,
) -> Hit | None:
    _, family = family_of(tx, near.serial)
    where = whereabouts(tx, family, cameras=cameras)
    if where.sightings == 0 and cameras is not None:
        elsewhere = whereabouts(tx, family, cameras=None)
        if elsewhere.sightings:
            return None
    contract_id = face.contract.id
    newest = found_sightings(tx, family, contract_id, cameras=cameras, most=NEWEST)
    best = found_sightings(tx, family, contract_id, cameras=cameras, most=BEST, best=True)
    scores = [score for one in (*newest, *best) if (score := _alike(one, face)) is not None]
    wording, band = worded(near.score, named=near.person_id is not None, bands=bands)
    return Hit(
        serial=near.serial,
        person_id=near.person_id,
        person=None if near.person_id is None else names.get(near.person_id),
        label=label_of(tx, near.serial),
        score=near.score,
        closest=max(scores, default=near.score),
        wording=wording,
        band=band,
        where=where,
        sightings=tuple(
            SeenThen(one.sighting_id, one.camera, one.first_seen, one.last_seen, _alike(one, face))
            for one in newest
        ),
        best_sighting=next((one.sighting_id for one in best if one.has_crop), None),
    )


def _alike(seen: FoundSighting, face: Embedding) -> float | None:
    return None if seen.vector is None else float(seen.vector @ face.vector)
