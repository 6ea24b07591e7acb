"""Erasing somebody, with its row in the audit, which names them by a keyed hash only."""

from __future__ import annotations

import re

from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger.erasing import Erased, erase_person, erase_serial
from sightgrid.server.site import Site
from sightgrid.server.spelling import spelled_span
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.sealing import keyed_hash

_SUBJECT = re.compile(r"(person|serial):([A-Za-z0-9-]{1,36})")


def erase_subject(
    site: Site, subject: str, *, actor: str, reason: str, despite_holds: bool = False
) -> Erased:
    """Destroys everything of ``person:ID`` or ``serial:N``.

    Raises:
        InvalidValue: it names neither.
        NotFound: there is no such person or serial.
        UnderHold: a legal hold covers some of it, and it was not to be overridden.
    """
    kind, which = parse_subject(subject)
    now = site.clock()

    def note(tx: Transaction, erased: Erased) -> None:
        note_event(
            tx,
            at=now,
            actor=actor,
            action="erase",
            subject=keyed_hash(tx, subject, purpose="audit"),
            reason=reason,
            details={
                "identities": len(erased.serials),
                "ledger": erased.ledger_entries,
                "boxes": erased.boxes,
                "holds_overridden": ",".join(hold.hold_id for hold in erased.holds),
            },
        )

    if kind == "serial":
        return erase_serial(site.store, int(which), at=now, despite_holds=despite_holds, also=note)
    return erase_person(site.store, which, at=now, despite_holds=despite_holds, also=note)


def later_records(site: Site) -> str:
    """What becomes of records that come after an erasure, for its receipt."""
    kept = site.configuration.retention.strangers
    return (
        "what was received before and comes again is refused; what a box has never sent becomes "
        f"an anonymous stranger, kept for {spelled_span(kept)}"
    )


def parse_subject(subject: str) -> tuple[str, str]:
    """``person`` or ``serial``, and which.

    Raises:
        InvalidValue: it names neither.
    """
    match = _SUBJECT.fullmatch(subject)
    if match is None or (match[1] == "serial" and not match[2].isdecimal()):
        raise InvalidValue(f"'{subject}' is nobody", hint="write person:ID or serial:NUMBER")
    return match[1], match[2]
