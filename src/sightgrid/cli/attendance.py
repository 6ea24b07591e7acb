"""``sightgrid attendance``: courses and their sessions, marks by hand, registers as files, mail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.sites import on_site, opened_site

if TYPE_CHECKING:
    from datetime import datetime

STATUSES = ("present", "late", "absent", "excused", "left-early")
STATES = ("planned", "open", "closed", "cancelled")
FORMS = ("csv", "xlsx", "pdf")
KINDS = ("register", "matrix", "absentees", "warnings", "daily")
ACTOR = "cli"


@click.group("attendance")
def command() -> None:
    """Sessions, marks and registers."""


@command.command("course")
@click.argument("name")
@click.option("--class", "group", help="The class list: everybody of this class on the roster.")
@click.option("--camera", "cameras", multiple=True, help="A camera of the room; repeatable.")
@click.option(
    "--calendar",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Plan the sessions of this iCalendar file.",
)
@on_site
@json_option
def course(
    name: str,
    group: str | None,
    cameras: tuple[str, ...],
    calendar: Path | None,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Add a course, or change the class list, cameras or calendar of one."""
    from dataclasses import replace

    from sightgrid.domain.attendance import Course
    from sightgrid.domain.errors import InvalidValue, NotFound
    from sightgrid.server.lessons import class_list, read_calendar_file, save_course
    from sightgrid.store.courses import course_named

    with opened_site(config_file, data_folder) as site:
        with site.store.snapshot() as tx:
            try:
                known = course_named(tx, name)
            except NotFound:
                known = Course("", name, site.configuration.site.zone.key)
            people = known.people if group is None else class_list(tx, group, at=site.clock())
        if group is not None and not people:
            raise InvalidValue(f"nobody on the roster is in the class '{group}'")
        wanted = replace(known, people=people, cameras=cameras or known.cameras)
        saved = save_course(site, wanted, actor=ACTOR)
        added = removed = 0
        if calendar is not None:
            added, removed, _ = read_calendar_file(site, saved, calendar, actor=ACTOR)
    told = {
        "course_id": saved.course_id,
        "name": saved.name,
        "people": len(saved.people),
        "cameras": list(saved.cameras),
        "sessions_added": added,
        "sessions_removed": removed,
    }
    if json_file is not None:
        write_json(told, json_file)
    if json_file != "-":
        note(
            f"{saved.name}: {len(saved.people)} people, {len(saved.cameras)} cameras, "
            f"{added} sessions planned, {removed} taken away"
        )


@command.command("list")
@click.option("--course", "course_name", help="Only this course's.")
@click.option(
    "--state", type=click.Choice(("planned", "open", "closed", "cancelled")), help="Only these."
)
@on_site
@json_option
def list_sessions(
    course_name: str | None,
    state: str | None,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """List sessions in order of time."""
    from sightgrid.domain.attendance import SessionState
    from sightgrid.domain.frames import format_time
    from sightgrid.store.courses import course_named, courses, sessions

    with opened_site(config_file, data_folder) as site, site.store.snapshot() as tx:
        course_id = None if course_name is None else course_named(tx, course_name).course_id
        names = {one.course_id: one.name for one in courses(tx)}
        states = None if state is None else [SessionState(state)]
        found = sessions(tx, course_id=course_id, states=states)
    rows = [
        {
            "session_id": one.session_id,
            "course": names[one.course_id],
            "starts_at": format_time(one.span.starts_at),
            "ends_at": format_time(one.span.ends_at),
            "state": one.state.value,
        }
        for one in found
    ]
    if json_file is not None:
        write_json({"sessions": rows}, json_file)
    if json_file != "-":
        columns = ["session_id", "course", "starts_at", "ends_at", "state"]
        print_table(columns, [[row[name] for name in columns] for row in rows], title="Sessions")


@command.command("open")
@click.argument("session_id", metavar="SESSION")
@on_site
def open_one(session_id: str, config_file: Path, data_folder: Path | None) -> None:
    """Open a planned session now."""
    from sightgrid.ledger.attending import open_session

    with opened_site(config_file, data_folder) as site:
        now = site.clock()
        site.store.run(lambda tx: open_session(tx, session_id, by=ACTOR, at=now))
    note("the session is open")


@command.command("close")
@click.argument("session_id", metavar="SESSION")
@on_site
def close_one(session_id: str, config_file: Path, data_folder: Path | None) -> None:
    """Close an open session: its marks become the register, which is never changed."""
    from sightgrid.ledger.attending import close_session

    with opened_site(config_file, data_folder) as site:
        now = site.clock()
        version = site.store.run(lambda tx: close_session(tx, session_id, by=ACTOR, at=now))
    note(f"the register is closed, SHA-256 {version.sha256}")


@command.command("mark")
@click.argument("session_id", metavar="SESSION")
@click.argument("person")
@click.argument("status", type=click.Choice(STATUSES))
@click.option("--reason", default="", help="Why; a closed register takes no correction without.")
@on_site
def mark(
    session_id: str,
    person: str,
    status: str,
    reason: str,
    config_file: Path,
    data_folder: Path | None,
) -> None:
    """Mark somebody by hand: PERSON is an id, a number or a name of the class list."""
    from sightgrid.domain.attendance import Status
    from sightgrid.server.lessons import mark_by_hand

    with opened_site(config_file, data_folder) as site:
        line = mark_by_hand(site, session_id, person, Status(status), reason=reason, actor=ACTOR)
    note(f"{line.name}: {line.mark.status.value}")


@command.command("report")
@click.argument("session_id", metavar="[SESSION]", required=False)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The file to write; its ending says the form: .csv, .xlsx or .pdf.")  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), default="register", show_default=True,
              help="All but the register are over many sessions.")  # fmt: skip
