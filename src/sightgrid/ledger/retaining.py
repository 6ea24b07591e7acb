"""Takes out what is past its time, class by class: a rule a class, an audit row for each.

Every part is a transaction of its own under the site's lock, so nobody waits long, and a run that
is broken off is simply finished by the next one. What a legal hold covers is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sightgrid.domain.errors import StoreError
from sightgrid.domain.retention import Held, RetentionClass, RetentionSettings
from sightgrid.ledger.enrolling import touch
from sightgrid.ledger.extending import add_up_anew
from sightgrid.ledger.holding import held_at, serials_kept
from sightgrid.ledger.people import REMOVAL_UNDOABLE, finish_removals, lapse
from sightgrid.store import Store, Transaction
from sightgrid.store.audit import audit_rows_before, note_event, purge_audit
from sightgrid.store.deleting import delete_sightings, forget_identities, remove_crops, serials_of
from sightgrid.store.enrolments import lapsed_enrolments, remove_old_enrolment
from sightgrid.store.expiring import (
    Which,
    blank_edits,
    count_visits,
    crops_among,
    delete_refusals,
    delete_visits,
    ended,
    how_many,
    of_strangers,
    serials_seen_since,
    serials_unseen,
    some_of,
    strip_faces,
    with_crops,
)
from sightgrid.store.forgetting import stop_asking
from sightgrid.store.holds import forget_hold, holds
from sightgrid.store.identities import roots, serial_of_person, serials_of_people
from sightgrid.store.outbox import forget_events
from sightgrid.store.prototypes import Prototype, contracts_of, save_prototype
from sightgrid.store.receiving import Outcome
from sightgrid.store.register_traces import delete_evidence, delete_registers
from sightgrid.store.roster import removed_before

AT_ONCE = 500
Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Expired:
    """What a run did with one class, or, dry, would do: ``removed`` says how many of what.

    ``before`` is the moment before which records are too old, ``None`` where time alone ends
    nothing; ``held`` is how many are too old and stay because of a hold.
    """

    kind: RetentionClass
    before: datetime | None
    removed: Mapping[str, int]
    held: int = 0

    @property
    def total(self) -> int:
        return sum(self.removed.values())


@dataclass(frozen=True, slots=True)
class _Run:
    store: Store
    settings: RetentionSettings
    at: datetime
    actor: str
    reason: str
    dry: bool

    def before(self, kind: RetentionClass) -> datetime | None:
        span = self.settings.kept_for(kind)
        return None if span is None else self.at - span


def retain(
    store: Store,
    settings: RetentionSettings,
    *,
    at: datetime,
    actor: str,
    reason: str = "its time is over",
    dry_run: bool = False,
    note_all: bool = False,
) -> list[Expired]:
    """Removes everything that is older than its class allows; what became of each class.

    Args:
        actor: who is written down for it in the audit.
        dry_run: nothing is changed, and nothing written down.
        note_all: also classes in which nothing was too old get their row in the audit.

    Raises:
        StoreError: it is the plain database of a run; or the database can't be written.
    """
    if store.keys is None:
        raise StoreError(
            "retention is for a server's database", hint="to forget a run, remove its folder"
        )
    run = _Run(store, settings, at, actor, reason, dry_run)
    done = []
    for kind in RetentionClass:
        expired = _RULES[kind](run)
        # the audit's cut is a row by itself
        if not dry_run and kind is not RetentionClass.AUDIT and (note_all or expired.total):
            _note(run, expired)
        done.append(expired)
    if not dry_run:
        # also what an earlier run could not wipe because somebody was reading
        store.wipe_traces()
    return done


def _crops(run: _Run) -> Expired:
    kind, before = RetentionClass.CROPS, run.at - run.settings.crops
    which = with_crops(before)
    with run.store.snapshot() as tx:
        held = held_at(tx, run.at)
        kept = how_many(tx, which, held)[1]
        if run.dry:
            return Expired(kind, before, {"crops": crops_among(tx, which, held)}, kept)
    removed = _in_parts(run, which, lambda tx, ids: {"crops": remove_crops(tx, ids)})
    return Expired(kind, before, removed, kept)


def _strangers(run: _Run) -> Expired:
    """Vectors, crops and keys of what was seen of strangers; then the strangers not seen since."""
    kind, before = RetentionClass.STRANGERS, run.at - run.settings.strangers
    with run.store.snapshot() as tx:
        named, held = _named(tx), held_at(tx, run.at)
        which = of_strangers(before, named=named)
        free, kept = how_many(tx, which, held)
        gone = _strangers_gone(tx, before, held)
        if run.dry:
            crops = crops_among(tx, which, held)
            removed = {"faces": free, "crops": crops, "identities": len(gone)}
            return Expired(kind, before, removed, kept)

    def strip(tx: Transaction, ids: list[str]) -> Counts:
        crops = strip_faces(tx, ids)
        add_up_anew(tx, serials_of(tx, ids))
        return {"faces": len(ids), "crops": crops}

    removed = {"faces": 0, "crops": 0, "identities": 0} | _in_parts(run, which, strip)

    def forget(tx: Transaction) -> int:
        tx.lock_site()
        some = sorted(_strangers_gone(tx, before, held_at(tx, run.at)))[:AT_ONCE]
        for serial in some:
            for contract_id in contracts_of(tx, [serial]):
                save_prototype(tx, Prototype(serial, contract_id))
        forget_identities(tx, some, gone=some)
        return len(some)

    while done := run.store.run(forget):
        removed["identities"] += done
    return Expired(kind, before, removed, kept)


def _sightings(run: _Run) -> Expired:
    kind, before = RetentionClass.SIGHTINGS, run.at - run.settings.sightings
    with run.store.snapshot() as tx:
        free, kept = how_many(tx, ended(before), held_at(tx, run.at))
    if run.dry:
        return Expired(kind, before, {"sightings": free}, kept)

    def delete(tx: Transaction, ids: list[str]) -> Counts:
        serials = serials_of(tx, ids)
        gone = delete_sightings(tx, ids, outcome=Outcome.EXPIRED)
        add_up_anew(tx, serials)
        return {"sightings": gone.sightings}

    removed = {"sightings": 0} | _in_parts(run, ended(before), delete)
    # what was told of them, and what was refused in their place
    run.store.run(lambda tx: forget_events(tx, before) + delete_refusals(tx, before))
    return Expired(kind, before, removed, kept)


def _visits(run: _Run) -> Expired:
    kind, before = RetentionClass.VISITS, run.at - run.settings.visits
    with run.store.snapshot() as tx:
        free, kept = count_visits(tx, before, held_at(tx, run.at))
    if run.dry:
        return Expired(kind, before, {"visits": free}, kept)

    def delete(tx: Transaction) -> int:
        tx.lock_site()
        return delete_visits(tx, before, held_at(tx, run.at), most=AT_ONCE)

    gone = 0
    while done := run.store.run(delete):
        gone += done
    return Expired(kind, before, {"visits": gone}, kept)


def _evidence(run: _Run) -> Expired:
    return _of_attendance(run, RetentionClass.EVIDENCE, run.settings.evidence, delete_evidence)


def _registers(run: _Run) -> Expired:
    return _of_attendance(run, RetentionClass.REGISTERS, run.settings.registers, delete_registers)


class _Deletes(Protocol):
    """Takes out rows of attendance; how many, and how many a hold keeps."""

    def __call__(
        self, tx: Transaction, before: datetime, *, held: Collection[str], dry_run: bool
    ) -> tuple[int, int]: ...


def _of_attendance(
    run: _Run, kind: RetentionClass, kept_for: timedelta, delete: _Deletes
) -> Expired:
    before = run.at - kept_for

    def work(tx: Transaction) -> tuple[int, int]:
        return delete(tx, before, held=held_at(tx, run.at).people, dry_run=run.dry)

    if run.dry:
        with run.store.snapshot() as tx:
            removed, kept = work(tx)
    else:
        removed, kept = run.store.run(work)
    what = "crops" if kind is RetentionClass.EVIDENCE else "registers"
    return Expired(kind, before, {what: removed}, kept)


def _enrolment(run: _Run) -> Expired:
    """What people look like whose last consent is over, faces and photos older than the class,
    and people who were taken off the roster. A hold is no consent: it does not keep the first."""
    kind = RetentionClass.ENROLMENT
    before = run.before(kind)

    def work(tx: Transaction) -> tuple[Counts, int, frozenset[str]]:
        if not run.dry:
            tx.lock_site()
        held = held_at(tx, run.at).people
        lapsed = lapsed_enrolments(tx, at=run.at, older_than=before)
        free = [one for one in lapsed if not one.agrees or one.person_id not in held]
        leaving = removed_before(tx, run.at - REMOVAL_UNDOABLE)
        removed = {
            "people": len(free),
            "faces": sum(one.faces for one in free),
            "photos": sum(one.photos for one in free),
            "removals": len(set(leaving) - held),
        }
        for one in () if run.dry else free:
            if not one.agrees:
                lapse(tx, one.person_id)
            elif before is not None:
                gone = remove_old_enrolment(tx, one.person_id, older_than=before)
                serial = serial_of_person(tx, one.person_id)
                if serial is not None:
                    touch(tx, serial, {contract.id: contract for contract in gone})
        return removed, len(lapsed) - len(free) + len(held & set(leaving)), held

    if run.dry:
        with run.store.snapshot() as tx:
            removed, kept, _ = work(tx)
    else:
        removed, kept, held = run.store.run(work)
        finish_removals(run.store, at=run.at, held=held)
    return Expired(kind, before, removed, kept)


def _audit(run: _Run) -> Expired:
    """The audit's own rows, who made edits and why, holds that are long over."""
    kind, before = RetentionClass.AUDIT, run.at - run.settings.audit
    if run.dry:
        with run.store.snapshot() as tx:
            return Expired(kind, before, {"rows": audit_rows_before(tx, before)})

    def cut(tx: Transaction) -> int:
        tx.lock_site()
        blank_edits(tx, before)
        stop_asking(tx, before=before)
        for one in holds(tx):
            if min(one.ends_at, one.ended_at or one.ends_at) < before:
                forget_hold(tx, one.hold_id)
        return purge_audit(tx, older_than=before, at=run.at, actor=run.actor, reason=run.reason)

    return Expired(kind, before, {"rows": run.store.run(cut)})


