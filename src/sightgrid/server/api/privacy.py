"""Retention, legal holds, erasure: for the owner and the privacy officer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.retention import HeldPerson, HeldSerial, HeldView, Hold, RetentionClass
from sightgrid.ledger.retaining import Expired
from sightgrid.server import holding
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.erasure import erase_subject, later_records

router = APIRouter(prefix="/privacy", tags=["privacy"])
Keeper = Annotated[Caller, Depends(allowed(Permission.MANAGE_RETENTION))]
Eraser = Annotated[Caller, Depends(allowed(Permission.ERASE))]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class ClassAnswer(BaseModel):
    """A class of records; ``keep_secs`` is null where withdrawal ends it, not time."""

    name: RetentionClass
    keep_secs: float | None


class ExpiredAnswer(BaseModel):
    """What became of a class, or would: how many of what are gone, how many a hold keeps."""

    name: RetentionClass
    older_than: Moment | None
    removed: dict[str, int]
    held: int


class RunAnswer(BaseModel):
    """A run; ``trouble`` says why it was not finished."""

    at: Moment
    dry_run: bool
    classes: list[ExpiredAnswer]
    trouble: str | None = None


class RetentionAnswer(BaseModel):
    """How long what is kept, and how the server's last run went; null before the first."""

    classes: list[ClassAnswer]
    last_run: RunAnswer | None


class NewHold(BaseModel):
    """A hold on ``subject`` (``person:ID`` or ``serial:N``), or on what ``camera`` saw."""

    subject: str | None = Field(default=None, max_length=60)
    camera: str | None = Field(default=None, max_length=200)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    owner: str = Field(min_length=1, max_length=200)
    reason: Reason
    ends_at: AwareDatetime


class HoldAnswer(BaseModel):
    """A hold; ``on`` says whether it still keeps anything."""

    hold_id: str
    subject: str | None
    camera: str | None
    since: Moment | None
    until: Moment | None
    owner: str
    reason: str
    made_by: str
    made_at: Moment
    ends_at: Moment
    ended_at: Moment | None
    on: bool


class HoldList(BaseModel):
    """Every hold, in the order they were made."""

    items: list[HoldAnswer]
    next_cursor: str | None = None


class EndOfHold(BaseModel):
    """Why a hold ends before its time."""

    reason: Reason


class Erasing(BaseModel):
    """Who is to be erased: ``person:ID`` or ``serial:N``."""

    subject: str = Field(max_length=60)
    reason: Reason
    despite_holds: bool = False


class Receipt(BaseModel):
    """What is gone."""

    erased_at: Moment
    identities: list[int]
    deleted: dict[str, int]
    ledger_entries: int
    boxes_told: int
    holds_overridden: list[str]
    traces_wiped: bool
    later_records: str


@router.get("/retention")
def show_retention(caller: Keeper, site: ThisSite) -> RetentionAnswer:
    """How long each class of records is kept, and how the last run went."""
    settings, last = site.configuration.retention, site.retention.last
    classes = []
    for kind in RetentionClass:
        span = settings.kept_for(kind)
        classes.append(
            ClassAnswer(name=kind, keep_secs=None if span is None else span.total_seconds())
        )
    answer = None
    if last is not None:
        answer = RunAnswer(
            at=last.at, dry_run=False, classes=_classes(last.expired), trouble=last.trouble
        )
    return RetentionAnswer(classes=classes, last_run=answer)


@router.post("/retention/run")
def run_retention(
    caller: Keeper,
    site: ThisSite,
    dry_run: bool = False,
    reason: Annotated[str, Query(max_length=500)] = "by hand",
) -> RunAnswer:
    """Removes what is past its time, now; with ``dry_run`` only says what that would be."""
    now = site.clock()
    expired = site.retention.run(actor=caller.known_as, reason=reason, dry_run=dry_run)
    return RunAnswer(at=now, dry_run=dry_run, classes=_classes(expired))


@router.get("/holds")
def list_holds(caller: Keeper, site: ThisSite) -> HoldList:
    """Every legal hold, those that are over too."""
    now = site.clock()
    return HoldList(items=[_hold(one, now) for one in holding.all_holds(site)])


@router.post("/holds", status_code=201)
def add_hold(body: NewHold, caller: Keeper, site: ThisSite) -> HoldAnswer:
    """Begins a legal hold: what it covers is neither removed nor erased until it ends."""
    made = holding.add_hold(
        site,
        holding.scope_of(body.subject, body.camera, body.since, body.until),
        owner=body.owner,
        reason=body.reason,
        ends_at=body.ends_at,
        actor=caller.known_as,
    )
    return _hold(made, site.clock())


@router.post("/holds/{hold_id}/end")
def end_hold(
    hold_id: Annotated[str, Path(max_length=36)], body: EndOfHold, caller: Keeper, site: ThisSite
) -> HoldAnswer:
    """Ends a hold before its time."""
    ended = holding.end_hold(site, hold_id, actor=caller.known_as, reason=body.reason)
    return _hold(ended, site.clock())


@router.post("/erase")
def erase(body: Erasing, caller: Eraser, site: ThisSite) -> Receipt:
    """Destroys everything of a person or a stranger, for good. 409 ``under_hold`` where a legal
    hold covers some of it, unless ``despite_holds`` says to go on."""
    erased = erase_subject(
        site,
        body.subject,
        actor=caller.known_as,
        reason=body.reason,
        despite_holds=body.despite_holds,
    )
    return Receipt(
        erased_at=erased.at,
        identities=list(erased.serials),
        deleted=erased.deleted.counts,
        ledger_entries=erased.ledger_entries,
        boxes_told=erased.boxes,
        holds_overridden=[one.hold_id for one in erased.holds],
        traces_wiped=erased.traces_wiped,
        later_records=later_records(site),
    )


def _classes(expired: Sequence[Expired]) -> list[ExpiredAnswer]:
    return [
        ExpiredAnswer(
            name=one.kind, older_than=one.before, removed=dict(one.removed), held=one.held
        )
        for one in expired
    ]


def _hold(one: Hold, now: datetime) -> HoldAnswer:
    scope = one.scope
    view = scope if isinstance(scope, HeldView) else None
    return HoldAnswer(
        hold_id=one.hold_id,
        subject=holding.spelled_scope(scope)
        if isinstance(scope, HeldPerson | HeldSerial)
        else None,
        camera=None if view is None else view.camera,
        since=None if view is None else view.since,
        until=None if view is None else view.until,
        owner=one.owner,
        reason=one.reason,
        made_by=one.made_by,
        made_at=one.made_at,
        ends_at=one.ends_at,
        ended_at=one.ended_at,
        on=one.is_on(now),
    )
