"""Where a stream or database is, without letting its password be seen."""

from __future__ import annotations

import re
from dataclasses import dataclass

URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SECRET_IN_PATH = re.compile(r"((?:password|passwd|pwd|token)=)[^&/?#]*", re.IGNORECASE)


def redacted(location: str) -> str:
    """The location without user names, passwords and query, fit for logs and tables.

    With an ``@`` behind the host nobody can tell whether a password has an unescaped ``/``, ``?``
    or ``#`` in it; then only the scheme is shown.
    """
    if not URL.match(location):
        return location
    scheme, _, rest = location.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    behind = rest[len(authority) :]
    if "@" in behind:
        return f"{scheme.lower()}://***"
    _, at, host = authority.rpartition("@")
    path, query, _ = behind.partition("#")[0].partition("?")
    path = _SECRET_IN_PATH.sub(r"\1***", path)
    return f"{scheme.lower()}://{'***@' if at else ''}{host}{path}{'?***' if query else ''}"


@dataclass(frozen=True, slots=True, repr=False)
class Location:
    """A path or URL that may hold a password: printed, formatted or logged it is redacted."""

    secret: str

    def reveal(self) -> str:
        """The location as it is needed to connect; never to be shown."""
        return self.secret

    def __str__(self) -> str:
        return redacted(self.secret)

    def __repr__(self) -> str:
        return f"Location({redacted(self.secret)!r})"
