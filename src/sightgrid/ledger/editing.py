"""People put right what the ledger got wrong; every edit can be undone at any later time.

An edit is a row. What the database shows is the ledger's own answers with all edits replayed that
are not undone (:mod:`sightgrid.ledger.replaying`); making or undoing one replays anew and writes
down what is different. Visits and prototypes of everybody concerned are written anew too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypedDict

from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.presence import Band
from sightgrid.ledger.enrolling import check_agreed
from sightgrid.ledger.extending import reproject
from sightgrid.ledger.registering import note_edit, registers_concerned
from sightgrid.ledger.replaying import Edit, EditedState, replay
from sightgrid.store import Store, Transaction
from sightgrid.store.answers import Answer, answers_of_serials, answers_of_sightings, give
from sightgrid.store.cameras import grid
from sightgrid.store.edits import (
    EditKind,
    StoredEdit,
    edit_made,
    edits_made,
    forbid,
    keep_apart,
    let_join,
    mark_undone,
    record_edit,
    unforbid,
)
from sightgrid.store.identities import (
    family_of,
    links_of,
    mint,
    people_of,
    roots,
    set_alias,
    set_hidden,
    set_label,
)
from sightgrid.store.outbox import write_events
from sightgrid.store.proposals import reopen_proposals
from sightgrid.store.sealing import of_identity, seal_text, unseal_text
from sightgrid.store.visits import visits_holding

BY_PEOPLE = frozenset(EditKind) - {EditKind.MOVED, EditKind.JOINED}
_REPLAYED = frozenset(EditKind) - {EditKind.MOVED}


class Made(TypedDict):
    """Who makes an edit, why and when: what every function here takes."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Consequences:
    """What an edit changes: how many sightings stand for somebody else than before, how many
    visits those made up, and whose serials are concerned. So many ``registers`` of closed sessions
    hold marks that these sightings told, or would tell, of (``concerned``, by session whose): it
    is written beside them, and none of their marks changes."""

    sightings: int
    visits: int
    serials: tuple[int, ...]
    registers: int = 0
    concerned: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        words = f"moves {self.sightings} sightings, {self.visits} visits"
        if self.registers:
            words += f"; concerns {self.registers} closed registers, which keep their marks"
        return words


@dataclass(frozen=True, slots=True)
class MadeEdit:
    """An edit that was made, and what it changed. ``into`` is the new serial of a split."""

    edit_id: str
    into: int | None
    consequences: Consequences


def merge(
    tx: Transaction, serial: int, *, into: int, by: str, reason: str, at: datetime
) -> MadeEdit:
    """From now on ``serial`` stands for ``into``, with everything that was seen of it.

    Raises:
        NotFound: one of the two is no serial.
        InvalidValue: they are one already, or two enrolled people, or ``serial`` is a person's, or
            ``into`` is a person who has not agreed to be recognised.
    """
    tx.lock_site()
    gone, kept = family_of(tx, serial)[0], family_of(tx, into)[0]
    people = people_of(tx)
    if gone == kept:
        raise InvalidValue(f"{serial} and {into} are one identity already")
    if gone in people and kept in people:
        raise InvalidValue(f"{serial} and {into} are two enrolled people")
    if gone in people:
        raise InvalidValue(
            f"{serial} is an enrolled person, whose serial stays",
            hint=f"merge the other way: {into} into {serial}",
        )
    _check_may_learn(tx, kept, at)
    return make_edit(tx, Edit(0, EditKind.MERGE, serial, into=into), by=by, reason=reason, at=at)


def split(
    tx: Transaction,
    serial: int,
    sightings: Collection[str],
    *,
    by: str,
    reason: str,
    at: datetime,
) -> MadeEdit:
    """Some sightings of an identity are somebody else, who gets a new serial.

    Raises:
        NotFound: there is no such serial.
        InvalidValue: a sighting is not the identity's, or all of them are to go.
    """
    tx.lock_site()
    root, family = family_of(tx, serial)
    own = {one.sighting_id for one in answers_of_serials(tx, family)}
    foreign = sorted(set(sightings) - own)
    if not sightings or foreign:
        what = f"sighting {foreign[0]} is not" if foreign else "no sighting was named that is"
        raise InvalidValue(f"{what} of identity {root}")
    if own == set(sightings):
        raise InvalidValue(
            f"all sightings of identity {root} would go", hint="leave at least one with it"
        )
    new = mint(tx, minted_at=at).serial
    edit = Edit(0, EditKind.SPLIT, root, into=new, sightings=tuple(sorted(sightings)))
    return make_edit(tx, edit, by=by, reason=reason, at=at)


