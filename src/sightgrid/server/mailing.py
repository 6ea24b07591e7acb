"""Registers by e-mail, over SMTP with TLS: to nobody but those whom the configuration allows.

A letter holds the register as files and how many have which mark; never pictures. What can't be
sent is tried again, later each time, and shown with its reason.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from zoneinfo import ZoneInfo

from sightgrid.configuration.settings import MailSettings
from sightgrid.domain.attendance import SessionState
from sightgrid.domain.errors import InvalidValue, SightgridError
from sightgrid.server.reporting import FORMS, lines_of_session, session_report
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.courses import course, session
from sightgrid.store.mailing import MailTask, add_mail, mail_due, note_sent, note_unsent

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_TIMEOUT_SECS = 30.0
_FIRST_PAUSE = timedelta(minutes=1)


class MailFailed(SightgridError):
    """A letter could not be handed over; it is tried again."""


def check_recipients(settings: MailSettings | None, recipients: Sequence[str]) -> None:
    """Whether letters may go to these addresses.

    Raises:
        InvalidValue: one is no address, or is not on the list of the configuration, or no mail
            server is configured.
    """
    if settings is None:
        raise InvalidValue(
            "no mail server is configured",
            hint="add 'mail:' to sightgrid.yml, see docs/attendance.md",
        )
    for one in recipients:
        if not _ADDRESS.fullmatch(one):
            raise InvalidValue("to: one of these is no e-mail address")
        address = one.lower()
        domain = address[address.index("@") :]
        if not {address, domain} & {allowed.lower() for allowed in settings.recipients}:
            raise InvalidValue(
                "to: one of these addresses is not allowed",
                hint="sightgrid.yml names who may get mail under mail.recipients",
            )


def order_mail(
    site: Site,
    session_id: str,
    recipients: Sequence[str],
    forms: Sequence[str],
    *,
    at: datetime | None,
    actor: str,
) -> MailTask:
    """A letter with a session's register, to be sent now or at a later moment.

    Raises:
        NotFound: there is no such session.
        InvalidValue: an address is not allowed, or a form is none of ours.
    """
    check_recipients(site.configuration.mail, recipients)
    unknown = sorted(set(forms) - set(FORMS))
    if unknown or not forms or not recipients:
        raise InvalidValue("forms: give some of csv, xlsx, pdf, and at least one address")
    now = site.clock()

    def add(tx: Transaction) -> MailTask:
        session(tx, session_id)
        task = add_mail(
            tx,
            session_id,
            tuple(recipients),
            tuple(dict.fromkeys(forms)),
            due_at=at or now,
            made_by=actor,
        )
        note_event(
            tx,
            at=now,
            actor=actor,
            action="mail-ordered",
            subject=f"session:{session_id}",
            details={"recipients": len(recipients), "forms": " ".join(forms)},
        )
        return task

    return site.store.run(add)


def send_due(site: Site) -> int:
    """Sends every letter that is due; returns how many went out."""
    if site.configuration.mail is None:
        return 0
    with site.store.snapshot() as tx:
        tasks = mail_due(tx, site.clock())
    return sum(send(site, task) for task in tasks)


def send(site: Site, task: MailTask) -> bool:
    """Tries to send one letter and writes down what became of it."""
    settings = site.configuration.mail
    try:
        if settings is None:
            raise MailFailed("no mail server is configured")
        # who was allowed when the letter was ordered may not be any more
        check_recipients(settings, task.recipients)
        _hand_over(settings, _letter(site, settings, task))
    except SightgridError as error:
        problem, now = str(error), site.clock()
        again_at = now + _FIRST_PAUSE * 2**task.failures
        site.store.run(lambda tx: note_unsent(tx, task.mail_id, problem, again_at=again_at))
        return False
    now = site.clock()

    def note(tx: Transaction) -> None:
        note_sent(tx, task.mail_id, at=now)
        note_event(
            tx,
            at=now,
            actor=task.made_by,
            action="mail-sent",
            subject=f"session:{task.session_id}",
            details={"recipients": len(task.recipients)},
        )

    site.store.run(note)
    return True


def _letter(site: Site, settings: MailSettings, task: MailTask) -> EmailMessage:
    with site.store.snapshot() as tx:
        one = session(tx, task.session_id)
        its_course = course(tx, one.course_id)
        lines = lines_of_session(tx, one, its_course, site)
    zone = ZoneInfo(its_course.zone)
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.mark.status.value] = counts.get(line.mark.status.value, 0) + 1
    day = one.span.starts_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    letter = EmailMessage()
    letter["Subject"] = f"Attendance: {its_course.name}, {day}"
    letter["From"] = settings.sender
    letter["To"] = ", ".join(task.recipients)
    letter["Date"] = format_datetime(site.clock())
    letter["Message-ID"] = make_msgid(task.mail_id, domain=settings.sender.partition("@")[2])
    # so that no robot answers it
    letter["Auto-Submitted"] = "auto-generated"
    state = "closed" if one.state is SessionState.CLOSED else "still open, marks may change"
    text = [
        f"{its_course.name}, {day} ({its_course.zone})",
        f"The register is {state}.",
        "",
        *(f"{status}: {number}" for status, number in sorted(counts.items())),
        "",
        "The register is attached. It holds personal data: keep it no longer than you need it.",
    ]
    letter.set_content("\n".join(text))
    for form in task.forms:
        file = session_report(site, task.session_id, form, actor=task.made_by)
        kind, _, sub = file.media_type.partition(";")[0].partition("/")
        charset = {"charset": "utf-8"} if kind == "text" else None
        letter.add_attachment(
            file.data, maintype=kind, subtype=sub, filename=file.name, params=charset
        )
    return letter


def _hand_over(settings: MailSettings, letter: EmailMessage) -> None:
    """Gives a letter to the mail server, over TLS always.

    Raises:
        MailFailed: it did not take it; the message holds no address and no password.
    """
    context = ssl.create_default_context(cafile=settings.authority)
    try:
        if settings.security == "ssl":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.host, settings.port, timeout=_TIMEOUT_SECS, context=context
            )
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_SECS)
        with server:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user is not None and settings.password is not None:
                server.login(settings.user.reveal(), settings.password.reveal())
            refused = server.send_message(letter)
    except smtplib.SMTPAuthenticationError:
        raise MailFailed("the mail server refuses user and password") from None
    except smtplib.SMTPResponseException as error:
        raise MailFailed(f"the mail server refuses it with code {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailFailed(f"the mail server can't be used: {type(error).__name__}") from None
    if refused:
        raise MailFailed(f"the mail server refuses {len(refused)} of the addresses")
