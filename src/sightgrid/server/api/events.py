"""What happens, as it happens: server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue, SightgridError
from sightgrid.server.callers import ThisSite, allowed, caller_of
from sightgrid.server.live import EventFan
from sightgrid.server.site import Site
from sightgrid.store.outbox import StoredEvent, events_after, last_event_no

router = APIRouter(tags=["events"])
Viewer = Annotated[Caller, Depends(allowed(Permission.SEE_SIGHTINGS))]

_ALIVE_EVERY_SECS = 15.0
_LOOK_EVERY_SECS = 0.5
# how soon somebody who may no longer listen hears nothing any more
_CHECK_EVERY_SECS = 10.0
_AT_ONCE = 500


@router.get("/events", response_class=StreamingResponse)
async def events(
    caller: Viewer,
    site: ThisSite,
    request: Request,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> StreamingResponse:
    """Every new, changed and ended sighting of the caller's cameras.

    ``Last-Event-ID`` goes on where an earlier stream broke off, as browsers do by themselves.
    """
    if last_event_id is not None and not (last_event_id.isascii() and last_event_id.isdecimal()):
        raise InvalidValue("Last-Event-ID: not one that this stream gave")
    since = None if last_event_id is None else int(last_event_id)
    fan: EventFan = request.app.state.events
    return StreamingResponse(
        _stream(caller, site, fan, since, request),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(
    caller: Caller, site: Site, fan: EventFan, since: int | None, request: Request
) -> AsyncIterator[str]:
    """Numbers of events have no holes: one that is further on than the next tells that some were
    missed, on the way or by a listener that was too slow, and those are read from the database."""
    async with fan.listening() as listener:
        yield ": hello\n\n"
        last = await anyio.to_thread.run_sync(_known, site, since)
        if last is not None:
            async for event in _stored(site, last, None):
                last = event.event_no
                yield _written(event, caller)
        checked = said = time.monotonic()
        # looked at in between, so that a server that is told to stop need not wait for its readers
        while not fan.ending and not await request.is_disconnected():
            found = await listener.next(min(_LOOK_EVERY_SECS, _ALIVE_EVERY_SECS))
            if time.monotonic() - checked > _CHECK_EVERY_SECS:
                checked = time.monotonic()
                try:
                    caller = await anyio.to_thread.run_sync(caller_of, request, site)
                except SightgridError:
                    # signed out, disabled, revoked: whoever listens has to come in anew
                    return
                if not caller.may(Permission.SEE_SIGHTINGS):
                    return
            if found is None:
                if time.monotonic() - said >= _ALIVE_EVERY_SECS:
                    said = time.monotonic()
                    yield ": alive\n\n"
                continue
            if last is not None and found.event_no > last + 1:
                async for event in _stored(site, last, found.event_no):
                    last = event.event_no
                    yield _written(event, caller)
            if last is None or found.event_no > last:
                last = found.event_no
                yield _written(found, caller)


def _known(site: Site, since: int | None) -> int | None:
    """Where to go on; a number that was not given yet is of a time before a restore."""
    if since is None:
        return None
    with site.store.snapshot() as tx:
        return min(since, last_event_no(tx))


async def _stored(site: Site, after: int, before: int | None) -> AsyncIterator[StoredEvent]:
    """The events between two numbers, some at a time; ``None``: all there are."""

    def some() -> list[StoredEvent]:
        with site.store.snapshot() as tx:
            return events_after(tx, after, limit=_AT_ONCE)

    while events := await anyio.to_thread.run_sync(some):
        for event in events:
            if before is not None and event.event_no >= before:
                return
            after = event.event_no
            yield event


def event_as_seen(event: StoredEvent, caller: Caller) -> dict[str, Any] | None:
    """An event as this caller may see it; ``None`` if it is not theirs to see."""
    camera = event.body.get("camera")
    if not caller.may(Permission.SEE_SIGHTINGS) or (
        isinstance(camera, str) and not caller.may_see_camera(camera)
    ):
        return None
    body: dict[str, Any] = dict(event.body)
    if not caller.may(Permission.SEE_NAMES):
        body.pop("person", None)
    return {"id": event.event_id, "kind": event.kind, **body}


def _written(event: StoredEvent, caller: Caller) -> str:
    """The event for the stream; nothing where the caller may not see it."""
    seen = event_as_seen(event, caller)
    if seen is None:
        return ""
    data = json.dumps(seen, ensure_ascii=False)
    return f"id: {event.event_no}\nevent: {event.kind}\ndata: {data}\n\n"
