"""The rows of a spool's file, and the transactions they are written in.

What is done with which record, and why, is decided in :mod:`sightgrid.edge.spool`.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sightgrid.domain.errors import SpoolFailed
from sightgrid.edge.spool_file import PAGE_BYTES, PENDING, QUARANTINED, meaning
from sightgrid.edge.spooled import Waiting
from sightgrid.wire.content import format_moment
from sightgrid.wire.records import Priority, Record

MOST_QUARANTINED_BYTES = 500 * 1024**2
GAP, ATTENDANCE, ANALYTICS = 0, 1, 2
RANK = {Priority.ATTENDANCE: ATTENDANCE, Priority.ANALYTICS: ANALYTICS}
_LONGEST_WAIT_SECS = 300.0
# a flipped bit may have made another type of a value
_AS_WRITTEN = (
    "seq, CAST(sighting_id AS TEXT), CAST(revision AS INTEGER), CAST(attempts AS INTEGER), "
    "CAST(sha256 AS BLOB), CAST(size AS INTEGER)"
)
OF_A_LOSS = (
    "CAST(camera AS TEXT), CAST(priority AS INTEGER), "
    "CAST(first_seen AS TEXT), CAST(last_seen AS TEXT)"
)


class SpoolRows:
    """One connection to a spool's file; use it from one thread at a time.

    Everything but :meth:`transaction` and :meth:`reading` runs inside one of the two.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._failed: SpoolFailed | None = None

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.reading():
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                # SQLite may have undone it by itself, as it does when the disk is full
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        if self._failed is not None:
            raise SpoolFailed(str(self._failed), hint=self._failed.hint)
        try:
            with meaning(self._path):
                yield
        except SpoolFailed as error:
            # what the disk holds now is known only after the file has been opened anew
            self._failed = error
            raise

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def insert(self, record: Record, seq: int, line: bytes, rank: int) -> None:
        self.execute(
            "INSERT INTO record (seq, sighting_id, revision, camera, priority, size, sha256, "
            "first_seen, last_seen, written_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            seq,
            record.sighting_id,
            record.revision,
            record.camera,
            rank,
            len(line),
            hashlib.sha256(line).digest(),
            format_moment(record.first_seen),
            format_moment(record.last_seen),
            record.clock.read_at.timestamp(),
        )
        self.execute("INSERT INTO payload (seq, line) VALUES (?, ?)", seq, line)

    def delete(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            for table in ("record", "payload", "gap"):
                self.execute(f"DELETE FROM {table} WHERE seq = ?", seq)  # noqa: S608

    def set_state(self, seqs: Iterable[int], state: int) -> None:
        for seq in seqs:
            self.execute("UPDATE record SET state = ? WHERE seq = ?", state, seq)

    def candidates(self, most_records: int, most_bytes: int, live_after: int) -> Iterator[Waiting]:
        records = size = 0
        now = time.monotonic()
        for span in ("seq > ?", "seq <= ?"):
            for rank in (GAP, ATTENDANCE, ANALYTICS):
                rows = self.execute(
                    f"SELECT {_AS_WRITTEN} FROM record "  # noqa: S608
                    f"WHERE state = ? AND priority = ? AND {span} AND not_before <= ? "
                    "ORDER BY seq LIMIT ?",
                    PENDING,
                    rank,
                    live_after,
                    now,
                    most_records - records,
                )
                for seq, sighting_id, revision, attempts, sha256, length in rows:
                    if records and size + length + 1 > most_bytes:
                        return
                    records, size = records + 1, size + length + 1
                    yield Waiting(seq, sighting_id, revision, attempts, sha256.hex(), b"")

    def oldest(self, state: int, rank: int, other_than: str) -> tuple[Any, ...] | None:
        """The first record of a state whose rank is ``rank`` or lower in claim."""
        row: tuple[Any, ...] | None = self.execute(
            f"SELECT seq, {OF_A_LOSS}, state FROM record "  # noqa: S608
            "WHERE state = ? AND priority >= ? AND sighting_id != ? ORDER BY priority DESC, seq "
            "LIMIT 1",
            state,
            rank,
            other_than,
        ).fetchone()
        return row

    def quarantine(self, seq: int, reason: str) -> None:
        self.execute(
            "UPDATE record SET state = ?, reason = ? WHERE seq = ?", QUARANTINED, reason[:200], seq
        )

    def bound_quarantine(self) -> None:
        """The oldest go when there are too many; they could not have been delivered anyway."""
        rows = self.execute(
            "SELECT seq, CAST(size AS INTEGER) FROM record WHERE state = ? ORDER BY seq DESC",
            QUARANTINED,
        ).fetchall()
        total = 0
        for seq, size in rows:
            total += size
            if total > MOST_QUARANTINED_BYTES:
                self.delete([seq])

    def defer(self, batch: Sequence[Waiting]) -> None:
        for one in batch:
            wait = min(_LONGEST_WAIT_SECS, 2.0 ** min(one.attempts, 10))
            # nothing secret: it spreads the load
            until = time.monotonic() + random.uniform(wait / 2, wait)  # noqa: S311
            self.execute(
                "UPDATE record SET state = ?, attempts = attempts + 1, not_before = ? "
                "WHERE seq = ?",
                PENDING,
                until,
                one.seq,
            )

    def drop_superseded(self, seqs: Sequence[int] | None = None) -> None:
        """Revisions that wait beside a newer one that waits too; ``seqs`` wait again just now."""
        names = (
            "SELECT DISTINCT sighting_id FROM record WHERE seq = ?"
            if seqs is not None
            else "SELECT sighting_id FROM record WHERE state = ? GROUP BY sighting_id "
            "HAVING count(*) > 1"
        )
        for value in (PENDING,) if seqs is None else seqs:
            for (sighting_id,) in self.execute(names, value).fetchall():
                gone = self.execute(
                    "SELECT seq FROM record WHERE sighting_id = ? AND state = ? AND revision < "
                    "(SELECT max(revision) FROM record WHERE sighting_id = ? AND state = ?)",
                    sighting_id,
                    PENDING,
                    sighting_id,
                    PENDING,
                ).fetchall()
                self.delete([seq for (seq,) in gone])

    def highest(self) -> int:
        row = self.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
        return max(0 if row is None else int(row[0]), self.tally("seq_floor"))

    def tally(self, name: str) -> int:
        row = self.execute("SELECT value FROM tally WHERE name = ?", name).fetchone()
        return 0 if row is None else int(row[0])

    def add(self, name: str, count: int) -> None:
        if count:
            self.execute(
                "INSERT INTO tally VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                name,
                count,
            )

    def used_bytes(self) -> int:
        return (self.pragma("page_count") - self.pragma("freelist_count")) * PAGE_BYTES

    def pragma(self, name: str) -> int:
        return int(self.execute(f"PRAGMA {name}").fetchone()[0])

    def give_back(self, most_pages: int) -> None:
        """Returns free pages of the file to the disk."""
        # execute() would take one step of it, a page
        self._connection.executescript(f"PRAGMA incremental_vacuum({int(most_pages)})")
