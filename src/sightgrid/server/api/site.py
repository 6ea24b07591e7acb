"""The site itself: what it is called, how it recognises, and the demo."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from sightgrid import __version__
from sightgrid.configuration.editing import set_site
from sightgrid.domain.accounts import Caller, Permission
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.demonstrating import Demonstrator
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event

router = APIRouter(prefix="/site", tags=["site"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_CAMERAS))]
Manager = Annotated[Caller, Depends(allowed(Permission.MANAGE_SETTINGS))]


class SiteAnswer(BaseModel):
    """The site. Shares are chances of a mistake: 0.0001 is 1 per 10000 passages."""

    name: str
    timezone: str
    has_plan: bool
    version: str
    pack: str
    false_alarms: float
    stranger_merges: float
    stranger_window_hours: float
    configuration_file: str


class SiteChange(BaseModel):
    """What is to change; it is written into the configuration file."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    timezone: str | None = Field(default=None, min_length=1, max_length=100)


class DemoAnswer(BaseModel):
    """How far the demo has come; ``share`` is 0-1, ``trouble`` says why it ended early."""

    running: bool
    words: str
    share: float
    done: bool
    trouble: str | None
    hint: str | None


@router.get("")
def show_site(caller: Viewer, site: ThisSite) -> SiteAnswer:
    """What the site is called and how it recognises."""
    known = site.configuration
    return SiteAnswer(
        name=known.site.name,
        timezone=str(known.site.zone),
        has_plan=known.site.floor_plan is not None,
        version=__version__,
        pack=known.recognition.pack,
        false_alarms=known.recognition.false_alarms,
        stranger_merges=known.recognition.stranger_merges,
        stranger_window_hours=known.recognition.stranger_window.total_seconds() / 3600,
        configuration_file=known.path.name,
    )


@router.patch("")
def change_site(body: SiteChange, caller: Manager, site: ThisSite) -> SiteAnswer:
    """Changes what the site is called and its time zone."""
    fields = body.model_dump(exclude_none=True)
    if fields:
        now = site.clock()
        set_site(site.configuration.path, fields)
        site.read_again()

        def note(tx: Transaction) -> None:
            note_event(
                tx,
                at=now,
                actor=caller.known_as,
                action="site-changed",
                details={"what": " ".join(sorted(fields))},
            )

        site.store.run(note)
    return show_site(caller, site)


@router.post("/demo", status_code=202)
def load_demo(caller: Manager, site: ThisSite, request: Request) -> DemoAnswer:
    """Begins to play the sample grid into a site that has no cameras yet."""
    demo = _demo(request)
    demo.begin(actor=caller.known_as)
    return _answer(demo)


@router.get("/demo")
def show_demo(caller: Manager, request: Request) -> DemoAnswer:
    """How far the demo has come."""
    return _answer(_demo(request))


def _demo(request: Request) -> Demonstrator:
    found: Demonstrator = request.app.state.demo
    return found


def _answer(demo: Demonstrator) -> DemoAnswer:
    progress = demo.progress
    return DemoAnswer(
        running=progress.running,
        words=progress.words,
        share=round(progress.share, 3),
        done=progress.done,
        trouble=progress.trouble,
        hint=progress.hint,
    )
