"""Backups of a running server, restoring one without bringing back who was erased, upgrading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sightgrid.ledger.erasing import Erased, replay_erasures
from sightgrid.store import Store
from sightgrid.store.backups import BackedUp, backup, restore_rows
from sightgrid.store.keys import SiteKeys


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to: rows put back, and what was erased again."""

    rows: int
    erased_again: Erased


@dataclass(frozen=True, slots=True)
class Upgraded:
    """From which version of the tables to which; ``backup`` is ``None`` where nothing was due."""

    before: str | None
    after: str | None
    backup: BackedUp | None


def back_up(store: Store, keys: SiteKeys, out: Path, *, at: datetime) -> BackedUp:
    """Writes an encrypted copy of everything, as of one moment, while the server runs.

    Raises:
        OutputError: the file exists or can't be written.
    """
    return backup(store, keys, out, at=at)


def restore(file: Path, where: str | Path, keys: SiteKeys, *, at: datetime) -> Restored:
    """Fills a new database from a backup. Whoever was erased since stays erased: the ledger's copy
    beside the site key is replayed before this returns.

    Raises:
        StoreError: the backup is damaged or of another key, or the database is not empty.
    """
    rows = restore_rows(file, where, keys)
    with Store.open(where, create=False, keys=keys) as store:
        return Restored(rows, replay_erasures(store, at=at))


def upgrade(where: str | Path, keys: SiteKeys | None, out: Path, *, at: datetime) -> Upgraded:
    """Brings a database to this version, after a backup of it to ``out``.

    Raises:
        OutputError: the backup can't be written; nothing was changed.
        StoreError: it was made by a later version.
    """
    made = None
    with Store.open_as_it_is(where, keys=keys) as store:
        before, after = store.version
        if before != after and keys is not None:
            made = backup(store, keys, out, at=at)
    Store.open(where, create=True, keys=keys, upgrade=True).close()
    return Upgraded(before, after, made)
