from __future__ import annotations

import io
import logging
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

from sightgrid.domain.errors import InvalidValue, OutputError, StoreError
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import add_cameras, cameras
from sightgrid.store.identities import mint
from sightgrid.store.schema import CAMERA
from sightgrid.store.session import _migration_config
from sightgrid.store.tables import METADATA


def test_migrations_make_the_schema(store: Store) -> None:
    with store.snapshot() as tx:
        context = MigrationContext.configure(tx.connection, opts={"compare_type": _is_other_type})
        assert compare_metadata(context, METADATA) == []


def _is_other_type(
    context: Any, there: Any, ours: Any, there_type: sa.types.TypeEngine[Any], our_type: Any
) -> bool | None:
    """MySQL knows four sizes of BLOB, which Alembic can't tell to be ours."""
    if isinstance(there_type, sa.types._Binary) and isinstance(our_type, sa.LargeBinary):
        return False
    return None


def test_every_table_has_a_site() -> None:
    assert [table.name for table in METADATA.tables.values() if "site_id" not in table.c] == []


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb"])
def test_migrations_can_be_written_for_other_databases(dialect: str) -> None:
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name=dialect, opts={"as_sql": True, "output_buffer": written}
    )
    with Operations.context(context):
        for script in ScriptDirectory.from_config(_migration_config()).walk_revisions():
            script.module.upgrade()
    sql = written.getvalue()
    assert sql.count("CREATE TABLE") == len(METADATA.tables)
    if dialect == "postgresql":
        assert "TIMESTAMP WITH TIME ZONE" in sql
        assert "BYTEA" in sql
    else:
        assert "DATETIME(6)" in sql
        assert "BLOB(16777215)" in sql
        assert sql.count("utf8mb4_bin") == len(METADATA.tables)


def test_migrations_can_be_undone(store: Store, database: str) -> None:
    with store.transaction() as tx:
        scripts = ScriptDirectory.from_config(_migration_config())
        with Operations.context(MigrationContext.configure(tx.connection)):
            for script in scripts.walk_revisions():
                script.module.downgrade()
        assert sa.inspect(tx.connection).get_table_names() == ["alembic_version"]
        tx.connection.exec_driver_sql("DROP TABLE alembic_version")
    Store.open(database, create=True).close()


