"""Where the server listens, and what that asks for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from sightgrid.domain.errors import InvalidValue

DEFAULT_PORT = 8420
_LONGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on. Everything but this machine itself requires TLS."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Reads ``HOST``, ``HOST:PORT``, ``:PORT`` or ``[IPv6]:PORT``.

        Raises:
            InvalidValue: it is none of these.
        """
        host, port = text.strip(), str(DEFAULT_PORT)
        if host.startswith("["):
            host, _, rest = host[1:].partition("]")
            port = rest.removeprefix(":") or port
        elif host.count(":") == 1:
            host, _, port = host.partition(":")
        if not port.isascii() or not port.isdecimal() or not 0 < int(port) <= _LONGEST_PORT:
            raise InvalidValue(
                f"'{text}' is no address to listen on", hint="write it as 127.0.0.1:8420"
            )
        return cls(host or "127.0.0.1", int(port))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, *, secure: bool) -> str:
        """What to type into a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if secure else 'http'}://{host}:{self.port}"
