"""Being there without a camera: a rotating QR code, a PIN, a personal link.

The code on the screen of the room is signed and lives for less than a minute; who scans it says who
they are by their personal link or by number and PIN. It shows that somebody who could see the
screen was there, as a name called out would; who sends a photo of it to a friend at home is as
dishonest as who answers for them.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import cv2

from sightgrid.domain.attendance import Method, SessionState
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.ledger.attending import find_on_list, give_sign
from sightgrid.server.credentials import hash_of, new_secret
from sightgrid.server.refusals import NotSignedIn
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.courses import session
from sightgrid.store.personal import add_link, person_of_link, pin_fits, set_pin
from sightgrid.store.sealing import keyed_hash

LINK_PREFIX = "sgl_"
CODE_STEP = timedelta(seconds=30)
CODE_LIVES = timedelta(seconds=45)
LONGEST_LINK = timedelta(days=365)
PIN_DIGITS = 6
_PURPOSE = "attendance check-in"
_SIGNATURE_BYTES = 16
_QUIET_CELLS = 4


@dataclass(frozen=True, slots=True)
class RoomCode:
    """What the screen of a room shows until ``next_at``."""

    code: str
    next_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """Who was marked in which session."""

    session_id: str
    person_id: str
    method: Method
    at: datetime


def room_code(site: Site, session_id: str) -> RoomCode:
    """The code of an open session for now; another one every half minute.

    Raises:
        NotFound: there is no such session. InvalidValue: it is not open.
    """
    with site.store.snapshot() as tx:
        one = session(tx, session_id)
    if one.state is not SessionState.OPEN:
        raise InvalidValue(f"this session is {one.state.value}, not open", hint="open it first")
    now = site.clock()
    step = int(CODE_STEP.total_seconds())
    begun = datetime.fromtimestamp(int(now.timestamp()) // step * step, UTC)
    expires_at = begun + CODE_LIVES
    told = UUID(session_id).bytes + struct.pack(">I", int(expires_at.timestamp()))
    signed = told + _signature(site, told, site.keys.newest)
    code = base64.urlsafe_b64encode(signed).decode().rstrip("=")
    return RoomCode(code, begun + CODE_STEP, expires_at)


def session_of_code(site: Site, code: str) -> str:
    """The session whose room showed a code just now.

    Raises:
        NotSignedIn: it is none of ours, or of before.
    """
    try:
        signed = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
        told, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
        if len(told) != 20 or not any(
            hmac.compare_digest(signature, _signature(site, told, number))
            for number in site.keys.numbers()
        ):
            raise ValueError
    except ValueError:
        raise NotSignedIn("this code is none of ours; scan the one on the screen") from None
    if int(site.clock().timestamp()) >= struct.unpack(">I", told[16:])[0]:
        raise NotSignedIn("this code is too old; scan the one on the screen now")
    return str(UUID(bytes=told[:16]))


def svg_of(text: str) -> str:
    """A QR code as an SVG picture."""
    cells = cv2.QRCodeEncoder.create().encode(text)
    high, wide = cells.shape
    path = "".join(f"M{x} {y}h1v1h-1z" for y in range(high) for x in range(wide) if not cells[y, x])
    # the encoder leaves some quiet cells itself; readers want four
    side = max(high, wide) + 2 * _QUIET_CELLS
    box = f"{-_QUIET_CELLS} {-_QUIET_CELLS} {side} {side}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" shape-rendering="crispEdges">'
        f'<rect x="{-_QUIET_CELLS}" y="{-_QUIET_CELLS}" width="{side}" height="{side}" '
        f'fill="#fff"/><path d="{path}" fill="#000"/></svg>'
    )


def check_in_by_link(site: Site, code: str, link: str, *, address: str) -> CheckedIn:
    """Marks who scanned the room's code and has a personal link.

    Raises:
        NotSignedIn: the code or the link doesn't hold. SlowDown: too many wrong tries.
        NotFound: they are not on the class list.
    """
    person = person_by_link(site, link, address=address)
    return _mark(site, session_of_code(site, code), person, Method.QR)


def check_in_by_pin(
    site: Site, session_id: str, called: str, pin: str, *, address: str, method: Method
) -> CheckedIn:
    """Marks who says their number (or name) and their PIN.

    Raises:
        NotSignedIn: number and PIN don't fit. SlowDown: too many wrong tries for this number, or
            from this address. NotFound: there is no such session.
    """
    with site.store.snapshot() as tx:
        session(tx, session_id)
    try:
        with (
            site.door.guessing("pin", f"{session_id} {called.strip().casefold()}"),
            site.door.guessing("pin from", address),
            site.store.snapshot() as tx,
        ):
            person = find_on_list(tx, session_id, called)
            if not pin_fits(tx, person, pin):
                raise NotFound("no")
    except NotFound:
        # whether it is the number or the PIN that is wrong is nobody's business
        raise NotSignedIn("this number and this PIN don't fit together") from None
    return _mark(site, session_id, person, method)


def person_by_link(site: Site, link: str, *, address: str) -> str:
    """Whose personal link it is.

    Raises:
        NotSignedIn: it is unknown or expired. SlowDown: too many wrong tries from this address.
    """
    try:
        with site.door.guessing("personal link", address), site.store.snapshot() as tx:
            found = person_of_link(tx, hash_of(link), at=site.clock())
            if found is None:
                raise NotFound("no")
    except NotFound:
        raise NotSignedIn("this personal link is wrong or expired; ask for a new one") from None
    return found


def new_pin(site: Site, person_id: str, *, actor: str) -> str:
    """A new PIN for somebody, told this once.

    Raises:
        NotFound: there is no such person.
    """
    pin = "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS))
    now = site.clock()

    def save(tx: Transaction) -> None:
        set_pin(tx, person_id, pin, at=now)
        _note(tx, "pin-made", person_id, actor=actor, at=now)

    site.store.run(save)
    return pin


def new_link(site: Site, person_id: str, *, days: int, actor: str) -> tuple[str, datetime]:
    """A new personal link for somebody, told this once, and when it expires; older ones end.

    Raises:
        NotFound: there is no such person. InvalidValue: it would live too long.
    """
    lives = timedelta(days=days)
    if not timedelta() < lives <= LONGEST_LINK:
        raise InvalidValue(f"days: give 1 to {LONGEST_LINK.days}")
    link, now = new_secret(LINK_PREFIX), site.clock()

    def save(tx: Transaction) -> None:
        add_link(tx, person_id, hash_of(link), at=now, expires_at=now + lives)
        _note(tx, "personal-link-made", person_id, actor=actor, at=now)

    site.store.run(save)
    return link, now + lives


def _mark(site: Site, session_id: str, person: str, method: Method) -> CheckedIn:
    now = site.clock()

    def mark(tx: Transaction) -> None:
        give_sign(tx, session_id, person, method, by="person", at=now)

    site.store.run(mark)
    return CheckedIn(session_id, person, method, now)


def _signature(site: Site, told: bytes, number: int) -> bytes:
    key = site.keys.derive(_PURPOSE, number=number)
    return hmac.digest(key, told, sha256)[:_SIGNATURE_BYTES]


def _note(tx: Transaction, action: str, person_id: str, *, actor: str, at: datetime) -> None:
    note_event(
        tx,
        at=at,
        actor=actor,
        action=action,
        subject=keyed_hash(tx, f"person:{person_id}", purpose="audit"),
    )
