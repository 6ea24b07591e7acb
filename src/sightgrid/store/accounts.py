"""Accounts, their sessions and tokens. Secrets come in and go out as hashes only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from sightgrid.domain.accounts import Account, Permission, Role
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.store.schema_accounts import (
    ACCESS_TOKEN,
    ACCOUNT,
    ACCOUNT_CAMERA,
    ATTEMPT,
    SETUP_CODE,
    WEB_SESSION,
)
from sightgrid.store.session import Transaction


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's session; ``csrf_hash`` is what changes must be accompanied by."""

    account: Account
    csrf_hash: str
    created_at: datetime
    used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A personal token or API key, without its secret."""

    token_id: str
    account: Account
    name: str
    scopes: frozenset[Permission]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Failures:
    """How often something failed in a row, and when last."""

    count: int
    last_at: datetime | None


def any_account(tx: Transaction) -> bool:
    """Whether anybody has an account yet."""
    row = tx.connection.execute(
        sa.select(ACCOUNT.c.account_id).where(ACCOUNT.c.site_id == tx.site_id).limit(1)
    ).first()
    return row is not None


def add_account(
    tx: Transaction,
    *,
    login: str,
    role: Role,
    password_hash: str | None,
    cameras: Iterable[str] | None,
    at: datetime,
) -> Account:
    """Adds an account; without a password it can't sign in until its set-up link was used.

    Raises:
        InvalidValue: the login is taken.
    """
    if _find_login(tx, login) is not None:
        raise InvalidValue(f"there is an account '{login}' already")
    account_id = str(uuid4())
    tx.connection.execute(
        sa.insert(ACCOUNT),
        {
            "site_id": tx.site_id,
            "account_id": account_id,
            "login": login,
            "password_hash": password_hash,
            "role": role.value,
            "created_at": at,
        },
    )
    restrict(tx, account_id, cameras)
    return account(tx, account_id)


def restrict(tx: Transaction, account_id: str, cameras: Iterable[str] | None) -> None:
    """Binds an account to some cameras; ``None`` sets it free. An empty set sees none."""
    here = sa.and_(
        ACCOUNT_CAMERA.c.site_id == tx.site_id, ACCOUNT_CAMERA.c.account_id == account_id
    )
    tx.connection.execute(sa.delete(ACCOUNT_CAMERA).where(here))
    if cameras is None:
        return
    # the row without a camera says that there is a limit, even if it allows nothing
    rows = [
        {"site_id": tx.site_id, "account_id": account_id, "camera": camera}
        for camera in {"", *cameras}
    ]
    tx.connection.execute(sa.insert(ACCOUNT_CAMERA), rows)


def account(tx: Transaction, account_id: str) -> Account:
    """One account.

    Raises:
        NotFound: there is none.
    """
    for found in _accounts(tx, ACCOUNT.c.account_id == account_id):
        return found
    raise NotFound(f"there is no account {account_id}")


def account_named(tx: Transaction, login: str) -> Account:
    """The account of a login.

    Raises:
        NotFound: there is none.
    """
    for found in _accounts(tx, ACCOUNT.c.login == login):
        return found
    raise NotFound(f"there is no account '{login}'", hint="'sightgrid user list' names them all")


def accounts(tx: Transaction) -> list[Account]:
    """Every account, by login."""
    return _accounts(tx, sa.true())


def password_hash_of(tx: Transaction, login: str) -> tuple[Account, str | None] | None:
    """The account of a login with the hash of its password; ``None`` if there is no such login."""
    account_id = _find_login(tx, login)
    if account_id is None:
        return None
    stored = tx.connection.scalar(
        sa.select(ACCOUNT.c.password_hash).where(
            ACCOUNT.c.site_id == tx.site_id, ACCOUNT.c.account_id == account_id
        )
    )
    return account(tx, account_id), stored


def set_password(tx: Transaction, account_id: str, password_hash: str) -> None:
    """Gives an account a new password; every session of it ends."""
    _update(tx, account_id, password_hash=password_hash)
    end_sessions(tx, account_id)


def set_role(tx: Transaction, account_id: str, role: Role) -> None:
    """Changes what an account is for; its sessions end, so that nothing of the old role stays.

    Raises:
        InvalidValue: nobody would be the owner any more.
    """
    _keep_an_owner(tx, account_id, stays=role is Role.OWNER)
    _update(tx, account_id, role=role.value)
    end_sessions(tx, account_id)


def disable(tx: Transaction, account_id: str, at: datetime | None) -> None:
    """Locks an account out (``at``) or lets it in again (``None``); its sessions end.

    Raises:
        InvalidValue: nobody would be the owner any more.
    """
    _keep_an_owner(tx, account_id, stays=at is None)
    _update(tx, account_id, disabled_at=at)
    end_sessions(tx, account_id)


def add_setup_code(
    tx: Transaction, code_hash: str, *, account_id: str | None, expires_at: datetime
) -> None:
    """A code that sets a password once; an earlier one for the same account is void."""
    tx.connection.execute(
        sa.delete(SETUP_CODE).where(
            SETUP_CODE.c.site_id == tx.site_id,
            SETUP_CODE.c.account_id.is_not_distinct_from(account_id),
        )
    )
    tx.connection.execute(
        sa.insert(SETUP_CODE),
        {
            "site_id": tx.site_id,
            "code_hash": code_hash,
            "account_id": account_id,
            "expires_at": expires_at,
        },
    )


def use_setup_code(tx: Transaction, code_hash: str, *, at: datetime) -> tuple[bool, str | None]:
    """Whether a code is valid, and for which account (``None``: the first owner's). It is void
    from now on."""
    row = tx.connection.execute(
        sa.select(SETUP_CODE.c.account_id, SETUP_CODE.c.expires_at)
        .where(SETUP_CODE.c.site_id == tx.site_id, SETUP_CODE.c.code_hash == code_hash)
        .with_for_update()
    ).first()
    if row is None:
        return False, None
    tx.connection.execute(
        sa.delete(SETUP_CODE).where(
            SETUP_CODE.c.site_id == tx.site_id, SETUP_CODE.c.code_hash == code_hash
        )
    )
    return row.expires_at > at, row.account_id


def begin_session(
    tx: Transaction,
    token_hash: str,
    *,
    account_id: str,
    csrf_hash: str,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Stores a new session; those that are over go."""
    tx.connection.execute(
        sa.delete(WEB_SESSION).where(
            WEB_SESSION.c.site_id == tx.site_id, WEB_SESSION.c.expires_at <= at
        )
    )
    tx.connection.execute(
        sa.insert(WEB_SESSION),
        {
            "site_id": tx.site_id,
            "token_hash": token_hash,
            "account_id": account_id,
            "csrf_hash": csrf_hash,
            "created_at": at,
            "used_at": at,
            "expires_at": expires_at,
        },
    )


def session(tx: Transaction, token_hash: str) -> Session | None:
    """The session of a token, over or not."""
    row = tx.connection.execute(
        sa.select(WEB_SESSION).where(
            WEB_SESSION.c.site_id == tx.site_id, WEB_SESSION.c.token_hash == token_hash
        )
    ).first()
    if row is None:
        return None
    return Session(
        account=account(tx, row.account_id),
        csrf_hash=row.csrf_hash,
        created_at=row.created_at,
        used_at=row.used_at,
        expires_at=row.expires_at,
    )


def touch_session(tx: Transaction, token_hash: str, *, at: datetime) -> None:
    """Notes that a session was used."""
    tx.connection.execute(
        sa.update(WEB_SESSION)
        .where(WEB_SESSION.c.site_id == tx.site_id, WEB_SESSION.c.token_hash == token_hash)
        .values(used_at=at)
    )


def end_session(tx: Transaction, token_hash: str) -> None:
    """Ends one session; one that is over already is fine."""
    tx.connection.execute(
        sa.delete(WEB_SESSION).where(
            WEB_SESSION.c.site_id == tx.site_id, WEB_SESSION.c.token_hash == token_hash
        )
    )


def end_sessions(tx: Transaction, account_id: str) -> None:
    """Ends every session of an account."""
    tx.connection.execute(
        sa.delete(WEB_SESSION).where(
            WEB_SESSION.c.site_id == tx.site_id, WEB_SESSION.c.account_id == account_id
        )
    )


def add_token(
    tx: Transaction,
    token_hash: str,
    *,
    account_id: str,
    name: str,
    scopes: Iterable[Permission],
    at: datetime,
    expires_at: datetime,
) -> str:
    """Stores a personal token; returns its id."""
    token_id = str(uuid4())
    tx.connection.execute(
        sa.insert(ACCESS_TOKEN),
        {
            "site_id": tx.site_id,
            "token_id": token_id,
            "account_id": account_id,
            "name": name,
            "token_hash": token_hash,
            "scopes": " ".join(sorted(scopes)),
            "created_at": at,
            "expires_at": expires_at,
        },
    )
    return token_id


def token(tx: Transaction, token_hash: str) -> Token | None:
    """The token of a secret's hash, valid or not."""
    found = _tokens(tx, ACCESS_TOKEN.c.token_hash == token_hash)
    return found[0] if found else None


def tokens_of(tx: Transaction, account_id: str) -> list[Token]:
    """Every token of an account, the newest first."""
    return _tokens(tx, ACCESS_TOKEN.c.account_id == account_id)


def touch_token(tx: Transaction, token_id: str, *, at: datetime) -> None:
    """Notes that a token was used."""
    _update_token(tx, token_id, used_at=at)


def revoke_token(tx: Transaction, token_id: str, *, at: datetime) -> None:
    """Makes a token void."""
    _update_token(tx, token_id, revoked_at=at)


def failures(tx: Transaction, what_hash: str) -> Failures:
    """How often something has failed since it last worked."""
    row = tx.connection.execute(
        sa.select(ATTEMPT.c.failures, ATTEMPT.c.last_at).where(
            ATTEMPT.c.site_id == tx.site_id, ATTEMPT.c.what_hash == what_hash
        )
    ).first()
    return Failures(0, None) if row is None else Failures(row.failures, row.last_at)


def note_failure(tx: Transaction, what_hash: str, *, at: datetime, forget_before: datetime) -> None:
    """Counts one more failure; those of long ago are forgotten."""
    tx.connection.execute(
        sa.delete(ATTEMPT).where(ATTEMPT.c.site_id == tx.site_id, ATTEMPT.c.last_at < forget_before)
    )
    here = sa.and_(ATTEMPT.c.site_id == tx.site_id, ATTEMPT.c.what_hash == what_hash)
    changed = tx.connection.execute(
        sa.update(ATTEMPT).where(here).values(failures=ATTEMPT.c.failures + 1, last_at=at)
    )
    if changed.rowcount == 0:
        tx.connection.execute(
            sa.insert(ATTEMPT),
            {"site_id": tx.site_id, "what_hash": what_hash, "failures": 1, "last_at": at},
        )


def forget_failures(tx: Transaction, what_hash: str) -> None:
    """It has worked: the count begins anew."""
    tx.connection.execute(
        sa.delete(ATTEMPT).where(ATTEMPT.c.site_id == tx.site_id, ATTEMPT.c.what_hash == what_hash)
    )


def _accounts(tx: Transaction, which: sa.ColumnElement[bool]) -> list[Account]:
    limits: dict[str, set[str]] = {}
    for account_id, camera in tx.connection.execute(
        sa.select(ACCOUNT_CAMERA.c.account_id, ACCOUNT_CAMERA.c.camera).where(
            ACCOUNT_CAMERA.c.site_id == tx.site_id
        )
    ):
        limits.setdefault(account_id, set()).update({camera} - {""})
    rows = tx.connection.execute(
        sa.select(ACCOUNT).where(ACCOUNT.c.site_id == tx.site_id, which).order_by(ACCOUNT.c.login)
    )
    return [
        Account(
            account_id=row.account_id,
            login=row.login,
            role=Role(row.role),
            cameras=frozenset(limits[row.account_id]) if row.account_id in limits else None,
            disabled=row.disabled_at is not None,
        )
        for row in rows
    ]


def _tokens(tx: Transaction, which: sa.ColumnElement[bool]) -> list[Token]:
    rows = tx.connection.execute(
        sa.select(ACCESS_TOKEN)
        .where(ACCESS_TOKEN.c.site_id == tx.site_id, which)
        .order_by(ACCESS_TOKEN.c.created_at.desc(), ACCESS_TOKEN.c.token_id)
    ).all()
    owners = {row.account_id for row in rows}
    known = {one.account_id: one for one in _accounts(tx, ACCOUNT.c.account_id.in_(owners))}
    return [
        Token(
            token_id=row.token_id,
            account=known[row.account_id],
            name=row.name,
            scopes=frozenset(Permission(word) for word in row.scopes.split()),
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
            revoked_at=row.revoked_at,
        )
        for row in rows
    ]


def _find_login(tx: Transaction, login: str) -> str | None:
    found = tx.connection.scalar(
        sa.select(ACCOUNT.c.account_id).where(
            ACCOUNT.c.site_id == tx.site_id, ACCOUNT.c.login == login
        )
    )
    return None if found is None else str(found)


def _keep_an_owner(tx: Transaction, account_id: str, *, stays: bool) -> None:
    if stays:
        return
    others = [
        one
        for one in accounts(tx)
        if one.role is Role.OWNER and not one.disabled and one.account_id != account_id
    ]
    if not others and account(tx, account_id).role is Role.OWNER:
        raise InvalidValue(
            "this is the only owner, and a site needs one",
            hint="make somebody else an owner first",
        )


def _update(tx: Transaction, account_id: str, **values: object) -> None:
    changed = tx.connection.execute(
        sa.update(ACCOUNT)
        .where(ACCOUNT.c.site_id == tx.site_id, ACCOUNT.c.account_id == account_id)
        .values(**values)
    )
    if changed.rowcount == 0 and not _accounts(tx, ACCOUNT.c.account_id == account_id):
        raise NotFound(f"there is no account {account_id}")


def _update_token(tx: Transaction, token_id: str, **values: object) -> None:
    changed = tx.connection.execute(
        sa.update(ACCESS_TOKEN)
        .where(ACCESS_TOKEN.c.site_id == tx.site_id, ACCESS_TOKEN.c.token_id == token_id)
        .values(**values)
    )
    if changed.rowcount == 0 and not _tokens(tx, ACCESS_TOKEN.c.token_id == token_id):
        raise NotFound(f"there is no token {token_id}")
