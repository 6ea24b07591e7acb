"""Takes in what boxes send: stores it, decides it, says what became of it. One implementation for
every process that does so.

Batches that wait at the same time share one transaction under the site's lock. Its rows are written
together; if the database refuses any of them, all is decided anew with a savepoint a record, so
that a bad record is undone alone. What was taken in is remembered for ever by box, sighting and
revision, so a record that comes again, tomorrow or after weeks, changes nothing. Receipts are
handed out after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from threading import Lock

from sightgrid.domain.errors import ContractMismatch, InvalidValue, StoreBusy, StoreError
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.presence import Band, Match, Sighting
from sightgrid.domain.retention import RetentionClass, RetentionSettings
from sightgrid.ledger.applying import Ground, apply, before_of
from sightgrid.ledger.arriving import Arrived as Arrived
from sightgrid.ledger.arriving import ArrivedGap as ArrivedGap
from sightgrid.ledger.arriving import One, Parcel, Ready, id_of, revision_of
from sightgrid.ledger.arriving import Refused as Refused
from sightgrid.ledger.arriving import TakenIn as TakenIn
from sightgrid.ledger.asking_again import ask_again, look_up_unsure
from sightgrid.ledger.batches import Batch, conflict, known_before, receipt_of, refuse, tell
from sightgrid.ledger.deciding import Decider, LiveSettings, Verdict
from sightgrid.ledger.joining import join_if_same
from sightgrid.ledger.projection import LiveGallery
from sightgrid.recognition.calibration import Policy
from sightgrid.recognition.templates import Template, template_of
from sightgrid.store import Store, Transaction
from sightgrid.store.arrivals import insert_new, insert_revision, new_sighting
from sightgrid.store.cameras import grid, purposes_of
from sightgrid.store.erasure import erased_among
from sightgrid.store.gaps import save_gap
from sightgrid.store.outbox import write_events
from sightgrid.store.people import add_contracts
from sightgrid.store.receiving import (
    Outcome,
    Received,
    count_unmatched,
    note_received,
    received_of,
)
from sightgrid.store.sealing import of_sighting
from sightgrid.store.standings import standing_of, standings_of
from sightgrid.wire.receipts import Receipt, Status

ATTENDANCE_ONLY = frozenset({"attendance"})


class Intake:
    """Takes in batches; one a process, used by one thread at a time.

    Args:
        contract: that of the pack the site recognises with. Sightings embedded under another one
            are stored and stay *unsure* until they are embedded anew.
        retention: what comes when its time is over already is not stored; without, everything is.
    """

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy,
        contract: EmbeddingContract,
        settings: LiveSettings | None = None,
        retention: RetentionSettings | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings or LiveSettings()
        self._store = store
        self._policy = policy
        self._contract = contract
        self._retention = retention
        self._clock = clock
        self._lock = Lock()
        self._gallery = self._empty_gallery()

    def take_in(self, box_id: str, arrived: Sequence[Arrived | ArrivedGap | Refused]) -> TakenIn:
        """Stores and decides a batch. When it returns, everything it says is committed.

        Raises:
            StoreBusy: others kept the database too long; nothing was taken in, try again.
            StoreError: the database can't be written; nothing was taken in.
        """
        (taken,) = self.take_all_in([Parcel(box_id, arrived)])
        return taken

    def take_all_in(self, parcels: Sequence[Parcel]) -> list[TakenIn]:
        """Stores and decides several boxes' batches in one transaction, in their order.

        Raises:
            StoreBusy: as :meth:`take_in`, for all of them.
            StoreError: as :meth:`take_in`, for all of them.
        """
        ready = [
            (parcel.box_id, [self._ready(one) for one in parcel.arrived]) for parcel in parcels
        ]
        with self._lock:
            start = self._gallery.mark()

            def work(tx: Transaction) -> list[TakenIn]:
                self._gallery.back_to(start)
                return self._take_in(tx, ready)

            try:
                taken = self._store.run(work)
            except BaseException:
                self._gallery.back_to(start)
                raise
            self._gallery.committed()
        return taken

    def refresh(self) -> int:
        """Replays what others changed; returns how many identities are compared with. For a quiet
        moment: taking in a batch does it too."""
        with self._lock:

            def work(tx: Transaction) -> None:
                tx.lock_site()
                self._gallery.refresh(tx, now=self._clock())

            self._store.run(work)
            self._gallery.committed()
            return len(self._gallery)

    def rebuild(self) -> int:
        """Throws the projection away and builds it from the rows; returns how many identities."""
        with self._lock:
            self._gallery = self._empty_gallery()
        return self.refresh()

    def _empty_gallery(self) -> LiveGallery:
        return LiveGallery(self._contract, window=self.settings.stranger_window)

    def _ready(self, one: Arrived | ArrivedGap | Refused) -> One:
        """Does all that can be done before the site is locked."""
        if not isinstance(one, Arrived):
            return one
        sighting, crops = one.sighting, one.crops
        if self._is_past(sighting.last_seen, RetentionClass.CROPS):
            crops = (None,) * len(crops)
        try:
            new = new_sighting(self._store.keys, sighting, crops)
        except InvalidValue as error:
            return Refused(
                sighting.sighting_id, sighting.revision, one.sha256, "invalid", str(error)
            )
        return Ready(new, one.sha256, self._template(sighting))

    def _is_past(self, last_seen: datetime, kind: RetentionClass) -> bool:
        """Whether a record comes so late that its time is over already."""
        kept_for = None if self._retention is None else self._retention.kept_for(kind)
        return kept_for is not None and last_seen < self._clock() - kept_for

    def _template(self, sighting: Sighting) -> Template | None:
        """A sighting's looks as one vector; ``None`` where they can't be compared here."""
        try:
            template = template_of(sighting.looks, outlier=self._policy.outlier)
        except ContractMismatch:
            return None
        if template is None or template.contract_id != self._contract.id:
            return None
        return template

    def _take_in(
        self, tx: Transaction, parcels: Sequence[tuple[str, Sequence[One]]]
    ) -> list[TakenIn]:
        at = self._clock()
        tx.lock_site()
        every = [one for _, arrived in parcels for one in arrived]
        seen = [one.sighting.first_seen for one in every if isinstance(one, Ready)]
        self._gallery.refresh(tx, now=at, since=min(seen, default=None))
        start = self._gallery.mark()
        try:
            with tx.savepoint():
                return self._take_all(tx, parcels, at, each_alone=False)
        except StoreBusy:
            raise
        except (InvalidValue, StoreError):
            # which of them it was is found out with a savepoint for each
            self._gallery.back_to(start)
            self._gallery.refresh(tx, now=at, since=min(seen, default=None))
            return self._take_all(tx, parcels, at, each_alone=True)

    def _take_all(
        self,
        tx: Transaction,
        parcels: Sequence[tuple[str, Sequence[One]]],
        at: datetime,
        *,
        each_alone: bool,
    ) -> list[TakenIn]:
        batch = self._begin(tx, parcels, at, each_alone)
        receipts, told = [], [0]
        for box_id, arrived in parcels:
            batch.box_id = box_id
            receipts.append(tuple(self._one_of(batch, one) for one in arrived))
            told.append(len(batch.events))
        events = write_events(tx, batch.events, at=at)
        return [
            TakenIn(receipts[place], tuple(events[first:end]))
            for place, (first, end) in enumerate(pairwise(told))
        ]

    def _begin(
        self,
        tx: Transaction,
        parcels: Sequence[tuple[str, Sequence[One]]],
        at: datetime,
        each_alone: bool,
    ) -> Batch:
        add_contracts(tx, [self._contract])
        every = [one for _, arrived in parcels for one in arrived if not isinstance(one, Refused)]
        ids = list(dict.fromkeys(id_of(one) for one in every))
        ground = Ground(tx, self._gallery, grid(tx), self.settings.visit_gap_secs, at)
        look_up_unsure(ground, [one.sighting.last_seen for one in every if isinstance(one, Ready)])
        return Batch(
            ground,
            each_alone,
            purposes_of(tx),
            received_of(tx, ids),
            standings_of(tx, ids),
            erased_among(tx, (of_sighting(one) for one in ids)),
        )

    def _one_of(self, batch: Batch, one: One) -> Receipt:
        """One record. Where it has a savepoint, whatever is wrong with it is undone alone.

        Raises:
            InvalidValue: it can't be stored, and has no savepoint.
            StoreError: the same.
        """
        if isinstance(one, Refused):
            return refuse(batch, one)
        mark, told = self._gallery.mark(), len(batch.events)
        sighting_id, revision = id_of(one), revision_of(one)
        tx, fresh = batch.ground.tx, batch.ground.fresh
        before = dict(fresh) if batch.each_alone else fresh
        try:
            with tx.savepoint() if batch.each_alone else nullcontext():
                receipt, row = self._take_one(batch, one)
        except StoreBusy:
            raise
        except (InvalidValue, StoreError) as error:
            if not batch.each_alone:
                raise
            self._gallery.back_to(mark)
            self._gallery.refresh(tx, now=batch.ground.at)
            del batch.events[told:]
            fresh.clear()
            fresh.update(before)
            if isinstance(error, InvalidValue):
                return refuse(
                    batch, Refused(sighting_id, revision, one.sha256, "invalid", str(error))
                )
            return receipt_of(one, Status.RETRY, code="store")
        if row is not None:
            batch.received.setdefault(sighting_id, []).append(row)
        return receipt

    def _take_one(self, batch: Batch, one: Ready | ArrivedGap) -> tuple[Receipt, Received | None]:
        """The receipt, and what is remembered of the record if it was not known before."""
        sighting_id, revision = id_of(one), revision_of(one)
        known = known_before(batch, sighting_id, revision, one.sha256)
        if known is not None:
            outcome, receipt = Outcome.STORED, known
            if receipt.code == "conflict":
                return refuse(batch, conflict(sighting_id, revision, one.sha256)), None
            if any(r.revision == revision for r in batch.received[sighting_id]):
                return receipt, None
        elif of_sighting(sighting_id) in batch.erased:
            outcome, receipt = Outcome.ERASED, receipt_of(one, Status.STORED, code="erased")
        elif self._is_past(_last_seen(one), RetentionClass.SIGHTINGS):
            outcome, receipt = Outcome.EXPIRED, receipt_of(one, Status.STORED, code="expired")
        elif isinstance(one, ArrivedGap):
            outcome, receipt = Outcome.STORED, receipt_of(one, Status.STORED)
            save_gap(batch.ground.tx, replace(one.gap, box_id=batch.box_id))
        else:
            outcome = self._decide(batch, one)
            receipt = receipt_of(
                one, Status.STORED, code="dropped" if outcome is Outcome.DROPPED else None
            )
        row = Received(batch.box_id, sighting_id, revision, one.sha256, outcome)
        note_received(batch.ground.tx, row, at=batch.ground.at)
        return receipt, row

    def _decide(self, batch: Batch, one: Ready) -> Outcome:
        ground, sighting = batch.ground, one.sighting
        standing = batch.standing(sighting.sighting_id)
        before = before_of(ground, sighting.sighting_id, standing)
        only_people = batch.purposes.get(sighting.camera) == ATTENDANCE_ONLY
        decider = self._decider(batch, only_people=only_people)
        verdict = decider.decide(sighting, one.template, before, stored=standing is not None)
        if only_people and standing is None and verdict.match.person is None:
            if sighting.closed:
                count_unmatched(ground.tx, sighting.camera, sighting.first_seen)
            return Outcome.DROPPED
        if standing is None:
            insert_new(ground.tx, one.new, box_id=batch.box_id)
        else:
            insert_revision(ground.tx, one.new, box_id=batch.box_id)
        match = apply(ground, sighting, one.template, verdict, before, first=True)
        tell(batch, sighting, match, standing, self._joined(ground, decider, match, verdict))
        if match.serial is not None and verdict.counts:
            self._ask_again(batch, decider, match.serial, besides=sighting.sighting_id)
        return Outcome.STORED

    def _decider(self, batch: Batch, *, only_people: bool) -> Decider:
        ground = batch.ground
        if only_people not in batch.deciders:
            batch.deciders[only_people] = Decider(
                ground.tx,
                self._gallery,
                ground.grid,
                self._policy,
                self.settings,
                only_people,
                ground.fresh,
            )
        return batch.deciders[only_people]

    def _ask_again(self, batch: Batch, decider: Decider, serial: int, *, besides: str) -> None:
        known = self._gallery.get(self._gallery.root(serial))
        if known is None:
            return
        for seen, match in ask_again(batch.ground, decider, known, decider.bands, besides=besides):
            standing = standing_of(batch.ground.tx, seen.sighting_id)
            tell(batch, seen, match, standing, None)

    def _joined(
        self, ground: Ground, decider: Decider, match: Match, verdict: Verdict
    ) -> int | None:
        if match.serial is None or match.band is not Band.STRANGER or not verdict.counts:
            return None
        window = self.settings.stranger_window
        joined = join_if_same(ground, match.serial, decider.bands, window=window)
        if joined is not None:
            self._gallery.refresh(ground.tx, now=ground.at)
        return joined


def _last_seen(one: Ready | ArrivedGap) -> datetime:
    return one.gap.last_seen if isinstance(one, ArrivedGap) else one.sighting.last_seen