@click.option("--course", "course_name", help="Only this course's sessions; else all.")
@click.option("--name", help="Only people whose name holds this.")
@click.option("--class", "group", help="Only people whose class holds this.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES),
              help="Only marks of this status; repeatable.")  # fmt: skip
@click.option("--below", type=click.FloatRange(0, 1, min_open=True), default=0.75,
              show_default=True, help="For warnings: the share of sessions.")  # fmt: skip
@on_site
def report(
    session_id: str | None,
    out: Path,
    kind: str,
    course_name: str | None,
    name: str | None,
    group: str | None,
    since: datetime | None,
    until: datetime | None,
    statuses: tuple[str, ...],
    below: float,
    config_file: Path,
    data_folder: Path | None,
) -> None:
    """Write a register, or a report over many sessions, into a file."""
    from sightgrid.attendance.reports import Wanted
    from sightgrid.domain.attendance import Status
    from sightgrid.server.reporting import course_report, session_report
    from sightgrid.store.courses import course_named

    form = out.suffix.lstrip(".").lower()
    if form not in FORMS:
        raise click.BadParameter("it has to end in .csv, .xlsx or .pdf", param_hint="--out")
    if (kind == "register") != (session_id is not None):
        raise click.UsageError("give a SESSION for its register, or --kind for many sessions")
    with opened_site(config_file, data_folder) as site:
        if session_id is not None:
            made = session_report(site, session_id, form, actor=ACTOR)
        else:
            course_id = None
            if course_name is not None:
                with site.store.snapshot() as tx:
                    course_id = course_named(tx, course_name).course_id
            made = course_report(
                site,
                course_id,
                kind,
                form,
                wanted=Wanted(
                    name=name,
                    group=group,
                    first_day=None if since is None else since.date(),
                    last_day=None if until is None else until.date(),
                    statuses=frozenset(Status(one) for one in statuses) or None,
                ),
                below=below,
                actor=ACTOR,
            )
    out.write_bytes(made.data)
    note(f"{out}: {len(made.data)} bytes; it holds personal data")


@command.command("mail")
@click.argument("session_id", metavar="SESSION")
@click.option("--to", "recipients", multiple=True, required=True,
              help="An address that mail.recipients allows; repeatable.")  # fmt: skip
@click.option("--form", "forms", multiple=True, type=click.Choice(FORMS), default=("csv", "pdf"),
              help="What is attached, csv and pdf where left out; repeatable.")  # fmt: skip
@click.option("--at", "later", metavar="TIME", help="When to send it; now where left out.")
@on_site
def mail(
    session_id: str,
    recipients: tuple[str, ...],
    forms: tuple[str, ...],
    later: str | None,
    config_file: Path,
    data_folder: Path | None,
) -> int:
    """Mail the register of a session, now or later; later, the server sends it."""
    from sightgrid.domain.frames import parse_time
    from sightgrid.server.mailing import order_mail, send
    from sightgrid.store.mailing import mail as mail_of

    at = None if later is None else parse_time(later)
    with opened_site(config_file, data_folder) as site:
        task = order_mail(site, session_id, recipients, forms, at=at, actor=ACTOR)
        if task.due_at > site.clock():
            note("the server sends it when it is due")
            return 0
        if send(site, task):
            note(f"sent to {len(recipients)}")
            return 0
        with site.store.snapshot() as tx:
            problem = mail_of(tx, task.mail_id).problem
    note(f"error: {problem} (the server tries again)")
    return 1
