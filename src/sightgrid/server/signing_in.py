"""Signing in and out: passwords against guessing, sessions, tokens, set-up links."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sightgrid.domain.accounts import Account, Caller, Permission, Role
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.server.credentials import (
    SESSION_PREFIX,
    TOKEN_PREFIX,
    check_password,
    hash_of,
    hash_password,
    new_secret,
    password_matches,
)
from sightgrid.server.refusals import NotAllowed, NotSignedIn, SlowDown
from sightgrid.store import Store, Transaction
from sightgrid.store import accounts as rows
from sightgrid.store.audit import note_event
from sightgrid.store.sealing import keyed_hash

SESSION_IDLE = timedelta(minutes=30)
SESSION_AT_MOST = timedelta(hours=12)
TOKEN_AT_MOST = timedelta(days=365)
SETUP_VALID = timedelta(hours=24)
# the row of a session is written at most so often, not at every request
_TOUCH_EVERY = timedelta(minutes=1)
_FREE_FAILURES = 5
_LONGEST_WAIT = timedelta(minutes=15)
_FAILURES_FORGOTTEN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. ``token`` goes into the cookie, ``csrf_token`` to the page; neither is
    stored."""

    account: Account
    token: str
    csrf_token: str
    expires_at: datetime


class Doorkeeper:
    """Lets people and programs in; thread-safe."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def sign_in(self, login: str, password: str, *, address: str) -> SignedIn:
        """A session for the right password.

        Raises:
            SlowDown: too many wrong ones lately, for this login or from this address.
            NotSignedIn: the login or the password is wrong; which one isn't told.
        """
        now = self._clock()
        with self._store.snapshot() as tx:
            tries = [_tried(tx, "login", login), _tried(tx, "address", address)]
            wait = max(_wait(rows.failures(tx, one), now) for one in tries)
            found = rows.password_hash_of(tx, login)
        if wait > timedelta():
            raise SlowDown(wait)
        account, stored = found if found is not None else (None, None)
        fits = password_matches(password, stored)
        if account is None or not fits or account.disabled:

            def count(tx: Transaction) -> None:
                for one in tries:
                    rows.note_failure(tx, one, at=now, forget_before=now - _FAILURES_FORGOTTEN)
                note_event(tx, at=now, actor="nobody", action="sign-in-refused")

            self._store.run(count)
            raise NotSignedIn("the login or the password is wrong")
        token, csrf_token = new_secret(SESSION_PREFIX), new_secret("")
        expires_at = now + SESSION_AT_MOST

        def begin(tx: Transaction) -> None:
            for one in tries:
                rows.forget_failures(tx, one)
            rows.begin_session(
                tx,
                hash_of(token),
                account_id=account.account_id,
                csrf_hash=hash_of(csrf_token),
                at=now,
                expires_at=expires_at,
            )
            note_event(tx, at=now, actor=f"account:{account.account_id}", action="sign-in")

        self._store.run(begin)
        return SignedIn(account, token, csrf_token, expires_at)

    def sign_out(self, token: str) -> None:
        """Ends a session."""
        self._store.run(lambda tx: rows.end_session(tx, hash_of(token)))

    def by_session(self, token: str, *, csrf_token: str | None, changes: bool) -> Caller:
        """Who a session's cookie stands for.

        Args:
            changes: whether the request may change anything; then it needs the session's CSRF
                token too.

        Raises:
            NotSignedIn: the session is over, or the CSRF token is missing or another's.
        """
        now, token_hash = self._clock(), hash_of(token)
        with self._store.snapshot() as tx:
            found = rows.session(tx, token_hash)
        if (
            found is None
            or found.expires_at <= now
            or found.used_at + SESSION_IDLE <= now
            or found.account.disabled
        ):
            raise NotSignedIn("the session is over")
        if changes and not (
            csrf_token is not None and secrets.compare_digest(hash_of(csrf_token), found.csrf_hash)
        ):
            raise NotSignedIn("the request lacks the session's CSRF token")
        if now - found.used_at >= _TOUCH_EVERY:
            self._store.run(lambda tx: rows.touch_session(tx, token_hash, at=now))
        return Caller(found.account, found.account.role.permissions)

    def by_token(self, token: str) -> Caller:
        """Who a personal token stands for: never more than its account may do.

        Raises:
            NotSignedIn: it is unknown, expired or revoked.
        """
        now = self._clock()
        with self._store.snapshot() as tx:
            found = rows.token(tx, hash_of(token))
        if (
            found is None
            or found.revoked_at is not None
            or found.expires_at <= now
            or found.account.disabled
        ):
            raise NotSignedIn("the token is unknown, expired or revoked")
        if found.used_at is None or now - found.used_at >= _TOUCH_EVERY:
            self._store.run(lambda tx: rows.touch_token(tx, found.token_id, at=now))
        return Caller(found.account, found.account.role.permissions & found.scopes, found.name)

    def make_token(
        self, caller: Caller, name: str, scopes: Iterable[Permission], valid: timedelta
    ) -> tuple[str, str]:
        """A new token of the caller's own: its id and, this once, its secret.

        Raises:
            NotAllowed: a token asks; one that leaked must not be able to renew itself.
            InvalidValue: it would last too long, or may do more than the caller.
        """
        if caller.token_name is not None:
            raise NotAllowed("a token can't make tokens: sign in for that")
        wanted = frozenset(scopes)
        if not wanted:
            raise InvalidValue("a token needs at least one scope")
        if not timedelta() < valid <= TOKEN_AT_MOST:
            raise InvalidValue(f"a token lasts for 1 to {TOKEN_AT_MOST.days} days")
        beyond = wanted - caller.permissions
        if beyond:
            raise InvalidValue(f"you may not hand on: {', '.join(sorted(beyond))}")
        now, token = self._clock(), new_secret(TOKEN_PREFIX)

        def add(tx: Transaction) -> str:
            token_id = rows.add_token(
                tx,
                hash_of(token),
                account_id=caller.account.account_id,
                name=name,
                scopes=wanted,
                at=now,
                expires_at=now + valid,
            )
            note_event(
                tx,
                at=now,
                actor=caller.known_as,
                action="token-made",
                subject=f"token:{token_id}",
                details={"scopes": " ".join(sorted(wanted)), "days": valid.days},
            )
            return token_id

        return self._store.run(add), token

    def setup_code(self, account_id: str | None) -> tuple[str, datetime]:
        """A one-time code: for the first owner (``None``) or for an account's new password."""
        # read off a terminal and typed at times: letters that can't be mistaken for each other
        code = "-".join(
            "".join(secrets.choice("ABCDEFGHJKMNPQRSTVWXYZ23456789") for _ in range(5))
            for _ in range(4)
        )
        expires_at = self._clock() + SETUP_VALID
        self._store.run(
            lambda tx: rows.add_setup_code(
                tx, hash_of(code), account_id=account_id, expires_at=expires_at
            )
        )
        return code, expires_at

    def set_up(self, code: str, *, login: str | None, password: str, address: str) -> Account:
        """Uses a one-time code: makes the first owner, or sets an account's password.

        Raises:
            SlowDown: too many wrong codes lately.
            NotSignedIn: the code is wrong, used or expired.
            InvalidValue: the password may not be used, or the first owner needs a login.
        """
        now = self._clock()
        with self._store.snapshot() as tx:
            tried = _tried(tx, "setup", address)
            wait = _wait(rows.failures(tx, tried), now)
        if wait > timedelta():
            raise SlowDown(wait)
        check_password(password, login=login or "")
        hashed = hash_password(password)

        def use(tx: Transaction) -> Account | None:
            valid, account_id = rows.use_setup_code(tx, hash_of(code.strip().upper()), at=now)
            # whoever finds the first owner's code later, in a terminal or a log, must not become
            # an owner beside the one that there is
            if not valid or (account_id is None and rows.any_account(tx)):
                rows.note_failure(tx, tried, at=now, forget_before=now - _FAILURES_FORGOTTEN)
                return None
            if account_id is not None:
                rows.set_password(tx, account_id, hashed)
                account = rows.account(tx, account_id)
            else:
                if not login:
                    raise InvalidValue("the first owner needs a login")
                account = rows.add_account(
                    tx, login=login, role=Role.OWNER, password_hash=hashed, cameras=None, at=now
                )
            note_event(tx, at=now, actor=f"account:{account.account_id}", action="password-set")
            return account

        account = self._store.run(use)
        if account is None:
            raise NotSignedIn("the set-up code is wrong, used or expired")
        return account

    @contextmanager
    def guessing(self, what: str, address: str) -> Iterator[None]:
        """For whatever else can be guessed: too many failures from an address slow it down.

        Raises:
            SlowDown: too many wrong tries lately.
        """
        now = self._clock()
        with self._store.snapshot() as tx:
            tried = _tried(tx, what, address)
            wait = _wait(rows.failures(tx, tried), now)
        if wait > timedelta():
            raise SlowDown(wait)
        try:
            yield
        except NotFound:
            self._store.run(
                lambda tx: rows.note_failure(
                    tx, tried, at=now, forget_before=now - _FAILURES_FORGOTTEN
                )
            )
            raise
        self._store.run(lambda tx: rows.forget_failures(tx, tried))

    def change_password(self, caller: Caller, *, old: str, new: str) -> None:
        """Sets the caller's own password; every session of theirs ends.

        Raises:
            SlowDown: too many wrong ones lately, here or when signing in.
            NotSignedIn: the old password is wrong.
            InvalidValue: the new one may not be used.
        """
        login, now = caller.account.login, self._clock()
        with self._store.snapshot() as tx:
            # counted together with signing in: a stolen session must not give more guesses
            tried = _tried(tx, "login", login)
            wait = _wait(rows.failures(tx, tried), now)
            found = rows.password_hash_of(tx, login)
        if wait > timedelta():
            raise SlowDown(wait)
        if found is None or not password_matches(old, found[1]):

            def count(tx: Transaction) -> None:
                rows.note_failure(tx, tried, at=now, forget_before=now - _FAILURES_FORGOTTEN)
                note_event(tx, at=now, actor=caller.known_as, action="password-refused")

            self._store.run(count)
            raise NotSignedIn("the old password is wrong")
        check_password(new, login=login)
        hashed = hash_password(new)

        def change(tx: Transaction) -> None:
            rows.forget_failures(tx, tried)
            rows.set_password(tx, caller.account.account_id, hashed)
            note_event(tx, at=now, actor=caller.known_as, action="password-set")

        self._store.run(change)

    def revoke_token(self, caller: Caller, token_id: str) -> None:
        """Makes one of the caller's own tokens void.

        Raises:
            NotFound: the caller has no such token.
        """
        now = self._clock()

        def revoke(tx: Transaction) -> None:
            own = rows.tokens_of(tx, caller.account.account_id)
            if token_id not in {one.token_id for one in own}:
                raise NotFound(f"there is no token {token_id}")
            rows.revoke_token(tx, token_id, at=now)
            note_event(
                tx,
                at=now,
                actor=caller.known_as,
                action="token-revoked",
                subject=f"token:{token_id}",
            )

        self._store.run(revoke)


def _tried(tx: Transaction, what: str, where: str) -> str:
    """What was tried from where; nobody can look that up without the site's key."""
    return keyed_hash(tx, f"{what} {where}", purpose="attempt")


def _wait(failures: rows.Failures, now: datetime) -> timedelta:
    """How long the next try has to wait: doubling from the sixth failure on."""
    if failures.last_at is None or failures.count < _FREE_FAILURES:
        return timedelta()
    pause = min(timedelta(seconds=2 ** (failures.count - _FREE_FAILURES)), _LONGEST_WAIT)
    return max(failures.last_at + pause - now, timedelta())
