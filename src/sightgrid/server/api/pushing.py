"""Registers handed on to Moodle and Frappe."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.pushing import Pushed, push_to_frappe, push_to_moodle

router = APIRouter(prefix="/attendance", tags=["attendance"])
Teacher = Annotated[Caller, Depends(allowed(Permission.TAKE_ATTENDANCE))]
SessionId = Annotated[str, Path(max_length=36)]
MoodleId = Annotated[int, Field(ge=1, le=2**53)]


class ToMoodle(BaseModel):
    """The session of Moodle's attendance module, and the user there who took it."""

    moodle_session: MoodleId
    taken_by: MoodleId


class PushedAnswer(BaseModel):
    """How many marks were handed on, and by person id why others were not."""

    sent: int
    problems: dict[str, str]


@router.post("/sessions/{session_id}/push/moodle")
def push_moodle(
    session_id: SessionId, body: ToMoodle, caller: Teacher, site: ThisSite
) -> PushedAnswer:
    """Sets the statuses of a session in Moodle."""
    return _answer(
        push_to_moodle(
            site,
            session_id,
            moodle_session=body.moodle_session,
            taken_by=body.taken_by,
            actor=caller.known_as,
        )
    )


@router.post("/sessions/{session_id}/push/frappe")
def push_frappe(session_id: SessionId, caller: Teacher, site: ThisSite) -> PushedAnswer:
    """Adds check-ins in Frappe HR for everybody who came."""
    return _answer(push_to_frappe(site, session_id, actor=caller.known_as))


def _answer(pushed: Pushed) -> PushedAnswer:
    return PushedAnswer(sent=pushed.sent, problems=dict(pushed.problems))
