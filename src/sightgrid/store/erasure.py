"""The erasure ledger: keyed hashes of who and what was erased.

It names nobody and is kept for ever, so that nothing erased comes back by a late record, an old
backup or an index built anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa

from sightgrid.store.batches import in_batches
from sightgrid.store.schema_subjects import ERASURE
from sightgrid.store.sealing import keyed_hash
from sightgrid.store.session import Transaction

PURPOSE = "erasure"

_AMONG = sa.select(ERASURE.c.subject_hash).where(
    ERASURE.c.site_id == sa.bindparam("its_site"),
    ERASURE.c.subject_hash.in_(sa.bindparam("hashes", expanding=True)),
)

Entry = tuple[str, str, datetime]
"""Hash, kind (``sighting``, ``person``), when."""


def erased_among(tx: Transaction, subjects: Iterable[str]) -> set[str]:
    """Which of these subjects (``sighting:ID``, ``person:ID``) were erased."""
    found: set[str] = set()
    by_hash = {keyed_hash(tx, subject, purpose=PURPOSE): subject for subject in subjects}
    for batch in in_batches(by_hash):
        rows = tx.connection.scalars(_AMONG, {"its_site": tx.site_id, "hashes": batch})
        found.update(by_hash[one] for one in rows)
    return found


def note_erased(tx: Transaction, subjects: Collection[str], *, at: datetime) -> list[Entry]:
    """Enters subjects into the ledger; returns the new entries, for the copy beside the key."""
    entries = [
        (keyed_hash(tx, subject, purpose=PURPOSE), subject.partition(":")[0], at)
        for subject in sorted(set(subjects) - erased_among(tx, subjects))
    ]
    enter_hashes(tx, entries)
    return entries


def erasures(tx: Transaction) -> list[Entry]:
    """The whole ledger: hash, kind, when."""
    rows = tx.connection.execute(
        sa.select(ERASURE.c.subject_hash, ERASURE.c.kind, ERASURE.c.erased_at)
        .where(ERASURE.c.site_id == tx.site_id)
        .order_by(ERASURE.c.erased_at, ERASURE.c.subject_hash)
    )
    return [(its_hash, kind, at) for its_hash, kind, at in rows]


def enter_hashes(tx: Transaction, entries: Iterable[Entry]) -> int:
    """Adds entries of another copy of the ledger; returns how many were new."""
    known = {its_hash for its_hash, _, _ in erasures(tx)}
    rows = [
        {"site_id": tx.site_id, "subject_hash": its_hash, "kind": kind, "erased_at": at}
        for its_hash, kind, at in entries
        if its_hash not in known
    ]
    if rows:
        tx.connection.execute(sa.insert(ERASURE), rows)
    return len(rows)
