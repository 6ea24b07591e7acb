"""A file system for SQLite that forgets what was not synced, and fails when it is told to.

Every write is remembered until its file is synced. ``cut()`` leaves on disk what a power cut might:
all that was synced, and of the rest some writes, some not, one perhaps half.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from sightgrid.edge.spool_file import prepare

SECTOR = 512


class Fault(Exception):
    """The machine is off; nothing more reaches the disk."""


class Disk:
    """What is on disk for sure, and what only the operating system knows."""

    def __init__(self) -> None:
        self.sure: dict[str, bytearray] = {}
        self.loose: dict[str, list[tuple[int, bytes] | int]] = {}
        self.off = False
        self.calls = 0
        self.fail_at: dict[int, int] = {}
        self.fail_from: tuple[int, int] | None = None

    def call(self, kind: str) -> None:
        """Counts a call that changes the disk; fails if it is its turn."""
        if self.off:
            raise apsw.IOError("the power is off")
        self.calls += 1
        code = self.fail_at.get(self.calls)
        if code is None and self.fail_from is not None and self.calls >= self.fail_from[0]:
            code = self.fail_from[1]
        if code is not None:
            if code == apsw.SQLITE_IOERR:
                wrong = {"write": apsw.SQLITE_IOERR_WRITE, "sync": apsw.SQLITE_IOERR_FSYNC}
                code = wrong.get(kind, apsw.SQLITE_IOERR_TRUNCATE)
            raise apsw.exception_for(code)

    def cut(self, rng: random.Random) -> None:
        """The power goes; what is left is written to the real files."""
        self.off = True
        for name, sure in self.sure.items():
            content = bytearray(sure)
            for change in self.loose.get(name, []):
                fate = rng.random()
                if fate < 0.5:
                    continue
                if isinstance(change, int):
                    del content[change:]
                    continue
                offset, data = change
                if fate > 0.9:
                    sectors = len(data) // SECTOR
                    data = data[: SECTOR * rng.randrange(sectors + 1)]
                put(content, offset, data)
            Path(name).write_bytes(content)


def put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class ForgetfulVFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.vfs_name = f"forgetful-{id(disk)}"
        super().__init__(self.vfs_name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return ForgetfulFile(self.disk, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:
        self.disk.call("delete")
        self.disk.sure.pop(name, None)
        self.disk.loose.pop(name, None)
        super().xDelete(name, sync_folder)


class ForgetfulFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self.disk = disk
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        if self.name not in disk.sure:
            path = Path(self.name)
            disk.sure[self.name] = bytearray(path.read_bytes() if path.exists() else b"")
            disk.loose[self.name] = []

    def xWrite(self, data: bytes, offset: int) -> None:
        self.disk.call("write")
        self.disk.loose[self.name].append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self.disk.call("truncate")
        self.disk.loose[self.name].append(size)
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self.disk.call("sync")
        sure = self.disk.sure[self.name]
        for change in self.disk.loose[self.name]:
            if isinstance(change, int):
                del sure[change:]
            else:
                put(sure, *change)
        self.disk.loose[self.name] = []
        super().xSync(flags)


class Rows:
    """A cursor of apsw that looks like one of sqlite3."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        # sqlite3 has done the work when execute() returns; so has this
        self._rows = iter(list(rows))

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows


class Connection:
    """As much of sqlite3's connection as the spool uses, on a forgetful disk."""

    def __init__(self, path: Path, vfs: ForgetfulVFS) -> None:
        with translated():
            self._connection = apsw.Connection(str(path), vfs=vfs.vfs_name)
            # the journal's index is shared memory, which this disk doesn't do
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> Rows:
        with translated():
            return Rows(self._connection.execute(statement, values))

    def executescript(self, script: str) -> None:
        with translated():
            self._connection.execute(script).fetchall()

    def close(self) -> None:
        # the machine may be off
        with suppress(apsw.Error):
            self._connection.close(True)


class translated:
    """apsw's errors as sqlite3's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, apsw.Error):
            told = sqlite3.OperationalError(str(error))
            told.sqlite_errorcode = getattr(error, "extendedresult", 0)
            raise told from error


def connector(vfs: ForgetfulVFS) -> Any:
    def connect(path: Path) -> Any:
        connection = Connection(path, vfs)
        prepare(connection)  # type: ignore[arg-type]
        return connection

    return connect
