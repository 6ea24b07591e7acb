"""A whole database in one encrypted file, and back: into the same kind of database or another.

The rows are read in one snapshot while the server runs. The file is a line of JSON (what it is, of
which schema, under which key) and then frames: each a length (4 bytes, big-endian) and that many
bytes of AES-256-GCM under a key derived from the site key and the file's own salt. The nonce counts
the frames and the last one is marked, so frames can't be swapped, dropped or cut off unnoticed.
What the frames hold is zlib-compressed JSON, a row a line; bytes are base64, times ISO-8601 in UTC.

What is sealed in the database stays sealed in the backup: erasing somebody later makes their rows
in every restored backup vanish again (the erasure ledger is replayed), but a backup alone with the
site key of its time can be read. Keep backups no longer than you must.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from sightgrid.domain.errors import OutputError, StoreError
from sightgrid.store.columns import UtcDateTime
from sightgrid.store.keys import SiteKeys, cipher
from sightgrid.store.session import Store, Transaction, revision_of
from sightgrid.store.tables import METADATA

KIND = "sightgrid backup"
LAYOUT = 1
A_FRAME = 1 << 20
ROWS_AT_ONCE = 200
NOT_LAST, LAST = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup came to."""

    path: Path
    rows: int
    size_bytes: int


def backup(store: Store, keys: SiteKeys, out: Path, *, at: datetime) -> BackedUp:
    """Writes everything as of one moment; the file appears whole or not at all.

    Raises:
        OutputError: the file exists or can't be written. StoreError: the database can't be read.
    """
    if out.exists():
        raise OutputError(f"{out} exists already", hint="choose another name")
    beside = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, store.snapshot() as tx:
            rows = _write(file, tx, keys, at)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(out)
    except OSError as error:
        raise OutputError(f"the backup {out} can't be written ({error})") from error
    finally:
        beside.unlink(missing_ok=True)
    return BackedUp(out, rows, out.stat().st_size)


def restore_rows(file: Path, where: str | Path, keys: SiteKeys) -> int:
    """Fills a new database from a backup and brings it to this version; returns how many rows.

    The caller replays the erasure ledger before anybody else opens it.

    Raises:
        StoreError: the file is damaged, cut off, of another key or a later version, or the database
            is not empty.
    """
    with _opened(file) as opened:
        header = _header(opened, file)
        frames = _frames(opened, file, header, keys)
        with Store.open_empty(where, revision=header.revision) as store:
            rows = store.run(lambda tx: _fill(tx, _lines(frames)))
    # now of this version, and with the key that opens it
    Store.open(where, create=True, keys=keys, upgrade=True).close()
    return rows


@dataclass(frozen=True, slots=True)
class _Header:
    line: bytes
    revision: str
    key_number: int
    salt: str


def _write(file: BinaryIO, tx: Transaction, keys: SiteKeys, at: datetime) -> int:
    salt = secrets.token_hex(16)
    header = {
        "kind": KIND,
        "layout": LAYOUT,
        "made_at": at.astimezone(UTC).isoformat(),
        "revision": revision_of(tx.connection),
        "key_number": keys.newest,
        "salt": salt,
    }
    line = json.dumps(header).encode() + b"\n"
    file.write(line)
    sealing = cipher(keys.derive(f"backup {salt}"))
    packing, pending, count, rows = zlib.compressobj(1), bytearray(), 0, 0

    def put(mark: bytes, plain: bytes) -> None:
        nonlocal count
        sealed = sealing.encrypt(struct.pack(">4xQ", count), plain, line + mark)
        file.write(struct.pack(">I", len(sealed)) + sealed)
        count += 1

    def put_full(*, more: bytes) -> None:
        pending.extend(more)
        while len(pending) > A_FRAME:
            put(NOT_LAST, bytes(pending[:A_FRAME]))
            del pending[:A_FRAME]

    for line_of_row in _dumped(tx):
        # a table's head is an object, a row a list
        rows += line_of_row.startswith(b"[")
        put_full(more=packing.compress(line_of_row))
    put_full(more=packing.flush())
    put(LAST, bytes(pending))
    return rows


