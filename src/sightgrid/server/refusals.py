"""Why a request is turned away before anything is looked up."""

from __future__ import annotations

from datetime import timedelta

from sightgrid.domain.errors import SightgridError


class NotSignedIn(SightgridError):
    """Nobody knows who asks; answered with 401."""


class NotAllowed(SightgridError):
    """Who asks is known and may not do this; answered with 403."""


class Cloned(SightgridError):
    """Two machines use one box's token; answered with 409."""


class TooLarge(SightgridError):
    """The request is larger than anything it could rightly hold; answered with 413."""


class SlowDown(SightgridError):
    """Too many at once or too often; answered with 429, or 503 where it is the server that is
    busy, and with when to come again."""

    def __init__(self, wait: timedelta, *, busy: bool = False) -> None:
        what = "the server is busy" if busy else "too many tries"
        super().__init__(f"{what}; try again in {max(1, round(wait.total_seconds()))} s")
        self.wait = wait
        self.busy = busy
