"""A database, opened and of the right version; transactions on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from sightgrid.domain.errors import StoreError
from sightgrid.store.failures import raise_in_our_words
from sightgrid.store.schema import SERIAL_COUNTER, SITE

DEFAULT_SITE = 1
BUSY_TIMEOUT_MS = 10_000
MIGRATIONS = Path(__file__).parent / "migrations"
READ_ONLY = "sightgrid_read_only"


class Transaction:
    """An open transaction on one site's rows; handed to every function of the store.

    It remembers which cameras, contracts and people it has already made sure of.
    """

    __slots__ = ("cameras", "connection", "contracts", "people", "site_id")

    def __init__(self, connection: sa.Connection, *, site_id: int) -> None:
        self.connection = connection
        self.site_id = site_id
        self.cameras: set[str] = set()
        self.contracts: set[str] = set()
        self.people: dict[str, str] = {}
        """Name to person id."""


class Store:
    """A database of sightings, identities and visits. Made by :meth:`open`; a context manager."""

    def __init__(self, engine: sa.Engine, *, name: str) -> None:
        self.name = name
        self._engine: sa.Engine | None = engine

    @classmethod
    def open(cls, where: str | Path, *, create: bool) -> Store:
        """Opens the database at ``where``: a URL, or the path of a SQLite file.

        With ``create`` a missing file is made and an older database brought to this version;
        without, the database has to be there and of this version.

        Raises:
            StoreError: missing, unreadable, no database of sightgrid's, or of another version.
            OutputError: the disk is full.
        """
        url = _url(where)
        name = _shown(url)
        if url.get_backend_name() == "sqlite":
            _check_file(url, name, create=create)
        store = cls(_engine(url, name), name=name)
        try:
            store._bring_to_version(create=create)
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything written inside is there afterwards, or, after an exception, nothing is.

        On SQLite there is one such transaction at a time; another waits up to ten seconds.

        Raises:
            StoreError: the database can't be read or written, or is busy for too long.
            OutputError: the disk is full.
        """
        with self._connected() as connection, connection.begin():
            yield Transaction(connection, site_id=DEFAULT_SITE)

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """For reading only: works on a read-only file and waits for no writer. A write inside
        raises ``StoreError`` on SQLite and PostgreSQL and is undone elsewhere."""
        with self._connected() as connection:
            reading = connection.execution_options(**{READ_ONLY: True, "postgresql_readonly": True})
            try:
                yield Transaction(reading, site_id=DEFAULT_SITE)
            finally:
                reading.rollback()

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

    def _bring_to_version(self, *, create: bool) -> None:
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
            if not create:
                raise StoreError(
                    f"{self.name} was made by another version of sightgrid",
                    hint="run: sightgrid database upgrade",
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _make_default_site(connection)
            connection.commit()


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


def _engine(url: sa.URL, name: str) -> sa.Engine:
    try:
        # hide_parameters keeps names and vectors out of error messages
        engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"the driver for {url.drivername} is not installed", hint=f"install it ({error})"
        ) from None

    @sa.event.listens_for(engine, "handle_error")
    def translate(context: sa.engine.ExceptionContext) -> None:
        raise_in_our_words(context, database=name)

    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    # the driver's own habit is to begin late, at the first write; _begin_sqlite does it instead
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
    # taking the write lock at once is what makes read-then-write (minting) safe
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _migration_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _make_default_site(connection: sa.Connection) -> None:
    if connection.execute(sa.select(SITE.c.site_id)).first() is None:
        connection.execute(sa.insert(SITE), {"site_id": DEFAULT_SITE, "name": ""})
        connection.execute(sa.insert(SERIAL_COUNTER), {"site_id": DEFAULT_SITE, "next_serial": 1})
