"""Who may do what: every route of the API, asked by every role, by nobody, and about what is not
theirs. The list of routes is the application's own, so that a new one can't be forgotten."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from tests.server.conftest import Served

from sightgrid.domain.accounts import Permission, Role
from sightgrid.server.app import API, ROUTERS
from sightgrid.server.callers import OPEN_ROUTES, box_of

# for boxes, with tokens of their own kind
BOX_ROUTES = {
    "/api/v1/boxes/self",
    "/api/v1/boxes/self/erasures",
    "/api/v1/boxes/self/health",
    "/api/v1/boxes/self/stills/{camera}",
}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/v1/auth/password"): {"old": "x", "new": "y"},
    ("POST", "/api/v1/auth/tokens"): {"name": "t", "scopes": ["see-audit"], "days": 1},
    ("POST", "/api/v1/accounts"): {"login": "new", "role": "auditor"},
    ("PATCH", "/api/v1/accounts/{account_id}"): {"disabled": False},
    ("POST", "/api/v1/boxes"): {"name": "gate"},
    ("POST", "/api/v1/identities/{serial}/merge"): {"into": 998},
    ("POST", "/api/v1/identities/{serial}/split"): {"sightings": ["a"]},
    ("POST", "/api/v1/identities/{serial}/hide"): {},
    ("POST", "/api/v1/identities/{serial}/label"): {"label": "x"},
    ("POST", "/api/v1/sightings/move"): {"sightings": ["a"], "identity": 1},
    ("POST", "/api/v1/sightings/not-this"): {"sightings": ["a"], "identity": 1},
    ("POST", "/api/v1/sightings/confirm"): {"sightings": ["a"], "identity": 1},
    ("POST", "/api/v1/cameras"): {"name": "new", "url": "rtsp://10.0.0.9/x"},
    ("POST", "/api/v1/cameras/test"): {"name": "nothing"},
    ("PUT", "/api/v1/cameras/links"): {"links": []},
    ("PATCH", "/api/v1/cameras/{name}"): {"enabled": False},
    ("PATCH", "/api/v1/site"): {},
    ("POST", "/api/v1/identities/{serial}/name"): {"person_id": "nothing"},
    ("POST", "/api/v1/proposals/{serial}/{into}/accept"): {},
    ("POST", "/api/v1/proposals/{serial}/{into}/decline"): {},
    ("POST", "/api/v1/people"): {"fields": {"name": "Zoe"}},
    ("PATCH", "/api/v1/people/{person_id}"): {"fields": {"name": "Zoe"}},
    ("POST", "/api/v1/people/{person_id}/consents"): {
        "text_version": "1",
        "text": "I agree",
        "channel": "paper",
        "evidence": "folder",
        "given_by": "Zoe",
    },
    ("POST", "/api/v1/people/{person_id}/consents/{consent_id}/withdraw"): {},
    ("POST", "/api/v1/boxes/self/erasures"): {"forgotten": []},
    ("POST", "/api/v1/privacy/holds"): {
        "subject": "serial:1",
        "owner": "o",
        "reason": "r",
        "ends_at": "2027-01-01T00:00:00Z",
    },
    ("POST", "/api/v1/privacy/holds/{hold_id}/end"): {"reason": "r"},
    ("POST", "/api/v1/privacy/erase"): {"subject": "serial:999", "reason": "r"},
    ("POST", "/api/v1/webhooks"): {"url": "https://else.test/hook"},
    ("POST", "/api/v1/attendance/courses"): {"name": "Logic"},
    ("PUT", "/api/v1/attendance/courses/{course_id}"): {"name": "Logic"},
    ("POST", "/api/v1/attendance/sessions"): {
        "course_id": "nothing",
        "starts_at": "2026-01-02T09:00:00Z",
        "ends_at": "2026-01-02T10:00:00Z",
    },
    ("POST", "/api/v1/attendance/sessions/{session_id}/marks"): {"person": "x", "status": "late"},
    ("POST", "/api/v1/attendance/sessions/{session_id}/pin"): {"person": "x", "pin": "1"},
    ("POST", "/api/v1/attendance/sessions/{session_id}/mail"): {"to": ["a@b.test"]},
    ("POST", "/api/v1/attendance/disputes/{dispute_id}/decide"): {"answer": "no"},
    ("POST", "/api/v1/attendance/sessions/{session_id}/push/moodle"): {
        "moodle_session": 1,
        "taken_by": 1,
    },
    ("POST", "/api/v1/attendance/people/{person_id}/link"): {},
}
QUERIES = {"/api/v1/search": {"reason": "a lost child"}}
VALUES = {
    "serial": "999",
    "sighting_id": "nothing",
    "account_id": "nothing",
    "box_id": "nothing",
    "token_id": "nothing",
    "webhook_id": "nothing",
    "edit_id": "nothing",
    "name": "nothing",
    "camera": "nothing",
    "into": "998",
    "person_id": "nothing",
    "consent_id": "nothing",
    "change_id": "nothing",
    "course_id": "nothing",
    "session_id": "nothing",
    "dispute_id": "nothing",
    "form": "csv",
    "hold_id": "nothing",
}


@dataclass(frozen=True)
class Route:
    """A route with its full path, as it was declared."""

    path: str
    methods: frozenset[str]
    declared: APIRoute


def routes(served: Served) -> list[Route]:
    """Every route, held against what the application itself publishes."""
    found = [
        Route(API + declared.path, frozenset(declared.methods or ()), declared)
        for module in ROUTERS
        for declared in module.router.routes
        if isinstance(declared, APIRoute)
    ]
    published = served.client.get("/api/openapi.json").json()["paths"]
    assert {route.path for route in found} == set(published)
    return found


def permission_of(route: Route) -> Permission | str | None:
    """What a route asks for; ``open`` and ``box`` for those that ask for no account."""
    if route.path in OPEN_ROUTES:
        return "open"
    pending = list(route.declared.dependant.dependencies)
    while pending:
        dependency = pending.pop()
        if dependency.call is box_of:
            return "box"
        if hasattr(dependency.call, "permission"):
            found: Permission | None = dependency.call.permission
            return found
        pending += dependency.dependencies
    raise AssertionError(f"{route.path} lets anybody in")


def ask(client: TestClient, route: Route, method: str) -> int:
    path = route.path
    for name, value in VALUES.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"give {path} a value"
    return client.request(
        method, path, json=BODIES.get((method, route.path)), params=QUERIES.get(route.path)
    ).status_code


def asked(served: Served) -> list[tuple[Route, str]]:
    # an event stream goes on; it is asked in a test of its own
    return [
        (route, method)
        for route in routes(served)
        for method in sorted(route.methods)
        if route.path != "/api/v1/events"
    ]


def test_every_route_says_what_it_asks_for(served: Served) -> None:
    found = {(route.path, permission_of(route)) for route in routes(served)}
    box = {path for path, permission in found if permission == "box"}
    assert box == {*BOX_ROUTES, "/api/v1/sightings"}
    open_routes = {path for path, permission in found if permission == "open"}
    assert open_routes == OPEN_ROUTES - {"/api/openapi.json", "/api/docs"}


def test_nobody_gets_in_without_signing_in(served: Served) -> None:
    for route, method in asked(served):
        if permission_of(route) != "open":
            assert ask(served.client, route, method) == 401, (method, route.path)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_what_it_may_and_no_more(served: Served, role: Role) -> None:
    served.account("eve", Role.OWNER)
    program = served.program(role)
    for route, method in asked(served):
        permission = permission_of(route)
        # a program is no browser: it can't sign out, and may make no tokens
        if permission == "open" or route.path in (
            "/api/v1/auth/logout",
            "/api/v1/auth/password",
            "/api/v1/auth/tokens",
        ):
            continue
        status = ask(program, route, method)
        if permission == "box":
            assert status == 401, (method, route.path)
        elif permission is None or permission in role.permissions:
            assert status not in (401, 403), (method, route.path, status)
            assert status < 500, (method, route.path, status)
        else:
            assert status == 403, (method, route.path, status)


@pytest.mark.parametrize("permission", list(Permission))
def test_a_scope_opens_nothing_but_its_own_routes(served: Served, permission: Permission) -> None:
    program = served.program(Role.OWNER, scopes=[permission])
    for route, method in asked(served):
        wanted = permission_of(route)
        if isinstance(wanted, Permission) and wanted is not permission:
            assert ask(program, route, method) == 403, (method, route.path)


def test_roles_differ(served: Served) -> None:
    """No two roles may do exactly the same, and only the owner may do everything."""
    for one, other in itertools.combinations(Role, 2):
        assert one.permissions != other.permissions
    assert [role for role in Role if role.permissions == frozenset(Permission)] == [Role.OWNER]
