"""Sessions and their registers: opened, marked, closed, reported, disputed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from sightgrid.attendance.reports import Line
from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.attendance import (
    DisputeState,
    Method,
    RegisterVersion,
    Session,
    SessionState,
    Span,
    Status,
)
from sightgrid.domain.errors import NotFound
from sightgrid.ledger import attending
from sightgrid.server.api.answers import Limit, Moment, TimeText, moment_of
from sightgrid.server.api.contesting import DisputeRow, dispute_row
from sightgrid.server.api.courses import Form
from sightgrid.server.callers import ThisSite, allowed
from sightgrid.server.lessons import mark_by_hand
from sightgrid.server.mailing import order_mail
from sightgrid.server.reporting import lines_of_session, session_report
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store import courses as rows
from sightgrid.store.disputes import disputes
from sightgrid.store.mailing import MailTask, mail_of
from sightgrid.store.register_traces import evidence
from sightgrid.store.registers import register, verify_register

router = APIRouter(prefix="/attendance", tags=["attendance"])
Teacher = Annotated[Caller, Depends(allowed(Permission.TAKE_ATTENDANCE))]
SessionId = Annotated[str, Path(max_length=36)]
PersonId = Annotated[str, Path(max_length=36)]


class NewSession(BaseModel):
    """One session beside the timetable's."""

    course_id: str = Field(max_length=36)
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    title: str = Field(default="", max_length=200)


class SessionRow(BaseModel):
    """A session."""

    session_id: str
    course_id: str
    starts_at: Moment
    ends_at: Moment
    state: str
    origin: str
    title: str
    opened_at: Moment | None
    closed_at: Moment | None


class SessionList(BaseModel):
    """Sessions in order of time."""

    items: list[SessionRow]
    next_cursor: str | None = None


class MarkRow(BaseModel):
    """What is said of one person; ``name`` is empty once they were erased."""

    person_id: str
    name: str
    number: str
    group: str = Field(serialization_alias="class")
    status: str
    method: str
    reason: str
    minutes: int
    came_at: Moment | None
    left_at: Moment | None
    camera: str | None
    sighting_id: str | None
    band: str | None
    score: float | None
    margin: float | None
    review: bool
    version_no: int


class VersionRow(BaseModel):
    """A version of a register."""

    version_no: int
    kind: str
    made_at: Moment
    made_by: str
    reason: str
    rule_version: str
    sha256: str


class SessionAnswer(BaseModel):
    """A session with its marks: computed while it is open, the register's once it is closed.
    ``intact`` says whether every version is as it was written."""

    session: SessionRow
    counts: dict[str, int]
    marks: list[MarkRow]
    versions: list[VersionRow]
    intact: bool | None


class Tap(BaseModel):
    """A teacher's word on somebody: by id, number or name. A closed register takes it as a
    correction, which needs a reason."""

    person: str = Field(min_length=1, max_length=200)
    status: Status
    reason: str = Field(default="", max_length=500)


class DoubtRow(BaseModel):
    """An *unsure* sighting and whom of the class list it comes closest to."""

    sighting_id: str
    person_id: str
    name: str
    camera: str
    first_seen: Moment
    last_seen: Moment
    score: float | None


class Tray(BaseModel):
    """What waits for a human: names that are only likely, sightings that may be somebody, and
    disputes. ``later`` are those whose mark would be another one by what is known now, such as a
    sighting that came after the register closed."""

    likely: list[MarkRow]
    unsure: list[DoubtRow]
    disputes: list[DisputeRow]
    later: list[MarkRow]


class Letter(BaseModel):
    """To whom the register is mailed, as which files, and when; now where ``at`` is left out."""

    to: list[str] = Field(min_length=1, max_length=20)
    forms: list[Form] = Field(default=["csv", "pdf"], min_length=1, max_length=3)
    at: AwareDatetime | None = None


class LetterRow(BaseModel):
    """A letter: sent, waiting, or with the reason why it could not be sent."""

    mail_id: str
    to: list[str]
    forms: list[str]
    due_at: Moment
    sent_at: Moment | None
    failures: int
    problem: str


class LetterList(BaseModel):
    """Letters in order of time."""

    items: list[LetterRow]
    next_cursor: str | None = None