def _dumped(tx: Transaction) -> Iterator[bytes]:
    """Every row of every table of ours that is there, tables in the order of their references."""
    there = sa.inspect(tx.connection)
    names = set(there.get_table_names())
    for table in METADATA.sorted_tables:
        if table.name not in names:
            continue
        columns = [table.c[one["name"]] for one in there.get_columns(table.name)]
        head = {"table": table.name, "columns": [one.name for one in columns]}
        yield json.dumps(head).encode() + b"\n"
        # by key, so that a long table is read in parts on every driver
        ordered = sa.select(*columns).order_by(*table.primary_key.columns)
        streaming = tx.connection.execution_options(yield_per=ROWS_AT_ONCE)
        for row in streaming.execute(ordered):
            yield json.dumps([_plain(value) for value in row]).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes | memoryview | bytearray):
        return b64encode(bytes(value)).decode("ascii")
    return value


def _fill(tx: Transaction, lines: Iterator[bytes]) -> int:
    for made in reversed(METADATA.sorted_tables):
        if sa.inspect(tx.connection).has_table(made.name):
            tx.connection.execute(sa.delete(made))
    rows, batch = 0, list[dict[str, Any]]()
    table: sa.Table | None = None
    columns: list[str] = []
    later: list[tuple[sa.Table, dict[str, Any], str]] = []
    for line in lines:
        parsed = json.loads(line)
        if isinstance(parsed, dict):
            rows += _insert(tx, table, batch)
            table, columns = METADATA.tables[parsed["table"]], parsed["columns"]
            continue
        if table is None:
            raise StoreError("the backup is damaged: a row without a table")
        row = {
            name: _typed(table.c[name], value) for name, value in zip(columns, parsed, strict=True)
        }
        if row.get("alias_of") is not None:
            # it may name a serial that comes later
            later.append((table, row, "alias_of"))
            row = row | {"alias_of": None}
        batch.append(row)
        if len(batch) >= ROWS_AT_ONCE:
            rows += _insert(tx, table, batch)
    rows += _insert(tx, table, batch)
    for its_table, row, name in later:
        key = sa.and_(*(one == row[one.name] for one in its_table.primary_key.columns))
        tx.connection.execute(sa.update(its_table).where(key).values({name: row[name]}))
    return rows


def _insert(tx: Transaction, table: sa.Table | None, batch: list[dict[str, Any]]) -> int:
    if table is None or not batch:
        return 0
    count = len(batch)
    tx.connection.execute(sa.insert(table), batch)
    batch.clear()
    return count


def _typed(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, sa.LargeBinary):
        return b64decode(value)
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(column.type, sa.Boolean):
        return bool(value)
    return value


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise StoreError(f"the backup {file} can't be read ({error})") from error


def _header(opened: BinaryIO, file: Path) -> _Header:
    line = opened.readline(4096)
    try:
        header = json.loads(line)
        if header["kind"] != KIND or header["layout"] != LAYOUT:
            raise ValueError
        return _Header(line, str(header["revision"]), int(header["key_number"]), header["salt"])
    except (ValueError, TypeError, KeyError):
        raise StoreError(f"{file} is no backup that this version can read") from None


def _frames(opened: BinaryIO, file: Path, header: _Header, keys: SiteKeys) -> Iterator[bytes]:
    from cryptography.exceptions import InvalidTag

    if header.key_number not in keys.numbers():
        raise StoreError(
            f"{file} was made under another site key than {keys.path}",
            hint="give it the key file of that time",
        )
    opening = cipher(keys.derive(f"backup {header.salt}", number=header.key_number))
    count, last = 0, False
    while length := opened.read(4):
        sealed = opened.read(struct.unpack(">I", length)[0]) if len(length) == 4 else b""
        if last:
            raise StoreError(f"the backup {file} is damaged: something follows its end")
        nonce = struct.pack(">4xQ", count)
        for mark in (NOT_LAST, LAST):
            try:
                plain = opening.decrypt(nonce, sealed, header.line + mark)
            except (InvalidTag, ValueError):
                continue
            last = mark == LAST
            break
        else:
            raise StoreError(
                f"the backup {file} is damaged, or of another site key",
                hint="take another backup, or the key file of its time",
            )
        yield plain
        count += 1
    if not last:
        raise StoreError(f"the backup {file} is cut off")


def _lines(frames: Iterator[bytes]) -> Iterator[bytes]:
    unpacking, rest = zlib.decompressobj(), b""
    for frame in frames:
        *whole, rest = (rest + unpacking.decompress(frame)).split(b"\n")
        yield from whole
    yield from (line for line in (rest + unpacking.flush()).split(b"\n") if line)
