"""Signing in: guessing is slowed, sessions end, tokens do no more than they were given."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.server.conftest import PASSWORD, Served, error_of

from sightgrid.domain.accounts import Permission, Role
from sightgrid.server.callers import COOKIE, CSRF_HEADER

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/auth/me"


def sign_in(client: TestClient, login: str = "ada", password: str = PASSWORD) -> Any:
    return client.post(LOGIN, json={"login": login, "password": password})


def test_the_first_owner_comes_with_the_set_up_code(served: Served) -> None:
    code, _ = served.site.door.setup_code(None)
    body = {"code": code.lower(), "login": "ada", "password": PASSWORD}
    answer = served.client.post("/api/v1/auth/setup", json=body)
    assert answer.status_code == 201
    assert answer.json()["role"] == "owner"
    assert error_of(served.client.post("/api/v1/auth/setup", json=body)) == "not_signed_in"
    assert served.browser("ada").get(ME).json()["login"] == "ada"


@pytest.mark.parametrize(
    "password", ["short", "aaaaaaaaaaaaaaaa", "password1234", "ada123456789", "sightgrid!!!!!"]
)
def test_easily_guessed_passwords_are_refused(served: Served, password: str) -> None:
    code, _ = served.site.door.setup_code(None)
    answer = served.client.post(
        "/api/v1/auth/setup", json={"code": code, "login": "ada", "password": password}
    )
    assert (answer.status_code, error_of(answer)) == (422, "invalid")
    # the code is still good
    body = {"code": code, "login": "ada", "password": PASSWORD}
    assert served.client.post("/api/v1/auth/setup", json=body).status_code == 201


def test_a_wrong_password_and_an_unknown_login_are_told_alike(served: Served) -> None:
    served.account("ada", Role.OWNER)
    wrong, unknown = sign_in(served.client, password="x"), sign_in(served.client, login="eve")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["error"] == unknown.json()["error"]


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(served: Served) -> None:
    served.account("ada", Role.OWNER)
    cookie = sign_in(served.client).headers["set-cookie"].lower()
    assert cookie.startswith(f"{COOKIE}=".lower())
    for word in ("secure", "httponly", "samesite=strict", "path=/"):
        assert word in cookie
    assert "domain" not in cookie


def test_guessing_is_slowed_and_a_restart_does_not_forget(served: Served) -> None:
    served.account("ada", Role.OWNER)
    for _ in range(5):
        assert sign_in(served.client, password="wrong").status_code == 401
    slowed = sign_in(served.client)
    assert (slowed.status_code, error_of(slowed)) == (429, "slow_down")
    assert int(slowed.headers["retry-after"]) >= 1
    served.clock.forward(seconds=2)
    for _ in range(4):
        sign_in(served.client, password="wrong")
        served.clock.forward(seconds=60)
    sign_in(served.client, password="wrong")
    # the tenth failure: half a minute
    assert int(sign_in(served.client).headers["retry-after"]) > 10
    served.clock.forward(minutes=16)
    assert sign_in(served.client).status_code == 200
    assert sign_in(served.client, password="wrong").status_code == 401
    assert sign_in(served.client).status_code == 200


def test_guessing_at_many_logins_from_one_place_is_slowed_too(served: Served) -> None:
    served.account("ada", Role.OWNER)
    for number in range(5):
        sign_in(served.client, login=f"user{number}", password="x")
    assert sign_in(served.client).status_code == 429


def test_a_change_needs_the_csrf_token_and_the_same_origin(served: Served) -> None:
    served.account("ada", Role.OWNER)
    browser = served.browser("ada")
    body = {"name": "t", "scopes": ["see-audit"], "days": 1}
    tokens = "/api/v1/auth/tokens"
    good = browser.headers[CSRF_HEADER]
    assert browser.post(tokens, json=body).status_code == 201
    del browser.headers[CSRF_HEADER]
    assert browser.get(tokens).status_code == 200
    assert browser.post(tokens, json=body).status_code == 401
    assert browser.post(tokens, json=body, headers={CSRF_HEADER: "x"}).status_code == 401
    foreign = {CSRF_HEADER: good, "Origin": "https://evil.test"}
    assert browser.post(tokens, json=body, headers=foreign).status_code == 401
    own = {CSRF_HEADER: good, "Origin": "https://site.test"}
    assert browser.post(tokens, json=body, headers=own).status_code == 201


def test_a_session_given_beforehand_is_not_taken_over(served: Served) -> None:
    """Fixation: whatever cookie a browser came with, signing in gives it a new one."""
    served.account("ada", Role.OWNER)
    served.client.cookies.set(COOKIE, "sgs_planted", domain="site.test")
    answer = sign_in(served.client)
    assert answer.cookies[COOKIE] != "sgs_planted"
    planted = TestClient(served.client.app, base_url="https://site.test")
    planted.cookies.set(COOKIE, "sgs_planted", domain="site.test")
    assert planted.get(ME).status_code == 401


def test_sessions_end(served: Served) -> None:
    served.account("ada", Role.OWNER)
    idle = served.browser("ada")
    served.clock.forward(minutes=29)
    assert idle.get(ME).status_code == 200
    served.clock.forward(minutes=29)
    assert idle.get(ME).status_code == 200
    served.clock.forward(minutes=31)
    assert idle.get(ME).status_code == 401
    busy = served.browser("ada")
    for _ in range(30):
        served.clock.forward(minutes=25)
        last = busy.get(ME).status_code
    assert last == 401
    out = served.browser("ada")
    assert out.post("/api/v1/auth/logout").status_code == 204
    out.cookies.clear()
    assert out.get(ME).status_code == 401


def test_signing_out_ends_the_session_on_the_server(served: Served) -> None:
    served.account("ada", Role.OWNER)
    browser = served.browser("ada")
    kept = browser.cookies[COOKIE]
    browser.post("/api/v1/auth/logout")
    thief = TestClient(served.client.app, base_url="https://site.test")
    thief.cookies.set(COOKIE, kept, domain="site.test")
    assert thief.get(ME).status_code == 401


def test_a_new_password_ends_every_session(served: Served) -> None:
    served.account("ada", Role.OWNER)
    one, other = served.browser("ada"), served.browser("ada")
    wrong = {"old": "x", "new": "ten green otters sleep"}
    assert one.post("/api/v1/auth/password", json=wrong).status_code == 401
    right = wrong | {"old": PASSWORD}
    assert one.post("/api/v1/auth/password", json=right).status_code == 204
    assert one.get(ME).status_code == other.get(ME).status_code == 401


def test_guessing_the_old_password_is_slowed_like_signing_in(served: Served) -> None:
    served.account("ada", Role.OWNER)
    browser = served.browser("ada")
    wrong = {"old": "x", "new": "ten green otters sleep"}
    for _ in range(5):
        assert browser.post("/api/v1/auth/password", json=wrong).status_code == 401
    right = wrong | {"old": PASSWORD}
    slowed = browser.post("/api/v1/auth/password", json=right)
    assert (slowed.status_code, error_of(slowed)) == (429, "slow_down")
    assert sign_in(served.client).status_code == 429, "both count together"
    served.clock.forward(minutes=1)
    assert browser.post("/api/v1/auth/password", json=right).status_code == 204


def test_a_token_does_what_its_scopes_say_until_it_ends(served: Served) -> None:
    program = served.program(Role.OWNER, scopes=[Permission.SEE_AUDIT])
    assert program.get("/api/v1/audit").status_code == 200
    refused = program.get("/api/v1/accounts")
    assert (refused.status_code, error_of(refused)) == (403, "not_allowed")
    served.clock.forward(days=1)
    assert program.get("/api/v1/audit").status_code == 401


def test_a_token_can_be_revoked_and_hands_on_no_more_than_it_may(served: Served) -> None:
    program = served.program(Role.OWNER, scopes=[Permission.SEE_AUDIT])
    more = {"name": "more", "scopes": ["see-audit"], "days": 1}
    refused = program.post("/api/v1/auth/tokens", json=more)
    assert (refused.status_code, error_of(refused)) == (403, "not_allowed")
    (listed,) = program.get("/api/v1/auth/tokens").json()["items"]
    assert program.delete(f"/api/v1/auth/tokens/{listed['token_id']}").status_code == 204
    assert program.get("/api/v1/audit").status_code == 401


def test_nobody_hands_on_what_they_may_not(served: Served) -> None:
    served.account("eve", Role.AUDITOR)
    more = {"name": "more", "scopes": ["manage-accounts"], "days": 1}
    assert served.browser("eve").post("/api/v1/auth/tokens", json=more).status_code == 422


def test_a_lesser_role_lessens_its_tokens(served: Served) -> None:
    served.account("eve", Role.OWNER)
    program = served.program(Role.OWNER)
    (login,) = served.logins
    account_id = served.logins[login]
    boss = served.browser("eve")
    change = {"role": "auditor"}
    assert boss.patch(f"/api/v1/accounts/{account_id}", json=change).status_code == 200
    assert program.get("/api/v1/accounts").status_code == 403
    assert program.get("/api/v1/audit").status_code == 200
    assert boss.patch(f"/api/v1/accounts/{account_id}", json={"disabled": True}).status_code == 200
    assert program.get("/api/v1/audit").status_code == 401


def test_another_ones_token_is_not_mine_to_revoke(served: Served) -> None:
    mine, other = served.program(Role.OWNER), served.program(Role.AUDITOR)
    (listed,) = other.get("/api/v1/auth/tokens").json()["items"]
    assert mine.delete(f"/api/v1/auth/tokens/{listed['token_id']}").status_code == 404
    assert other.get("/api/v1/audit").status_code == 200


def test_what_was_done_is_in_the_audit_without_names(served: Served) -> None:
    login = "grace.hopper"  # no part of a random id
    served.account(login, Role.OWNER)
    sign_in(served.client, login, "wrong")
    answer = served.browser(login).get("/api/v1/audit").json()
    actions = [row["action"] for row in answer["items"]]
    assert actions[:2] == ["sign-in", "sign-in-refused"]
    assert login not in str(answer)
    assert served.browser(login).get("/api/v1/audit/verify").json()["intact"] is True
