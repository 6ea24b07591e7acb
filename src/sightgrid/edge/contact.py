"""Once a minute a box asks its server for news, and tells how it is."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from uuid import UUID

import httpx

from sightgrid.domain.errors import SettingsError
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.enrolment import Enrolment, renewed, save
from sightgrid.edge.logs import note
from sightgrid.edge.spool import Spool
from sightgrid.edge.statusfile import read_statuses

_EVERY_SECS = 60.0
# a camera's change of state is told sooner
_LOOK_SECS = 5.0
_SELF = "/api/v1/boxes/self"


class Contact:
    """Asks for the box's part of the configuration; a new one replaces the kept one, and the box
    starts anew with it. Also tells of the spool's and the cameras' health."""

    def __init__(self, enrolment: Enrolment, folder: Path, spool: Spool, clock: BoxClock) -> None:
        self._enrolment = enrolment
        self._folder = folder
        self._spool = spool
        self._clock = clock
        self._due = 0.0
        self._look_at = 0.0
        self._told: list[tuple[str, str]] = []

    def is_due(self) -> bool:
        now = time.monotonic()
        if now >= self._due:
            return True
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECS
        return self._states() != self._told

    def _states(self) -> list[tuple[str, str]]:
        statuses = read_statuses(self._folder)
        return sorted((name, f"{one.state} {one.trouble}") for name, one in statuses.items())

    async def make(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        """Asks and tells, once. An answer that is none changes nothing: it is asked again."""
        self._due = time.monotonic() + _EVERY_SECS
        self._told = self._states()
        known = {**headers, "If-None-Match": f'"{self._enrolment.version}"'}
        answer = await client.get(_SELF, headers=known)
        if answer.status_code == 200:
            self._take(answer.content)
        if answer.status_code in (200, 304):
            body = json.dumps(self._health()).encode()
            await client.post(
                f"{_SELF}/health",
                content=body,
                headers={**headers, "Content-Type": "application/json"},
            )
            await self._forget(client, headers)

    async def _forget(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        """Drops what is kept of sightings of somebody who was erased, and says so. A box knows no
        people: the server names the sightings that it had from here."""
        answer = await client.get(f"{_SELF}/erasures", headers=headers)
        wanted = _ids_in(answer.content) if answer.status_code == 200 else ()
        if wanted and self._spool.forget(wanted):
            await client.post(
                f"{_SELF}/erasures",
                content=json.dumps({"forgotten": wanted}).encode(),
                headers={**headers, "Content-Type": "application/json"},
            )
            note(logging.INFO, "sightings-forgotten", sightings=len(wanted))

    def _take(self, answer: bytes) -> None:
        try:
            fresh = renewed(self._enrolment, answer)
        except SettingsError:
            note(logging.WARNING, "configuration-unreadable")
            return
        if fresh != self._enrolment:
            save(fresh, self._folder)
            self._enrolment = fresh
            note(logging.INFO, "configuration-renewed", version=fresh.version)

    def _health(self) -> dict[str, object]:
        status = self._spool.status()
        return {
            "oldest_unacknowledged_secs": round(status.oldest_secs, 1),
            "pending": status.pending + status.in_flight,
            "pending_bytes": status.used_bytes,
            "quarantined": status.quarantined,
            "dropped": status.dropped,
            "clock": self._clock.state().value,
            "cameras": {
                name: {
                    "state": one.state.value,
                    "trouble": None if one.trouble is None else one.trouble.value,
                    "reason": one.reason,
                    "fps": round(one.fps, 1),
                }
                for name, one in read_statuses(self._folder).items()
            },
        }


def _ids_in(answer: bytes) -> tuple[str, ...]:
    """The ids that the server lists; none where the answer is none of a sightgrid server's."""
    try:
        return tuple(str(UUID(one)) for one in json.loads(answer)["items"])
    except (ValueError, TypeError, KeyError, AttributeError):
        note(logging.WARNING, "erasures-unreadable")
        return ()
