"""One vector for several looks at a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightgrid.domain.errors import ContractMismatch, InvalidValue
from sightgrid.domain.faces import Embedding
from sightgrid.domain.geometry import Floats
from sightgrid.domain.tracklets import Look

_SMALLEST_WEIGHT = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """The weighted mean of a face's embeddings, on the unit sphere; float32 (dimension,).

    ``worth`` is that of the best look in it, ``strength`` the mean of their vectors' strengths,
    ``agreement`` the mean similarity of its looks to the template, 1 for a single look.
    """

    vector: Floats
    contract_id: str
    worth: float
    strength: float
    agreement: float


def template_of(looks: Sequence[Look], *, outlier: float) -> Template | None:
    """The template of a sighting's looks, each weighted by its worth; ``None`` without vectors.

    Args:
        outlier: a look less alike the rest than this shows something else: a hand, a neighbour, a
            blur; it is left out.

    Raises:
        ContractMismatch: the looks were embedded under different contracts.
    """
    embedded = [(look.embedding, look.worth) for look in looks if look.embedding is not None]
    if not embedded:
        return None
    contract_id = _one_contract([embedding for embedding, _ in embedded])
    vectors = np.stack([embedding.vector for embedding, _ in embedded])
    weights = np.array([worth for _, worth in embedded], np.float32) + _SMALLEST_WEIGHT
    kept = _without_outliers(vectors, weights, outlier)
    mean = _unit((weights[kept] @ vectors[kept]).astype(np.float32))
    agreement = float(np.average(vectors[kept] @ mean, weights=weights[kept]))
    return Template(
        vector=mean,
        contract_id=contract_id,
        worth=max(embedded[row][1] for row in kept),
        strength=float(
            np.average([embedded[row][0].strength for row in kept], weights=weights[kept])
        ),
        agreement=agreement,
    )


def mean_of(embeddings: Sequence[Embedding]) -> Floats:
    """The plain mean of a person's enrolled faces, of unit length.

    Raises:
        InvalidValue: there are none. ContractMismatch: of different contracts.
    """
    if not embeddings:
        raise InvalidValue("a template needs at least one face")
    _one_contract(embeddings)
    return _unit(np.stack([embedding.vector for embedding in embeddings]).sum(axis=0))


def _without_outliers(vectors: Floats, weights: Floats, outlier: float) -> list[int]:
    """The numbers of the looks that agree with the weighted mean of all others."""
    kept = list(range(len(vectors)))
    while len(kept) > 2:
        total = weights[kept] @ vectors[kept]
        alike = [float(vectors[i] @ _unit(total - weights[i] * vectors[i])) for i in kept]
        worst = int(np.argmin(alike))
        if alike[worst] >= outlier:
            break
        del kept[worst]
    return kept


def _one_contract(embeddings: Sequence[Embedding]) -> str:
    ids = {embedding.contract.id for embedding in embeddings}
    if len(ids) > 1:
        raise ContractMismatch(
            f"embeddings of {len(ids)} contracts can't be joined into one template",
            hint="embed all of them again with one pack",
        )
    return ids.pop()


def _unit(vector: Floats) -> Floats:
    unit: Floats = (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
    return unit
