"""Edits with their rows in the audit, and what they would change before they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sightgrid.domain.accounts import Caller
from sightgrid.ledger import editing
from sightgrid.ledger.editing import Consequences, MadeEdit
from sightgrid.server.refusals import NotAllowed
from sightgrid.server.site import Site
from sightgrid.store import Store, Transaction
from sightgrid.store.audit import note_event

Work = Callable[[Transaction], MadeEdit]


def make(
    site: Site, caller: Caller, work: Work, *, action: str, subject: str, reason: str
) -> MadeEdit:
    """Makes an edit.

    Raises:
        NotAllowed: the caller is bound to some cameras; an edit concerns them all.
    """
    check_sees_everything(caller)
    noted = Noted(caller.known_as, action, subject, reason, site.clock())
    return make_noted(site.store, work, noted)


@dataclass(frozen=True, slots=True)
class Noted:
    """How an edit stands in the audit."""

    actor: str
    action: str
    subject: str
    reason: str
    at: datetime


def make_noted(store: Store, work: Work, noted: Noted) -> MadeEdit:
    """Makes an edit and its row in the audit, both or neither."""

    def edit(tx: Transaction) -> MadeEdit:
        made = work(tx)
        note_event(
            tx,
            at=noted.at,
            actor=noted.actor,
            action=noted.action,
            subject=noted.subject,
            reason=noted.reason,
            details={"edit": made.edit_id, "sightings": made.consequences.sightings},
        )
        return made

    return store.run(edit)


def preview(site: Site, caller: Caller, work: Work) -> Consequences:
    """What an edit would change; nothing is changed.

    Raises:
        NotAllowed: the caller is bound to some cameras.
    """
    check_sees_everything(caller)

    return editing.previewed(site.store, work)


def undo(site: Site, caller: Caller, edit_id: str) -> Consequences:
    """Makes an edit count no more.

    Raises:
        NotAllowed: the caller is bound to some cameras.
        NotFound: there is no such edit.
        InvalidValue: it was undone before.
    """
    check_sees_everything(caller)

    def work(tx: Transaction) -> Consequences:
        now = site.clock()
        consequences = editing.undo(tx, edit_id, by=caller.known_as, at=now)
        note_event(
            tx,
            at=now,
            actor=caller.known_as,
            action="edit-undone",
            subject=f"edit:{edit_id}",
            details={"sightings": consequences.sightings},
        )
        return consequences

    return site.store.run(work)


def check_sees_everything(caller: Caller) -> None:
    """Edits move visits on every camera, so who may not see all of them may not make any.

    Raises:
        NotAllowed: the caller is bound to some cameras.
    """
    if caller.account.cameras is not None:
        raise NotAllowed("edits concern every camera, and you see only some")
