"""Many people, divided among several small softmax heads (A16)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Self

import numpy as np

from sightgrid.domain.errors import HeadError, InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.heads.estimator import (
    Head,
    HeadKind,
    Numbers,
    Scores,
    numbered,
    setting,
    unit,
)
from sightgrid.recognition.heads.softmax import Softmax

LEAST_IN_A_SHARD = 2
_ROUNDS = 20
# faces that the level at which a shard is sure is found with, and how many may exceed it
_TRIED, _MISTAKEN = 4000, 1e-3
_LEAST_OUTPUT = -1e6


class ShardedSoftmax(Head):
    """K softmax heads of bounded size, and a router that says which of them to ask first.

    People who look alike go to one shard: their mean vectors are clustered, and no shard takes more
    than ``LARGEST`` times its even share. The router is a softmax head too, whose classes are the
    shards. A face is put to one shard after the other, the router's likeliest first, until one is
    *sure*: its best output is higher than a shard has for faces of other shards, but for one in a
    thousand of them. A stranger's face is put to all. Outputs before softmax can be compared
    between shards, as all are trained alike on about as many people; people of shards that were not
    asked score minus infinity.
    """

    kind = HeadKind.SHARDED
    LARGEST = 1.2

    def __init__(self, shards: int, *, tell: Callable[[int], None] | None = None) -> None:
        """``tell`` hears after each epoch of a shard's head how many there were in all."""
        super().__init__()
        self._tell = tell or (lambda _: None)
        if shards < 2:
            raise InvalidValue(f"{shards} shards are none", hint="2 or more divide the people")
        self._sure = np.inf
        self._router = Softmax()
        self._heads: tuple[Softmax, ...] = tuple(Softmax() for _ in range(shards))
        self._shard_of: Numbers = np.zeros(0, np.intp)

    @property
    def models(self) -> tuple[Softmax, ...]:
        """The head of each shard."""
        return self._heads

    @property
    def router(self) -> Softmax:
        """What says which shards to ask."""
        return self._router

    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        """Divides the people, then trains the router and every shard's head.

        Raises:
            InvalidValue: fewer than two people for each shard, or vectors that are none.
        """
        self.classes, numbers = numbered(self.kind, vectors, labels)
        shards = len(self._heads)
        check_shards(shards, len(self.classes))
        sums = np.zeros((len(self.classes), vectors.shape[1]), np.float64)
        np.add.at(sums, numbers, vectors)
        most = max(ceil(self.LARGEST * len(self.classes) / shards), LEAST_IN_A_SHARD)
        self._shard_of = divided(unit(sums), shards=shards, most=most)
        shard = self._shard_of[numbers]
        self._router = Softmax().fit(vectors, [_label(number) for number in shard])
        heads: list[Softmax] = []
        for number in range(shards):
            own = np.flatnonzero(shard == number)
            model = Softmax(tell=self._telling_after(sum(head.epochs for head in heads)))
            heads.append(model.fit(vectors[own], [labels[int(row)] for row in own]))
        self._heads = tuple(heads)
        self._sure = self._found_sure(vectors, shard)
        self._count()
        return self

    def scores(self, vectors: Floats) -> Scores:
        """Outputs before softmax, (N, classes); minus infinity for people of shards not asked."""
        order = np.argsort(-self._router.scores(vectors), axis=1, kind="stable")
        scores = np.full((len(vectors), len(self.classes)), -np.inf)
        waiting = np.arange(len(vectors))
        for place in range(len(self._heads)):
            asked = order[waiting, place]
            best = np.empty(len(waiting))
            for number in np.unique(asked):
                here = np.flatnonzero(asked == number)
                outputs = self._heads[number].scores(vectors[waiting[here]])
                scores[np.ix_(waiting[here], self._people_of(int(number)))] = outputs
                best[here] = outputs.max(axis=1)
            waiting = waiting[best <= self._sure]
            if not len(waiting):
                break
        return scores

    def shards_asked(self, vectors: Floats) -> Numbers:
        """How many shards each face is put to, (N,)."""
        firsts = np.array([self._people_of(number)[0] for number in range(len(self._heads))])
        asked: Numbers = np.isfinite(self.scores(vectors)[:, firsts]).sum(axis=1)
        return asked

    def _found_sure(self, vectors: Floats, shard: Numbers) -> float:
        """What one face in a thousand reaches with a shard that is not its own."""
        some = slice(None, None, max(len(vectors) // _TRIED, 1))
        tried, own = vectors[some], shard[some]
        best = np.full(len(tried), -np.inf)
        for number, head in enumerate(self._heads):
            others = np.flatnonzero(own != number)
            best[others] = np.maximum(best[others], head.scores(tried[others]).max(axis=1))
        return float(np.quantile(best, 1 - _MISTAKEN))

    def _people_of(self, shard: int) -> Numbers:
        people: Numbers = np.flatnonzero(self._shard_of == shard)
        return people

    def arrays(self) -> dict[str, Floats]:
        """``shard`` (classes,), the number of each person's shard, and the arrays of the router and
        of each shard under ``router.`` and ``shard.N.``."""
        kept = {"shard": self._shard_of.astype(np.float32)}
        kept |= {f"router.{name}": array for name, array in self._router.arrays().items()}
        for number, head in enumerate(self._heads):
            kept |= {f"shard.{number}.{name}": array for name, array in head.arrays().items()}
        return kept

    def settings(self) -> dict[str, float]:
        return {"shards": len(self._heads), "sure": self._sure}

    @classmethod
    def restored(
        cls,
        classes: tuple[str, ...],
        arrays: Mapping[str, Floats],
        settings: Mapping[str, float],
        *,
        dimension: int,
    ) -> Self:
        shards = int(setting(settings, "shards", least=2))
        if shards > len(classes) // LEAST_IN_A_SHARD:
            raise HeadError(f"a head of {len(classes)} people can't have {shards} shards")
        rest = dict(arrays)
        numbers = rest.pop("shard", np.zeros(0, np.float32))
        known = np.arange(shards)
        if numbers.shape != (len(classes),) or set(numbers.tolist()) != set(known.tolist()):
            raise HeadError("array shard of a sharded head must give each person's shard")
        head = cls(shards)
        head.classes, head._shard_of = classes, numbers.astype(np.intp)
        head._sure = setting(settings, "sure", least=_LEAST_OUTPUT)
        head._router = Softmax.restored(
            tuple(_label(number) for number in range(shards)),
            _under("router.", rest),
            {},
            dimension=dimension,
        )
        heads = []
        for number in range(shards):
            own = tuple(classes[place] for place in np.flatnonzero(head._shard_of == number))
            part = _under(f"shard.{number}.", rest)
            heads.append(Softmax.restored(own, part, {}, dimension=dimension))
        if rest:
            raise HeadError(f"a sharded head holds no array {min(rest)}")
        head._heads = tuple(heads)
        head._count()
        return head

    def _telling_after(self, before: int) -> Callable[[int], None]:
        return lambda epochs: self._tell(before + epochs)

    def _count(self) -> None:
        parts = (self._router, *self._heads)
        self.trainable_parameters = sum(part.trainable_parameters for part in parts)
        self.epochs = sum(part.epochs for part in parts)


def check_shards(shards: int, people: int) -> None:
    """Whether so many people can be divided so.

    Raises:
        InvalidValue: a shard would have fewer than two people to tell apart.
    """
    if people < LEAST_IN_A_SHARD * shards:
        raise InvalidValue(
            f"{people} people can't be divided into {shards} shards: each needs "
            f"{LEAST_IN_A_SHARD} to tell apart",
            hint=f"{people // LEAST_IN_A_SHARD} shards are the most"
            if people >= 2 * LEAST_IN_A_SHARD
            else "leave the shards out",
        )


def divided(means: Floats, *, shards: int, most: int) -> Numbers:
    """The shard of each mean vector, (C,): clusters of those alike (k-means on the sphere, started
    from a fixed draw), none larger than ``most`` nor smaller than two."""
    drawn = np.random.default_rng(0).choice(len(means), shards, replace=False)
    centres, placed = means[drawn], np.full(len(means), -1, np.intp)
    for _ in range(_ROUNDS):
        alike = means @ centres.T
        before, placed = placed, _placed(alike, most)
        if (before == placed).all():
            break
        sums = np.zeros(centres.shape, np.float64)
        np.add.at(sums, placed, means)
        centres = unit(sums)
    _fill_up(placed, means @ centres.T)
    return placed


def _placed(alike: Floats, most: int) -> Numbers:
    """The likeliest shard with room for each; those choose first who lose most otherwise."""
    wishes = np.argsort(-alike, axis=1, kind="stable")
    best_two = -np.partition(-alike, 1, axis=1)[:, :2]
    room = [most] * alike.shape[1]
    placed = np.empty(len(alike), np.intp)
    for row in np.argsort(best_two[:, 1] - best_two[:, 0], kind="stable"):
        chosen = next(int(shard) for shard in wishes[row] if room[shard])
        room[chosen] -= 1
        placed[row] = chosen
    return placed


def _fill_up(placed: Numbers, alike: Floats) -> None:
    """Gives shards with fewer than two people those most like them, of shards that can spare."""
    sizes = np.bincount(placed, minlength=alike.shape[1])
    for shard in np.flatnonzero(sizes < LEAST_IN_A_SHARD):
        for row in np.argsort(-alike[:, shard], kind="stable"):
            if sizes[shard] >= LEAST_IN_A_SHARD:
                break
            if placed[row] != shard and sizes[placed[row]] > LEAST_IN_A_SHARD:
                sizes[placed[row]] -= 1
                sizes[shard] += 1
                placed[row] = shard


def _label(number: int) -> str:
    # of one length, so that the router's classes are in the order of the shards
    return f"{number:06d}"


def _under(prefix: str, arrays: dict[str, Floats]) -> dict[str, Floats]:
    """The arrays whose name begins so, without it; they are taken out."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}
