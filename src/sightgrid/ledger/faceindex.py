"""Everybody that a photo may show, in memory: strangers too, however long ago they were seen.

A projection of the prototypes in the database, brought up to date before each search by replaying
what changed beyond its watermark. Unlike the gallery that live deciding uses it has no window of
time, and holds nothing but vectors, so that a million identities fit.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.gallery import Gallery, build_index
from sightgrid.recognition.templates import mean_of
from sightgrid.store import Store, Transaction
from sightgrid.store.identities import links_of
from sightgrid.store.people import faces_of
from sightgrid.store.prototypes import Prototype, changes_after
from sightgrid.store.roster import recognisable

A_REPLAY = 10_000
_LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Near:
    """An identity and how alike a face is to it: ``score`` to what was seen of it, or to its
    enrolled faces, whichever is more. ``person_id`` is there for an enrolled person."""

    serial: int
    person_id: str | None
    score: float


class FaceIndex:
    """Vectors by serial under one contract. Thread-safe."""

    def __init__(self, contract: EmbeddingContract, *, gallery: Gallery | None = None) -> None:
        self.contract = contract
        self._gallery = Gallery(contract.dimension) if gallery is None else gallery
        self._people: dict[int, str] = {}
        self._both = 0
        self._watermark = 0
        self._lock = threading.Lock()
        self._building: threading.Thread | None = None

    @property
    def identities(self) -> int:
        """How many identities a face is compared with."""
        return len(self._gallery) - self._both

    @property
    def people(self) -> int:
        """How many of them are enrolled people."""
        return len(self._people)

    def refresh(self, store: Store) -> int:
        """Replays what changed since the last time; returns how many changes that were.

        The first time reads everything: some seconds for a hundred thousand identities.
        """
        done = 0
        with self._lock, store.snapshot() as tx:
            while True:
                changes = changes_after(
                    tx, self._watermark, self.contract.id, seen_since=_LONG_AGO, most=A_REPLAY
                )
                self._take(tx, changes)
                done += len(changes)
                if changes:
                    self._watermark = changes[-1].change_no
                if len(changes) < A_REPLAY:
                    break
            wanted = self._gallery.wants_index and self._building is None
            if wanted:
                # the index makes searches faster, not righter: nobody waits for it
                self._building = threading.Thread(target=self._build, daemon=True)
                self._building.start()
        return done

    def nearest(self, vector: Floats, most: int) -> list[Near]:
        """The identities most like a face (D,), best first."""
        best: dict[int, float] = {}
        with self._lock:
            # an identity may be found by its enrolled faces and by what was seen of it
            for key, score in self._gallery.search(vector, 2 * most):
                best.setdefault(key // 2, score)
            people = {serial: self._people.get(serial) for serial in best}
        return [Near(serial, people[serial], score) for serial, score in best.items()][:most]

    def wait(self) -> None:
        """Until an index that is being built is there."""
        building = self._building
        if building is not None:
            building.join()

    def _build(self) -> None:
        try:
            with self._lock:
                vectors, stamps = self._gallery.copied()
            index = build_index(vectors)
            with self._lock:
                self._gallery.adopt(index, stamps)
        finally:
            self._building = None

    def _take(self, tx: Transaction, prototypes: Collection[Prototype]) -> None:
        if not prototypes:
            return
        links = links_of(tx, [one.serial for one in prototypes])
        asked = {person for person, _ in links.values() if person is not None}
        there = recognisable(tx, asked) if asked else set()
        faces = faces_of(tx, there, self.contract) if there else {}
        for prototype in prototypes:
            serial = prototype.serial
            self._forget(serial)
            person_id, alias = links.get(serial, (None, None))
            if alias is not None or (person_id is not None and person_id not in there):
                continue
            seen = prototype.direction()
            if seen is not None:
                self._gallery.put(2 * serial, seen)
            if person_id is not None:
                self._people[serial] = person_id
                if faces.get(person_id):
                    self._gallery.put(2 * serial + 1, mean_of(faces[person_id]))
                    self._both += seen is not None

    def _forget(self, serial: int) -> None:
        self._both -= 2 * serial in self._gallery and 2 * serial + 1 in self._gallery
        self._gallery.remove(2 * serial)
        self._gallery.remove(2 * serial + 1)
        self._people.pop(serial, None)