@router.get("/sessions")
def list_sessions(
    caller: Teacher,
    site: ThisSite,
    course: Annotated[str | None, Query(max_length=36)] = None,
    state: Annotated[list[SessionState] | None, Query(max_length=4)] = None,
    since: TimeText = None,
    until: TimeText = None,
    limit: Limit = 100,
) -> SessionList:
    """Sessions that touch a span of time, in order."""
    with site.store.snapshot() as tx:
        found = rows.sessions(
            tx,
            course_id=course,
            states=state,
            since=moment_of(since),
            until=moment_of(until),
            limit=limit,
        )
    return SessionList(items=[_session(one) for one in found])


@router.post("/sessions", status_code=201)
def add_session(body: NewSession, caller: Teacher, site: ThisSite) -> SessionRow:
    """Plans a session beside the timetable's."""
    span = Span(body.starts_at, body.ends_at)
    made = site.store.run(
        lambda tx: rows.add_session(tx, body.course_id, span, origin="hand", title=body.title)
    )
    return _session(made)


@router.get("/sessions/{session_id}")
def show_session(session_id: SessionId, caller: Teacher, site: ThisSite) -> SessionAnswer:
    """A session with its marks."""
    with site.store.snapshot() as tx:
        return _shown(tx, session_id, site)


@router.post("/sessions/{session_id}/open")
def open_session(session_id: SessionId, caller: Teacher, site: ThisSite) -> SessionRow:
    """Opens a planned session."""
    now = site.clock()
    return _session(
        site.store.run(
            lambda tx: attending.open_session(tx, session_id, by=caller.known_as, at=now)
        )
    )


@router.post("/sessions/{session_id}/close")
def close_session(session_id: SessionId, caller: Teacher, site: ThisSite) -> SessionAnswer:
    """Closes an open session: its marks become the register."""
    now = site.clock()

    def close(tx: Transaction) -> SessionAnswer:
        attending.close_session(tx, session_id, by=caller.known_as, at=now)
        return _shown(tx, session_id, site)

    return site.store.run(close)


@router.post("/sessions/{session_id}/cancel")
def cancel_session(session_id: SessionId, caller: Teacher, site: ThisSite) -> SessionRow:
    """Calls a session off that has not closed."""

    def cancel(tx: Transaction) -> Session:
        attending.cancel_session(tx, session_id, by=caller.known_as, at=site.clock())
        return rows.session(tx, session_id)

    return _session(site.store.run(cancel))


@router.post("/sessions/{session_id}/marks")
def mark(session_id: SessionId, body: Tap, caller: Teacher, site: ThisSite) -> MarkRow:
    """A teacher's tap; a closed register gets a new version."""
    return _mark(
        mark_by_hand(
            site, session_id, body.person, body.status, reason=body.reason, actor=caller.known_as
        )
    )


@router.get("/sessions/{session_id}/review")
def show_tray(session_id: SessionId, caller: Teacher, site: ThisSite) -> Tray:
    """What waits for a human."""
    with site.store.snapshot() as tx:
        one = rows.session(tx, session_id)
        its_course = rows.course(tx, one.course_id)
        now = attending.marked(tx, session_id, at=site.clock())
        lines = lines_of_session(tx, one, its_course, site)
        names = attending.names_of_marks(tx, now.marks)
        contested = disputes(tx, session_id=session_id, states=[DisputeState.OPEN])
    written = {line.mark.person_id: line for line in lines if line.frozen}
    later = [
        line
        for line in written.values()
        for found in now.marks
        if found.person_id == line.mark.person_id
        and found.status is not line.mark.status
        and line.mark.method is not Method.TEACHER
        # what was forgotten since is no news
        and found.status.attended
    ]
    return Tray(
        likely=[_mark(line) for line in lines if line.mark.review],
        unsure=[
            DoubtRow(
                sighting_id=doubt.sighting_id,
                person_id=doubt.person_id,
                name=names.get(doubt.person_id, {}).get("name", ""),
                camera=doubt.camera,
                first_seen=doubt.first_seen,
                last_seen=doubt.last_seen,
                score=doubt.score,
            )
            for doubt in now.doubts
        ],
        disputes=[dispute_row(each) for each in contested],
        later=[_mark(line) for line in later],
    )


