"""How a box becomes known to its server, and what it keeps of that."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from sightgrid import __version__
from sightgrid.domain.errors import InvalidValue, SettingsError
from sightgrid.edge.uploader import ServerAccess
from sightgrid.wire.sealing import SealingKey

_NAME = "server.json"
_ENROL = "/api/v1/boxes/enrol"
_MOST_REPLY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a box knows of its server. Lies in the box's folder, readable by its owner only.

    ``configuration`` holds the cameras that the server gave this box, with their passwords.
    """

    access: ServerAccess
    box_id: str
    server_key: bytes
    configuration: Mapping[str, object] = field(repr=False)
    version: str

    @property
    def spool_name(self) -> str:
        """A file a box id: what was kept as another box can't be sent as this one."""
        return f"spool-{self.box_id}.db"


def enrol(url: str, code: str, folder: Path, *, ca_file: Path | None = None) -> Enrolment:
    """Exchanges a one-time code for this box's token, and keeps what the server says.

    Raises:
        SettingsError: the server can't be reached, is none, or does not take the code.
    """
    url = checked_url(url)
    kept = load(folder)
    instance_id = str(uuid4()) if kept is None else kept.access.instance_id
    order = {"code": code, "instance_id": instance_id, "version": __version__}
    try:
        with httpx.Client(
            base_url=url, verify=trust(ca_file), timeout=30.0, follow_redirects=False
        ) as client:
            answer = client.post(_ENROL, json=order)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise SettingsError(
            f"{url}: the server can't be reached ({type(error).__name__})",
            hint="check the address; a server with a certificate of its own needs --ca FILE",
        ) from error
    if answer.status_code in (404, 410):
        raise SettingsError(
            "the code is unknown, used or expired",
            hint="make another on the server: sightgrid box add NAME",
        )
    if answer.status_code != 200 or len(answer.content) > _MOST_REPLY_BYTES:
        raise SettingsError(f"{url}: refused to enrol this box (status {answer.status_code})")
    enrolment = _read(answer.content, ServerAccess(url, "", instance_id, ca_file), url)
    save(enrolment, folder)
    return enrolment


def load(folder: Path) -> Enrolment | None:
    """What was kept; ``None`` if this box has never been enrolled.

    Raises:
        SettingsError: the file is damaged.
    """
    path = folder / _NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from error
    try:
        kept = json.loads(text)
        access = ServerAccess(
            url=str(kept["url"]),
            token=str(kept["token"]),
            instance_id=str(kept["instance_id"]),
            ca_file=Path(kept["ca_file"]) if kept["ca_file"] else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path}: is damaged", hint="enrol this box anew: sightgrid edge --server URL --code …"
        ) from error
    return _read(text, access, str(path))


def save(enrolment: Enrolment, folder: Path) -> None:
    """Keeps it: the file is replaced whole, and is the owner's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _NAME
    fresh = path.with_suffix(".part")
    access = enrolment.access
    document = {
        "url": access.url,
        "token": access.token,
        "instance_id": access.instance_id,
        "ca_file": None if access.ca_file is None else str(access.ca_file.resolve()),
        "box_id": enrolment.box_id,
        "server_key": base64.b64encode(enrolment.server_key).decode(),
        "configuration": dict(enrolment.configuration),
        "configuration_version": enrolment.version,
    }
    handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(json.dumps(document).encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def renewed(enrolment: Enrolment, answer: bytes) -> Enrolment:
    """The same box with what the server says of it now.

    Raises:
        SettingsError: the answer is none of a sightgrid server.
    """
    fresh = _read(answer, enrolment.access, enrolment.access.url)
    if fresh.box_id != enrolment.box_id:
        raise SettingsError(f"{enrolment.access.url}: takes this box for another")
    return fresh


def trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    """Whose certificates are believed: one authority's, or those everybody believes."""
    return True if ca_file is None else ssl.create_default_context(cafile=str(ca_file))


def checked_url(url: str) -> str:
    """The server's address without a slash at its end; the token never goes out unencrypted.

    Raises:
        InvalidValue: it is no address, or plain HTTP to another machine.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise InvalidValue("the server's address must look like https://sightgrid.example")
    if parts.scheme == "http" and not _is_this_machine(parts.hostname):
        raise InvalidValue(
            "sightings and the box's token are never sent unencrypted to another machine",
            hint="use https; 'sightgrid server --local-authority' makes a certificate",
        )
    return url.rstrip("/")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(text: bytes, access: ServerAccess, where: str) -> Enrolment:
    try:
        told = json.loads(text)
        server_key = base64.b64decode(told["server_key"], validate=True)
        SealingKey(server_key)
        configuration = told["configuration"]
        if not isinstance(configuration, dict) or not isinstance(told["box_id"], str):
            raise InvalidValue("no configuration")
        token = told.get("token", access.token)
        return Enrolment(
            access=replace(access, token=str(token)),
            box_id=told["box_id"],
            server_key=server_key,
            configuration=configuration,
            version=str(told["configuration_version"]),
        )
    except (ValueError, KeyError, TypeError, InvalidValue) as error:
        raise SettingsError(f"{where}: what was said there is no enrolment of a box") from error
