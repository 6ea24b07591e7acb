"""What comes after a register was closed: corrections, disputes, edits of identities.

Nothing changes what was written. A correction and a decided dispute add a version that states one
mark anew, with its author and reason. An edit of identities (a merge in June) moves sightings that
a register of April may rest on: it adds a version that says so and leaves every mark as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sightgrid.domain.attendance import (
    Dispute,
    DisputeState,
    Mark,
    Method,
    RegisterVersion,
    Status,
    VersionKind,
)
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.store import Transaction
from sightgrid.store.attended import seen_when
from sightgrid.store.audit import note_event
from sightgrid.store.disputes import add_dispute, decide_dispute, dispute
from sightgrid.store.identities import links_of
from sightgrid.store.register_traces import registered_spans, registers_resting_on
from sightgrid.store.registers import add_version, register


def correct(
    tx: Transaction,
    session_id: str,
    person_id: str,
    status: Status,
    *,
    by: str,
    reason: str,
    at: datetime,
    kind: VersionKind = VersionKind.CORRECTION,
) -> RegisterVersion:
    """Puts a mark of a closed register right by a new version.

    Raises:
        NotFound: the session has no register, or the person is not in it.
        InvalidValue: no reason was given, or it says that already.
    """
    if not reason.strip():
        raise InvalidValue("reason: say why this mark is corrected")
    before = _mark_of(tx, session_id, person_id)
    if before.status is status and not before.review:
        raise InvalidValue(f"the register says {status.value} already")
    words = {
        VersionKind.DISPUTE: "decided after it was contested",
    }.get(kind, "corrected by hand")
    mark = replace(before, status=status, method=Method.TEACHER, reason=words, review=False)
    version = add_version(tx, session_id, kind, [mark], by=by, reason=reason, at=at)
    _note(tx, f"attendance-{kind.value}", version, by=by, reason=reason)
    return version


def contest(
    tx: Transaction, session_id: str, person_id: str, words: str, *, at: datetime
) -> Dispute:
    """Somebody says that their mark is wrong.

    Raises:
        NotFound: the session has no register, or they are not in it.
        InvalidValue: they said nothing, or have contested it already.
    """
    if not words.strip():
        raise InvalidValue("words: say what is wrong with the mark")
    _mark_of(tx, session_id, person_id)
    newest = register(tx, session_id).versions[-1].version_no
    made = add_dispute(tx, session_id, person_id, words, version_no=newest, at=at)
    note_event(
        tx,
        at=at,
        actor="person",
        action="attendance-contested",
        subject=f"session:{session_id}",
        details={"dispute": made.dispute_id, "version": newest},
    )
    return made


def decide(
    tx: Transaction,
    dispute_id: str,
    *,
    status: Status | None,
    answer: str,
    by: str,
    at: datetime,
) -> Dispute:
    """Decides a dispute: with a ``status`` the mark becomes that, without one it stays.

    Raises:
        NotFound: there is no such dispute.
        InvalidValue: it was decided before, no answer was given, or the status changes nothing.
    """
    if not answer.strip():
        raise InvalidValue("answer: say why, the person reads it")
    one = dispute(tx, dispute_id)
    if one.state is not DisputeState.OPEN:
        raise InvalidValue("this dispute was decided before")
    version_no = None
    if status is not None:
        # what the person and the manager wrote is sealed for the person; the version only says
        # which dispute it comes from
        version_no = correct(
            tx,
            one.session_id,
            one.person_id,
            status,
            by=by,
            reason=f"dispute {dispute_id}",
            at=at,
            kind=VersionKind.DISPUTE,
        ).version_no
    decide_dispute(
        tx,
        dispute_id,
        accepted=status is not None,
        answer=answer,
        by=by,
        at=at,
        version_no=version_no,
    )
    note_event(
        tx,
        at=at,
        actor=by,
        action="attendance-decided",
        subject=f"session:{one.session_id}",
        details={"dispute": dispute_id, "accepted": status is not None},
    )
    return dispute(tx, dispute_id)


def registers_concerned(
    tx: Transaction, moved: Mapping[str, Collection[int]]
) -> dict[str, frozenset[str]]:
    """The closed registers that an edit of sightings concerns, by session whose marks.

    Those whose marks rest on one of the sightings, and those in which it would have told: it was on
    one of the room's cameras during the session, and is given to or taken from somebody of the
    class list.

    Args:
        moved: by sighting id the root serials that it goes from and to.
    """
    found: dict[str, set[str]] = {
        session_id: set(people) for session_id, people in registers_resting_on(tx, moved).items()
    }
    links = links_of(tx, {serial for serials in moved.values() for serial in serials})
    people = {serial: person for serial, (person, _) in links.items() if person is not None}
    registered = {person: registered_spans(tx, person) for person in set(people.values())}
    for seen in seen_when(tx, [one for one in moved if registered]):
        for serial in moved[seen.sighting_id]:
            person = people.get(serial)
            for one in registered.get(person, ()) if person is not None else ():
                if (
                    seen.camera in one.cameras
                    and seen.first_seen <= one.span.ends_at
                    and seen.last_seen >= one.span.starts_at
                ):
                    found.setdefault(one.session_id, set()).add(str(person))
    return {session_id: frozenset(those) for session_id, those in found.items()}


def note_edit(
    tx: Transaction,
    concerned: Mapping[str, Collection[str]],
    *,
    edit_id: str,
    undone: bool = False,
    by: str,
    reason: str,
    at: datetime,
) -> None:
    """Writes beside every closed register that an edit concerns that it was made, or undone. The
    marks of those whom it concerns (by session) are stated again as they are."""
    for session_id, people in sorted(concerned.items()):
        what = "undone" if undone else "made"
        words = f"identity edit {edit_id} {what}" + (f": {reason}" if reason else "")
        marks = [one.mark for one in register(tx, session_id).marks if one.mark.person_id in people]
        version = add_version(
            tx, session_id, VersionKind.IDENTITY_EDIT, marks, by=by, reason=words[:500], at=at
        )
        _note(tx, "attendance-identity-edit", version, by=by, reason=words[:500])


def _mark_of(tx: Transaction, session_id: str, person_id: str) -> Mark:
    for one in register(tx, session_id).marks:
        if one.mark.person_id == person_id:
            return one.mark
    raise NotFound("this person is not in the register of this session")


def _note(tx: Transaction, action: str, version: RegisterVersion, *, by: str, reason: str) -> None:
    note_event(
        tx,
        at=version.made_at,
        actor=by,
        action=action,
        subject=f"session:{version.session_id}",
        reason=reason,
        details={"version": version.version_no, "sha256": version.sha256},
    )
