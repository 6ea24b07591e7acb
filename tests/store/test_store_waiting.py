"""Rows that wait to be written together."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from sightgrid.domain.errors import StoreError
from sightgrid.store import Store
from sightgrid.store.identities import mint
from sightgrid.store.outbox import last_event_no, write_events
from sightgrid.store.prototypes import Prototype, last_change, prototype, save_prototype
from sightgrid.store.schema import CAMERA, CONTRACT, IDENTITY

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def store(database: str) -> Store:
    with Store.open(database, create=True) as opened:
        yield opened


def camera(name: str) -> dict[str, object]:
    return {"site_id": 1, "name": name}


def count(store: Store, table: sa.Table) -> int:
    with store.snapshot() as tx:
        return int(tx.connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def test_what_waits_is_seen_by_whoever_asks_and_not_beside(store: Store) -> None:
    asked = sa.select(sa.func.count()).select_from(CAMERA)
    with store.transaction() as tx:
        tx.insert_later(CAMERA, [camera("hall"), camera("door")])
        assert tx.beside.scalar(asked) == 0
        assert [row["name"] for row in tx.waiting(CAMERA)] == ["hall", "door"]
        assert tx.connection.scalar(asked) == 2
        assert not tx.waiting(CAMERA)
        tx.insert_later(CAMERA, [camera("stairs")])
    assert count(store, CAMERA) == 3


def test_rows_are_written_in_the_order_that_references_ask_for(store: Store) -> None:
    with store.transaction() as tx:
        save_prototype(tx, Prototype(1, "c" * 64, worth=1.0))
        mint(tx, minted_at=NOON)
        row = {"site_id": 1, "contract_id": "c" * 64, "pack": "p", "dimension": 4}
        tx.insert_later(CONTRACT, [row])
        save_prototype(tx, Prototype(1, "c" * 64, worth=2.0))
    with store.snapshot() as tx:
        found = prototype(tx, 1, "c" * 64)
        assert found is not None
        assert (found.worth, found.change_no, last_change(tx)) == (2.0, 2, 2)


def test_numbers_go_on_where_they_were_and_none_is_given_twice(store: Store) -> None:
    for expected in (1, 3):
        with store.transaction() as tx:
            assert mint(tx, minted_at=NOON).serial == expected
            write_events(tx, [("new", "e", {}), ("end", "e", {})], at=NOON)
            assert mint(tx, minted_at=NOON).serial == expected + 1
            assert last_event_no(tx) == expected + 1
    assert count(store, IDENTITY) == 4


def test_what_waits_is_undone_with_its_savepoint(store: Store) -> None:
    with store.transaction() as tx:
        tx.insert_later(CAMERA, [camera("hall")])
        assert mint(tx, minted_at=NOON).serial == 1

        def fail_inside() -> None:
            with tx.savepoint():
                tx.insert_later(CAMERA, [camera("door")])
                assert mint(tx, minted_at=NOON).serial == 2
                raise ValueError("undo")

        with pytest.raises(ValueError, match="undo"):
            fail_inside()
        assert mint(tx, minted_at=NOON).serial == 2
    assert (count(store, CAMERA), count(store, IDENTITY)) == (1, 2)


def test_a_refused_row_is_told_at_the_end_of_its_savepoint(store: Store) -> None:
    with store.transaction() as tx:
        tx.insert_later(CAMERA, [camera("hall")])
        with pytest.raises(StoreError), tx.savepoint():
            tx.insert_later(CAMERA, [camera("hall")])
        tx.insert_later(CAMERA, [camera("door")])
    assert count(store, CAMERA) == 2


def test_a_failed_transaction_leaves_nothing_and_gives_its_numbers_back(store: Store) -> None:
    def fail(twice: list[dict[str, object]]) -> None:
        with store.transaction() as tx:
            mint(tx, minted_at=NOON)
            tx.insert_later(CAMERA, twice)

    with pytest.raises(StoreError):
        fail([camera("hall"), camera("hall")])
    with store.transaction() as tx:
        assert mint(tx, minted_at=NOON).serial == 1
    assert count(store, CAMERA) == 0


def test_a_row_that_waits_where_only_reading_is_meant_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError), store.snapshot() as tx:
        tx.insert_later(CAMERA, [camera("hall")])
    assert count(store, CAMERA) == 0
