"""One JSON object a line, and no secret in any of them.

Every line has ``at`` (UTC), ``level`` and ``event``; what is about a camera has ``camera``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from sightgrid.domain.frames import format_time
from sightgrid.domain.locations import redacted

_URL_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>\\,;)\]}]+", re.IGNORECASE)
_LEAST_SECRET = 3

log = logging.getLogger("sightgrid.box")


class Redactor:
    """Takes known secrets and the passwords of URLs out of any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # longest first: one secret may be part of another
        words = sorted({s for s in secrets if len(s) >= _LEAST_SECRET}, key=len, reverse=True)
        self._secrets = re.compile("|".join(re.escape(word) for word in words)) if words else None

    def clean(self, text: str) -> str:
        text = _URL_IN_TEXT.sub(lambda match: redacted(match[0]), text)
        return text if self._secrets is None else self._secrets.sub("***", text)


class JsonLines(logging.Formatter):
    """Formats records as JSON; ``extra={"fields": {…}}`` become further keys."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, object] = {
            "at": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            document |= fields
        if record.exc_info and record.exc_info[0] is not None:
            # where and what, not the message: it may quote anything
            document["error"] = record.exc_info[0].__name__
        return self._redactor.clean(json.dumps(document, default=str, ensure_ascii=False))


def write_logs_to(stream: TextIO, redactor: Redactor) -> None:
    """Sends all of sightgrid's logs to a stream, as JSON lines."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(redactor))
    root = logging.getLogger("sightgrid")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


def note(level: int, event: str, **fields: object) -> None:
    """One line about the box or one of its cameras."""
    log.log(level, event, extra={"fields": fields})
