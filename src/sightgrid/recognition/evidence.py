"""How much two sets of looks speak for one person, in nats, given how good the looks are.

A cosine treats a blur like a portrait: blurs of different people are alike, and a blur is like
nobody's portrait. Here a template is taken as what a person's face would give, weakened and noised
as is usual for vectors of its strength: ``template - mean = signal * person + noise``. People and
noise are Gaussian, independent along the axes of ``basis`` (Ioffe, "Probabilistic Linear
Discriminant Analysis", 2006; mean, signal and noise by strength are ours). The log of how much
likelier two sets are as one person than as two adds up over looks and sightings, is 0 where nothing
can be told, and exceeds ``t`` for about one in ``exp(t)`` pairs of strangers.

Models are made by ``benchmarks/evidence.py`` for an embedding contract; they hold no photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats

Doubles = NDArray[np.float64]
_FIELDS = ("strengths", "means", "basis", "between", "signal", "noise")


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceModel:
    """What is known of an embedder's vectors.

    ``strengths`` (K,), rising, are those at which ``means``, ``signal`` and ``noise``, (K, D) each,
    are given. ``basis`` (D, D) has the axes as columns, ``between`` (D,) is the variance of people
    along them; ``noise`` is a variance too.
    """

    strengths: Floats
    means: Floats
    basis: Floats
    between: Floats
    signal: Floats
    noise: Floats

    def __post_init__(self) -> None:
        levels, dimension = self.means.shape
        whole = (
            self.strengths.shape == (levels,)
            and self.basis.shape == (dimension, dimension)
            and self.between.shape == (dimension,)
            and self.signal.shape == self.noise.shape == (levels, dimension)
        )
        if not whole or levels < 2 or not (np.diff(self.strengths) > 0).all():
            raise InvalidValue("an evidence model's tables do not fit together")
        if not (self.between > 0).all() or not (self.noise > 0).all():
            raise InvalidValue("an evidence model's variances must be positive")

    def weigh(self, vectors: Floats, strengths: Floats) -> Doubles:
        """What templates say of who it is: (N, 2, D), to be added up over templates of one person.

        Args:
            vectors: (N, D) unit vectors. strengths: (N,) of each, 0-1.
        """
        position = np.interp(strengths, self.strengths, np.arange(len(self.strengths)))
        below = np.minimum(position.astype(np.intp), len(self.strengths) - 2)
        share = (position - below)[:, None]

        def at(table: Floats) -> Doubles:
            between: Doubles = table[below] * (1 - share) + table[below + 1] * share
            return between

        seen = (vectors - at(self.means)) @ self.basis.astype(np.float64)
        signal, noise = at(self.signal), at(self.noise)
        return np.stack([signal**2 / noise, signal * seen / noise], axis=1)

    def told(self, evidence: Doubles) -> Doubles:
        """How much (..., 2, D) can tell of who it is, whatever it says: nats of information, (...).

        No two sets of looks speak for one person by more than the lesser of what they tell, on
        average over people.
        """
        amount: Doubles = 0.5 * np.log1p(self.between * evidence[..., 0, :]).sum(axis=-1)
        return amount

    def likelihood(self, evidence: Doubles) -> Doubles:
        """The log-likelihood of (..., 2, D) as one person's looks, up to what does not depend on
        who is joined with whom; (...)."""
        weight, said = evidence[..., 0, :], evidence[..., 1, :]
        grown = 1.0 + self.between * weight
        total: Doubles = 0.5 * (self.between * said**2 / grown - np.log(grown)).sum(axis=-1)
        return total


@lru_cache(maxsize=4)
def evidence_model(contract_id: str) -> EvidenceModel | None:
    """The model made for an embedding contract; ``None`` if there is none."""
    file = resources.files("sightgrid.recognition") / "models" / f"{contract_id[:16]}.npz"
    if not file.is_file():
        return None
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as tables:
        return EvidenceModel(*(tables[name].astype(np.float32) for name in _FIELDS))
