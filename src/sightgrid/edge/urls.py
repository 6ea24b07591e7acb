"""Which addresses a box may open, and how: an address in the settings is not a licence to roam.

Only kinds of stream that cameras have, only networks where cameras may be; a name is resolved once
and the connection goes to the address that was checked; redirects are not followed.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import ModuleType
from typing import TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from sightgrid.configuration.settings import Network
from sightgrid.domain.cameras import Trouble
from sightgrid.domain.errors import MissingExtra, StreamFault
from sightgrid.domain.locations import URL, Location, redacted
from sightgrid.vision.sources.live import StreamOrder

Address: TypeAlias = IPv4Address | IPv6Address

SCHEMES = ("rtsp", "rtsps", "http", "https")
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_CONNECT_SECS = 5.0
# FFmpeg's own time-out for a socket; ours come first
_SOCKET_MICROS = str(60_000_000)
# cloud machines tell their credentials at these, beyond the link-local ones
_METADATA = {ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200")}
_WEBCAM = re.compile(r"(?:webcam:(\d+)|(/dev/video\d+))")
# what a playlist or a description could name would be opened unchecked: neither is read
_FORMATS_RTSP = "rtsp,rtp,sdp"
_FORMATS_HTTP = (
    "mpjpeg,mjpeg,mjpeg_2000,jpeg_pipe,mpegts,flv,live_flv,mov,mp4,matroska,webm,h264,hevc,avi"
)
_FORMATS_FILE = "mov,mp4,m4a,matroska,webm,avi,mpegts,mpeg,flv,h264,hevc,mjpeg,gif,ogg,asf,ivf,m4v"


def admit(
    location: Location,
    *,
    networks: Sequence[Network] = (),
    transport: str = "tcp",
    loop: bool = False,
    connect: bool = True,
) -> StreamOrder:
    """How to open a camera's address, once it has been checked.

    Args:
        networks: where cameras may be; none: everywhere but on this machine.
        connect: also try whether anybody answers there.

    Raises:
        StreamFault: it may not be opened, or nobody answers; the message holds no secret.
    """
    text = location.reveal().strip()
    webcam = _WEBCAM.fullmatch(text)
    if webcam is not None:
        return _webcam(webcam[2] or f"/dev/video{webcam[1]}")
    if not URL.match(text):
        return _recording(text, loop=loop)
    label = redacted(text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme.lower(), 0)
    except ValueError:
        host, port = None, 0
        parts = SplitResult("", "", "", "", "")
    scheme = text.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise StreamFault(
            Trouble.FORBIDDEN_ADDRESS,
            f"{label}: '{scheme}:' is no kind of camera",
            hint=f"use one of {', '.join(SCHEMES)}, webcam:0, or a path",
        )
    if not host:
        raise StreamFault(Trouble.WRONG_ADDRESS, f"{label}: names no camera")
    address = _permitted(_resolved(host, port, label), networks, label)
    if connect and transport != "udp":
        _knock(address, port, label)
    userinfo, at, _ = parts.netloc.rpartition("@")
    literal = f"[{address}]" if address.version == 6 else str(address)
    netloc = f"{userinfo}{at}{literal}:{port}"
    target = Location(urlunsplit((scheme, netloc, parts.path, parts.query, "")))
    options = {"protocol_whitelist": _protocols(scheme)}
    if scheme.startswith("rtsp"):
        options |= {
            "rtsp_transport": "tcp" if scheme == "rtsps" else transport,
            "allowed_media_types": "video",
            "format_whitelist": _FORMATS_RTSP,
            "timeout": _SOCKET_MICROS,
            # the description names the codec, the pictures tell their size: looking on longer
            # before the first is handed out only bunches them
            "analyzeduration": "500000",
            "probesize": "5000",
            "fpsprobesize": "0",
        }
        timestamps = True
    else:
        shown = f"[{host}]" if ":" in host else host
        options |= {
            "max_redirects": "0",
            "headers": f"Host: {shown}:{port}\r\n",
            "http_proxy": "none",  # a camera is never behind the proxy of the environment
            "format_whitelist": _FORMATS_HTTP,
            "rw_timeout": _SOCKET_MICROS,
            "analyzeduration": "2000000",
            "fpsprobesize": "0",
        }
        if scheme == "https":
            options["verifyhost"] = host
        timestamps = not _is_mjpeg(parts)
    return StreamOrder(
        target,
        label,
        options=options,
        timestamps=timestamps,
        examine=_examiner(address, label),
        hang_up=partial(_hang_up, (str(address), port)),
        explain=None if scheme.startswith("rtsp") else _explainer(address, port, parts, label),
    )


def secrets_of(location: Location) -> set[str]:
    """The user name and password within a URL, as written and as meant."""
    text = location.reveal()
    if not URL.match(text):
        return set()
    authority = re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0]
    found: set[str] = set()
    user, _, password = authority.rpartition("@")[0].partition(":")
    for word in (password, user if password else ""):
        found |= {word, unquote(word)}
    return {word for word in found if len(word) >= 4}


def _permitted(addresses: Iterable[Address], networks: Sequence[Network], label: str) -> Address:
    """The first of the addresses that may be opened."""
    reason = ""
    for address in addresses:
        reason = _objection(address, networks)
        if not reason:
            return address
    raise StreamFault(
        Trouble.FORBIDDEN_ADDRESS,
        f"{label}: {reason}",
        hint="box.networks in sightgrid.yml says where cameras may be",
    )


def _objection(address: Address, networks: Sequence[Network]) -> str:
    """Why an address may not be opened; empty if it may."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    if address.is_link_local or address in _METADATA:
        return "link-local addresses are never opened"
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return "this is no camera's address"
    if networks:
        inside = any(address.version == n.version and address in n for n in networks)
        return "" if inside else "lies outside the networks where cameras may be"
    if address.is_loopback or address in _own_addresses():
        return "is this machine itself"
    return ""


