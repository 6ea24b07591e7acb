"""The audit chain: what was changed, taken out, put elsewhere or cut off is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from sightgrid.store import Store
from sightgrid.store.audit import audit_events, note_event, purge_audit, verify_audit
from sightgrid.store.schema_accounts import AUDIT_EVENT, AUDIT_HEAD

NOON = datetime(2026, 1, 2, 12, 0, 0, 123_456, tzinfo=UTC)
ROWS = 7


@pytest.fixture
def filled(store: Store) -> Store:
    for number in range(ROWS):
        with store.transaction() as tx:
            note_event(
                tx,
                at=NOON + timedelta(hours=number),
                actor="account:a",
                action="photo-search",
                subject=f"serial:{number}",
                reason="a lost child ✓",
                details={"faces": number, "share": 0.5, "none": None},
            )
    return store


def change(store: Store, *statements: sa.Executable) -> None:
    with store.transaction() as tx:
        for statement in statements:
            tx.connection.execute(statement)


def first_bad(store: Store) -> int | None:
    with store.snapshot() as tx:
        return verify_audit(tx).first_bad


def test_an_untouched_chain_is_intact(filled: Store) -> None:
    with filled.snapshot() as tx:
        verdict = verify_audit(tx)
        assert (verdict.rows, verdict.first_bad) == (ROWS, None)
        newest = audit_events(tx, limit=2)
    assert [event.number for event in newest] == [7, 6]
    assert newest[0].details == {"faces": 6, "share": 0.5, "none": None}
    with filled.snapshot() as tx:
        assert [event.number for event in audit_events(tx, before=6, limit=2)] == [5, 4]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "account:b"),
        ("action", "edit"),
        ("subject", ""),
        ("reason", "another"),
        ("details", b"{}"),
        ("at", NOON),
    ],
)
def test_a_changed_row_is_named(filled: Store, column: str, value: Any) -> None:
    change(filled, sa.update(AUDIT_EVENT).where(AUDIT_EVENT.c.number == 4).values({column: value}))
    assert first_bad(filled) == 4


def test_a_row_taken_out_is_named(filled: Store) -> None:
    change(filled, sa.delete(AUDIT_EVENT).where(AUDIT_EVENT.c.number == 3))
    assert first_bad(filled) == 3


def test_the_first_row_taken_out_is_named(filled: Store) -> None:
    change(filled, sa.delete(AUDIT_EVENT).where(AUDIT_EVENT.c.number == 1))
    assert first_bad(filled) == 1


def test_rows_cut_off_are_named(filled: Store) -> None:
    change(filled, sa.delete(AUDIT_EVENT).where(AUDIT_EVENT.c.number > 5))
    assert first_bad(filled) == 6


def test_two_rows_that_changed_places_are_named(filled: Store) -> None:
    number = AUDIT_EVENT.c.number
    change(
        filled,
        sa.update(AUDIT_EVENT).where(number == 2).values(number=99),
        sa.update(AUDIT_EVENT).where(number == 5).values(number=2),
        sa.update(AUDIT_EVENT).where(number == 99).values(number=5),
    )
    assert first_bad(filled) == 2


def purge(store: Store, older_than: datetime) -> int:
    with store.transaction() as tx:
        return purge_audit(tx, older_than=older_than, at=NOON + timedelta(days=1), actor="a")


def test_a_purge_moves_the_beginning_and_keeps_the_chain(filled: Store) -> None:
    assert purge(filled, NOON + timedelta(hours=3)) == 3
    with filled.snapshot() as tx:
        verdict = verify_audit(tx)
        assert (verdict.rows, verdict.first_bad) == (5, None)
        (cut,) = audit_events(tx, limit=1)
    assert (cut.action, cut.details["rows"], cut.details["first"]) == ("audit-cut", 3, 4)
    assert purge(filled, NOON + timedelta(hours=3)) == 0
    change(filled, sa.delete(AUDIT_EVENT).where(AUDIT_EVENT.c.number == 4))
    assert first_bad(filled) == 4


def test_a_purge_of_everything_leaves_the_row_that_says_so(filled: Store) -> None:
    assert purge(filled, NOON + timedelta(hours=9)) == ROWS
    assert purge(filled, NOON + timedelta(hours=9)) == 0
    with filled.transaction() as tx:
        assert note_event(tx, at=NOON, actor="a", action="b") == ROWS + 2
    assert first_bad(filled) is None
    # the row that spoke for the beginning goes with a later cut, which speaks for its own
    assert purge(filled, NOON + timedelta(days=2)) == 2
    assert first_bad(filled) is None


def test_a_beginning_that_no_row_speaks_for_is_named(filled: Store) -> None:
    assert purge(filled, NOON + timedelta(hours=2)) == 2
    with filled.snapshot() as tx:
        fourth = next(row for row in audit_events(tx) if row.number == 4)
        before = tx.connection.scalar(
            sa.select(AUDIT_EVENT.c.previous_hash).where(AUDIT_EVENT.c.number == fourth.number)
        )
    change(
        filled,
        sa.delete(AUDIT_EVENT).where(AUDIT_EVENT.c.number < 4),
        sa.update(AUDIT_HEAD).values(first_number=4, first_before=before),
    )
    assert first_bad(filled) == 4


def test_what_is_rolled_back_leaves_no_row(filled: Store) -> None:
    def note_and_fail() -> None:
        with filled.transaction() as tx:
            note_event(tx, at=NOON, actor="a", action="b")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        note_and_fail()
    with filled.snapshot() as tx:
        assert verify_audit(tx).rows == ROWS
