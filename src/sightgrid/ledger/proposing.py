"""Answers to proposed merges, and naming a stranger: edits like all others.

A proposal that is accepted becomes a merge; one that is declined a stored "these are two people".
Either can be undone, which opens the proposal again. A stranger is named by linking the serial to
a person of the roster who has agreed to be recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger.editing import MadeEdit, make_edit, merge
from sightgrid.ledger.enrolling import check_agreed, own_serial
from sightgrid.ledger.people import check_there
from sightgrid.ledger.replaying import Edit
from sightgrid.store import Transaction
from sightgrid.store.edits import EditKind
from sightgrid.store.identities import (
    IdentityRow,
    family_of,
    identities_named,
    people_of,
    serial_of_person,
)
from sightgrid.store.proposals import (
    ACCEPTED,
    DECLINED,
    OPEN,
    ProposalRow,
    answer_proposal,
    best_sightings,
    proposal,
)

MOST_PICTURES = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """A proposal with what speaks for it: both identities as they are now, and the ids of the best
    sightings of each whose pictures are kept."""

    proposal: ProposalRow
    one: IdentityRow
    other: IdentityRow
    pictures: tuple[tuple[str, ...], tuple[str, ...]]


def with_evidence(tx: Transaction, rows: Sequence[ProposalRow]) -> list[Evidence]:
    """Proposals with what speaks for them. Open ones that an edit has settled meanwhile are left
    out."""
    families = {
        serial: family_of(tx, serial)[1] for row in rows for serial in (row.serial, row.into)
    }
    known = identities_named(tx, {family[0] for family in families.values()})
    pictures = {
        serial: tuple(best_sightings(tx, family, most=MOST_PICTURES))
        for serial, family in families.items()
    }
    found = []
    for row in rows:
        one, other = families[row.serial][0], families[row.into][0]
        if row.status == OPEN and one == other:
            continue
        if one in known and other in known:
            shown = pictures[row.serial], pictures[row.into]
            found.append(Evidence(row, known[one], known[other], shown))
    return found


def accept(
    tx: Transaction, serial: int, into: int, *, by: str, reason: str, at: datetime
) -> MadeEdit:
    """They are one person: merges them.

    Raises:
        NotFound: that was never proposed.
        InvalidValue: it was answered before, or they can't be merged any more.
    """
    tx.lock_site()
    _check_open(tx, serial, into)
    made = merge(tx, serial, into=into, by=by, reason=reason, at=at)
    answer_proposal(tx, serial, into, ACCEPTED, edit_id=made.edit_id, by=by, at=at)
    return made


def decline(
    tx: Transaction, serial: int, into: int, *, by: str, reason: str, at: datetime
) -> MadeEdit:
    """They are two people: that is kept, and neither proposed nor joined again.

    Raises:
        NotFound: that was never proposed. InvalidValue: it was answered before.
    """
    tx.lock_site()
    _check_open(tx, serial, into)
    made = make_edit(tx, Edit(0, EditKind.APART, serial, into=into), by=by, reason=reason, at=at)
    answer_proposal(tx, serial, into, DECLINED, edit_id=made.edit_id, by=by, at=at)
    return made


def name_as(
    tx: Transaction, serial: int, person_id: str, *, by: str, reason: str, at: datetime
) -> MadeEdit:
    """A stranger is this person: everything seen of the serial is theirs from now on.

    Raises:
        NotFound: there is no such serial or person.
        InvalidValue: the person has not agreed or was removed, or the serial is a person's.
    """
    tx.lock_site()
    root, _ = family_of(tx, serial)
    check_there(tx, person_id, at=at)
    check_agreed(tx, person_id, at=at)
    if root in people_of(tx, [root]):
        known = serial_of_person(tx, person_id) == root
        which = "this person already" if known else "another enrolled person"
        raise InvalidValue(f"{serial} is {which}")
    own = own_serial(tx, person_id, at=at)
    return make_edit(tx, Edit(0, EditKind.NAME, root, into=own), by=by, reason=reason, at=at)


def _check_open(tx: Transaction, serial: int, into: int) -> None:
    if proposal(tx, serial, into).status != OPEN:
        raise InvalidValue("this proposal was answered before", hint="undo that edit first")
