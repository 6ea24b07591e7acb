"""A site with its server, asked over HTTP as from outside; a clock that tests move."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from sightgrid.configuration import Configuration
from sightgrid.domain.accounts import Permission, Role
from sightgrid.server.accounts import add_account
from sightgrid.server.app import create_app
from sightgrid.server.callers import CSRF_HEADER
from sightgrid.server.site import Site, SiteSettings

PASSWORD = "nine purple otters sing"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = datetime(2026, 1, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Served:
    """A running site and ways to ask it."""

    site: Site
    clock: Clock
    client: TestClient
    logins: dict[str, str] = field(default_factory=dict)

    def account(self, login: str, role: Role, cameras: list[str] | None = None) -> str:
        """A new account with a password; returns its id."""
        made = add_account(self.site, login, role, cameras, actor="test")
        code, _ = self.site.door.setup_code(made.account_id)
        self.site.door.set_up(code, login=None, password=PASSWORD, address="here")
        return made.account_id

    def browser(self, login: str) -> TestClient:
        """A browser in which ``login`` is signed in; changes carry the CSRF token."""
        client = TestClient(self.client.app, base_url="https://site.test")
        answer = client.post("/api/v1/auth/login", json={"login": login, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers[CSRF_HEADER] = answer.json()["csrf_token"]
        return client

    def program(self, role: Role, *, scopes: list[Permission] | None = None) -> TestClient:
        """A program with a token of a new account."""
        login = f"{role.value}-{len(self.logins)}"
        self.logins[login] = self.account(login, role)
        browser = self.browser(login)
        wanted = [one.value for one in scopes or sorted(role.permissions)]
        answer = browser.post(
            "/api/v1/auth/tokens", json={"name": "t", "scopes": wanted, "days": 1}
        )
        assert answer.status_code == 201, answer.text
        client = TestClient(self.client.app, base_url="https://site.test")
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return client


def error_of(answer: Any) -> str:
    """The code of a refusal."""
    return str(answer.json()["error"]["code"])


@pytest.fixture(scope="session")
def fresh_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site that was just made; migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("site")
    Site(SiteSettings(Configuration.default(folder / "sightgrid.yml"), folder)).close()
    return folder


@pytest.fixture
def served(tmp_path: Path, fresh_site: Path) -> Iterator[Served]:
    shutil.copytree(fresh_site, tmp_path, dirs_exist_ok=True)
    clock = Clock()
    configuration = Configuration.default(tmp_path / "sightgrid.yml")
    site = Site(SiteSettings(configuration, tmp_path, clock))
    with TestClient(create_app(site), base_url="https://site.test") as client:
        yield Served(site, clock, client)
    site.close()
