"""Courses: class list, room cameras, timetable, rules."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio.to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from sightgrid.attendance.reports import Wanted
from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.attendance import Course, MailPlan, Rules, Slot, Status
from sightgrid.domain.cameras import CAMERA_NAME
from sightgrid.domain.errors import InvalidValue
from sightgrid.server.api.answers import Moment
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.lessons import plan_calendar, save_course
from sightgrid.server.mailing import check_recipients
from sightgrid.server.reporting import course_report
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store import courses as rows
from sightgrid.store.audit import note_event

router = APIRouter(prefix="/attendance", tags=["attendance"])
Teacher = Annotated[Caller, Depends(allowed(Permission.TAKE_ATTENDANCE))]
CourseId = Annotated[str, Path(max_length=36)]
Form = Literal["csv", "xlsx", "pdf"]
Minutes = Annotated[int, Field(ge=0, le=1440)]
_MOST_SHOWN = 500
_MOST_SLOTS = 200


class RulesBody(BaseModel):
    """How what was seen becomes a mark; minutes."""

    early: Minutes = 15
    grace: Minutes = 10
    least: Minutes = 0
    leave: Minutes | None = None
    close_after: Minutes = 10


class SlotBody(BaseModel):
    """One lesson of the week in local time; ``weekday`` 0 is Monday."""

    weekday: int = Field(ge=0, le=6)
    begin: time
    end: time
    first_day: date
    last_day: date
    except_days: list[date] = Field(default_factory=list, max_length=400)


class MailBody(BaseModel):
    """Who gets the register once a session closes."""

    to: list[str] = Field(min_length=1, max_length=20)
    forms: list[Form] = Field(default=["csv", "pdf"], min_length=1, max_length=3)


class CourseBody(BaseModel):
    """A course as it is to be. ``people`` are ids; ``zone`` is the site's where left out."""

    name: str = Field(min_length=1, max_length=200)
    zone: str | None = Field(default=None, max_length=64)
    rules: RulesBody = RulesBody()
    timetable: list[SlotBody] = Field(default_factory=list, max_length=_MOST_SLOTS)
    people: list[str] = Field(default_factory=list, max_length=10_000)
    cameras: list[str] = Field(default_factory=list, max_length=200)
    mail: MailBody | None = None


class CourseRow(BaseModel):
    """A course."""

    course_id: str
    name: str
    zone: str
    rules: RulesBody
    timetable: list[SlotBody]
    people: list[str]
    cameras: list[str]
    mail: MailBody | None
    ended: bool


class CourseList(BaseModel):
    """Courses by name."""

    items: list[CourseRow]
    next_cursor: str | None = None


class LessonRow(BaseModel):
    """A lesson that a calendar plans."""

    starts_at: Moment
    ends_at: Moment
    title: str


class Planned(BaseModel):
    """What a calendar came to: ``added`` and ``removed`` sessions are those that change."""

    added: int
    removed: int
    lessons: list[LessonRow]


@router.get("/courses")
def list_courses(caller: Teacher, site: ThisSite) -> CourseList:
    """Every course by name, ended ones too."""
    with site.store.snapshot() as tx:
        return CourseList(items=[_row(one) for one in rows.courses(tx)])


@router.post("/courses", status_code=201)
def add_course(body: CourseBody, caller: Teacher, site: ThisSite) -> CourseRow:
    """Adds a course; its timetable's coming sessions are planned at once."""
    return _row(save_course(site, _course("", body, site), actor=caller.known_as))


@router.get("/courses/{course_id}")
def show_course(course_id: CourseId, caller: Teacher, site: ThisSite) -> CourseRow:
    """One course."""
    with site.store.snapshot() as tx:
        return _row(rows.course(tx, course_id))


@router.put("/courses/{course_id}")
def change_course(
    course_id: CourseId, body: CourseBody, caller: Teacher, site: ThisSite
) -> CourseRow:
    """Replaces a course; sessions of its timetable that have not opened are planned anew."""
    return _row(save_course(site, _course(course_id, body, site), actor=caller.known_as))


@router.delete("/courses/{course_id}", status_code=204, response_class=Response)
def end_course(course_id: CourseId, caller: Teacher, site: ThisSite) -> None:
    """Ends a course: nothing more is planned, registers stay."""

    def end(tx: Transaction) -> None:
        rows.end_course(tx, course_id, at=site.clock())
        _note(tx, site, caller, "course-ended", course_id)

    site.store.run(end)


