"""Erasing somebody, with its row in the audit, which names them by a keyed hash only."""

from __future__ import annotations

import re

from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger.erasing import Erased, erase_person, erase_serial
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.sealing import keyed_hash

_SUBJECT = re.compile(r"(person|serial):([A-Za-z0-9-]{1,36})")


def erase_subject(site: Site, subject: str, *, actor: str, reason: str) -> Erased:
    """Destroys everything of ``person:ID`` or ``serial:N``.

    Raises:
        InvalidValue: it names neither.
        NotFound: there is no such person or serial.
    """
    match = _SUBJECT.fullmatch(subject)
    if match is None or (match[1] == "serial" and not match[2].isdecimal()):
        raise InvalidValue(f"'{subject}' is nobody", hint="write person:ID or serial:NUMBER")
    now = site.clock()

    def note(tx: Transaction, erased: Erased) -> None:
        note_event(
            tx,
            at=now,
            actor=actor,
            action="erase",
            subject=keyed_hash(tx, subject, purpose="audit"),
            reason=reason,
            details={"identities": len(erased.serials), "ledger": erased.ledger_entries},
        )

    if match[1] == "serial":
        return erase_serial(site.store, int(match[2]), at=now, also=note)
    return erase_person(site.store, match[2], at=now, also=note)
