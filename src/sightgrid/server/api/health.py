"""Whether the server is well, for people and for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from sightgrid import __version__
from sightgrid.domain.accounts import Caller, Permission
from sightgrid.server.callers import ThisSite, allowed

router = APIRouter(tags=["health"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_CAMERAS))]


class HealthAnswer(BaseModel):
    """``ok`` while the database answers; ``findings`` say what weakens its promises."""

    status: str
    version: str
    database: str
    durable: bool
    findings: list[str]


@router.get("/health")
def health(site: ThisSite) -> HealthAnswer:
    """Whether requests can be answered; open to anybody, so it names nothing of the site."""
    with site.store.snapshot():
        durability = site.durability
    return HealthAnswer(
        status="ok",
        version=__version__,
        database="ok",
        durable=durability.durable,
        findings=list(durability.findings),
    )


@router.get("/metrics", response_class=Response)
def metrics(caller: Viewer, request: Request) -> Response:
    """Counters and gauges in Prometheus's text format; all begin with ``sightgrid_``."""
    registry = request.app.state.metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
