"""The address without a path: on to the first page that is for the caller's role."""

from __future__ import annotations

from fastapi.responses import RedirectResponse

from sightgrid.server.web.frame import first_place
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor


@page("/", title="Start", permission=None)
async def start(visitor: Visitor) -> RedirectResponse:
    """Leads on."""
    return RedirectResponse(first_place(visitor), 303)