@router.get("/sessions/{session_id}/evidence/{person_id}", response_class=Response)
def show_evidence(
    session_id: SessionId, person_id: PersonId, caller: Teacher, site: ThisSite
) -> Response:
    """The picture that a mark of a closed register rests on."""
    with site.store.snapshot() as tx:
        rows.session(tx, session_id)
        jpeg = evidence(tx, session_id, person_id)
    if jpeg is None:
        raise NotFound("there is no picture for this mark, or not any more")
    return Response(jpeg, media_type="image/jpeg")


@router.get("/sessions/{session_id}/report.{form}", response_class=Response)
def report_session(session_id: SessionId, form: Form, caller: Teacher, site: ThisSite) -> Response:
    """The register of a session as a file."""
    made = session_report(site, session_id, form, actor=caller.known_as)
    return Response(
        made.data,
        media_type=made.media_type,
        headers={"Content-Disposition": f'attachment; filename="{made.name}"'},
    )


@router.post("/sessions/{session_id}/mail", status_code=202)
def mail_session(session_id: SessionId, body: Letter, caller: Teacher, site: ThisSite) -> LetterRow:
    """Mails the register, now or at a later time."""
    return _letter(
        order_mail(site, session_id, body.to, body.forms, at=body.at, actor=caller.known_as)
    )


@router.get("/sessions/{session_id}/mail")
def list_mail(session_id: SessionId, caller: Teacher, site: ThisSite) -> LetterList:
    """Every letter of a session and what became of it."""
    with site.store.snapshot() as tx:
        rows.session(tx, session_id)
        return LetterList(items=[_letter(one) for one in mail_of(tx, session_id)])


def _shown(tx: Transaction, session_id: str, site: Site) -> SessionAnswer:
    one = rows.session(tx, session_id)
    its_course = rows.course(tx, one.course_id)
    lines = lines_of_session(tx, one, its_course, site)
    closed = one.state is SessionState.CLOSED
    versions = register(tx, session_id).versions if closed else ()
    counts = dict.fromkeys((status.value for status in Status), 0)
    for line in lines:
        counts[line.mark.status.value] += 1
    return SessionAnswer(
        session=_session(one),
        counts=counts,
        marks=[_mark(line) for line in sorted(lines, key=_by_name)],
        versions=[_version(version) for version in versions],
        intact=verify_register(tx, session_id) is None if closed else None,
    )


def _by_name(line: Line) -> tuple[str, str]:
    return line.name.casefold(), line.mark.person_id


def _session(one: Session) -> SessionRow:
    return SessionRow(
        session_id=one.session_id,
        course_id=one.course_id,
        starts_at=one.span.starts_at,
        ends_at=one.span.ends_at,
        state=one.state.value,
        origin=one.origin,
        title=one.title,
        opened_at=one.opened_at,
        closed_at=one.closed_at,
    )


def _mark(line: Line) -> MarkRow:
    mark = line.mark
    return MarkRow(
        person_id=mark.person_id,
        name=line.name,
        number=line.number,
        group=line.group,
        status=mark.status.value,
        method=mark.method.value,
        reason=mark.reason,
        minutes=mark.minutes,
        came_at=mark.came_at,
        left_at=mark.left_at,
        camera=mark.camera,
        sighting_id=mark.sighting_id,
        band=None if mark.band is None else mark.band.value,
        score=mark.score,
        margin=mark.margin,
        review=mark.review,
        version_no=line.version_no,
    )


def _version(one: RegisterVersion) -> VersionRow:
    return VersionRow(
        version_no=one.version_no,
        kind=one.kind.value,
        made_at=one.made_at,
        made_by=one.made_by,
        reason=one.reason,
        rule_version=one.rule_version,
        sha256=one.sha256,
    )


def _letter(one: MailTask) -> LetterRow:
    return LetterRow(
        mail_id=one.mail_id,
        to=list(one.recipients),
        forms=list(one.forms),
        due_at=one.due_at,
        sent_at=one.sent_at,
        failures=one.failures,
        problem=one.problem,
    )
