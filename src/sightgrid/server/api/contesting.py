"""Disputes and how they are decided; what lets people without an account see their own marks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.attendance import Dispute, DisputeState, Status
from sightgrid.ledger import registering
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.checking_in import new_link, new_pin
from sightgrid.store.disputes import disputes

router = APIRouter(prefix="/attendance", tags=["attendance"])
Teacher = Annotated[Caller, Depends(allowed(Permission.TAKE_ATTENDANCE))]
PersonId = Annotated[str, Path(max_length=36)]


class DisputeRow(BaseModel):
    """Somebody contests their mark."""

    dispute_id: str
    session_id: str
    person_id: str
    version_no: int
    state: str
    words: str
    made_at: Moment
    answer: str
    decided_at: Moment | None
    decided_by: str | None


class DisputeList(BaseModel):
    """Disputes in the order they were made."""

    items: list[DisputeRow]
    next_cursor: str | None = None


class Verdict(BaseModel):
    """The decision: a status makes the mark that, null leaves it. The person reads the answer."""

    status: Status | None = None
    answer: str = Field(min_length=1, max_length=2000)


class NewPin(BaseModel):
    """A PIN, told this once."""

    person_id: str
    pin: str


class LinkDays(BaseModel):
    """How long the link is to work."""

    days: int = Field(default=30, ge=1, le=365)


class NewLink(BaseModel):
    """A personal link, told this once; the secret stands behind the ``#`` of its path."""

    person_id: str
    link: str
    path: str
    expires_at: Moment


@router.get("/disputes")
def list_disputes(
    caller: Teacher,
    site: ThisSite,
    state: Annotated[list[DisputeState] | None, Query(max_length=3)] = None,
) -> DisputeList:
    """Disputes in the order they were made."""
    with site.store.snapshot() as tx:
        return DisputeList(items=[dispute_row(one) for one in disputes(tx, states=state)])


@router.post("/disputes/{dispute_id}/decide")
def decide_dispute(
    dispute_id: Annotated[str, Path(max_length=36)],
    body: Verdict,
    caller: Teacher,
    site: ThisSite,
) -> DisputeRow:
    """Decides a dispute, once."""
    now = site.clock()
    return dispute_row(
        site.store.run(
            lambda tx: registering.decide(
                tx,
                dispute_id,
                status=body.status,
                answer=body.answer,
                by=caller.known_as,
                at=now,
            )
        )
    )


@router.post("/people/{person_id}/pin", status_code=201)
def make_pin(person_id: PersonId, caller: Teacher, site: ThisSite) -> NewPin:
    """A new PIN for somebody; the old one ends."""
    return NewPin(person_id=person_id, pin=new_pin(site, person_id, actor=caller.known_as))


@router.post("/people/{person_id}/link", status_code=201)
def make_link(person_id: PersonId, body: LinkDays, caller: Teacher, site: ThisSite) -> NewLink:
    """A new personal link for somebody; older ones end."""
    link, expires_at = new_link(site, person_id, days=body.days, actor=caller.known_as)
    return NewLink(
        person_id=person_id,
        link=link,
        path=f"/attendance/mine#{link}",
        expires_at=expires_at,
    )


def dispute_row(one: Dispute) -> DisputeRow:
    """A dispute as it is answered."""
    return DisputeRow(
        dispute_id=one.dispute_id,
        session_id=one.session_id,
        person_id=one.person_id,
        version_no=one.version_no,
        state=one.state.value,
        words=one.words,
        made_at=one.made_at,
        answer=one.answer,
        decided_at=one.decided_at,
        decided_by=one.decided_by,
    )