def move(
    tx: Transaction,
    sightings: Collection[str],
    *,
    into: int,
    by: str,
    reason: str,
    at: datetime,
) -> MadeEdit:
    """Some sightings are ``into``, whoever they were given to.

    Raises:
        NotFound: there is no such serial or sighting.
        InvalidValue: it is a person who has not agreed to be recognised.
    """
    tx.lock_site()
    _check_may_learn(tx, family_of(tx, into)[0], at)
    _check_known(tx, sightings)
    edit = Edit(0, EditKind.MOVE, into, into=into, sightings=tuple(sorted(sightings)))
    return make_edit(tx, edit, by=by, reason=reason, at=at)


def not_this(
    tx: Transaction,
    sightings: Collection[str],
    serial: int,
    *,
    by: str,
    reason: str,
    at: datetime,
) -> MadeEdit:
    """These sightings are not ``serial``, now and whenever they are decided again.

    Raises:
        NotFound: there is no such serial or sighting.
    """
    tx.lock_site()
    family_of(tx, serial)
    _check_known(tx, sightings)
    edit = Edit(0, EditKind.NOT_THIS, serial, sightings=tuple(sorted(sightings)))
    return make_edit(tx, edit, by=by, reason=reason, at=at)


def confirm(
    tx: Transaction,
    sightings: Collection[str],
    serial: int,
    *,
    by: str,
    reason: str,
    at: datetime,
) -> MadeEdit:
    """Somebody vouches that these sightings are ``serial``.

    Raises:
        NotFound: there is no such serial or sighting.
        InvalidValue: it is a person who has not agreed to be recognised.
    """
    tx.lock_site()
    _check_may_learn(tx, family_of(tx, serial)[0], at)
    _check_known(tx, sightings)
    edit = Edit(0, EditKind.CONFIRM, serial, sightings=tuple(sorted(sightings)))
    return make_edit(tx, edit, by=by, reason=reason, at=at)


def hide(
    tx: Transaction, serial: int, *, hidden: bool, by: str, reason: str, at: datetime
) -> MadeEdit:
    """Keeps an identity out of lists, or shows it again.

    Raises:
        NotFound: there is no such serial.
    """
    tx.lock_site()
    root, _ = family_of(tx, serial)
    return make_edit(tx, Edit(0, EditKind.HIDE, root, hidden=hidden), by=by, reason=reason, at=at)


def label(
    tx: Transaction, serial: int, text: str, *, by: str, reason: str, at: datetime
) -> MadeEdit:
    """Gives a stranger a word of the site's own; empty takes it away. It makes no template, is
    sealed under the identity's key, and ends with the identity.

    Raises:
        NotFound: there is no such serial.
        InvalidValue: it is an enrolled person, who has a name.
    """
    tx.lock_site()
    root, _ = family_of(tx, serial)
    if root in people_of(tx):
        raise InvalidValue(f"{serial} is an enrolled person and has a name")
    return make_edit(tx, Edit(0, EditKind.LABEL, root, label=text), by=by, reason=reason, at=at)


def undo(tx: Transaction, edit_id: str, *, by: str, at: datetime) -> Consequences:
    """Makes an edit count no more, whatever was done after it.

    Raises:
        NotFound: there is no such edit.
        InvalidValue: it was undone before, or is one that only tells what the ledger did.
    """
    tx.lock_site()
    made = edit_made(tx, edit_id)
    if made.kind not in _REPLAYED:
        raise InvalidValue(
            "this is no edit but a decision of the ledger; move the sighting instead"
        )
    if made.undone_at is not None:
        raise InvalidValue("this edit was undone before")
    before = _state(tx)
    mark_undone(tx, edit_id, by=by, at=at)
    reopen_proposals(tx, edit_id)
    what = _write_down(tx, before, _state(tx), at=at)
    note_edit(tx, what.concerned, edit_id=edit_id, undone=True, by=by, reason="", at=at)
    return what


