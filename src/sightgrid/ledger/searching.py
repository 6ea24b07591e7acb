"""Has this face been seen? Compares a face with every identity of the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightgrid.domain.errors import ContractMismatch
from sightgrid.domain.faces import Embedding
from sightgrid.domain.presence import Band
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.calibration import Policy
from sightgrid.store import Transaction
from sightgrid.store.gallery import gallery
from sightgrid.store.people import contracts


@dataclass(frozen=True, slots=True)
class Found:
    """An identity that a face may be. ``score`` is the similarity to its mean face, ``closest`` to
    the one look most like it; ``crop`` is that look's picture, if it is kept. ``wording`` is
    ``same``, ``possible`` or ``unlike``."""

    serial: int
    person: str | None
    score: float
    closest: float
    crop: str | None
    wording: str


def search(tx: Transaction, face: Embedding, *, policy: Policy, limit: int = 10) -> list[Found]:
    """The identities most like ``face``, best first; strangers and enrolled people alike.

    Raises:
        ContractMismatch: the ledger's faces were embedded with another pack.
    """
    known = contracts(tx)
    if known and face.contract.id not in known:
        packs = ", ".join(sorted({contract.pack for contract in known.values()}))
        raise ContractMismatch(
            f"the faces of this run were embedded with pack {packs}, of another contract than "
            f"pack {face.contract.pack} has here, so they can't be compared",
            hint="give the run's own pack with --pack, or track the recordings again",
        )
    entries = gallery(tx, face.contract.id)
    enrolled = sum(entry.person is not None for entry in entries)
    bands = policy.bands(enrolled=enrolled, identities=len(entries))
    found = []
    for entry in entries:
        weights = entry.weights + 1e-3
        mean = weights @ entry.vectors
        score = float(mean @ face.vector / max(float(np.linalg.norm(mean)), 1e-9))
        each = entry.vectors @ face.vector
        closest = int(each.argmax())
        wording, _ = worded(score, named=entry.person is not None, bands=bands)
        found.append(
            Found(
                entry.serial,
                entry.person,
                score,
                float(each[closest]),
                entry.crop_paths[closest],
                wording,
            )
        )
    found.sort(key=lambda item: -item.score)
    return found[:limit]


def worded(score: float, *, named: bool, bands: Bands) -> tuple[str, str]:
    """A similarity in words: *same*, *possible* or *unlike*, and the band that an answer with it
    would have had: ``confirmed`` and ``likely`` name a person, ``stranger`` is a serial without a
    name, ``unsure`` is nobody for certain."""
    least = bands.likely if named else bands.same
    if score < least:
        return ("possible" if score >= bands.possible else "unlike"), Band.UNSURE.value
    if not named:
        return "same", Band.STRANGER.value
    return "same", (Band.CONFIRMED if score >= bands.confirmed else Band.LIKELY).value