@router.post(
    "/courses/{course_id}/calendar",
    openapi_extra={"requestBody": {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
)
async def import_calendar(
    course_id: CourseId,
    caller: Teacher,
    site: ThisSite,
    request: Request,
    preview: Annotated[bool, Query(description="Only say what would change.")] = False,
) -> Planned:
    """Plans the sessions of an iCalendar file (the body) from now on, in the place of those that
    an earlier file planned."""
    content = await request.body()
    added, removed, lessons = await anyio.to_thread.run_sync(
        lambda: plan_calendar(site, course_id, content, actor=caller.known_as, preview=preview)
    )
    return Planned(
        added=added,
        removed=removed,
        lessons=[
            LessonRow(starts_at=one.span.starts_at, ends_at=one.span.ends_at, title=one.title)
            for one in lessons[:_MOST_SHOWN]
        ],
    )


@router.get("/courses/{course_id}/report.{form}", response_class=Response)
def report_course(
    course_id: CourseId,
    form: Form,
    caller: Teacher,
    site: ThisSite,
    kind: Literal["matrix", "absentees", "warnings", "daily"] = "matrix",
    name: Annotated[str | None, Query(max_length=200)] = None,
    group: Annotated[str | None, Query(max_length=200, alias="class")] = None,
    since: date | None = None,
    until: date | None = None,
    status: Annotated[list[Status] | None, Query(max_length=5)] = None,
    below: Annotated[float, Query(gt=0, le=1)] = 0.75,
) -> Response:
    """A report over a course's sessions; ``all`` for every course. ``class`` and ``name`` are parts
    of it; ``since`` and ``until`` are days and included."""
    made = course_report(
        site,
        None if course_id == "all" else course_id,
        kind,
        form,
        wanted=Wanted(
            name=name,
            group=group,
            first_day=since,
            last_day=until,
            statuses=None if status is None else frozenset(status),
        ),
        below=below,
        actor=caller.known_as,
    )
    return Response(
        made.data,
        media_type=made.media_type,
        headers={"Content-Disposition": f'attachment; filename="{made.name}"'},
    )


def _course(course_id: str, body: CourseBody, site: Site) -> Course:
    zone = body.zone or site.configuration.site.zone.key
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue(
            f"zone: '{zone}' is no time zone", hint="write it as Europe/Paris"
        ) from None
    for camera in body.cameras:
        if not CAMERA_NAME.fullmatch(camera):
            raise InvalidValue(f"cameras: '{camera}' can't be the name of a camera")
    mail = None
    if body.mail is not None:
        check_recipients(site.configuration.mail, body.mail.to)
        mail = MailPlan(tuple(body.mail.to), tuple(body.mail.forms))
    return Course(
        course_id=course_id,
        name=body.name.strip(),
        zone=zone,
        rules=Rules(**body.rules.model_dump()),
        slots=tuple(
            Slot(
                slot.weekday,
                slot.begin,
                slot.end,
                slot.first_day,
                slot.last_day,
                frozenset(slot.except_days),
            )
            for slot in body.timetable
        ),
        people=tuple(body.people),
        cameras=tuple(body.cameras),
        mail=mail,
    )


def _row(one: Course) -> CourseRow:
    mail = None
    if one.mail is not None:
        mail = MailBody.model_validate({"to": one.mail.recipients, "forms": one.mail.forms})
    return CourseRow(
        course_id=one.course_id,
        name=one.name,
        zone=one.zone,
        rules=RulesBody(
            early=one.rules.early,
            grace=one.rules.grace,
            least=one.rules.least,
            leave=one.rules.leave,
            close_after=one.rules.close_after,
        ),
        timetable=[
            SlotBody(
                weekday=slot.weekday,
                begin=slot.begin,
                end=slot.end,
                first_day=slot.first_day,
                last_day=slot.last_day,
                except_days=sorted(slot.except_days),
            )
            for slot in one.slots
        ],
        people=list(one.people),
        cameras=list(one.cameras),
        mail=mail,
        ended=one.ended,
    )


def _note(tx: Transaction, site: Site, caller: Caller, action: str, course_id: str) -> None:
    note_event(
        tx,
        at=site.clock(),
        actor=caller.known_as,
        action=action,
        subject=f"course:{course_id}",
    )
