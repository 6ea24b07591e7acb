"""Who asks, and whether they may: every route declares the permission it needs.

Browsers come with the session's cookie and, where they change anything, with the CSRF token;
programs come with ``Authorization: Bearer``. A route without :func:`allowed` is open to anybody and
has to be named in ``OPEN_ROUTES``; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, cast

from fastapi import Depends, Request

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import NotFound
from sightgrid.server.refusals import NotAllowed, NotSignedIn
from sightgrid.server.site import Site
from sightgrid.store.boxes import Box, box_by_token

COOKIE = "__Host-sightgrid"
CSRF_HEADER = "X-CSRF-Token"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

OPEN_ROUTES = frozenset(
    {
        "/api/v1/health",
        "/api/v1/auth/login",
        "/api/v1/auth/setup",
        "/api/v1/boxes/enrol",
        "/api/v1/attendance/check-in",
        "/api/v1/attendance/mine",
        "/api/v1/attendance/mine/{session_id}/evidence",
        "/api/v1/attendance/mine/{session_id}/contest",
        "/api/openapi.json",
        "/api/docs",
    }
)
"""Routes for whoever has no account. They tell nothing of the site; those of attendance ask for a
personal link or a PIN and tell of that person only."""


async def site_of(request: Request) -> Site:
    """The site that the application serves."""
    return cast(Site, request.app.state.site)


ThisSite = Annotated[Site, Depends(site_of)]


def caller_of(request: Request, site: ThisSite) -> Caller:
    """Who asks.

    Raises:
        NotSignedIn: nobody that is known.
    """
    bearer = _bearer(request)
    if bearer is not None:
        return site.door.by_token(bearer)
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise NotSignedIn("sign in first, or send a token as 'Authorization: Bearer'")
    changes = request.method not in _READING
    if changes:
        _check_origin(request)
    return site.door.by_session(
        cookie, csrf_token=request.headers.get(CSRF_HEADER), changes=changes
    )


SignedInCaller = Annotated[Caller, Depends(caller_of)]


def allowed(permission: Permission | None) -> Callable[..., Awaitable[Caller]]:
    """A dependency that lets through who has the permission; ``None``: anybody signed in."""

    # async, as site_of: a dependency that waits for nothing needs no thread
    async def check(caller: SignedInCaller) -> Caller:
        if permission is not None and not caller.may(permission):
            raise NotAllowed(f"this needs the permission '{permission}'")
        return caller

    check.permission = permission  # type: ignore[attr-defined]  # read by the test of all routes
    return check


def box_of(request: Request, site: ThisSite) -> Box:
    """The box that asks.

    Raises:
        NotSignedIn: its token is unknown or revoked.
    """
    bearer = _bearer(request)
    if bearer is not None:
        with site.store.snapshot() as tx:
            found = box_by_token(tx, bearer)
        if found is not None:
            return found
    raise NotSignedIn("the box's token is unknown or revoked")


ThisBox = Annotated[Box, Depends(box_of)]


def hide_foreign(camera: str, caller: Caller) -> None:
    """Makes what belongs to a camera outside the caller's as if it were not there.

    Raises:
        NotFound: the caller may not see that camera; a 403 would tell that there is something.
    """
    if not caller.may_see_camera(camera):
        raise NotFound("there is no such thing here, or it is not yours to see")


def _bearer(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def _check_origin(request: Request) -> None:
    """A browser says where a change comes from: another site's page may not use the cookie."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise NotSignedIn("the request comes from another site's page")
