"""Sends what the spool holds, until the server has said of each record that it has it.

Nothing but a whole, well-formed reply with status 200 counts as an answer: a captive portal's page,
a reply cut short, a proxy's error leave everything where it is.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import httpx

from sightgrid.domain.errors import InvalidRecord
from sightgrid.edge.clock import BoxClock
from sightgrid.edge.logs import note
from sightgrid.edge.spool import Spool
from sightgrid.edge.spooled import Waiting
from sightgrid.wire.receipts import MOST_REPLY_BYTES, Receipt, read_receipts
from sightgrid.wire.records import MOST_BODY_BYTES

_IDLE_SECS = 0.25
_MOST_RECORDS = 500
_LEAST_BYTES = 64 * 1024
_QUICK_SECS, _SLOW_SECS = 1.0, 4.0
_SUSPECT_AFTER = 3
_MOST_PATIENCE_SECS = 3600.0


class UploadState(StrEnum):
    """*refused*: the server doesn't know this box (any more); *cloned*: another machine uses this
    box's token; *misdirected*: what answers is no sightgrid server."""

    STARTING = "starting"
    DELIVERING = "delivering"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    FAILING = "failing"
    REFUSED = "refused"
    CLONED = "cloned"
    MISDIRECTED = "misdirected"


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """Where the server is, and what it knows this box by. ``ca_file`` is the authority that signed
    its certificate, if that is not one that everybody trusts."""

    url: str
    token: str = field(repr=False)
    instance_id: str
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait after failures: full jitter, so that boxes that lost the server together do
    not come back together."""

    base_secs: float = 1.0
    cap_secs: float = 300.0
    refused_secs: float = 300.0

    def wait_secs(self, failures: int) -> float:
        longest = min(self.cap_secs, self.base_secs * 2.0 ** min(failures - 1, 20))
        # nothing secret: it spreads the load
        return random.uniform(0.0, longest)  # noqa: S311

    def wait_refused_secs(self) -> float:
        return random.uniform(self.refused_secs / 2, self.refused_secs)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: receipts, or a state and its reason."""

    receipts: tuple[Receipt, ...] | None = None
    state: UploadState = UploadState.DELIVERING
    reason: str = ""
    status: int = 0
    retry_after_secs: float = 0.0


class Stop(Protocol):
    """Asked before every round; an event of threading or multiprocessing will do."""

    def is_set(self) -> bool: ...


