"""Registers read out: as lines for pages, as files to be handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sightgrid.attendance import reports
from sightgrid.attendance.printing import as_pdf
from sightgrid.attendance.reports import Line, Table, Wanted
from sightgrid.attendance.spreadsheets import as_csv, as_xlsx
from sightgrid.domain.attendance import Course, Mark, Session, SessionState
from sightgrid.domain.errors import InvalidValue
from sightgrid.ledger.attending import marked, names_of_marks
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.courses import course, courses, session, sessions
from sightgrid.store.registers import register

FORMS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
KINDS = ("register", "matrix", "absentees", "warnings", "daily")
ERASED = "(erased)"


@dataclass(frozen=True, slots=True)
class File:
    """A report, ready to be handed on."""

    name: str
    media_type: str
    data: bytes


def lines_of_session(tx: Transaction, one: Session, its_course: Course, site: Site) -> list[Line]:
    """Everybody of a session: from its register once it is closed, computed until then. Before it
    opens, that is what a teacher said ahead."""
    if one.state is SessionState.CLOSED:
        found = register(tx, one.session_id)
        first = found.versions[0]
        return [
            _line(one, first.course_name, item.mark, item.person, item.version_no)
            for item in found.marks
        ]
    marks = marked(tx, one.session_id, at=site.clock()).marks
    names = names_of_marks(tx, marks)
    return [_line(one, its_course.name, mark, names.get(mark.person_id, {}), 0) for mark in marks]


def session_report(site: Site, session_id: str, form: str, *, actor: str) -> File:
    """The register of a session as a file; that it was taken out is noted.

    Raises:
        NotFound: there is no such session.
        InvalidValue: it is neither open nor closed, or the form is none of ours.
    """
    with site.store.snapshot() as tx:
        one = session(tx, session_id)
        its_course = course(tx, one.course_id)
        if one.state not in (SessionState.OPEN, SessionState.CLOSED):
            raise InvalidValue(
                f"this session is {one.state.value}: it has no register", hint="open it first"
            )
        zone = ZoneInfo(its_course.zone)
        lines = lines_of_session(tx, one, its_course, site)
    title = f"{its_course.name}: register"
    table = reports.register_table(title, one.span, lines, zone)
    day = one.span.starts_at.astimezone(zone).strftime("%Y-%m-%d_%H%M")
    made = written(site, table, form, zone, name=f"register_{day}")
    _note(site, f"session:{session_id}", "register", form, len(lines), actor)
    return made


def course_report(
    site: Site,
    course_id: str | None,
    kind: str,
    form: str,
    *,
    wanted: Wanted,
    below: float = 0.75,
    actor: str,
) -> File:
    """A report over many sessions, of one course or of all; that it was taken out is noted.

    Raises:
        NotFound: there is no such course.
        InvalidValue: the kind or the form is none of ours.
    """
    if kind not in KINDS[1:]:
        raise InvalidValue(f"kind: '{kind}' is no report", hint=f"one of {', '.join(KINDS[1:])}")
    with site.store.snapshot() as tx:
        asked = courses(tx) if course_id is None else [course(tx, course_id)]
        zone = ZoneInfo(asked[0].zone) if len(asked) == 1 else site.configuration.site.zone
        lines = lines_of_courses(tx, asked, wanted, zone, site)
    title = f"{asked[0].name if course_id is not None else 'All courses'}: {kind}"
    match kind:
        case "matrix":
            table = reports.matrix_table(title, lines, zone)
        case "absentees":
            table = reports.absentees_table(title, lines, zone)
        case "warnings":
            table = reports.warnings_table(title, lines, below=below)
        case _:
            table = reports.daily_table(title, lines, zone)
    name = "attendance" if kind == "daily" else kind
    made = written(site, table, form, zone, name=name)
    _note(site, "" if course_id is None else f"course:{course_id}", kind, form, len(lines), actor)
    return made


def lines_of_courses(
    tx: Transaction, asked: Sequence[Course], wanted: Wanted, zone: ZoneInfo, site: Site
) -> list[Line]:
    """The lines of every opened session of some courses that are wanted."""
    since = None if wanted.first_day is None else _midnight(wanted.first_day, zone)
    until = (
        None if wanted.last_day is None else _midnight(wanted.last_day + timedelta(days=1), zone)
    )
    lines = []
    for its_course in asked:
        for one in sessions(
            tx,
            course_id=its_course.course_id,
            states=[SessionState.OPEN, SessionState.CLOSED],
            since=since,
            until=until,
        ):
            lines += lines_of_session(tx, one, its_course, site)
    return reports.chosen(lines, wanted, zone)


def written(site: Site, table: Table, form: str, zone: ZoneInfo, *, name: str) -> File:
    """A table as a file.

    Raises:
        InvalidValue: the form is none of ours.
    """
    match form:
        case "csv":
            data = as_csv(table)
        case "xlsx":
            data = as_xlsx(table)
        case "pdf":
            at = site.clock().astimezone(zone).strftime("%Y-%m-%d %H:%M")
            data = as_pdf(table, made=f"{site.configuration.site.name}, {at}")
        case _:
            raise InvalidValue(f"'{form}' is no form of report", hint="one of csv, xlsx, pdf")
    return File(f"{name}.{form}", FORMS[form], data)


def _line(
    one: Session, course_name: str, mark: Mark, person: Mapping[str, str], version_no: int
) -> Line:
    return Line(
        session_id=one.session_id,
        course=course_name,
        span=one.span,
        name=person.get("name", ERASED),
        number=person.get("student_id") or person.get("employee_id") or "",
        group=person.get("class", ""),
        faculty=person.get("faculty", ""),
        mark=mark,
        version_no=version_no,
        frozen=one.state is SessionState.CLOSED,
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _note(site: Site, subject: str, kind: str, form: str, rows: int, actor: str) -> None:
    now = site.clock()
    site.store.run(
        lambda tx: note_event(
            tx,
            at=now,
            actor=actor,
            action="report-made",
            subject=subject,
            details={"kind": kind, "form": form, "rows": rows},
        )
    )
