"""The application: routers, limits, errors and what runs beside them, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from sightgrid import __version__
from sightgrid.attendance.icalendar import MOST_BYTES as MOST_CALENDAR_BYTES
from sightgrid.server.api import (
    accounts,
    analytics,
    attendance,
    audit,
    auth,
    boxes,
    cameras,
    candidates,
    check_in,
    consents,
    contesting,
    courses,
    edits,
    events,
    health,
    identities,
    naming,
    people,
    privacy,
    pushing,
    search,
    sightings,
    trajectories,
    wall,
    webhooks,
)
from sightgrid.server.api import site as site_routes
from sightgrid.server.apidocs import api_page
from sightgrid.server.attending import AttendanceKeeper
from sightgrid.server.demonstrating import Demonstrator
from sightgrid.server.failures import answer_failures
from sightgrid.server.ingest_queue import IngestQueue
from sightgrid.server.ingesting import Ingest
from sightgrid.server.limits import (
    MOST_COURSE_BYTES,
    MOST_PHOTO_BYTES,
    MOST_SIGHTINGS_BYTES,
    MOST_STILL_BYTES,
    Limits,
)
from sightgrid.server.live import EventFan
from sightgrid.server.mailing import send_due
from sightgrid.server.metrics import ServerMetrics
from sightgrid.server.site import Site
from sightgrid.server.workers import IngestPool

API = "/api/v1"
ROUTERS = (
    health,
    site_routes,
    auth,
    accounts,
    sightings,
    identities,
    privacy,
    trajectories,
    candidates,
    search,
    analytics,
    cameras,
    wall,
    boxes,
    people,
    consents,
    edits,
    naming,
    events,
    audit,
    webhooks,
    courses,
    attendance,
    contesting,
    pushing,
    check_in,
)


def create_app(site: Site, *, pool: IngestPool | None = None) -> FastAPI:
    """The server of an opened site; with a pool, its workers take sightings in."""
    fan = EventFan(site.store)
    queue = (
        IngestQueue(Ingest(site).take_all_in)
        if pool is None
        else IngestQueue(pool.take_all_in, at_once=pool.workers)
    )
    keeper = AttendanceKeeper(site, also=lambda: send_due(site))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        fan.start()
        site.couriers.start()
        keeper.start()
        site.retention.start()
        try:
            yield
        finally:
            queue.close()
            keeper.stop()
            site.retention.stop()
            site.couriers.stop()
            fan.stop()

    app = FastAPI(
        title="sightgrid",
        version=__version__,
        description="Who, or which anonymous visitor, was seen by which camera, when.",
        openapi_url="/api/openapi.json",
        # the usual page of documentation fetches its scripts from another host
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.site = site
    app.state.demo = Demonstrator(site)
    app.state.metrics = ServerMetrics()
    app.state.ingest = queue
    app.state.events = fan
    answer_failures(app)
    routes = APIRouter(prefix=API)
    for module in ROUTERS:
        routes.include_router(module.router)
    app.include_router(routes)

    @app.get("/api/docs", response_class=HTMLResponse, include_in_schema=False)
    def show_api() -> str:
        return api_page(app.openapi())

    app.add_middleware(
        Limits,
        larger={
            f"{API}/sightings": MOST_SIGHTINGS_BYTES,
            f"{API}/search": MOST_PHOTO_BYTES,
            f"{API}/boxes/self/stills/": MOST_STILL_BYTES,
            # where the pages take photos
            "/_nicegui/client/": MOST_PHOTO_BYTES,
            f"{API}/people/import": MOST_PHOTO_BYTES,
            f"{API}/people/{{person_id}}/faces": MOST_PHOTO_BYTES,
            f"{API}/attendance/courses": MOST_COURSE_BYTES,
            f"{API}/attendance/courses/": MOST_CALENDAR_BYTES,
        },
    )
    return app