class _OnlyLooking(Exception):
    """Carries what would have changed out of a transaction that is undone."""

    def __init__(self, made: MadeEdit) -> None:
        self.made = made


def previewed(store: Store, work: Callable[[Transaction], MadeEdit]) -> Consequences:
    """What an edit would change: it is made, looked at, and undone with its transaction."""

    def edit(tx: Transaction) -> MadeEdit:
        raise _OnlyLooking(work(tx))

    try:
        return store.run(edit).consequences
    except _OnlyLooking as seen:
        return seen.made.consequences


def make_edit(tx: Transaction, edit: Edit, *, by: str, reason: str, at: datetime) -> MadeEdit:
    """Writes an edit down and everything that follows from it. The site has to be locked, and what
    the edit names to be there."""
    before = _state(tx)
    sealed = ""
    if edit.label:
        sealed = seal_text(tx, edit.label, subject=of_identity(edit.serial), purpose="label")
    edit_id = record_edit(
        tx,
        edit.kind,
        details={
            "serial": edit.serial,
            "into": edit.into,
            "sightings": list(edit.sightings),
            "label": sealed,
            "hidden": edit.hidden,
        },
        reason=reason,
        at=at,
        made_by=by,
    )
    consequences = _write_down(tx, before, _state(tx), at=at)
    note_edit(tx, consequences.concerned, edit_id=edit_id, by=by, reason=reason, at=at)
    return MadeEdit(edit_id, edit.into, consequences)


def _state(tx: Transaction) -> EditedState:
    """What the edits that count come to."""
    made = edits_made(tx, kinds=_REPLAYED)
    edits = [_edit_of(tx, one) for one in made if one.undone_at is None]
    named = {sighting_id for edit in edits for sighting_id in edit.sightings}
    own = {one.sighting_id: one.own_serial for one in answers_of_sightings(tx, named)}
    state = replay(edits, own=own, people=people_of(tx))
    # whoever undoes what the ledger joined says that they are two: it must not join them again
    parted = {
        (min(pair), max(pair))
        for one in made
        if one.kind is EditKind.JOINED and one.undone_at is not None
        for pair in [(int(one.details["from"]), int(one.details["to"]))]
    }
    return replace(state, apart=state.apart | parted)


def _edit_of(tx: Transaction, stored: StoredEdit) -> Edit:
    details = stored.details
    if stored.kind is EditKind.JOINED:
        return Edit(stored.number, stored.kind, int(details["from"]), into=int(details["to"]))
    sealed = details.get("label") or ""
    serial = int(details["serial"])
    return Edit(
        stored.number,
        stored.kind,
        serial,
        into=details["into"],
        sightings=tuple(details["sightings"]),
        label=unseal_text(tx, sealed, subject=of_identity(serial), purpose="label"),
        hidden=bool(details["hidden"]),
    )