class KeepsContact(Protocol):
    """What else is said to the server, between batches and over the same connection."""

    def is_due(self) -> bool: ...

    async def make(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None: ...


class Uploader:
    """One box's way to its server. The spool is its own connection to the file.

    Live records go first, then the backlog. A batch grows while replies are quick and shrinks when
    they are slow, so that a record made now never waits long behind the backlog on a thin line.
    """

    def __init__(
        self,
        spool: Spool,
        access: ServerAccess,
        clock: BoxClock,
        *,
        back_off: BackOff | None = None,
        deadline_secs: float = 120.0,
        on_turn: Callable[[], None] = lambda: None,
        contacts: Sequence[KeepsContact] = (),
    ) -> None:
        """``on_turn`` is called at least twice a second, also while a reply is awaited;
        ``contacts`` are made between batches, whenever they are due."""
        self.state = UploadState.STARTING
        self.reason = ""
        self.delivered = 0
        self._spool = spool
        self._access = access
        self._clock = clock
        self._back_off = back_off or BackOff()
        self._deadline_secs = deadline_secs
        self._on_turn = on_turn
        self._contacts = contacts
        self._failures = 0
        self._most_records, self._most_bytes = 50, 256 * 1024
        self._suspects: dict[str, int] = {}
        self._run_id = str(uuid4())
        self._client: httpx.AsyncClient | None = None
        spool.recover_leases()
        # all that waits at the start is backlog; what comes from now on is live
        self._mark = spool.newest()

    def run(self, stop: Stop) -> None:
        """Delivers until ``stop`` is set; a request under way is given up then, and nothing of it
        lost.

        Raises:
            SpoolFailed: the disk can't be relied on.
        """
        asyncio.run(self._run(stop))

    async def _run(self, stop: Stop) -> None:
        try:
            while not stop.is_set():
                for contact in self._contacts:
                    if contact.is_due():
                        await self._until_stopped(self._make_contact(contact), stop)
                await self._pause(await self._turn(stop), stop)
        finally:
            if self._client is not None:
                await self._client.aclose()

    async def _turn(self, stop: Stop) -> float:
        """Sends one batch; the seconds to wait before the next."""
        batch = self._spool.lease(
            most_records=self._most_records, most_bytes=self._most_bytes, live_after=self._mark
        )
        if not batch:
            self._spool.give_back()
            return _IDLE_SECS
        began = time.monotonic()
        answer = await self._until_stopped(self._send(batch), stop)
        if answer is None:
            self._spool.release(batch)
            return 0.0
        if answer.receipts is not None:
            return self._took(batch, answer.receipts, time.monotonic() - began)
        return self._failed(batch, answer)

    def _took(self, batch: list[Waiting], receipts: tuple[Receipt, ...], took_secs: float) -> float:
        settled = self._spool.settle(batch, receipts)
        if not settled.freed and not settled.quarantined:
            # an answer that settles nothing must not be asked for again at once, and again
            self._failures += 1
            self._say(UploadState.FAILING, "no receipt settles anything")
            return self._back_off.wait_secs(self._failures)
        self.delivered += settled.freed
        self._failures = 0
        self._say(UploadState.DELIVERING, "")
        if settled.quarantined:
            note(logging.ERROR, "records-quarantined", records=settled.quarantined)
        if took_secs < _QUICK_SECS:
            self._most_records = min(2 * self._most_records, _MOST_RECORDS)
            self._most_bytes = min(2 * self._most_bytes, MOST_BODY_BYTES)
        elif took_secs > _SLOW_SECS:
            self._shrink(len(batch))
        return 0.0

    def _failed(self, batch: list[Waiting], answer: Answer) -> float:
        self._failures += 1
        self._say(answer.state, answer.reason)
        # everything so far is backlog now; what is seen after this goes first
        self._mark = self._spool.newest()
        about_the_body = answer.status in (400, 413, 500)
        if about_the_body and len(batch) == 1:
            self._suspect(batch[0], answer)
        else:
            self._spool.release(batch)
        if about_the_body or answer.status == 0:
            self._shrink(len(batch))
        if answer.state in (UploadState.REFUSED, UploadState.CLONED):
            return self._back_off.wait_refused_secs()
        # the record that a server breaks on is looked for by halves: no hours between them
        failures = min(self._failures, 3) if about_the_body else self._failures
        return max(self._back_off.wait_secs(failures), answer.retry_after_secs)

    def _suspect(self, one: Waiting, answer: Answer) -> None:
        """A record that alone makes the server fail: later again, and set aside for good once
        others have gone through meanwhile, so that it is the record and not the server."""
        if answer.status == 413:
            self._spool.quarantine(one, "too_large_for_the_server")
            return
        delivered_before = self._suspects.setdefault(one.sha256, self.delivered)
        if one.attempts + 1 >= _SUSPECT_AFTER and self.delivered > delivered_before:
            del self._suspects[one.sha256]
            self._spool.quarantine(one, f"server_error_{answer.status}")
            note(logging.ERROR, "records-quarantined", records=1)
        else:
            self._spool.defer([one])

    def _shrink(self, records: int) -> None:
        self._most_records = max(records // 2, 1)
        self._most_bytes = max(self._most_bytes // 2, _LEAST_BYTES)

    def _say(self, state: UploadState, reason: str) -> None:
        if state is not self.state:
            level = logging.INFO if state is UploadState.DELIVERING else logging.WARNING
            note(level, "uploader", state=state.value, reason=reason)
        self.state, self.reason = state, reason

    async def _send(self, batch: list[Waiting]) -> Answer:
        body = b"".join(one.line + b"\n" for one in batch)
        try:
            async with asyncio.timeout(self._deadline_secs):
                client = await self._open()
                async with client.stream(
                    "POST", "/api/v1/sightings", content=body, headers=self._headers()
                ) as response:
                    return await _read(response)
        except TimeoutError:
            return Answer(state=UploadState.UNREACHABLE, reason="no whole answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            return Answer(state=UploadState.UNREACHABLE, reason=_in_short(error))

    async def _make_contact(self, contact: KeepsContact) -> Answer:
        try:
            async with asyncio.timeout(30.0):
                await contact.make(await self._open(), self._headers())
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            return Answer(state=UploadState.UNREACHABLE, reason=_in_short(error))
        return Answer()

    async def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            access = self._access
            verify: ssl.SSLContext | bool = True
            if access.ca_file is not None:
                verify = ssl.create_default_context(cafile=str(access.ca_file))
            self._client = httpx.AsyncClient(
                base_url=access.url,
                verify=verify,
                # a redirect is a portal's doing; the token must not follow it
                follow_redirects=False,
                timeout=httpx.Timeout(30.0, connect=10.0),
                limits=httpx.Limits(max_connections=1),
            )
        return self._client

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/x-ndjson",
            "Accept": "application/json",
            "Authorization": f"Bearer {self._access.token}",
            "Sightgrid-Instance": self._access.instance_id,
            "Sightgrid-Run": self._run_id,
            "Sightgrid-Boot": self._clock.boot_id,
            "Sightgrid-Monotonic-Ns": str(time.monotonic_ns()),
            "Sightgrid-Clock": self._clock.state().value,
        }

    async def _until_stopped(
        self, sending: Coroutine[Any, Any, Answer], stop: Stop
    ) -> Answer | None:
        """The answer, or ``None`` if ``stop`` was set before it came."""
        task = asyncio.ensure_future(sending)
        try:
            while True:
                done, _ = await asyncio.wait([task], timeout=_IDLE_SECS)
                self._on_turn()
                if done:
                    return task.result()
                if stop.is_set():
                    return None
        finally:
            task.cancel()

    async def _pause(self, secs: float, stop: Stop) -> None:
        until = time.monotonic() + secs
        self._on_turn()
        while (left := until - time.monotonic()) > 0 and not stop.is_set():
            await asyncio.sleep(min(left, _IDLE_SECS))
            self._on_turn()


async def _read(response: httpx.Response) -> Answer:
    if response.status_code != 200:
        return _refusal(response)
    if not response.headers.get("content-type", "").startswith("application/json"):
        return Answer(state=UploadState.MISDIRECTED, reason="the answer is no JSON")
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MOST_REPLY_BYTES:
            return Answer(state=UploadState.MISDIRECTED, reason="the answer is too long")
    try:
        return Answer(receipts=read_receipts(bytes(body)), status=200)
    except InvalidRecord:
        return Answer(state=UploadState.MISDIRECTED, reason="the answer is no receipt")


def _refusal(response: httpx.Response) -> Answer:
    status = response.status_code
    match status:
        case 401 | 403:
            state = UploadState.REFUSED
        case 409:
            state = UploadState.CLONED
        case 429 | 503:
            state = UploadState.BUSY
        case 400 | 413 | 500 | 502 | 504:
            state = UploadState.FAILING
        case _:
            state = UploadState.MISDIRECTED
    return Answer(
        state=state,
        reason=f"status {status}",
        status=status,
        retry_after_secs=_retry_after_secs(response.headers.get("retry-after", "")),
    )


def _retry_after_secs(text: str) -> float:
    """Whole seconds are understood; a date would need a clock that can be trusted."""
    return min(float(text), _MOST_PATIENCE_SECS) if text.isascii() and text.isdigit() else 0.0


def _in_short(error: Exception) -> str:
    """The kind of an error: its text may hold addresses and what not."""
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    kind = type(cause).__name__
    return kind if kind == type(error).__name__ else f"{type(error).__name__}: {kind}"