def test_migrating_is_silent(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    with caplog.at_level(logging.WARNING):
        Store.open(tmp_path / "a.db", create=True).close()
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_reopens_what_it_made(tmp_path: Path) -> None:
    path = tmp_path / "100% mine.db"
    with Store.open(path, create=True) as store, store.transaction() as tx:
        add_cameras(tx, ["hall"])
    for create in (False, True):
        with Store.open(f"sqlite:///{path}", create=create) as store, store.snapshot() as tx:
            assert cameras(tx) == ("hall",)


def test_closing_leaves_one_movable_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = Store.open(path, create=True)
    with store.transaction() as tx:
        add_cameras(tx, ["hall"])
    store.close()
    store.close()
    assert [one.name for one in tmp_path.iterdir()] == ["a.db"]
    path.rename(tmp_path / "b.db")
    with Store.open(tmp_path / "b.db", create=False) as moved, moved.snapshot() as tx:
        assert cameras(tx) == ("hall",)
    with pytest.raises(StoreError, match="was closed"), store.transaction():
        pass


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database at") as caught:
        Store.open(tmp_path / "none.db", create=False)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("create", [False, True])
def test_garbage_file(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"no database at all\n" * 500)
    with pytest.raises(StoreError, match="is not a SQLite database"):
        Store.open(path, create=create)
    assert path.read_bytes() == b"no database at all\n" * 500


@pytest.mark.parametrize("create", [False, True])
def test_database_of_another_program(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipe (name TEXT)")
    other.close()
    with pytest.raises(StoreError, match="no database of sightgrid's"):
        Store.open(path, create=create)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch()
    with pytest.raises(StoreError, match="is empty"):
        Store.open(path, create=False)
    Store.open(path, create=True).close()


@pytest.mark.parametrize("create", [False, True])
def test_unknown_revision(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "a.db"
    Store.open(path, create=True).close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE alembic_version SET version_num = 'ffff'")
    other.close()
    with pytest.raises(StoreError, match="made by another version") as caught:
        Store.open(path, create=create)
    assert caught.value.hint


def test_older_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    Store.open(path, create=True).close()
    monkeypatch.setattr(ScriptDirectory, "get_current_head", lambda self: "0099")
    with pytest.raises(StoreError, match="made by another version") as caught:
        Store.open(path, create=False)
    assert caught.value.hint == "run: sightgrid database upgrade"


def test_places_where_no_database_can_be(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store.open(tmp_path, create=True)
    with pytest.raises(StoreError, match="can't open"):
        Store.open(tmp_path / "missing" / "a.db", create=True)
    with pytest.raises(StoreError, match="needs a file"):
        Store.open("sqlite://", create=True)
    with pytest.raises(StoreError, match="driver") as caught:
        Store.open("nosuch://user:secret@host/name", create=True)
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError, match="can't be read") as caught:
        Store.open("://secret", create=True)
    assert "secret" not in str(caught.value)


def test_an_exception_undoes_everything(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:  # noqa: PT012
        add_cameras(tx, ["hall"])
        raise ZeroDivisionError
    with store.snapshot() as tx:
        assert cameras(tx) == ()


def test_full_disk(file: Store) -> None:
    def fill() -> None:
        with file.transaction() as tx:
            tx.connection.exec_driver_sql("PRAGMA max_page_count = 1")
            add_cameras(tx, [f"camera-{number}" * 10 for number in range(5000)])

    with pytest.raises(OutputError, match="disk full") as caught:
        fill()
    assert caught.value.hint
    with file.snapshot() as tx:
        assert cameras(tx) == ()


def test_a_snapshot_refuses_to_write_and_the_store_goes_on(store: Store) -> None:
    with pytest.raises(StoreError, match="read-only"), store.snapshot() as tx:
        add_cameras(tx, ["hall"])
    with store.transaction() as tx:
        add_cameras(tx, ["hall"])


def test_our_errors_are_raised_at_once(store: Store, make: Any) -> None:
    with store.transaction() as tx:
        with pytest.raises(StoreError, match="refused"), tx.savepoint():
            tx.connection.exec_driver_sql("SELECT * FROM nothing")
        with pytest.raises(StoreError, match="contradicts"), tx.savepoint():
            tx.connection.exec_driver_sql("INSERT INTO camera (site_id, name) VALUES (9, 'x')")
        with pytest.raises(InvalidValue, match="without a zone"), tx.savepoint():
            mint(tx, minted_at=make.noon.replace(tzinfo=None))
        with pytest.raises(InvalidValue, match="too long"), tx.savepoint():
            add_cameras(tx, ["x" * 201])


def test_a_savepoint_undoes_what_it_remembers_too(store: Store) -> None:
    with store.transaction() as tx:
        add_cameras(tx, ["hall"])
        with pytest.raises(ZeroDivisionError), tx.savepoint():  # noqa: PT012
            add_cameras(tx, ["stairs"])
            raise ZeroDivisionError
        add_cameras(tx, ["stairs"])
    with store.snapshot() as tx:
        assert cameras(tx) == ("hall", "stairs")


def test_what_is_committed_outlasts_a_power_cut(store: Store) -> None:
    """On the machines that run the tests the servers have their defaults, which are durable."""
    assert store.durability().durable, store.durability().findings


def test_a_weak_switch_is_told(file: Store) -> None:
    @sa.event.listens_for(file._engine, "connect")
    def weaken(connection: Any, _: object) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")

    file._engine.dispose()
    assert file.durability().findings == ("synchronous is 1, not FULL",)


def test_a_deadlock_is_done_anew_as_a_whole(store: Store) -> None:
    """Two transactions take two rows in opposite order; on SQLite the second just waits."""
    with store.transaction() as tx:
        add_cameras(tx, ["a", "b"])
    both = threading.Barrier(2, timeout=10)
    tries: list[str] = []

    def move(first: str, second: str) -> None:
        met = False

        def work(tx: Transaction) -> None:
            nonlocal met
            tries.append(first)
            for name in (first, second):
                where = sa.update(CAMERA).where(CAMERA.c.name == name)
                tx.connection.execute(where.values(position_x=x + 1.0))
                if not met and tx.connection.dialect.name != "sqlite":
                    met = True
                    both.wait()

        store.run(work)

    x = sa.func.coalesce(CAMERA.c.position_x, 0.0)
    threads = [threading.Thread(target=move, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.snapshot() as tx:
        assert set(tx.connection.scalars(sa.select(CAMERA.c.position_x))) == {2.0}
        assert len(tries) == (2 if tx.connection.dialect.name == "sqlite" else 3)


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Store.open(path, create=True) as store, store.transaction() as tx:
        add_cameras(tx, [f"camera-{number}" for number in range(2000)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreError), Store.open(path, create=False) as store:  # noqa: SIM117
        with store.snapshot() as tx:
            cameras(tx)


def test_writers_wait_for_each_other(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "a.db"
    Store.open(path, create=True).close()
    serials: list[int] = []

    def write() -> None:
        with Store.open(path, create=False) as store:
            for _ in range(5):
                with store.transaction() as tx:
                    serial = mint(tx, minted_at=make.noon).serial
                    time.sleep(0.001)
                serials.append(serial)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(serials) == list(range(1, 16))


def test_a_busy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightgrid.store.session.BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "a.db"
    with (
        Store.open(path, create=True) as one,
        Store.open(path, create=False) as other,
        one.transaction(),
    ):
        with other.snapshot() as tx:
            assert cameras(tx) == ()
        with pytest.raises(StoreError, match="in use"), other.transaction():
            pass
