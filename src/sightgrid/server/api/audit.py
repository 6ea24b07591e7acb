"""Who did what, when and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, JsonValue

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.server.api.answers import Cursor, Limit, Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.store.audit import audit_events, verify_audit

router = APIRouter(prefix="/audit", tags=["audit"])
Auditor = Annotated[Caller, Depends(allowed(Permission.SEE_AUDIT))]


class AuditAnswer(BaseModel):
    """One row of the audit."""

    number: int
    at: Moment
    actor: str
    action: str
    subject: str
    reason: str
    details: dict[str, JsonValue]


class AuditList(BaseModel):
    """Rows, the newest first."""

    items: list[AuditAnswer]
    next_cursor: str | None = None


class VerdictAnswer(BaseModel):
    """Whether every row is as it was written; else the number of the first that isn't."""

    rows: int
    intact: bool
    first_bad: int | None
    reason: str


@router.get("")
def list_events(
    caller: Auditor, site: ThisSite, limit: Limit = 100, cursor: Cursor = None
) -> AuditList:
    """The audit, the newest first."""
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidValue("cursor: not one that an answer gave")
    before = None if cursor is None else int(cursor)
    with site.store.snapshot() as tx:
        rows = audit_events(tx, before=before, limit=limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    return AuditList(
        items=[
            AuditAnswer(
                number=row.number,
                at=row.at,
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                reason=row.reason,
                details=dict(row.details),
            )
            for row in rows
        ],
        next_cursor=str(rows[-1].number) if more else None,
    )


@router.get("/verify")
def verify(caller: Auditor, site: ThisSite) -> VerdictAnswer:
    """Checks the whole chain."""
    with site.store.snapshot() as tx:
        verdict = verify_audit(tx)
    return VerdictAnswer(
        rows=verdict.rows,
        intact=verdict.first_bad is None,
        first_bad=verdict.first_bad,
        reason=verdict.reason,
    )
