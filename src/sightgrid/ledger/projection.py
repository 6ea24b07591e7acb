"""Who is known, in memory: what a process compares a face with while it decides live.

A projection of the database. It is brought up to date under the site's lock by replaying the
gallery's changes beyond the last one it has seen, whichever process made them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.gallery import Gallery
from sightgrid.recognition.templates import mean_of
from sightgrid.store import Transaction
from sightgrid.store.identities import links_of
from sightgrid.store.people import faces_of, names_of
from sightgrid.store.prototypes import Prototype, changes_after, prototypes_of
from sightgrid.store.roster import recognisable

A_REPLAY = 10_000
# an identity may be found by its enrolled faces and by what was seen of it
NEAREST = 24
PRUNE_EVERY = timedelta(minutes=10)
REACH_BACK_FURTHER = timedelta(hours=6)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An identity as a face is compared with it. ``enrolled`` is the mean of the enrolled faces,
    ``seen`` that of the sightings, both unit vectors (D,); each ``None`` where there is none."""

    prototype: Prototype
    person_id: str | None
    person: str | None
    enrolled: Floats | None
    seen: Floats | None

    @property
    def serial(self) -> int:
        return self.prototype.serial


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a projection had come; see :meth:`LiveGallery.back_to`."""

    watermark: int
    touched: int
    horizon: datetime | None


class LiveGallery:
    """The enrolled people, and the strangers seen lately, under one contract."""

    def __init__(self, contract: EmbeddingContract, *, window: timedelta) -> None:
        self.contract = contract
        self._window = window
        self._known: dict[int, Known] = {}
        self._alias: dict[int, int] = {}
        self._members: dict[int, set[int]] = {}
        self._index = Gallery(contract.dimension)
        self._watermark = 0
        # what was replayed in the transaction that is open, and what has to be read anew
        self._touched: list[int] = []
        self._suspect: set[int] = set()
        # strangers not seen since are not held; it goes back for a box that was long away
        self._horizon: datetime | None = None
        self._next_horizon: datetime | None = None
        self._pruned_at: datetime | None = None
        self._people = 0

    def __len__(self) -> int:
        """How many identities a face is compared with."""
        return len(self._known)

    @property
    def people(self) -> int:
        """How many of them are enrolled people."""
        return self._people

    def root(self, serial: int) -> int:
        """The identity that a serial stands for."""
        while serial in self._alias:
            serial = self._alias[serial]
        return serial

    def family(self, root: int) -> tuple[int, ...]:
        """Every serial that stands for this identity, as far as it is known here."""
        found, rest = [root], [root]
        while rest:
            members = sorted(self._members.get(rest.pop(), ()))
            found += members
            rest += members
        return tuple(found)

    def get(self, serial: int) -> Known | None:
        """An identity by its own serial."""
        return self._known.get(serial)

    def everybody(self) -> Iterable[Known]:
        """All that are known here."""
        return self._known.values()

    def nearest(self, vector: Floats, most: int = NEAREST) -> list[Known]:
        """The identities most like a face, by enrolled faces or by sightings, best first."""
        serials = dict.fromkeys(key // 2 for key, _ in self._index.search(vector, 2 * most))
        return [self._known[serial] for serial in serials][:most]

    def refresh(self, tx: Transaction, *, now: datetime, since: datetime | None = None) -> None:
        """Replays what changed since the last time. The site has to be locked.

        Args:
            since: when the oldest sighting that is to be decided was seen: a box may bring what it
                saw days ago. Strangers of that time are read too, and held for a while.
        """
        self._reach_back(min(now, since or now) - self._window)
        if self._suspect:
            suspects, self._suspect = self._suspect, set()
            there = prototypes_of(tx, suspects, self.contract.id)
            for serial in suspects - {one.serial for one in there}:
                self._forget(serial)
            self._take(tx, there)
        while True:
            changes = changes_after(
                tx,
                self._watermark,
                self.contract.id,
                seen_since=self._horizon or now - self._window,
                most=A_REPLAY,
            )
            self._take(tx, changes)
            if changes:
                self._watermark = changes[-1].change_no
            if len(changes) < A_REPLAY:
                break
        if self._pruned_at is None or now - self._pruned_at > PRUNE_EVERY:
            self._prune(now)
        if self._index.wants_index:
            self._index.reindex()

    def _reach_back(self, wanted: datetime) -> None:
        if self._next_horizon is None or wanted < self._next_horizon:
            self._next_horizon = wanted
        if self._horizon is None:
            self._horizon = wanted
        elif wanted < self._horizon:
            # whoever was left out before is read now; some slack, so that it happens seldom
            self._horizon = wanted - REACH_BACK_FURTHER
            self._watermark = 0

    def mark(self) -> Mark:
        """Where it stands, before something that may be undone."""
        return Mark(self._watermark, len(self._touched), self._horizon)

    def back_to(self, mark: Mark) -> None:
        """What was replayed since is not to be believed: its transaction was undone."""
        self._suspect.update(self._touched[mark.touched :])
        del self._touched[mark.touched :]
        self._watermark = mark.watermark
        # where it went back further, whether those of then were read isn't certain: they will be
        # read again; where it was drawn in, who lay beyond has been let go
        self._horizon = (
            None
            if mark.horizon is None or self._horizon is None
            else max(mark.horizon, self._horizon)
        )

    def committed(self) -> None:
        """What was replayed is there for good."""
        self._touched.clear()

    def _take(self, tx: Transaction, prototypes: Collection[Prototype]) -> None:
        if not prototypes:
            return
        serials = [one.serial for one in prototypes]
        self._touched += serials
        links = links_of(tx, serials)
        person_ids = {serial: person for serial, (person, _) in links.items() if person is not None}
        names = names_of(tx, set(person_ids.values())) if person_ids else {}
        faces = faces_of(tx, set(person_ids.values()), self.contract) if person_ids else {}
        known_people = recognisable(tx, set(person_ids.values())) if person_ids else set()
        for prototype in prototypes:
            serial = prototype.serial
            self._forget(serial)
            alias = links.get(serial, (None, None))[1]
            if alias is not None:
                self._alias[serial] = alias
                self._members.setdefault(alias, set()).add(serial)
                continue
            person_id = person_ids.get(serial)
            if person_id is not None and person_id not in known_people:
                # who was removed, or agreed no more, is nobody that a face could be
                continue
            enrolled = faces.get(person_id, []) if person_id is not None else []
            self._remember(
                Known(
                    prototype,
                    person_id,
                    None if person_id is None else names.get(person_id),
                    mean_of(enrolled) if enrolled else None,
                    prototype.direction(),
                )
            )

    def learn(self, changed: Prototype, *, minted: bool) -> bool:
        """Takes over a change that this transaction has just made itself, without reading it back:
        an identity is as it was but for its sightings, or has just been minted for a stranger.
        ``False`` if it isn't known here; then it takes a :meth:`refresh`.

        The site has to be locked, and everything before this change must have been replayed.
        """
        known = self._known.get(changed.serial)
        if known is None and not minted:
            return False
        self._touched.append(changed.serial)
        self._watermark = changed.change_no
        self._forget(changed.serial)
        seen = changed.direction()
        if known is None:
            self._remember(Known(changed, None, None, None, seen))
        else:
            self._remember(replace(known, prototype=changed, seen=seen))
        return True

    def _remember(self, known: Known) -> None:
        if known.person_id is None and known.seen is None and known.prototype.sightings == 0:
            return
        self._known[known.serial] = known
        self._people += known.person_id is not None
        if known.seen is not None:
            self._index.put(2 * known.serial, known.seen)
        if known.enrolled is not None:
            self._index.put(2 * known.serial + 1, known.enrolled)

    def _forget(self, serial: int) -> None:
        known = self._known.pop(serial, None)
        if known is not None:
            self._people -= known.person_id is not None
        alias = self._alias.pop(serial, None)
        if alias is not None:
            self._members[alias].discard(serial)
        self._index.remove(2 * serial)
        self._index.remove(2 * serial + 1)

    def _prune(self, now: datetime) -> None:
        """Lets go of strangers that nothing of the last minutes was early enough to need."""
        self._pruned_at = now
        self._horizon = horizon = self._next_horizon or now - self._window
        self._next_horizon = None
        gone = [
            serial
            for serial, known in self._known.items()
            if known.person_id is None
            and known.prototype.last_seen is not None
            and known.prototype.last_seen < horizon
        ]
        for serial in gone:
            self._forget(serial)
