"""The spool's file: its tables, how it is opened, what its errors mean, how damage is survived."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sightgrid.domain.errors import InvalidRecord, SpoolError, SpoolFailed, SpoolFull
from sightgrid.wire.content import format_moment
from sightgrid.wire.records import Gap, parse_line

_LOG = logging.getLogger(__name__)

LAYOUT: Final = 1
PAGE_BYTES: Final = 8192
PENDING, IN_FLIGHT, QUARANTINED = 0, 1, 2
# what SQLite needs to write its few own pages, and more than any one record
_HARDLY_ANY_ROOM = 4 * 1024 * 1024

# a record's row is small and its line lies apart, so that looking through 259,200 of them reads
# some 30 MB, not 15 GB
_TABLES = """
CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    sighting_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    camera TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    written_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    reason TEXT
);
CREATE INDEX record_by_state ON record (state, priority, seq);
CREATE INDEX record_by_sighting ON record (sighting_id);
CREATE TABLE payload (seq INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TABLE gap (
    seq INTEGER PRIMARY KEY,
    camera TEXT NOT NULL,
    priority INTEGER NOT NULL,
    reason TEXT NOT NULL,
    dropped INTEGER NOT NULL
);
CREATE TABLE tally (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


def open_file(path: Path) -> sqlite3.Connection:
    """A connection whose commits outlast a power cut; tables are made if the file is new.

    Raises:
        SpoolFull: there is no room to open it.
        SpoolFailed: it can't be opened or promises less than that.
    """
    with meaning(path):
        fresh = not path.exists()
        if fresh:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, timeout=60, isolation_level=None)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        if fresh:
            _sync_folder(path.parent)
        return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Makes a connection keep the spool's promises, and checks that it does."""
    # a flipped bit must not make a whole row unreadable
    connection.text_factory = _lenient
    for setting in (
        f"page_size = {PAGE_BYTES}",
        "auto_vacuum = INCREMENTAL",
        "cache_size = -4096",
        "cell_size_check = ON",
        "temp_store = MEMORY",
        "secure_delete = ON",
        "synchronous = FULL",
        "journal_size_limit = 16777216",
    ):
        connection.execute(f"PRAGMA {setting}")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    sync = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or sync != 2:
        raise SpoolFailed(
            f"the spool's disk can't keep its promises: journal {mode}, synchronous {sync}",
            hint="put box.data_folder on a local disk",
        )
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    if layout == 0:
        connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {LAYOUT};COMMIT;")
    elif layout != LAYOUT:
        raise SpoolFailed(f"the spool is of layout {layout}, this version reads {LAYOUT}")


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")


@contextmanager
def meaning(path: Path) -> Iterator[None]:
    """Says in the spool's words what an error of SQLite or the disk means.

    Damage is noted in a file beside it, so that the next opening saves what can be saved.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning_of(error, path) from error
    except OSError as error:
        raise SpoolFailed(f"{path}: {error.strerror}") from error


def _meaning_of(error: sqlite3.Error, path: Path) -> SpoolError:
    code = getattr(error, "sqlite_errorcode", 0)
    kind = code & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        return SpoolFull(f"{path}: the disk is full")
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        damaged_mark(path).touch()
        return SpoolFailed(
            f"{path}: the file is damaged ({error})",
            hint="it is taken apart at the next start: whole records are kept, the rest is counted",
        )
    # the shared memory of the journal is made with other calls: a full disk shows as an I/O error
    by_the_disk = kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and code != _FSYNC_FAILED
    if by_the_disk and free_bytes(path.parent) < _HARDLY_ANY_ROOM:
        return SpoolFull(f"{path}: the disk is full")
    return SpoolFailed(f"{path}: {error}", hint="check the disk; what was sent stays sent")


_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FSYNC_FAILED = sqlite3.SQLITE_IOERR | (4 << 8)


def damaged_mark(path: Path) -> Path:
    """The file whose presence says that the spool is to be taken apart when it is opened."""
    return path.with_name(path.name + ".damaged")


def free_bytes(folder: Path) -> int:
    """What an unprivileged process may still write there."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def disk_bytes(folder: Path) -> int:
    """The size of the file system that a folder is on."""
    room = os.statvfs(folder)
    return room.f_blocks * room.f_frsize


class SpoolLock:
    """Shared by every process that has the spool open; alone for one that takes it apart."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def alone(self, *, patience_secs: float = 30.0) -> None:
        """Waits until nobody else has the spool open.

        Raises:
            SpoolFailed: somebody still has.
        """
        until = time.monotonic() + patience_secs
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise SpoolFailed("the damaged spool is still open elsewhere") from None
                time.sleep(0.1)

    def shared(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class LostRow:
    """A record that damage has taken, as far as it is known; times as they were written."""

    camera: str | None = None
    rank: int | None = None
    first_seen: str = ""
    last_seen: str = ""


def take_apart(path: Path) -> list[LostRow]:
    """Makes a new file of every whole record of a damaged one; returns what was lost.

    The damaged file is kept as ``….old`` until the next time. The caller has the spool alone.
    """
    rescued = path.with_name(path.name + ".rescued")
    for leftover in _files_of(rescued):
        leftover.unlink(missing_ok=True)
    target = open_file(rescued)
    kept, lost = 0, list[LostRow]()
    try:
        with meaning(rescued):
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            head = _first_page(rescued)
            target.execute("BEGIN IMMEDIATE")
            highest = 0
            for row in _whole_rows(path, head):
                if isinstance(row, LostRow):
                    lost.append(row)
                    continue
                record, line = row
                highest = max(highest, int(str(record[0])))
                target.execute(_INSERT, record)
                target.execute("INSERT INTO payload VALUES (?, ?)", (record[0], line))
                kept += 1
            # numbers that may have been used are never used again
            target.execute(
                "INSERT OR REPLACE INTO tally VALUES ('seq_floor', ?)", (highest + 1_000_000,)
            )
            target.execute("COMMIT")
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        target.close()
    with meaning(path):
        for old, new in zip(
            _files_of(path), _files_of(path.with_name(path.name + ".old")), strict=True
        ):
            new.unlink(missing_ok=True)
            if old.exists():
                old.replace(new)
        rescued.replace(path)
        damaged_mark(path).unlink(missing_ok=True)
        _sync_folder(path.parent)
    _LOG.error("the spool was damaged: %d records saved, %d lost", kept, len(lost))
    return lost


def _whole_rows(
    path: Path, fresh_page: bytes
) -> Iterator[tuple[tuple[object, ...], bytes] | LostRow]:
    """Every record that can be read whole, and what is known of the others."""
    numbers = _numbers(path)
    if not numbers:
        _replace_first_page(path, fresh_page)
        numbers = _numbers(path)
    source = _reader(path)
    try:
        for seq in numbers:
            record = _one(source, "SELECT * FROM record WHERE seq = ?", seq)
            found = _one(source, "SELECT line FROM payload WHERE seq = ?", seq)
            line = found[0] if found is not None and isinstance(found[0], bytes) else b""
            rebuilt = _rebuilt(seq, line, record)
            if rebuilt is not None:
                yield rebuilt, line
            elif record is None:
                yield LostRow()
            else:
                yield LostRow(str(record[3]), _as_int(record[4]), str(record[8]), str(record[9]))
    finally:
        source.close()


def _rebuilt(seq: int, line: bytes, row: tuple[Any, ...] | None) -> tuple[object, ...] | None:
    """A record's row, from its line; of the old row, where there is one, what no line tells.

    Without an old row the line's own hash is unknown: the server will notice if it is damaged.
    """
    try:
        record = parse_line(line)
    except InvalidRecord:
        return None
    if record.seq != seq or (row is not None and bytes.fromhex(record.sha256) != row[7]):
        return None
    rank = 0 if isinstance(record.body, Gap) else 1
    if row is not None and row[4] in (0, 1, 2):
        rank = row[4]
    aside = row is not None and row[5] == QUARANTINED and isinstance(row[13], str)
    return (
        *(seq, record.sighting_id, record.revision, record.camera, rank),
        QUARANTINED if aside else PENDING,
        *(len(line), bytes.fromhex(record.sha256)),
        *(format_moment(record.first_seen), format_moment(record.last_seen)),
        *(record.clock.read_at.timestamp(), 0, 0.0, row[13] if row is not None and aside else None),
    )


def _first_page(path: Path) -> bytes:
    """The head of a file made just now: where its tables begin is the same in every spool."""
    with path.open("rb") as file:
        return file.read(PAGE_BYTES)


def _replace_first_page(path: Path, fresh: bytes) -> None:
    """Gives a file whose head can't be read another, so that its tables are found again."""
    head = bytearray(fresh)
    pages = path.stat().st_size // PAGE_BYTES
    # the size counts only where these two agree (file format, 1.3.7 and 1.3.8)
    head[92:96] = head[24:28]
    head[28:32] = pages.to_bytes(4, "big")
    with path.open("r+b") as file:
        file.write(head)


def _reader(path: Path) -> sqlite3.Connection:
    source = sqlite3.connect(path, isolation_level=None)
    source.text_factory = _lenient
    return source


def _one(source: sqlite3.Connection, question: str, seq: int) -> tuple[Any, ...] | None:
    try:
        row: tuple[Any, ...] | None = source.execute(question, (seq,)).fetchone()
    except sqlite3.Error:
        return None
    return row


def _as_int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _numbers(path: Path) -> list[int]:
    """The numbers of the records, read by every way there is: a damaged page hides some of one."""
    found: set[object] = set()
    source = _reader(path)
    try:
        for question in (
            "SELECT seq FROM record ORDER BY seq",
            "SELECT seq FROM record ORDER BY seq DESC",
            "SELECT seq FROM payload ORDER BY seq",
            "SELECT seq FROM payload ORDER BY seq DESC",
            "SELECT seq FROM record INDEXED BY record_by_state WHERE state >= 0",
            "SELECT seq FROM record INDEXED BY record_by_sighting WHERE sighting_id >= ''",
        ):
            with suppress(sqlite3.Error):
                for (seq,) in source.execute(question):
                    found.add(seq)
    finally:
        source.close()
    return sorted(seq for seq in found if isinstance(seq, int))


def _files_of(path: Path) -> tuple[Path, Path, Path]:
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
