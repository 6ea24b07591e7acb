"""Accounts, sessions and tokens: secrets as hashes, limits, the last owner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sightgrid.domain.accounts import Permission, Role
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.store import Store
from sightgrid.store import accounts as rows

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def owner(store: Store) -> str:
    with store.transaction() as tx:
        return rows.add_account(
            tx, login="ada", role=Role.OWNER, password_hash="h", cameras=None, at=NOON
        ).account_id


def test_a_login_is_given_once(store: Store) -> None:
    owner(store)
    with store.transaction() as tx, pytest.raises(InvalidValue, match="'ada' already"):
        rows.add_account(
            tx, login="ada", role=Role.OPERATOR, password_hash=None, cameras=None, at=NOON
        )


def test_an_operator_may_be_bound_to_no_camera_at_all(store: Store) -> None:
    with store.transaction() as tx:
        made = rows.add_account(
            tx, login="bob", role=Role.OPERATOR, password_hash=None, cameras=[], at=NOON
        )
        assert made.cameras == frozenset()
        rows.restrict(tx, made.account_id, ["hall", "stairs"])
        assert rows.account(tx, made.account_id).cameras == {"hall", "stairs"}
        rows.restrict(tx, made.account_id, None)
        assert rows.account(tx, made.account_id).cameras is None


def test_the_only_owner_stays(store: Store) -> None:
    ada = owner(store)
    with store.transaction() as tx:
        with pytest.raises(InvalidValue, match="only owner"):
            rows.set_role(tx, ada, Role.AUDITOR)
        with pytest.raises(InvalidValue, match="only owner"):
            rows.disable(tx, ada, NOON)
        rows.add_account(tx, login="eve", role=Role.OWNER, password_hash="h", cameras=None, at=NOON)
        rows.set_role(tx, ada, Role.AUDITOR)
        assert rows.account_named(tx, "ada").role is Role.AUDITOR


def test_a_new_password_ends_every_session(store: Store) -> None:
    ada = owner(store)
    with store.transaction() as tx:
        for token in ("a" * 64, "b" * 64):
            rows.begin_session(
                tx,
                token,
                account_id=ada,
                csrf_hash="c" * 64,
                at=NOON,
                expires_at=NOON + timedelta(hours=1),
            )
        rows.set_password(tx, ada, "other")
        assert rows.session(tx, "a" * 64) is None
        assert rows.session(tx, "b" * 64) is None


def test_a_setup_code_works_once_and_not_late(store: Store) -> None:
    ada = owner(store)
    with store.transaction() as tx:
        rows.add_setup_code(tx, "1" * 64, account_id=ada, expires_at=NOON)
        assert rows.use_setup_code(tx, "1" * 64, at=NOON) == (False, ada)
        rows.add_setup_code(tx, "2" * 64, account_id=ada, expires_at=NOON)
        # a newer code makes an older one void
        rows.add_setup_code(tx, "3" * 64, account_id=ada, expires_at=NOON)
        early = NOON - timedelta(seconds=1)
        assert rows.use_setup_code(tx, "2" * 64, at=early) == (False, None)
        assert rows.use_setup_code(tx, "3" * 64, at=early) == (True, ada)
        assert rows.use_setup_code(tx, "3" * 64, at=early) == (False, None)
        rows.add_setup_code(tx, "4" * 64, account_id=None, expires_at=NOON)
        assert rows.use_setup_code(tx, "4" * 64, at=early) == (True, None)


def test_tokens_carry_scopes_and_can_be_revoked(store: Store) -> None:
    ada = owner(store)
    with store.transaction() as tx:
        token_id = rows.add_token(
            tx,
            "t" * 64,
            account_id=ada,
            name="export",
            scopes=[Permission.SEE_ANALYTICS, Permission.SEE_SIGHTINGS],
            at=NOON,
            expires_at=NOON + timedelta(days=1),
        )
        found = rows.token(tx, "t" * 64)
        assert found is not None
        assert found.scopes == {Permission.SEE_ANALYTICS, Permission.SEE_SIGHTINGS}
        assert found.account.login == "ada"
        rows.touch_token(tx, token_id, at=NOON)
        rows.revoke_token(tx, token_id, at=NOON)
        (listed,) = rows.tokens_of(tx, ada)
        assert listed.used_at == listed.revoked_at == NOON
        with pytest.raises(NotFound):
            rows.revoke_token(tx, "nothing", at=NOON)


def test_failures_are_counted_and_forgotten(store: Store) -> None:
    with store.transaction() as tx:
        for second in range(3):
            at = NOON + timedelta(seconds=second)
            rows.note_failure(tx, "w" * 64, at=at, forget_before=NOON - timedelta(hours=1))
        assert rows.failures(tx, "w" * 64) == rows.Failures(3, NOON + timedelta(seconds=2))
        rows.note_failure(
            tx, "x" * 64, at=NOON + timedelta(hours=9), forget_before=NOON + timedelta(hours=1)
        )
        assert rows.failures(tx, "w" * 64).count == 0
        rows.forget_failures(tx, "x" * 64)
        assert rows.failures(tx, "x" * 64).count == 0
