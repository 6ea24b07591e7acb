"""A database, opened and of the right version; transactions on it."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sightgrid.domain.errors import StoreBusy, StoreError
from sightgrid.store import (
    schema_accounts,
    schema_arrival,
    schema_attendance,
    schema_ledger,
    schema_privacy,
    schema_telling,
)
from sightgrid.store.durability import Durability, durability_of
from sightgrid.store.failures import raise_in_our_words
from sightgrid.store.keys import KEY_BYTES, SiteKeys
from sightgrid.store.schema import PERSON, SERIAL_COUNTER, SIGHTING, SITE
from sightgrid.store.schema_subjects import DATA_KEY
from sightgrid.store.transaction import Transaction as Transaction

T = TypeVar("T")

DEFAULT_SITE = 1
TRIES = 6
LONGEST_PAUSE_SECS = 1.0
BUSY_TIMEOUT_MS = 10_000
RECYCLE_SECS = 3600
MIGRATIONS = Path(__file__).parent / "migrations"
READ_ONLY = "sightgrid_read_only"
WITHOUT_BEGIN = "sightgrid_without_begin"
SITE_SUBJECT = "site"

# known to the migrations' test and to who copies every table
ALL_TABLES = (
    schema_accounts,
    schema_arrival,
    schema_attendance,
    schema_ledger,
    schema_privacy,
    schema_telling,
)


class Store:
    """A database of sightings, identities and visits. Made by :meth:`open`; a context manager."""

    def __init__(self, engine: sa.Engine, *, name: str, keys: SiteKeys | None = None) -> None:
        self.name = name
        self.keys = keys
        self._engine: sa.Engine | None = engine
        self._writer = threading.Lock() if engine.dialect.name == "sqlite" else None

    @classmethod
    def open(
        cls,
        where: str | Path,
        *,
        create: bool,
        keys: SiteKeys | None = None,
        upgrade: bool = False,
    ) -> Store:
        """Opens the database at ``where``: a URL, or the path of a SQLite file.

        With ``create`` a missing file is made and the older database of a run brought to this
        version; without, the database has to be there and of this version. A server's older
        database is brought to this version with ``upgrade`` only, after a backup.

        Args:
            keys: the site key of a server's database, in which vectors, crops and personal fields
                are sealed; ``None`` for the plain database of an offline run.

        Raises:
            StoreError: missing, unreadable, no database of sightgrid's, of another version, sealed
                but no key or another one given, or plain where a sealed one was asked for.
            OutputError: the disk is full.
        """
        url = _url(where)
        name = _shown(url)
        if url.get_backend_name() == "sqlite":
            _check_file(url, name, create=create)
        store = cls(_engine(url, name, served=keys is not None), name=name, keys=keys)
        try:
            store._bring_to_version(create=create, upgrade=upgrade or keys is None)
            store._check_keys(create=create)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open_as_it_is(cls, where: str | Path, *, keys: SiteKeys | None) -> Store:
        """Opens a database of any version, for a backup of it.

        Raises:
            StoreError: missing, unreadable, or empty.
        """
        url = _url(where)
        name = _shown(url)
        if url.get_backend_name() == "sqlite":
            _check_file(url, name, create=False)
        store = cls(_engine(url, name, served=keys is not None), name=name, keys=keys)
        with store.snapshot() as tx:
            if revision_of(tx.connection) is None:
                raise StoreError(f"{name} is no database of sightgrid's")
        return store

    @classmethod
    def open_empty(cls, where: str | Path, *, revision: str) -> Store:
        """Makes the tables of a given version in a new or empty database, for a backup of it.

        Raises:
            StoreError: there is something in it, or that version is not known here.
        """
        url = _url(where)
        name = _shown(url)
        if url.get_backend_name() == "sqlite":
            _check_file(url, name, create=True)
        store = cls(_engine(url, name, served=True), name=name)
        config = _migration_config()
        known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
        if revision not in known:
            raise StoreError(
                "the backup was made by a later version of sightgrid",
                hint="restore it with that version",
            )
        with store._connected() as connection:
            if sa.inspect(connection).get_table_names():
                raise StoreError(
                    f"{name} is not empty", hint="a backup is restored into a new database"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
        return store

    @property
    def version(self) -> tuple[str | None, str | None]:
        """The revision of its tables, and that of this program."""
        with self.snapshot() as tx:
            there = revision_of(tx.connection)
        return there, ScriptDirectory.from_config(_migration_config()).get_current_head()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything written inside is there afterwards, or, after an exception, nothing is.

        On SQLite there is one such transaction at a time; another waits up to ten seconds, within
        this process without asking again and again.

        Raises:
            StoreError: the database can't be read or written, or is busy for too long.
            OutputError: the disk is full.
        """
        with self._writing_alone(), self._connected() as connection, connection.begin():
            tx = Transaction(connection, site_id=DEFAULT_SITE, keys=self.keys)
            yield tx
            tx.write_out()

    @contextmanager
    def _writing_alone(self) -> Iterator[None]:
        if self._writer is None:
            yield
            return
        # SQLite's own waiting is sleeping, ever longer: whoever writes much would starve the others
        if not self._writer.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise StoreBusy(f"{self.name} is in use", hint="try again in a moment")
        try:
            yield
        finally:
            self._writer.release()

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Does ``work`` in a transaction, and all of it anew if the database broke the transaction
        off in favour of another one (a deadlock, a lock held for too long).

        ``work`` must have no effect outside the transaction, or one that may come twice.

        Raises:
            StoreBusy: it was broken off again and again.
            StoreError: as :meth:`transaction`.
        """
        for tried in range(1, TRIES):
            try:
                with self.transaction() as tx:
                    return work(tx)
            except StoreBusy:
                longest = min(LONGEST_PAUSE_SECS, 0.02 * 2**tried)
                time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, no secret
        with self.transaction() as tx:
            return work(tx)

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """For reading only, everything as of one moment: works on a read-only file and waits for
        no writer. A write inside raises ``StoreError``."""
        with self._connected() as connection:
            options: dict[str, Any] = {READ_ONLY: True}
            if connection.dialect.name == "postgresql":
                options |= {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
            reading = connection.execution_options(**options)
            try:
                tx = Transaction(reading, site_id=DEFAULT_SITE, keys=self.keys)
                yield tx
                tx.write_out()
            finally:
                reading.rollback()

    def durability(self) -> Durability:
        """Whether what is committed outlasts a power cut, as the database itself says."""
        with self._connected() as connection:
            found = durability_of(connection)
            connection.rollback()
        return found

    def wipe_traces(self, *, keys_too: bool = False) -> bool:
        """Wipes what deleted rows leave behind; whether that was possible just now.

        On SQLite the journal is emptied, in which they would be readable until it is written over;
        somebody who reads meanwhile may keep it from that. On a database server ``keys_too``
        writes the table of keys anew, so that no destroyed key lies in its files any more; the
        rest of what is deleted there can't be read without its key.
        """
        with self._connected() as connection:
            match connection.dialect.name:
                case "sqlite":
                    plain = connection.execution_options(**{WITHOUT_BEGIN: True})
                    plain.exec_driver_sql("PRAGMA query_only = OFF")
                    row = plain.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()
                    return row is not None and row[0] == 0
                case "postgresql" if keys_too:
                    plain = connection.execution_options(isolation_level="AUTOCOMMIT")
                    plain.exec_driver_sql(f"VACUUM FULL {DATA_KEY.name}")
                case "mysql" | "mariadb" if keys_too:
                    plain = connection.execution_options(isolation_level="AUTOCOMMIT")
                    plain.exec_driver_sql(f"OPTIMIZE TABLE {DATA_KEY.name}").all()
        return True

    def close(self) -> None:
        """Lets go of the file: afterwards it can be moved. Closing twice is fine."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        if self._engine is None:
            raise StoreError(f"{self.name} was closed")
        with self._engine.connect() as connection:
            yield connection

    def _bring_to_version(self, *, create: bool, upgrade: bool) -> None:
        config = _migration_config()
        scripts = ScriptDirectory.from_config(config)
        head = scripts.get_current_head()
        with self._connected() as connection:
            if not create:
                connection = connection.execution_options(**{READ_ONLY: True})
            current = MigrationContext.configure(connection).get_current_heads()
            if current == (head,):
                return
            if current and current[0] not in {
                script.revision for script in scripts.walk_revisions()
            }:
                raise StoreError(
                    f"{self.name} was made by another version of sightgrid",
                    hint="open it with the version that made it, or a later one",
                )
            if not current and sa.inspect(connection).get_table_names():
                raise StoreError(f"{self.name} is no database of sightgrid's")
            if not create and not current:
                raise StoreError(f"{self.name} is empty: no run has been stored in it")
            if not create or (current and not upgrade):
                raise StoreError(
                    f"{self.name} was made by another version of sightgrid",
                    hint="run: sightgrid database upgrade",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _make_default_site(connection)
            connection.commit()

    def _check_keys(self, *, create: bool) -> None:
        """The key opens this database; a new one that is given a key is sealed from the start.

        Raises:
            StoreError: it is sealed and there is no key or the wrong one, or it holds plain rows.
        """
        with self.snapshot() as tx:
            sealed = tx.connection.scalar(
                sa.select(SITE.c.sealed).where(SITE.c.site_id == tx.site_id)
            )
            wrapped = tx.connection.scalar(_site_key(tx))
        if self.keys is None:
            if sealed:
                raise StoreError(
                    f"{self.name} is a server's database: it is encrypted",
                    hint="open it with the server's site key",
                )
        elif wrapped is not None:
            self.keys.unwrap(wrapped, subject=SITE_SUBJECT)
        elif create:
            self.run(self._seal_from_now_on)
        else:
            raise StoreError(f"{self.name} is the plain database of a run, not a server's")

    def _seal_from_now_on(self, tx: Transaction) -> None:
        if self.keys is None:
            return
        tx.lock_site()
        if tx.connection.scalar(_site_key(tx)) is not None:
            return
        for table in (SIGHTING, PERSON):
            if tx.connection.execute(sa.select(table.c.site_id).limit(1)).first() is not None:
                raise StoreError(
                    f"{self.name} is the plain database of a run, not a server's",
                    hint="give the server a database of its own",
                )
        key = secrets.token_bytes(KEY_BYTES)
        row = {"subject": SITE_SUBJECT, "wrapped": self.keys.wrap(key, subject=SITE_SUBJECT)}
        tx.connection.execute(sa.insert(DATA_KEY), {"site_id": tx.site_id, **row})
        tx.connection.execute(
            sa.update(SITE).where(SITE.c.site_id == tx.site_id).values(sealed=True)
        )


def revision_of(connection: sa.Connection) -> str | None:
    """The revision of the tables; ``None`` where there are none of ours."""
    heads = MigrationContext.configure(connection).get_current_heads()
    return heads[0] if heads else None


def _site_key(tx: Transaction) -> sa.Select[Any]:
    return sa.select(DATA_KEY.c.wrapped).where(
        DATA_KEY.c.site_id == tx.site_id, DATA_KEY.c.subject == SITE_SUBJECT
    )


def _url(where: str | Path) -> sa.URL:
    if isinstance(where, Path) or "://" not in where:
        return sa.URL.create("sqlite", database=str(where))
    try:
        return sa.make_url(where)
    except sa.exc.ArgumentError:
        # the text may hold a password, so it isn't repeated
        raise StoreError(
            "the database's URL can't be read",
            hint="write it as sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
        ) from None


def _shown(url: sa.URL) -> str:
    """The path of a file, else the URL without its password."""
    if url.get_backend_name() == "sqlite" and url.database:
        return url.database
    return url.render_as_string(hide_password=True)


def _check_file(url: sa.URL, name: str, *, create: bool) -> None:
    if url.database is None or url.database in ("", ":memory:"):
        raise StoreError("the database needs a file", hint="write it as sqlite:///FILE")
    path = Path(url.database)
    if path.is_dir():
        raise StoreError(f"{name} is a folder, not a database")
    if not create and not path.exists():
        raise StoreError(
            f"there is no database at {name}",
            hint="name the folder that 'sightgrid track --out' wrote",
        )


def _engine(url: sa.URL, name: str, *, served: bool) -> sa.Engine:
    backend = url.get_backend_name()
    options: dict[str, Any] = {}
    if backend != "sqlite":
        # a transaction that waited for the site's lock must see what the one before it wrote
        options = {"isolation_level": "READ COMMITTED", "pool_recycle": RECYCLE_SECS}
    try:
        # hide_parameters keeps names and vectors out of error messages
        engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, **options)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"the driver for {url.drivername} is not installed", hint=f"install it ({error})"
        ) from None

    @sa.event.listens_for(engine, "handle_error")
    def translate(context: sa.engine.ExceptionContext) -> None:
        raise_in_our_words(context, database=name)

    if backend == "sqlite":
        prepare = _prepare_served_sqlite if served else _prepare_sqlite
        sa.event.listen(engine, "connect", prepare)
        sa.event.listen(engine, "begin", _begin_sqlite)
    elif backend in ("mysql", "mariadb"):
        sa.event.listen(engine, "begin", _begin_mysql)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    # the driver's own habit is to begin late, at the first write; _begin_sqlite does it instead
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.close()


def _prepare_served_sqlite(connection: Any, record: object) -> None:
    """A server's file: readers and the writer don't wait for each other, and what is deleted is
    overwritten."""
    _prepare_sqlite(connection, record)
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(WITHOUT_BEGIN, False):
        return
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
    # taking the write lock at once is what makes read-then-write (minting) safe
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_mysql(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(READ_ONLY, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def _migration_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _make_default_site(connection: sa.Connection) -> None:
    if connection.execute(sa.select(SITE.c.site_id)).first() is None:
        connection.execute(sa.insert(SITE), {"site_id": DEFAULT_SITE, "name": ""})
        connection.execute(sa.insert(SERIAL_COUNTER), {"site_id": DEFAULT_SITE, "next_serial": 1})
