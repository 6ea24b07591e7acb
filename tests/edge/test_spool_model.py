"""The spool against a dictionary: whatever is done, in whatever order, they agree."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from tests.edge.spools import entry, open_spool, sighting_id

from sightgrid.edge.spool import Spool
from sightgrid.edge.spooled import Waiting
from sightgrid.wire.receipts import Receipt, Status
from sightgrid.wire.records import Priority, parse_line

PEOPLE = st.integers(0, 15)


class Model(RuleBasedStateMachine):
    """``waiting`` and ``aside`` map (sighting, revision) to its priority; ``leased`` are batches on
    their way. Everything ever appended must in the end be delivered, superseded or set aside."""

    batches = Bundle("batches")

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.spool: Spool = open_spool(self.folder / "spool.db")
        self.waiting: dict[tuple[str, int], Priority] = {}
        self.leased: dict[tuple[str, int], Priority] = {}
        self.aside: set[tuple[str, int]] = set()
        self.freed: list[tuple[str, int]] = []
        self.last_seq = 0
        self.generation = 0

    @rule(person=PEOPLE, ahead=st.integers(0, 3), priority=st.sampled_from(list(Priority)))
    def append(self, person: int, ahead: int, priority: Priority) -> None:
        """A revision: the next, a repeated one (0 ahead), or one with others left out."""
        known = [r for who, r in self._all() if who == sighting_id(person)]
        revision = max(max(known, default=0) + ahead, 1)
        assert self.spool.append([entry(person, revision=revision, priority=priority)]) == 0
        # what has been freed is forgotten on the box; the server knows it
        held = [r for who, r in self._held() if who == sighting_id(person)]
        if any(r >= revision for r in held):
            return
        for r in held:
            # it waits no more, but one on its way still is
            self.waiting.pop((sighting_id(person), r), None)
        self.waiting[sighting_id(person), revision] = priority

    @rule(target=batches, most=st.integers(1, 8), old=st.integers(0, 5))
    def lease(self, most: int, old: int) -> object:
        mark = max(self.spool.newest() - old, 0)
        batch = self.spool.lease(most_records=most, most_bytes=2**23, live_after=mark)
        assert len(batch) == min(most, len(self.waiting))
        keys = [(one.sighting_id, one.revision) for one in batch]
        for one in batch:
            read = parse_line(one.line)
            assert (read.sighting_id, read.revision, read.seq, read.sha256) == (
                one.sighting_id,
                one.revision,
                one.seq,
                one.sha256,
            )
        live = [one.seq for one in batch if one.seq > mark]
        backlog = [one.seq for one in batch if one.seq <= mark]
        assert [one.seq for one in batch][: len(live)] == live, "live records lead"
        for part in (live, backlog):
            ranks = [
                (self.waiting[one.sighting_id, one.revision] is Priority.ANALYTICS, one.seq)
                for one in batch
                if one.seq in part
            ]
            assert ranks == sorted(ranks)
        for key in keys:
            self.leased[key] = self.waiting.pop(key)
        return (self.generation, batch) if batch else multiple()

    @rule(batch=consumes(batches), data=st.data())
    def settle(self, batch: tuple[int, list[Waiting]], data: st.DataObject) -> None:
        generation, sent = batch
        if generation != self.generation:
            return
        receipts = []
        for one in sent:
            key = (one.sighting_id, one.revision)
            answer = data.draw(
                st.sampled_from([Status.STORED, Status.DUPLICATE, Status.REJECTED, None])
            )
            priority = self.leased.pop(key)
            if answer is None:
                self._waits_again(key, priority)
                continue
            receipts.append(Receipt(one.sighting_id, one.revision, one.sha256, answer))
            if answer is Status.REJECTED:
                self.aside.add(key)
            else:
                self.freed.append(key)
        self.spool.settle(sent, receipts)

    @rule(batch=consumes(batches))
    def release(self, batch: tuple[int, list[Waiting]]) -> None:
        generation, sent = batch
        if generation != self.generation:
            return
        self.spool.release(sent)
        for one in sent:
            key = (one.sighting_id, one.revision)
            self._waits_again(key, self.leased.pop(key))

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.spool = open_spool(self.folder / "spool.db")
        self.spool.recover_leases()
        self.generation += 1
        for key, priority in list(self.leased.items()):
            del self.leased[key]
            self._waits_again(key, priority)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "spool"):
            return
        status = self.spool.status()
        assert (status.pending, status.in_flight, status.quarantined, status.acknowledged) == (
            len(self.waiting),
            len(self.leased),
            len(self.aside),
            len(self.freed),
        )
        newest = self.spool.newest()
        assert newest >= self.last_seq
        self.last_seq = newest

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.recover_leases()
            newest: dict[str, int] = {}
            for who, revision in (*self.waiting, *self.leased):
                newest[who] = max(revision, newest.get(who, 0))
            left = set()
            while batch := self.spool.lease(most_records=100, most_bytes=2**23):
                left |= {(one.sighting_id, one.revision) for one in batch}
            assert left == set(newest.items())
            self.spool.close()
            shutil.rmtree(self.folder)

    def _waits_again(self, key: tuple[str, int], priority: Priority) -> None:
        self.waiting[key] = priority
        revisions = [r for who, r in self.waiting if who == key[0]]
        for revision in revisions:
            if revision < max(revisions):
                del self.waiting[key[0], revision]

    def _held(self) -> list[tuple[str, int]]:
        return [*self.waiting, *self.leased, *self.aside]

    def _all(self) -> list[tuple[str, int]]:
        return [*self._held(), *self.freed]


TestSpoolAgainstADictionary = Model.TestCase
TestSpoolAgainstADictionary.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None
)
