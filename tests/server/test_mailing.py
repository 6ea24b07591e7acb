"""Registers by mail, through a real mail server on this machine, over TLS."""

from __future__ import annotations

import csv
import io
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from openpyxl import load_workbook
from tests.server.conftest import Served

from sightgrid.configuration.settings import MailSettings
from sightgrid.domain.attendance import Course, MailPlan, Span
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.locations import Location
from sightgrid.ledger.attending import close_session, open_session
from sightgrid.server.certificates import local_files
from sightgrid.server.mailing import check_recipients, order_mail, send_due
from sightgrid.store.courses import add_course, add_session
from sightgrid.store.mailing import MOST_FAILURES, mail_of
from sightgrid.store.people import insert_person

PASSWORD = "the mail's own"


@dataclass
class Post:
    """A mail server, and what was handed to it."""

    settings: MailSettings
    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)


class Taking:
    """Takes every letter, unless it is told to refuse."""

    def __init__(self) -> None:
        self.post: Post | None = None
        self.refusing = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.refusing:
            return "451 not now"
        assert self.post is not None
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.post.letters.append((list(envelope.rcpt_tos), letter))
        return "250 taken"


def authenticated(
    server: Any, session: Any, envelope: Any, mechanism: str, data: Any
) -> AuthResult:
    right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=right, handled=False)


@pytest.fixture(params=["ssl", "starttls"])
def mail_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Post, Taking]]:
    files = local_files(tmp_path / "tls", names=frozenset({"127.0.0.1"}), now=datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    implicit = request.param == "ssl"
    taking = Taking()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        taking,
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticated,
        auth_required=True,
        # with TLS from the first byte there is nothing left to start
        auth_require_tls=not implicit,
        require_starttls=not implicit,
        **({"ssl_context": context} if implicit else {"tls_context": context}),
    )
    controller.start()
    taking.post = Post(
        MailSettings(
            host="127.0.0.1",
            port=port,
            security=request.param,
            sender="register@school.test",
            recipients=("head@school.test", "@office.school.test"),
            user=Location("register"),
            password=Location(PASSWORD),
            authority=files.authority,
        )
    )
    yield taking.post, taking
    controller.stop()


def lesson(served: Served, settings: MailSettings, plan: MailPlan | None = None) -> str:
    """A closed session of Anna, whose register the site can mail."""
    site = served.site
    configuration = replace(site.configuration, mail=settings)
    site.settings = replace(site.settings, configuration=configuration)
    now = served.clock()
    with site.store.transaction() as tx:
        anna = insert_person(tx, "Anna", {}, added_at=now)
        course = add_course(tx, Course("", "Logic", "UTC", people=(anna,), mail=plan), at=now)
        span = Span(now, now + timedelta(hours=1))
        session = add_session(tx, course.course_id, span, origin="hand").session_id
        open_session(tx, session, by="test", at=now)
        close_session(tx, session, by="test", at=span.ends_at)
    return session


def test_a_register_is_mailed_with_its_files(
    served: Served, mail_server: tuple[Post, Taking]
) -> None:
    post, _ = mail_server
    session = lesson(served, post.settings)
    to = ["head@school.test", "Zoe@office.school.test"]
    order_mail(served.site, session, to, ["csv", "xlsx", "pdf"], at=None, actor="test")
    assert send_due(served.site) == 1
    assert send_due(served.site) == 0
    ((recipients, letter),) = post.letters
    assert recipients == to
    assert letter["Subject"] == "Attendance: Logic, 2026-01-02 12:00"
    assert letter["Auto-Submitted"] == "auto-generated"
    body = letter.get_body()
    assert body is not None
    assert "absent: 1" in body.get_content()
    files = {one.get_filename(): one.get_content() for one in letter.iter_attachments()}
    assert set(files) == {f"register_2026-01-02_1200.{form}" for form in ("csv", "xlsx", "pdf")}
    rows = list(csv.DictReader(io.StringIO(files["register_2026-01-02_1200.csv"])))
    assert (rows[0]["\ufeffname"], rows[0]["status"]) == ("Anna", "absent")
    sheet = load_workbook(io.BytesIO(files["register_2026-01-02_1200.xlsx"])).active
    assert sheet is not None
    assert any(row[0] == "Anna" for row in sheet.iter_rows(values_only=True))
    assert files["register_2026-01-02_1200.pdf"].startswith(b"%PDF-")
    kinds = {one.get_content_maintype() for one in letter.iter_attachments()}
    assert "image" not in kinds


def test_mail_is_sent_when_it_is_due(served: Served, mail_server: tuple[Post, Taking]) -> None:
    post, _ = mail_server
    plan = MailPlan(("head@school.test",), ("csv",))
    session = lesson(served, post.settings, plan)
    # the register of a course with a plan of mail goes out once the session is closed
    assert send_due(served.site) == 0
    served.clock.forward(hours=1)
    assert send_due(served.site) == 1
    later = served.clock() + timedelta(hours=2)
    order_mail(served.site, session, ["head@school.test"], ["csv"], at=later, actor="test")
    assert send_due(served.site) == 0
    served.clock.forward(hours=2)
    assert send_due(served.site) == 1
    assert len(post.letters) == 2


def test_what_is_refused_is_tried_again_later_each_time(
    served: Served, mail_server: tuple[Post, Taking]
) -> None:
    post, taking = mail_server
    session = lesson(served, post.settings)
    order_mail(served.site, session, ["head@school.test"], ["csv"], at=None, actor="test")
    taking.refusing = True
    for _ in range(MOST_FAILURES):
        assert send_due(served.site) == 0
        assert send_due(served.site) == 0
        served.clock.forward(hours=5)
    with served.site.store.snapshot() as tx:
        (letter,) = mail_of(tx, session)
    assert letter.failures == MOST_FAILURES
    assert letter.problem == "the mail server refuses it with code 451"
    taking.refusing = False
    # given up: shown with its reason, ordered anew by a human
    assert send_due(served.site) == 0


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"password": Location("guess")}, "the mail server refuses user and password"),
        ({"authority": None}, "the mail server can't be used: SSLCertVerificationError"),
        ({"port": 1}, "the mail server can't be used: ConnectionRefusedError"),
    ],
)
def test_a_server_that_is_not_right_gets_no_letter(
    served: Served, mail_server: tuple[Post, Taking], wrong: dict[str, Any], problem: str
) -> None:
    post, _ = mail_server
    session = lesson(served, replace(post.settings, **wrong))
    order_mail(served.site, session, ["head@school.test"], ["csv"], at=None, actor="test")
    assert send_due(served.site) == 0
    with served.site.store.snapshot() as tx:
        (letter,) = mail_of(tx, session)
    assert letter.problem == problem
    assert post.letters == []


@pytest.mark.parametrize(
    "address",
    [
        "else@school.test",
        "head@school.test.else.test",
        "zoe@office.school.test\nBcc: a@b.test",
        "head@school.test, a@b.test",
        "@office.school.test",
        "",
    ],
)
def test_mail_goes_to_nobody_else(address: str) -> None:
    settings = MailSettings(
        "mail.test", "a@school.test", ("head@school.test", "@office.school.test")
    )
    check_recipients(settings, ["HEAD@school.test", "zoe@OFFICE.school.test"])
    with pytest.raises(InvalidValue, match="to: one of these"):
        check_recipients(settings, ["head@school.test", address])
