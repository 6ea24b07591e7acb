"""What is checked of every request before anybody reads it: its size, and its number for the log.

Plain ASGI, since the body must be counted while it arrives, before it lies in memory.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BODY_BYTES = 64 * 1024
MOST_SIGHTINGS_BYTES = 8 * 1024 * 1024
MOST_STILL_BYTES = 512 * 1024
# a class list of thousands
MOST_COURSE_BYTES = 1024 * 1024
MOST_PHOTO_BYTES = 15 * 1024 * 1024

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)


class Limits:
    """Turns away bodies that are too large; numbers every request."""

    def __init__(self, app: App, *, larger: dict[str, int]) -> None:
        self._app = app
        # by path as in the route; a parameter stands for one part of it, and what ends with a slash
        # for all that is below
        self._larger = {
            re.compile(
                re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + (".*" if path[-1] == "/" else "")
            ): most
            for path, most in larger.items()
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = request_id
        most = self._most(scope["path"])
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > most:
            await _refuse(send, request_id, most)
            return
        taken = 0
        begun = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > most:
                    raise _TooMuch
            return message

        async def labelled(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                given = {name.lower() for name, _ in message.get("headers", [])}
                extra = [pair for pair in _SECURITY_HEADERS if pair[0] not in given]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    *extra,
                ]
            await send(message)

        try:
            await self._app(scope, counted, labelled)
        except _TooMuch:
            if not begun:
                await _refuse(send, request_id, most)

    def _most(self, path: str) -> int:
        for pattern, most in self._larger.items():
            if pattern.fullmatch(path):
                return most
        return MOST_BODY_BYTES


class _TooMuch(Exception):
    """More bytes came than were allowed."""


async def _refuse(send: Send, request_id: str, most: int) -> None:
    body = json.dumps(
        {
            "error": {
                "code": "too_large",
                "message": f"the request is larger than {most} bytes",
                "details": {},
            },
            "request_id": request_id,
        }
    ).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 413,
            "headers": [
                (b"content-type", b"application/json"),
                (b"connection", b"close"),
                (b"x-request-id", request_id.encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