def _write_down(
    tx: Transaction, before: EditedState, after: EditedState, *, at: datetime
) -> Consequences:
    """Writes what is different between two states, and everything that follows from it."""
    old_roots = roots(tx)
    merged = {
        serial
        for serial in {*before.alias, *after.alias}
        if before.alias.get(serial) != after.alias.get(serial)
    }
    named = {
        sighting_id
        for sighting_id in {
            *before.serial_of,
            *after.serial_of,
            *before.confirmed,
            *after.confirmed,
        }
        if _stand(before, sighting_id) != _stand(after, sighting_id)
    }
    concerned: dict[str, Answer] = {
        one.sighting_id: one
        for one in [
            *answers_of_sightings(tx, named),
            *answers_of_serials(tx, _whose_root_changed(before, after)),
        ]
    }
    for gone in merged:
        set_alias(tx, gone, after.alias.get(gone))
    people = people_of(tx)
    moved: list[tuple[Answer, int | None]] = []
    changed: list[Answer] = []
    for one in concerned.values():
        serial = after.serial_of.get(one.sighting_id, one.own_serial)
        band = _band(after, one, serial, people)
        if (serial, band) != (one.serial, one.band):
            changed.append(replace(one, serial=serial, band=band))
        old = None if one.serial is None else old_roots.get(one.serial, one.serial)
        new = None if serial is None else after.root(serial)
        if old != new:
            moved.append((one, new))
    give(tx, changed)
    _write_rest(tx, before, after)
    touched = (
        {
            serial
            for one, new in moved
            for serial in (
                None if one.serial is None else old_roots.get(one.serial, one.serial),
                new,
            )
            if serial is not None
        }
        | merged
        | {after.root(serial) for serial in merged}
    )
    visits = visits_holding(tx, [one.sighting_id for one, _ in moved])
    if touched:
        reproject(tx, touched, grid=grid(tx))
    _tell(tx, moved, at)
    ends = {
        one.sighting_id: {
            serial
            for serial in (
                None if one.serial is None else old_roots.get(one.serial, one.serial),
                new,
            )
            if serial is not None
        }
        for one, new in moved
    }
    registers = registers_concerned(tx, ends)
    return Consequences(len(moved), visits, tuple(sorted(touched)), len(registers), registers)


def _stand(state: EditedState, sighting_id: str) -> tuple[object, bool]:
    given = state.serial_of.get(sighting_id, "own")
    return given, sighting_id in state.confirmed


def _whose_root_changed(before: EditedState, after: EditedState) -> set[int]:
    """Every serial that stands for another one than before."""
    known = {*before.alias, *before.alias.values(), *after.alias, *after.alias.values()}
    return {serial for serial in known if before.root(serial) != after.root(serial)}


def _band(
    state: EditedState, answer: Answer, serial: int | None, people: Mapping[int, str]
) -> Band:
    """How sure an answer is after edits: what a person said of somebody enrolled is *confirmed*."""
    if serial is None:
        return Band.UNSURE
    root = state.root(serial)
    if root not in people:
        return Band.STRANGER
    if answer.sighting_id not in state.confirmed and answer.own_serial is not None:
        own_root = state.root(answer.own_serial)
        by_itself = answer.own_band in (Band.CONFIRMED, Band.LIKELY)
        if own_root == root and by_itself:
            return answer.own_band
    return Band.CONFIRMED


def _write_rest(tx: Transaction, before: EditedState, after: EditedState) -> None:
    for sighting_id, serial in before.never - after.never:
        unforbid(tx, sighting_id, serial)
    for sighting_id, serial in after.never - before.never:
        forbid(tx, sighting_id, serial)
    for one, other in before.apart - after.apart:
        let_join(tx, one, other)
    for one, other in after.apart - before.apart:
        keep_apart(tx, one, other)
    for serial in before.hidden ^ after.hidden:
        set_hidden(tx, serial, serial in after.hidden)
    for serial in {*before.labels, *after.labels}:
        if before.labels.get(serial) != after.labels.get(serial):
            set_label(tx, serial, after.labels.get(serial, ""))


def _tell(tx: Transaction, moved: Collection[tuple[Answer, int | None]], at: datetime) -> None:
    write_events(
        tx,
        [
            (
                "update",
                one.sighting_id,
                {
                    "sighting_id": one.sighting_id,
                    "camera": one.camera,
                    "serial": new,
                    "before": one.serial,
                    "edited": True,
                    "closed": one.closed,
                },
            )
            for one, new in moved
        ],
        at=at,
    )


def _check_may_learn(tx: Transaction, root: int, at: datetime) -> None:
    """What is given to a person becomes part of what they look like, which takes their consent.
    A recording's people are enrolled from photos of the run, without a register of consents."""
    person_id = links_of(tx, [root])[root][0]
    if person_id is not None and tx.keys is not None:
        check_agreed(tx, person_id, at=at)


def _check_known(tx: Transaction, sightings: Collection[str]) -> None:
    known = {one.sighting_id for one in answers_of_sightings(tx, sightings)}
    missing = sorted(set(sightings) - known)
    if missing or not sightings:
        raise NotFound(f"there is no sighting {missing[0]}" if missing else "no sighting was named")
