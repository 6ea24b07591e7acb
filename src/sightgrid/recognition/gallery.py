"""Vectors by key, searched for the nearest: a projection of the database, never the truth.

Up to 100,000 vectors every search compares with all of them, which is exact and needs no index.
Beyond that an inverted file (FAISS ``IndexIVFFlat``; Sivic and Zisserman 2003 for the idea) finds
the lists worth looking into. The index is built now and then and never altered: what was put or
removed since is told by a stamp on each slot, and what is new is compared with one by one. So a
search is right at any moment, only slower the longer ago the index was built.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats

EXACT_UP_TO = 100_000
# measured in docs/benchmarks.md on a million vectors with the covariance of real ones
LISTS_PROBED = 32
TRAINED_ON_EACH = 40
# stale slots are found by the index and thrown away, so it is asked for more than is wanted
SPARE = 8
FIRST_CAPACITY = 256
# when so many are new, searching them one by one costs as much as the index saves
MOST_UNINDEXED = 20_000


class Gallery:
    """Unit vectors (float32, D) under whole numbers as keys."""

    def __init__(self, dimension: int, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self._dimension = dimension
        self._exact_up_to = exact_up_to if find_spec("faiss") else 2**62
        self._vectors: Floats = np.zeros((FIRST_CAPACITY, dimension), np.float32)
        self._keys: NDArray[np.int64] = np.zeros(FIRST_CAPACITY, np.int64)
        # how often what lies in a slot has changed; an index knows the stamps it was built with
        self._stamps: NDArray[np.int64] = np.zeros(FIRST_CAPACITY, np.int64)
        self._slot_of: dict[int, int] = {}
        self._index: Any = None
        self._built_stamps: NDArray[np.int64] = np.zeros(0, np.int64)
        self._unindexed: set[int] = set()

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, key: int) -> bool:
        return key in self._slot_of

    @property
    def wants_index(self) -> bool:
        """Whether :meth:`reindex` would make searches much faster."""
        if len(self) <= self._exact_up_to:
            return False
        return self._index is None or len(self._unindexed) > MOST_UNINDEXED

    def put(self, key: int, vector: Floats) -> None:
        """Adds a vector, or replaces the one under this key.

        Raises:
            InvalidValue: of another dimension, or not of unit length.
        """
        if vector.shape != (self._dimension,) or abs(float(vector @ vector) - 1.0) > 1e-2:
            raise InvalidValue(
                f"the gallery takes unit vectors of {self._dimension} numbers, "
                f"got {vector.shape} of length {float(np.linalg.norm(vector)):.3f}"
            )
        slot = self._slot_of.get(key)
        if slot is None:
            slot = len(self._slot_of)
            if slot == len(self._keys):
                self._grow(2 * slot)
            self._slot_of[key] = slot
            self._keys[slot] = key
        self._vectors[slot] = vector
        self._changed(slot)

    def remove(self, key: int) -> None:
        """Takes a vector out; a key that is not there is fine."""
        slot = self._slot_of.pop(key, None)
        if slot is None:
            return
        last = len(self._slot_of)
        if slot != last:
            moved = int(self._keys[last])
            self._keys[slot], self._vectors[slot] = moved, self._vectors[last]
            self._slot_of[moved] = slot
            self._changed(slot)
        self._vectors[last] = 0.0
        self._stamps[last] += 1
        self._unindexed.discard(last)

    def vector(self, key: int) -> Floats:
        """A copy of the vector under ``key``, which must be there."""
        found: Floats = self._vectors[self._slot_of[key]].copy()
        return found

    def search(self, vector: Floats, most: int) -> list[tuple[int, float]]:
        """The keys of the nearest vectors with their cosines, best first; at most ``most``."""
        count = len(self._slot_of)
        if count == 0 or most <= 0:
            return []
        if self._index is None:
            slots, scores = _best(self._vectors[:count] @ vector, most)
        else:
            slots, scores = self._search_index(vector, most)
        keys = self._keys[slots]
        return [(int(key), float(score)) for key, score in zip(keys, scores, strict=True)]

    def reindex(self) -> None:
        """Builds the index anew, if there are enough vectors to want one."""
        self._index = None
        self._unindexed.clear()
        count = len(self._slot_of)
        if count <= self._exact_up_to:
            return
        self._index = build_index(self._vectors[:count])
        self._built_stamps = self._stamps[:count].copy()

    def copied(self) -> tuple[Floats, NDArray[np.int64]]:
        """The vectors (N, D) as they are, for an index that is built while searches go on, and
        what :meth:`adopt` needs to know about them."""
        count = len(self._slot_of)
        return self._vectors[:count].copy(), self._stamps[:count].copy()

    def adopt(self, index: Any, stamps: NDArray[np.int64]) -> None:
        """Takes an index over that :func:`build_index` made of a copy; what changed since is
        compared with one by one."""
        count = len(self._slot_of)
        common = min(count, len(stamps))
        changed = np.flatnonzero(self._stamps[:common] != stamps[:common])
        self._unindexed = {*changed.tolist(), *range(common, count)}
        self._index, self._built_stamps = index, stamps

    def put_many(self, entries: Iterable[tuple[int, Floats]]) -> None:
        """Adds many vectors and builds the index once, at the end."""
        for key, vector in entries:
            self.put(key, vector)
        if self.wants_index:
            self.reindex()

    def _search_index(self, vector: Floats, most: int) -> tuple[NDArray[np.int64], Floats]:
        scores, slots = self._index.search(vector[None], most + SPARE)
        scores, slots = scores[0], slots[0].astype(np.int64)
        known = slots >= 0
        known[known] = self._stamps[slots[known]] == self._built_stamps[slots[known]]
        slots, scores = slots[known], scores[known]
        if self._unindexed:
            fresh = np.fromiter(self._unindexed, np.int64, len(self._unindexed))
            slots = np.concatenate([slots, fresh])
            scores = np.concatenate([scores, self._vectors[fresh] @ vector])
        chosen, best = _best(scores.astype(np.float32), most)
        return slots[chosen], best

    def _changed(self, slot: int) -> None:
        self._stamps[slot] += 1
        if self._index is not None:
            self._unindexed.add(slot)

    def _grow(self, capacity: int) -> None:
        for name in ("_vectors", "_keys", "_stamps"):
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


def build_index(vectors: Floats) -> Any:
    """An inverted file over unit vectors (N, D); needs ``faiss``."""
    import faiss

    count, dimension = vectors.shape
    lists = 2 ** round(np.log2(np.sqrt(count)))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(dimension), dimension, lists, faiss.METRIC_INNER_PRODUCT
    )
    index.nprobe = min(LISTS_PROBED, lists)
    some = np.random.default_rng(0).choice(
        count, min(count, TRAINED_ON_EACH * lists), replace=False
    )
    index.train(vectors[np.sort(some)])
    index.add(vectors)
    return index


def _best(scores: Floats, most: int) -> tuple[NDArray[np.int64], Floats]:
    """The places of the highest scores, best first, and those scores."""
    if most < len(scores):
        places = np.argpartition(-scores, most - 1)[:most]
    else:
        places = np.arange(len(scores))
    places = places[np.argsort(-scores[places], kind="stable")].astype(np.int64)
    return places, scores[places]