def _own_addresses() -> set[Address]:
    found = set()
    for entries in _psutil().net_if_addrs().values():
        for entry in entries:
            try:
                found.add(ipaddress.ip_address(entry.address.partition("%")[0]))
            except ValueError:
                continue  # a hardware address
    return found


def _resolved(host: str, port: int, label: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise StreamFault(
            Trouble.UNKNOWN_HOST, f"{label}: nobody knows the host '{host}'"
        ) from None
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _knock(address: Address, port: int, label: str) -> None:
    """Raises a precise fault where nobody answers; FFmpeg's would come late and say little."""
    try:
        socket.create_connection((str(address), port), timeout=_CONNECT_SECS).close()
    except TimeoutError:
        raise StreamFault(
            Trouble.UNREACHABLE, f"{label}: nobody answers", hint="is the camera on, and its cable?"
        ) from None
    except ConnectionRefusedError:
        raise StreamFault(
            Trouble.UNREACHABLE,
            f"{label}: the machine is there, but refuses port {port}",
            hint="check the port, and whether streaming is switched on",
        ) from None
    except OSError as error:
        what = errno.errorcode.get(error.errno or 0, "") or type(error).__name__
        reason = (error.strerror or what).lower()
        raise StreamFault(Trouble.UNREACHABLE, f"{label}: can't be reached: {reason}") from None


def _examiner(address: Address, label: str) -> Callable[[], None]:
    """Looks whether all connections of this process lead where they should.

    FFmpeg follows redirects of RTSP and has no switch for that.
    """

    def examine() -> None:
        for connection in _psutil().Process().net_connections(kind="tcp"):
            if connection.raddr and connection.status == "ESTABLISHED":
                peer = ipaddress.ip_address(connection.raddr.ip)
                peer = (peer.ipv4_mapped if isinstance(peer, IPv6Address) else None) or peer
                if peer != address:
                    raise StreamFault(
                        Trouble.REDIRECTED, f"{label}: the camera sends us to another address"
                    )

    return examine


def _hang_up(peer: tuple[str, int]) -> None:
    """Shuts this process's connections with a camera: PyAV has no way to interrupt a read."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            found = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue  # closed meanwhile
        with found, suppress(OSError):
            if found.getpeername()[:2] == peer:
                found.shutdown(socket.SHUT_RDWR)


def _explainer(
    address: Address, port: int, parts: SplitResult, label: str
) -> Callable[[], StreamFault | None]:
    """Asks the camera itself, as of a redirect FFmpeg says no more than that it failed."""

    def explain() -> StreamFault | None:
        tls = _unverified() if parts.scheme.lower() == "https" else None
        try:
            plain = socket.create_connection((str(address), port), timeout=_CONNECT_SECS)
            with plain if tls is None else tls.wrap_socket(plain) as connection:
                target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
                host = parts.hostname or ""
                asked = f"GET {target} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n"
                connection.sendall(asked.encode("ascii", "ignore"))
                answer = connection.recv(16)
        except OSError:
            return None
        if re.match(rb"HTTP/1\.\d 30\d", answer):
            return StreamFault(
                Trouble.REDIRECTED,
                f"{label}: the camera sends us to another address",
                hint="put that address into the configuration, if it is right",
            )
        return None

    return explain


def _protocols(scheme: str) -> str:
    return {
        "rtsp": "rtsp,tcp,udp,rtp",
        "rtsps": "rtsps,rtsp,tls,tcp,rtp",
        "http": "http,tcp",
        "https": "https,http,tls,tcp",
    }[scheme]


def _is_mjpeg(parts: SplitResult) -> bool:
    return bool(re.search(r"mjpe?g|\.cgi|multipart", parts.path + "?" + parts.query, re.IGNORECASE))


def _webcam(device: str) -> StreamOrder:
    if not Path(device).exists():
        raise StreamFault(
            Trouble.WRONG_ADDRESS, f"{device}: there is no such camera", hint="is it plugged in?"
        )
    return StreamOrder(Location(device), device, format="v4l2", timestamps=False)


def _recording(text: str, *, loop: bool) -> StreamOrder:
    path = Path(text)
    if not path.is_file():
        raise StreamFault(Trouble.WRONG_ADDRESS, f"{text}: there is no such file")
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS_FILE}
    return StreamOrder(Location(f"file:{path}"), text, options=options, paced=True, loop=loop)


def _psutil() -> ModuleType:
    try:
        return import_module("psutil")
    except ImportError:
        raise MissingExtra("watching cameras", extra="edge") from None


def _unverified() -> ssl.SSLContext:
    """Cameras sign their certificates themselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
