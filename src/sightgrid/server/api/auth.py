"""Signing in and out, passwords, personal tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Account, Caller, Permission, Role
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import COOKIE, ThisSite, allowed
from sightgrid.server.signing_in import SESSION_AT_MOST
from sightgrid.store.accounts import tokens_of

router = APIRouter(prefix="/auth", tags=["auth"])
Anybody = Annotated[Caller, Depends(allowed(None))]


class Login(BaseModel):
    """A login and its password."""

    login: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1000)


class SetUp(BaseModel):
    """A one-time code and the password it sets; ``login`` for the first owner only."""

    code: str = Field(min_length=1, max_length=100)
    login: str | None = Field(default=None, min_length=1, max_length=200)
    password: str = Field(max_length=1000)


class NewPassword(BaseModel):
    """The password until now and the one from now on."""

    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


class NewToken(BaseModel):
    """A personal token to be made."""

    name: str = Field(min_length=1, max_length=200)
    scopes: list[Permission] = Field(min_length=1)
    days: int = Field(ge=1, le=365)


class AccountAnswer(BaseModel):
    """An account. ``cameras`` is null where it may see every camera."""

    account_id: str
    login: str
    role: Role
    cameras: list[str] | None
    disabled: bool
    permissions: list[Permission]


class SignedInAnswer(BaseModel):
    """A new session; ``csrf_token`` goes into the header X-CSRF-Token of every change."""

    account: AccountAnswer
    csrf_token: str
    expires_at: Moment


class TokenAnswer(BaseModel):
    """A token without its secret."""

    token_id: str
    name: str
    scopes: list[Permission]
    created_at: Moment
    expires_at: Moment
    used_at: Moment | None
    revoked: bool


class NewTokenAnswer(BaseModel):
    """A new token; its secret is told this once."""

    token_id: str
    token: str


class TokenList(BaseModel):
    """The caller's tokens, the newest first."""

    items: list[TokenAnswer]
    next_cursor: str | None = None


def account_answer(account: Account) -> AccountAnswer:
    """An account as it is told."""
    return AccountAnswer(
        account_id=account.account_id,
        login=account.login,
        role=account.role,
        cameras=None if account.cameras is None else sorted(account.cameras),
        disabled=account.disabled,
        permissions=sorted(account.role.permissions),
    )


@router.post("/login")
def login(body: Login, request: Request, response: Response, site: ThisSite) -> SignedInAnswer:
    """Begins a session: sets the cookie and answers with the CSRF token."""
    address = request.client.host if request.client is not None else ""
    done = site.door.sign_in(body.login, body.password, address=address)
    response.set_cookie(
        COOKIE,
        done.token,
        max_age=int(SESSION_AT_MOST.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return SignedInAnswer(
        account=account_answer(done.account),
        csrf_token=done.csrf_token,
        expires_at=done.expires_at,
    )


@router.post("/logout", status_code=204)
def logout(caller: Anybody, request: Request, response: Response, site: ThisSite) -> None:
    """Ends the session of the cookie."""
    cookie = request.cookies.get(COOKIE)
    if cookie is not None:
        site.door.sign_out(cookie)
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")


@router.post("/setup", status_code=201)
def set_up(body: SetUp, request: Request, site: ThisSite) -> AccountAnswer:
    """Uses a one-time code: makes the first owner, or sets an account's password."""
    address = request.client.host if request.client is not None else ""
    return account_answer(
        site.door.set_up(body.code, login=body.login, password=body.password, address=address)
    )


@router.get("/me")
def me(caller: Anybody) -> AccountAnswer:
    """Who the caller is and may do."""
    answer = account_answer(caller.account)
    return answer.model_copy(update={"permissions": sorted(caller.permissions)})


@router.post("/password", status_code=204)
def change_password(body: NewPassword, caller: Anybody, site: ThisSite) -> None:
    """Sets the caller's own password; every session of theirs ends."""
    site.door.change_password(caller, old=body.old, new=body.new)


@router.get("/tokens")
def list_tokens(caller: Anybody, site: ThisSite) -> TokenList:
    """The caller's own tokens."""
    with site.store.snapshot() as tx:
        found = tokens_of(tx, caller.account.account_id)
    return TokenList(
        items=[
            TokenAnswer(
                token_id=one.token_id,
                name=one.name,
                scopes=sorted(one.scopes),
                created_at=one.created_at,
                expires_at=one.expires_at,
                used_at=one.used_at,
                revoked=one.revoked_at is not None,
            )
            for one in found
        ]
    )


@router.post("/tokens", status_code=201)
def make_token(body: NewToken, caller: Anybody, site: ThisSite) -> NewTokenAnswer:
    """A new personal token, which may do at most what the caller may."""
    token_id, token = site.door.make_token(
        caller, body.name, body.scopes, timedelta(days=body.days)
    )
    return NewTokenAnswer(token_id=token_id, token=token)


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(token_id: str, caller: Anybody, site: ThisSite) -> None:
    """Makes one of the caller's tokens void."""
    site.door.revoke_token(caller, token_id)