_RULES: dict[RetentionClass, Callable[[_Run], Expired]] = {
    # pictures go before the sightings that they show
    RetentionClass.CROPS: _crops,
    RetentionClass.STRANGERS: _strangers,
    RetentionClass.SIGHTINGS: _sightings,
    RetentionClass.VISITS: _visits,
    RetentionClass.EVIDENCE: _evidence,
    RetentionClass.REGISTERS: _registers,
    RetentionClass.ENROLMENT: _enrolment,
    RetentionClass.AUDIT: _audit,
}


def _in_parts(run: _Run, which: Which, work: Callable[[Transaction, list[str]], Counts]) -> Counts:
    """Does ``work`` with the sightings of a choice, some at a time. They are looked for without
    keeping anybody waiting, and looked at again once the site is locked."""
    total: Counts = {}
    while True:
        with run.store.snapshot() as tx:
            found = some_of(tx, which, held_at(tx, run.at), most=AT_ONCE)

        def part(tx: Transaction, found: list[str] = found) -> Counts:
            tx.lock_site()
            ids = some_of(tx, which, held_at(tx, run.at), most=AT_ONCE, among=found)
            return work(tx, ids) if ids else {}

        done = run.store.run(part) if found else {}
        if not done:
            return total
        for what, count in done.items():
            total[what] = total.get(what, 0) + count


def _named(tx: Transaction) -> set[int]:
    """Every serial that stands for an enrolled person."""
    merged = roots(tx)
    people = serials_of_people(tx)
    return people | {one for one, root in merged.items() if root in people}


def _strangers_gone(tx: Transaction, before: datetime, held: Held) -> set[int]:
    """The strangers, by every serial, that nobody has seen since and that no hold covers."""
    unseen = serials_unseen(tx, before) - _named(tx) - serials_kept(tx, held)
    merged = roots(tx)
    its_roots = {merged.get(one, one) for one in unseen}
    families = {one for one, root in merged.items() if root in its_roots} | its_roots
    seen = {merged.get(one, one) for one in serials_seen_since(tx, families, before)}
    return {one for one in unseen if merged.get(one, one) not in seen}


def _note(run: _Run, expired: Expired) -> None:
    run.store.run(
        lambda tx: note_event(
            tx,
            at=run.at,
            actor=run.actor,
            action="retention",
            subject=expired.kind.value,
            reason=run.reason,
            details={
                **expired.removed,
                "held": expired.held,
                "before": None if expired.before is None else expired.before.isoformat(),
            },
        )
    )
