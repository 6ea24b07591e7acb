"""Takes in what boxes send: stores it, decides it, says what became of it. One implementation for
every process that does so.

A batch is one transaction under the site's lock, a record a savepoint in it: a bad record is undone
alone. What was taken in is remembered for ever by box, sighting and revision, so a record that
comes again, tomorrow or after weeks, changes nothing. Receipts are handed out after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock

from sightgrid.domain.errors import ContractMismatch, InvalidValue, StoreBusy, StoreError
from sightgrid.domain.faces import EmbeddingContract
from sightgrid.domain.frames import format_time
from sightgrid.domain.presence import Band, Match, Sighting
from sightgrid.ledger.applying import Ground, apply, before_of
from sightgrid.ledger.asking_again import ask_again
from sightgrid.ledger.deciding import Decider, LiveSettings, Verdict, bands_for
from sightgrid.ledger.joining import join_if_same
from sightgrid.ledger.projection import LiveGallery
from sightgrid.recognition.calibration import Policy
from sightgrid.recognition.templates import Template, template_of
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import grid, purposes_of
from sightgrid.store.crops import crop_name, save_crops
from sightgrid.store.erasure import erased_among
from sightgrid.store.gaps import StoredGap, save_gap
from sightgrid.store.outbox import Body, StoredEvent, write_events
from sightgrid.store.people import add_contracts
from sightgrid.store.receiving import (
    Outcome,
    Quarantined,
    Received,
    count_unmatched,
    note_box_of,
    note_received,
    quarantine,
    received_of,
)
from sightgrid.store.sealing import of_sighting
from sightgrid.store.sightings import insert_sighting
from sightgrid.store.standings import Standing, standing_of
from sightgrid.wire.receipts import Receipt, Status

ATTENDANCE_ONLY = frozenset({"attendance"})
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """A sighting as it came. ``crops`` are the JPEGs of its looks, in their order; the looks
    themselves need no pixels. ``sha256`` is that of the record's line."""

    sighting: Sighting
    sha256: str
    crops: tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class ArrivedGap:
    """What a box could not deliver."""

    gap: StoredGap
    sha256: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that could not be read as a record; it is noted, and will never be taken unless
    ``permanent`` is false. Id and revision are ``None`` where even they were unreadable."""

    sighting_id: str | None
    revision: int | None
    sha256: str
    code: str
    message: str
    permanent: bool = True


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of a batch: a receipt a record, in their order, and the events to publish."""

    receipts: tuple[Receipt, ...]
    events: tuple[StoredEvent, ...]


@dataclass(slots=True, eq=False)
class _Batch:
    """What a batch comes to while it is taken in."""

    ground: Ground
    box_id: str
    purposes: dict[str, frozenset[str]]
    received: dict[str, list[Received]]
    erased: set[str]
    receipts: list[Receipt] = field(default_factory=list)
    events: list[tuple[str, str, Body]] = field(default_factory=list)


