"""Accounts made, changed and reset, with their rows in the audit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sightgrid.domain.accounts import Account, Role
from sightgrid.domain.errors import InvalidValue
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store import accounts as rows
from sightgrid.store.audit import note_event

LONGEST_LOGIN = 200


@dataclass(frozen=True, slots=True)
class CameraLimit:
    """Which cameras an account may see from now on; ``None`` lifts the limit."""

    cameras: frozenset[str] | None


def add_account(
    site: Site, login: str, role: Role, cameras: Collection[str] | None, *, actor: str
) -> Account:
    """Adds an account without a password.

    Raises:
        InvalidValue: the login is taken, or the role can't be bound to cameras.
    """
    _check_cameras(role, cameras)
    check_login(login)
    now = site.clock()

    def add(tx: Transaction) -> Account:
        made = rows.add_account(
            tx, login=login, role=role, password_hash=None, cameras=cameras, at=now
        )
        note_event(
            tx,
            at=now,
            actor=actor,
            action="account-added",
            subject=f"account:{made.account_id}",
            details={"role": role.value},
        )
        return made

    return site.store.run(add)


def check_login(login: str) -> None:
    """Whether an account may be called so.

    Raises:
        InvalidValue: nobody could type it in, or it is too long.
    """
    if not login or login != login.strip() or not login.isprintable():
        raise InvalidValue("login: give visible characters, without spaces around them")
    if len(login) > LONGEST_LOGIN:
        raise InvalidValue(f"login: at most {LONGEST_LOGIN} characters")


def change_account(
    site: Site,
    account_id: str,
    *,
    actor: str,
    role: Role | None = None,
    limit: CameraLimit | None = None,
    disabled: bool | None = None,
) -> Account:
    """Changes role, cameras or whether the account may sign in; what is ``None`` stays. Its
    sessions end where its rights change.

    Raises:
        NotFound: there is no such account.
        InvalidValue: nobody would be the owner any more, or the role can't be bound to cameras.
    """
    now = site.clock()

    def change(tx: Transaction) -> Account:
        known = rows.account(tx, account_id)
        new_role = role or known.role
        cameras = known.cameras if limit is None else limit.cameras
        _check_cameras(new_role, cameras)
        if new_role is not known.role:
            rows.set_role(tx, account_id, new_role)
        if cameras != known.cameras:
            rows.restrict(tx, account_id, cameras)
        if disabled is not None:
            rows.disable(tx, account_id, now if disabled else None)
        note_event(
            tx,
            at=now,
            actor=actor,
            action="account-changed",
            subject=f"account:{account_id}",
            details={
                "role": new_role.value,
                "cameras": "all" if cameras is None else len(cameras),
                "disabled": disabled,
            },
        )
        return rows.account(tx, account_id)

    return site.store.run(change)


def note_setup_link(site: Site, account_id: str, *, actor: str) -> None:
    """Notes who makes a code that sets an account's password: with it they could sign in as it.

    Raises:
        NotFound: there is no such account.
    """
    now = site.clock()

    def write(tx: Transaction) -> None:
        rows.account(tx, account_id)
        note_event(
            tx, at=now, actor=actor, action="setup-link-made", subject=f"account:{account_id}"
        )

    site.store.run(write)


def reset_account(site: Site, account_id: str, *, actor: str) -> str:
    """Ends every session of an account; returns a one-time code for a new password.

    Raises:
        NotFound: there is no such account.
    """
    now = site.clock()

    def end(tx: Transaction) -> None:
        rows.account(tx, account_id)
        rows.end_sessions(tx, account_id)
        note_event(tx, at=now, actor=actor, action="account-reset", subject=f"account:{account_id}")

    site.store.run(end)
    code, _ = site.door.setup_code(account_id)
    return code


def _check_cameras(role: Role, cameras: Collection[str] | None) -> None:
    if cameras is not None and role is not Role.OPERATOR:
        raise InvalidValue("cameras: only an operator can be bound to some cameras")
