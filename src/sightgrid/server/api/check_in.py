"""Marking oneself, by the room's QR code or a PIN; seeing and contesting one's own marks.

Who they are is shown by a personal link (its secret in the header ``Sightgrid-Link``, never in an
address, which would stay in histories and logs) or by number and PIN.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.attendance import Method
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.ledger.registering import contest
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.checking_in import (
    CheckedIn,
    check_in_by_link,
    check_in_by_pin,
    person_by_link,
    room_code,
    session_of_code,
    svg_of,
)
from sightgrid.store.disputes import disputes
from sightgrid.store.register_traces import evidence
from sightgrid.store.registers import history, register, sessions_registering

router = APIRouter(prefix="/attendance", tags=["attendance"])
Link = Annotated[str, Header(alias="Sightgrid-Link", max_length=200)]
Teacher = Annotated[Caller, Depends(allowed(Permission.TAKE_ATTENDANCE))]
SessionId = Annotated[str, Path(max_length=36)]


class CheckIn(BaseModel):
    """The code of the room's screen, and who scanned it: by personal link, or number and PIN."""

    code: str = Field(min_length=1, max_length=200)
    link: str | None = Field(default=None, max_length=200)
    person: str | None = Field(default=None, max_length=200)
    pin: str | None = Field(default=None, max_length=20)


class CheckedInAnswer(BaseModel):
    """The sign that was noted."""

    session_id: str
    method: str
    at: Moment


class OwnMark(BaseModel):
    """What a register says of the person who asks, and everything it rests on."""

    session_id: str
    course: str
    starts_at: Moment
    ends_at: Moment
    status: str
    method: str
    reason: str
    minutes: int
    came_at: Moment | None
    left_at: Moment | None
    camera: str | None
    band: str | None
    has_picture: bool
    versions: int
    dispute: str | None
    answer: str | None


class OwnMarks(BaseModel):
    """One's own marks, the newest first."""

    items: list[OwnMark]
    next_cursor: str | None = None


class Contest(BaseModel):
    """What is wrong, in the person's words."""

    words: str = Field(min_length=1, max_length=2000)


class Contested(BaseModel):
    """The dispute that was opened."""

    dispute_id: str
    state: str


class QrAnswer(BaseModel):
    """What the screen shows: ``path`` is what the QR code says, behind the site's address."""

    code: str
    path: str
    next_at: Moment
    expires_at: Moment


class Pin(BaseModel):
    """Typed at a kiosk."""

    person: str = Field(min_length=1, max_length=200)
    pin: str = Field(min_length=1, max_length=20)


@router.post("/check-in")
def check_in(body: CheckIn, site: ThisSite, request: Request) -> CheckedInAnswer:
    """Marks oneself as there."""
    address = _address(request)
    if body.link is not None:
        done = check_in_by_link(site, body.code, body.link, address=address)
    elif body.person is not None and body.pin is not None:
        session_id = session_of_code(site, body.code)
        done = check_in_by_pin(
            site, session_id, body.person, body.pin, address=address, method=Method.QR
        )
    else:
        raise InvalidValue("say who you are: by 'link', or by 'person' and 'pin'")
    return answer_of(done)


@router.get("/mine")
def list_own(link: Link, site: ThisSite, request: Request) -> OwnMarks:
    """One's own marks and what they rest on."""
    person = person_by_link(site, link, address=_address(request))
    items = []
    with site.store.snapshot() as tx:
        contested = {one.session_id: one for one in disputes(tx, person_id=person)}
        for session_id in sessions_registering(tx, person):
            found = history(tx, session_id, person)
            mark, header = found[-1].mark, register(tx, session_id, version_no=1).versions[0]
            dispute = contested.get(session_id)
            items.append(
                OwnMark(
                    session_id=session_id,
                    course=header.course_name,
                    starts_at=header.span.starts_at,
                    ends_at=header.span.ends_at,
                    status=mark.status.value,
                    method=mark.method.value,
                    reason=mark.reason,
                    minutes=mark.minutes,
                    came_at=mark.came_at,
                    left_at=mark.left_at,
                    camera=mark.camera,
                    band=None if mark.band is None else mark.band.value,
                    has_picture=evidence(tx, session_id, person) is not None,
                    versions=len(found),
                    dispute=None if dispute is None else dispute.state.value,
                    answer=None if dispute is None else dispute.answer or None,
                )
            )
    items.sort(key=lambda one: (one.starts_at, one.session_id), reverse=True)
    return OwnMarks(items=items)


@router.get("/mine/{session_id}/evidence", response_class=Response)
def show_own_evidence(
    session_id: SessionId, link: Link, site: ThisSite, request: Request
) -> Response:
    """The picture that one's own mark rests on."""
    person = person_by_link(site, link, address=_address(request))
    with site.store.snapshot() as tx:
        jpeg = evidence(tx, session_id, person)
    if jpeg is None:
        raise NotFound("there is no picture for this mark, or not any more")
    return Response(jpeg, media_type="image/jpeg")


@router.post("/mine/{session_id}/contest", status_code=201)
def contest_own(
    session_id: SessionId, body: Contest, link: Link, site: ThisSite, request: Request
) -> Contested:
    """Contests one's own mark; a manager decides."""
    person = person_by_link(site, link, address=_address(request))
    made = site.store.run(lambda tx: contest(tx, session_id, person, body.words, at=site.clock()))
    return Contested(dispute_id=made.dispute_id, state=made.state.value)


@router.get("/sessions/{session_id}/qr")
def show_code(session_id: SessionId, caller: Teacher, site: ThisSite) -> QrAnswer:
    """The code of an open session for the room's screen; another one every half minute."""
    now = room_code(site, session_id)
    return QrAnswer(
        code=now.code, path=_path(now.code), next_at=now.next_at, expires_at=now.expires_at
    )


@router.get("/sessions/{session_id}/qr.svg", response_class=Response)
def draw_code(session_id: SessionId, caller: Teacher, site: ThisSite, request: Request) -> Response:
    """The same as a picture that says the whole address."""
    address = str(request.base_url).rstrip("/") + _path(room_code(site, session_id).code)
    return Response(svg_of(address), media_type="image/svg+xml")


@router.post("/sessions/{session_id}/pin")
def check_in_at_kiosk(
    session_id: SessionId, body: Pin, caller: Teacher, site: ThisSite
) -> CheckedInAnswer:
    """Somebody types number (or name) and PIN at a kiosk that is signed in."""
    done = check_in_by_pin(
        site, session_id, body.person, body.pin, address=caller.known_as, method=Method.PIN
    )
    return answer_of(done)


def answer_of(done: CheckedIn) -> CheckedInAnswer:
    """What whoever marked themselves is told."""
    return CheckedInAnswer(session_id=done.session_id, method=done.method.value, at=done.at)


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _path(code: str) -> str:
    # behind the #, so that it is in no server's log
    return f"/attendance/here#{code}"