class Intake:
    """Takes in batches; one a process, used by one thread at a time.

    Args:
        contract: that of the pack the site recognises with. Sightings embedded under another one
            are stored and stay *unsure* until they are embedded anew.
    """

    def __init__(
        self,
        store: Store,
        *,
        policy: Policy,
        contract: EmbeddingContract,
        settings: LiveSettings | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings or LiveSettings()
        self._store = store
        self._policy = policy
        self._contract = contract
        self._clock = clock
        self._lock = Lock()
        self._gallery = self._empty_gallery()

    def take_in(self, box_id: str, arrived: Sequence[Arrived | ArrivedGap | Refused]) -> TakenIn:
        """Stores and decides a batch. When it returns, everything it says is committed.

        Raises:
            StoreBusy: others kept the database too long; nothing was taken in, try again.
            StoreError: the database can't be written; nothing was taken in.
        """
        templates = [self._template(one) for one in arrived]
        with self._lock:
            start = self._gallery.mark()

            def work(tx: Transaction) -> TakenIn:
                self._gallery.back_to(start)
                return self._take_in(tx, box_id, arrived, templates)

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

    def _template(self, one: Arrived | ArrivedGap | Refused) -> Template | None:
        """A sighting's looks as one vector; ``None`` where they can't be compared here."""
        if not isinstance(one, Arrived):
            return None
        try:
            template = template_of(one.sighting.looks, outlier=self._policy.outlier)
        except ContractMismatch:
            return None
        if template is None or template.contract_id != self._contract.id:
            return None
        return template

    def _take_in(
        self,
        tx: Transaction,
        box_id: str,
        arrived: Sequence[Arrived | ArrivedGap | Refused],
        templates: Sequence[Template | None],
    ) -> TakenIn:
        at = self._clock()
        tx.lock_site()
        seen = [one.sighting.first_seen for one in arrived if isinstance(one, Arrived)]
        self._gallery.refresh(tx, now=at, since=min(seen, default=None))
        add_contracts(tx, [self._contract])
        ids = [_id_of(one) for one in arrived if not isinstance(one, Refused)]
        subjects = erased_among(tx, (of_sighting(one) for one in ids))
        batch = _Batch(
            Ground(tx, self._gallery, grid(tx), self.settings.visit_gap_secs, at),
            box_id,
            purposes_of(tx),
            received_of(tx, ids),
            subjects,
        )
        for one, template in zip(arrived, templates, strict=True):
            batch.receipts.append(self._one_of(batch, one, template))
        events = write_events(tx, batch.events, at=at)
        return TakenIn(tuple(batch.receipts), tuple(events))

    def _one_of(
        self, batch: _Batch, one: Arrived | ArrivedGap | Refused, template: Template | None
    ) -> Receipt:
        """One record; whatever is wrong with it is undone alone."""
        if isinstance(one, Refused):
            return _refuse(batch, one)
        mark, told = self._gallery.mark(), len(batch.events)
        sighting_id, revision = _id_of(one), _revision_of(one)
        try:
            with batch.ground.tx.savepoint():
                known = _known_before(batch, sighting_id, revision, one.sha256)
                if known is not None:
                    outcome, receipt = Outcome.STORED, known
                    if receipt.code == "conflict":
                        return _refuse(batch, _conflict(sighting_id, revision, one.sha256))
                    if any(r.revision == revision for r in batch.received[sighting_id]):
                        return receipt
                elif of_sighting(sighting_id) in batch.erased:
                    outcome = Outcome.ERASED
                    receipt = _receipt(one, Status.STORED, code="erased")
                elif isinstance(one, ArrivedGap):
                    outcome = Outcome.STORED
                    save_gap(batch.ground.tx, replace(one.gap, box_id=batch.box_id))
                    receipt = _receipt(one, Status.STORED)
                else:
                    outcome = self._decide(batch, one, template)
                    receipt = _receipt(
                        one, Status.STORED, code="dropped" if outcome is Outcome.DROPPED else None
                    )
                row = Received(batch.box_id, sighting_id, revision, one.sha256, outcome)
                note_received(batch.ground.tx, row, at=batch.ground.at)
        except StoreBusy:
            raise
        except InvalidValue as error:
            self._gallery.back_to(mark)
            del batch.events[told:]
            return _refuse(batch, Refused(sighting_id, revision, one.sha256, "invalid", str(error)))
        except StoreError:
            self._gallery.back_to(mark)
            del batch.events[told:]
            return _receipt(one, Status.RETRY, code="store")
        batch.received.setdefault(sighting_id, []).append(row)
        return receipt

    def _decide(self, batch: _Batch, one: Arrived, template: Template | None) -> Outcome:
        ground, sighting = batch.ground, one.sighting
        standing = standing_of(ground.tx, sighting.sighting_id)
        before = before_of(ground, sighting.sighting_id, standing)
        only_people = batch.purposes.get(sighting.camera) == ATTENDANCE_ONLY
        decider = Decider(
            ground.tx, self._gallery, ground.grid, self._policy, self.settings, only_people
        )
        verdict = decider.decide(sighting, template, before)
        if only_people and standing is None and verdict.match.person is None:
            if sighting.closed:
                count_unmatched(ground.tx, sighting.camera, sighting.first_seen)
            return Outcome.DROPPED
        self._store_sighting(batch, one)
        match = apply(ground, sighting, template, verdict, before)
        self._gallery.refresh(ground.tx, now=ground.at)
        _tell(batch, sighting, match, standing, self._joined(ground, match, verdict))
        if match.serial is not None and verdict.counts:
            self._ask_again(batch, decider, match.serial, besides=sighting.sighting_id)
        return Outcome.STORED

    def _store_sighting(self, batch: _Batch, one: Arrived) -> None:
        tx, sighting = batch.ground.tx, one.sighting
        if len(one.crops) != len(sighting.looks):
            raise InvalidValue(f"{len(sighting.looks)} looks came with {len(one.crops)} crops")
        names = [crop_name(sighting.sighting_id, rank) for rank in range(1, len(one.crops) + 1)]
        there = 0
        while there < len(one.crops) and one.crops[there] is not None:
            there += 1
        insert_sighting(tx, sighting, crop_paths=names[:there])
        note_box_of(tx, sighting.sighting_id, batch.box_id)
        save_crops(tx, sighting.sighting_id, one.crops)

    def _ask_again(self, batch: _Batch, decider: Decider, serial: int, *, besides: str) -> None:
        known = self._gallery.get(self._gallery.root(serial))
        if known is None:
            return
        bands = bands_for(self._policy, self._gallery, self.settings)
        for seen, match in ask_again(batch.ground, decider, known, bands, besides=besides):
            standing = standing_of(batch.ground.tx, seen.sighting_id)
            _tell(batch, seen, match, standing, None)

    def _joined(self, ground: Ground, match: Match, verdict: Verdict) -> int | None:
        if match.serial is None or match.band is not Band.STRANGER or not verdict.counts:
            return None
        bands = bands_for(self._policy, self._gallery, self.settings)
        joined = join_if_same(ground, match.serial, bands, window=self.settings.stranger_window)
        if joined is not None:
            self._gallery.refresh(ground.tx, now=ground.at)
        return joined


def _known_before(batch: _Batch, sighting_id: str, revision: int, sha256: str) -> Receipt | None:
    """The answer for a record whose sighting is known, if that settles it."""
    before = batch.received.get(sighting_id, [])
    for one in before:
        if one.box_id != batch.box_id or (one.revision == revision and one.sha256 != sha256):
            return Receipt(sighting_id, revision, sha256, Status.REJECTED, "conflict")
    if any(one.revision >= revision for one in before):
        return Receipt(sighting_id, revision, sha256, Status.DUPLICATE)
    return None


def _conflict(sighting_id: str, revision: int, sha256: str) -> Refused:
    return Refused(
        sighting_id,
        revision,
        sha256,
        "conflict",
        "this revision was received before, with other content or from another box",
    )


def _refuse(batch: _Batch, refused: Refused) -> Receipt:
    if refused.permanent:
        quarantine(
            batch.ground.tx,
            Quarantined(
                batch.box_id,
                refused.sighting_id or UNKNOWN_ID,
                refused.revision or 0,
                refused.sha256,
                refused.code,
                refused.message,
                batch.ground.at,
            ),
        )
    return Receipt(
        refused.sighting_id,
        refused.revision,
        refused.sha256,
        Status.REJECTED if refused.permanent else Status.RETRY,
        refused.code,
    )


def _tell(
    batch: _Batch,
    sighting: Sighting,
    match: Match,
    standing: Standing | None,
    joined: int | None,
) -> None:
    gallery = batch.ground.gallery
    root = joined if joined is not None else match.serial
    known = None if root is None else gallery.get(root)
    body: Body = {
        "sighting_id": sighting.sighting_id,
        "revision": sighting.revision,
        "camera": sighting.camera,
        "serial": root,
        "person_id": None if known is None else known.person_id,
        "band": match.band.value,
        "score": match.score,
        "first_seen": format_time(sighting.first_seen),
        "last_seen": format_time(sighting.last_seen),
        "closed": sighting.closed,
        "before": None if standing is None else standing.serial,
    }
    kinds = ["update" if standing is not None else "new"]
    if sighting.closed:
        kinds = ["end"] if standing is not None else ["new", "end"]
    batch.events += [(kind, sighting.sighting_id, body) for kind in kinds]


def _receipt(one: Arrived | ArrivedGap, status: Status, *, code: str | None = None) -> Receipt:
    return Receipt(_id_of(one), _revision_of(one), one.sha256, status, code)


def _id_of(one: Arrived | ArrivedGap) -> str:
    return one.gap.gap_id if isinstance(one, ArrivedGap) else one.sighting.sighting_id


def _revision_of(one: Arrived | ArrivedGap) -> int:
    return one.gap.revision if isinstance(one, ArrivedGap) else one.sighting.revision
