"""Accounts: who may sign in, as what, for which cameras."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission, Role
from sightgrid.server.accounts import CameraLimit, add_account, change_account, note_setup_link
from sightgrid.server.api.answers import Moment
from sightgrid.server.api.auth import AccountAnswer, account_answer
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.store import accounts as rows

router = APIRouter(prefix="/accounts", tags=["accounts"])
Manager = Annotated[Caller, Depends(allowed(Permission.MANAGE_ACCOUNTS))]


class NewAccount(BaseModel):
    """An account to be made; its owner sets the password over the set-up link."""

    login: str = Field(min_length=1, max_length=200)
    role: Role
    cameras: list[str] | None = None


class AccountChange(BaseModel):
    """What is to change; what is left out stays. ``all_cameras`` lifts a limit."""

    role: Role | None = None
    cameras: list[str] | None = None
    all_cameras: bool = False
    disabled: bool | None = None


class SetupLink(BaseModel):
    """A one-time code, told this once."""

    code: str
    expires_at: Moment


class AccountList(BaseModel):
    """Every account, by login."""

    items: list[AccountAnswer]
    next_cursor: str | None = None


@router.get("")
def list_accounts(caller: Manager, site: ThisSite) -> AccountList:
    """Every account."""
    with site.store.snapshot() as tx:
        return AccountList(items=[account_answer(one) for one in rows.accounts(tx)])


@router.post("", status_code=201)
def add(body: NewAccount, caller: Manager, site: ThisSite) -> AccountAnswer:
    """Adds an account without a password."""
    return account_answer(
        add_account(site, body.login, body.role, body.cameras, actor=caller.known_as)
    )


@router.patch("/{account_id}")
def change(account_id: str, body: AccountChange, caller: Manager, site: ThisSite) -> AccountAnswer:
    """Changes role, cameras or whether the account may sign in; its sessions end."""
    limit = None
    if body.all_cameras:
        limit = CameraLimit(None)
    elif body.cameras is not None:
        limit = CameraLimit(frozenset(body.cameras))
    return account_answer(
        change_account(
            site,
            account_id,
            actor=caller.known_as,
            role=body.role,
            limit=limit,
            disabled=body.disabled,
        )
    )


@router.post("/{account_id}/setup-link", status_code=201)
def make_setup_link(account_id: str, caller: Manager, site: ThisSite) -> SetupLink:
    """A one-time code with which the account's owner sets a password; valid for a day."""
    note_setup_link(site, account_id, actor=caller.known_as)
    code, expires_at = site.door.setup_code(account_id)
    return SetupLink(code=code, expires_at=expires_at)
