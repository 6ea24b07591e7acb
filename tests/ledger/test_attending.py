"""Sessions that open, mark, close and freeze; what comes afterwards is written beside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import pytest
import sqlalchemy as sa
from by_hand import NOON, enrol, sighting, toward
from live import Live

from sightgrid.domain.attendance import (
    Course,
    DisputeState,
    MailPlan,
    Mark,
    Method,
    Register,
    Rules,
    SessionState,
    Slot,
    Span,
    Status,
    VersionKind,
)
from sightgrid.domain.errors import InvalidValue, NotFound
from sightgrid.domain.presence import Band, Sighting
from sightgrid.domain.retention import HeldPerson, RetentionClass, RetentionSettings
from sightgrid.ledger import attending, editing, registering
from sightgrid.ledger.erasing import erase_person
from sightgrid.ledger.holding import hold
from sightgrid.ledger.retaining import retain
from sightgrid.store import Transaction
from sightgrid.store.audit import audit_events, verify_audit
from sightgrid.store.courses import add_course, add_session, end_course, session, sessions
from sightgrid.store.deleting import delete_sightings
from sightgrid.store.disputes import dispute
from sightgrid.store.mailing import mail_of
from sightgrid.store.outbox import events_after
from sightgrid.store.people import insert_person, person_id
from sightgrid.store.register_traces import delete_evidence, delete_registers, evidence
from sightgrid.store.registers import history, register, verify_register
from sightgrid.store.schema_attendance import HAND_MARK, REGISTER_MARK

LESSON = Span(NOON, NOON + timedelta(minutes=60))
END = LESSON.ends_at


@dataclass
class School:
    """Anna and Bo are enrolled, Cem refuses the cameras; one lesson in the hall."""

    live: Live
    anna: str
    bo: str
    cem: str
    course: Course
    session: str
    seen: list[Sighting]


def run(live: Live, what, *told, **named):  # type: ignore[no-untyped-def]
    with live.store.transaction() as tx:
        return what(tx, *told, **named)


@pytest.fixture
def school(live: Live) -> School:
    live.enrol([enrol("Anna", 0), enrol("Bo", 1)])

    def make(tx: Transaction) -> tuple[str, str, str, Course, str]:
        anna, bo = person_id(tx, "Anna"), person_id(tx, "Bo")
        cem = insert_person(tx, "Cem", {"student_id": "77", "class": "9b"}, added_at=NOON)
        course = add_course(
            tx,
            Course(
                "",
                "Algorithms",
                "Europe/Paris",
                people=(anna, bo, cem),
                cameras=("hall",),
                mail=MailPlan(("head@school.test",)),
            ),
            at=NOON,
        )
        planned = add_session(tx, course.course_id, LESSON, origin="hand")
        return anna, bo, cem, course, planned.session_id

    anna, bo, cem, course, session_id = run(live, make)
    run(live, attending.open_session, session_id, by="account:t", at=NOON - timedelta(minutes=15))
    seen = [
        sighting(0, 120, 122, group=1),
        sighting(1, 1200, 1202, group=2),
        sighting(4, 300, 302, group=3),
    ]
    live.takes(*seen)
    return School(live, anna, bo, cem, course, session_id, seen)


def marks(school: School, at: datetime = END) -> dict[str, Mark]:
    with school.live.store.snapshot() as tx:
        found = attending.marked(tx, school.session, at=at)
    return {mark.person_id: mark for mark in found.marks}


def closed(school: School) -> Register:
    run(school.live, attending.close_session, school.session, by="server", at=END)
    return read(school)


def read(school: School) -> Register:
    with school.live.store.snapshot() as tx:
        assert verify_register(tx, school.session) is None
        assert verify_audit(tx).first_bad is None
        return register(tx, school.session)


def statuses(found: Register) -> dict[str, Status]:
    return {one.mark.person_id: one.mark.status for one in found.marks}


def test_marks_are_computed_while_the_session_is_open(school: School) -> None:
    found = marks(school, NOON + timedelta(minutes=30))
    assert found[school.anna].status is Status.PRESENT
    assert found[school.anna].band is Band.CONFIRMED
    assert found[school.anna].camera == "hall"
    assert found[school.bo].status is Status.LATE
    assert found[school.cem].status is Status.ABSENT
    run(
        school.live,
        attending.give_sign,
        school.session,
        school.cem,
        Method.QR,
        by="person",
        at=NOON + timedelta(minutes=3),
    )
    assert (marks(school)[school.cem].status, marks(school)[school.cem].method) == (
        Status.PRESENT,
        Method.QR,
    )


def test_closing_freezes_marks_with_all_they_rest_on(school: School) -> None:
    run(
        school.live,
        attending.give_sign,
        school.session,
        school.cem,
        Method.TEACHER,
        status=Status.EXCUSED,
        by="account:t",
        at=NOON,
        reason="at the doctor's",
    )
    found = closed(school)
    (version,) = found.versions
    assert (version.kind, version.made_by, version.course_name) == (
        VersionKind.CLOSING,
        "server",
        "Algorithms",
    )
    assert version.rule_version.startswith("1-")
    by_person = {one.mark.person_id: one for one in found.marks}
    anna = by_person[school.anna]
    assert (anna.mark.status, anna.mark.camera, anna.mark.band, anna.mark.score) == (
        Status.PRESENT,
        "hall",
        Band.CONFIRMED,
        1.0,
    )
    assert anna.mark.came_at == NOON + timedelta(seconds=120)
    assert anna.person == {"name": "Anna"}
    assert by_person[school.cem].person == {"name": "Cem", "student_id": "77", "class": "9b"}
    assert by_person[school.cem].mark.status is Status.EXCUSED
    with school.live.store.snapshot() as tx:
        assert evidence(tx, school.session, school.anna) == b"hall-1-1200 0"
        assert evidence(tx, school.session, school.cem) is None
        assert session(tx, school.session).state is SessionState.CLOSED
        (letter,) = mail_of(tx, school.session)
        assert (letter.recipients, letter.forms) == (("head@school.test",), ("csv", "pdf"))
        told = [e for e in events_after(tx, 0, limit=1000) if e.event_id == school.session]
        newest = audit_events(tx, limit=1)[0]
    assert [event.kind for event in told] == ["new", "end"]
    assert (told[-1].body["late"], told[-1].body["excused"]) == (1, 1)
    assert newest.action == "attendance-closed"
    assert newest.details["sha256"] == version.sha256


def test_what_happens_to_sightings_later_changes_no_register(school: School) -> None:
    before = statuses(closed(school))
    stranger = school.live.serial(school.seen[2])
    bo = school.live.serial(school.seen[1])
    assert stranger is not None
    assert bo is not None
    june = END + timedelta(days=60)

    def preview(tx: Transaction) -> editing.MadeEdit:
        return editing.merge(tx, stranger, into=bo, by="account:o", reason="the same", at=june)

    what = editing.previewed(school.live.store, preview)
    assert what.registers == 1
    assert "concerns 1 closed registers" in str(what)
    assert len(read(school).versions) == 1
    made = run(
        school.live, editing.merge, stranger, into=bo, by="account:o", reason="the same", at=june
    )
    found = read(school)
    assert statuses(found) == before
    assert [one.kind for one in found.versions] == [VersionKind.CLOSING, VersionKind.IDENTITY_EDIT]
    assert made.edit_id in found.versions[-1].reason
    # the ledger itself would now say that Bo came in time
    assert marks(school)[school.bo].status is Status.PRESENT
    run(school.live, editing.undo, made.edit_id, by="account:o", at=june)
    assert statuses(read(school)) == before
    run(school.live, delete_sightings, [one.sighting_id for one in school.seen])
    assert marks(school)[school.anna].status is Status.ABSENT
    after = read(school)
    assert statuses(after) == before
    assert {one.mark.minutes for one in after.marks} == {one.mark.minutes for one in found.marks}
    with school.live.store.snapshot() as tx:
        assert evidence(tx, school.session, school.anna) == b"hall-1-1200 0"


def test_an_edit_elsewhere_concerns_no_register(school: School) -> None:
    closed(school)
    others = [sighting(5, 9000, 9002, group=8), sighting(6, 9100, 9102, group=9)]
    school.live.takes(*others)
    one, other = (school.live.serial(each) for each in others)
    assert one is not None
    what = editing.previewed(
        school.live.store,
        lambda tx: editing.merge(tx, other, into=one, by="a", reason="", at=END),  # type: ignore[arg-type]
    )
    assert what.sightings == 1
    assert what.registers == 0
    assert "register" not in str(what)


def test_a_correction_is_a_new_version_with_author_and_reason(school: School) -> None:
    closed(school)
    later = END + timedelta(days=1)
    with pytest.raises(InvalidValue, match="say why"):
        run(
            school.live, registering.correct, school.session, school.bo, Status.PRESENT,
            by="account:m", reason=" ", at=later,
        )  # fmt: skip
    run(
        school.live, registering.correct, school.session, school.bo, Status.PRESENT,
        by="account:m", reason="the bus was late", at=later,
    )  # fmt: skip
    found = read(school)
    assert statuses(found)[school.bo] is Status.PRESENT
    assert (found.versions[-1].made_by, found.versions[-1].reason) == (
        "account:m",
        "the bus was late",
    )
    with school.live.store.snapshot() as tx:
        assert [one.mark.status for one in history(tx, school.session, school.bo)] == [
            Status.LATE,
            Status.PRESENT,
        ]
        first = register(tx, school.session, version_no=1)
    assert statuses(first)[school.bo] is Status.LATE


def test_a_dispute_is_decided_once(school: School) -> None:
    closed(school)
    later = END + timedelta(days=1)
    made = run(
        school.live, registering.contest, school.session, school.cem, "I was there", at=later
    )
    with pytest.raises(InvalidValue, match="contested this mark already"):
        run(school.live, registering.contest, school.session, school.cem, "really", at=later)
    decided = run(
        school.live, registering.decide, made.dispute_id,
        status=Status.PRESENT, answer="the list on paper says so", by="account:m", at=later,
    )  # fmt: skip
    assert decided.state is DisputeState.ACCEPTED
    assert (decided.words, decided.answer) == ("I was there", "the list on paper says so")
    found = read(school)
    assert statuses(found)[school.cem] is Status.PRESENT
    assert found.versions[-1].kind is VersionKind.DISPUTE
    with pytest.raises(InvalidValue, match="decided before"):
        run(
            school.live, registering.decide, made.dispute_id,
            status=None, answer="no", by="account:m", at=later,
        )  # fmt: skip
    again = run(
        school.live, registering.contest, school.session, school.bo, "I was in time", at=later
    )
    turned_down = run(
        school.live, registering.decide, again.dispute_id,
        status=None, answer="the door saw you at 20 past", by="account:m", at=later,
    )  # fmt: skip
    assert turned_down.state is DisputeState.REJECTED
    assert len(read(school).versions) == 2


def test_a_row_that_was_changed_is_seen(school: School) -> None:
    closed(school)
    with school.live.store.transaction() as tx:
        tx.connection.execute(
            sa.update(REGISTER_MARK)
            .where(REGISTER_MARK.c.person_id == school.bo)
            .values(status="present")
        )
    with school.live.store.snapshot() as tx:
        assert verify_register(tx, school.session) == 1


def test_an_erased_person_is_named_by_no_register(school: School) -> None:
    closed(school)
    made = run(school.live, registering.contest, school.session, school.anna, "mine", at=END)
    erase_person(school.live.store, school.anna, at=END + timedelta(days=1))
    found = read(school)
    (anna,) = [one for one in found.marks if one.mark.person_id == school.anna]
    assert anna.person == {}
    assert anna.mark.status is Status.PRESENT
    with school.live.store.snapshot() as tx:
        assert evidence(tx, school.session, school.anna) is None
        assert dispute(tx, made.dispute_id).words == ""
    run(
        school.live, registering.correct, school.session, school.anna, Status.ABSENT,
        by="account:m", reason="a mistake", at=END + timedelta(days=2),
    )  # fmt: skip
    assert statuses(read(school))[school.anna] is Status.ABSENT


def test_evidence_and_registers_go_when_their_time_is_over(school: School) -> None:
    run(
        school.live, attending.give_sign, school.session, school.cem, Method.TEACHER,
        status=Status.EXCUSED, by="account:t", at=NOON, reason="ill",
    )  # fmt: skip
    closed(school)
    later = END + timedelta(days=60)
    assert run(school.live, delete_evidence, END, dry_run=True) == (0, 0)
    assert run(school.live, delete_evidence, later, dry_run=True) == (2, 0)
    assert run(school.live, delete_evidence, later) == (2, 0)
    assert statuses(read(school))[school.anna] is Status.PRESENT
    assert run(school.live, delete_registers, END) == (0, 0)
    assert run(school.live, delete_registers, later, dry_run=True) == (1, 0)
    assert run(school.live, delete_registers, later) == (1, 0)
    with school.live.store.snapshot() as tx:
        assert sessions(tx) == []
        assert tx.connection.scalar(sa.select(sa.func.count()).select_from(HAND_MARK)) == 0
        with pytest.raises(NotFound, match="no register yet"):
            register(tx, school.session)


def test_retention_leaves_what_a_hold_on_a_person_covers(school: School) -> None:
    closed(school)
    store, kept = school.live.store, RetentionSettings()

    def removed(days: float) -> dict[str, tuple[int, int]]:
        done = retain(store, kept, at=END + timedelta(days=days), actor="retention")
        wanted = (RetentionClass.EVIDENCE, RetentionClass.REGISTERS)
        return {one.kind.value: (one.total, one.held) for one in done if one.kind in wanted}

    with store.transaction() as tx:
        end = END + timedelta(days=800)
        hold(tx, HeldPerson(school.anna), owner="o", reason="r", made_by="m", at=END, ends_at=end)
    assert removed(59) == {"evidence": (0, 0), "registers": (0, 0)}
    assert removed(61) == {"evidence": (1, 1), "registers": (0, 0)}
    assert removed(731) == {"evidence": (0, 1), "registers": (0, 1)}
    assert removed(801) == {"evidence": (1, 0), "registers": (1, 0)}


def test_sessions_open_and_close_by_themselves(school: School) -> None:
    def due(minutes: float) -> tuple[list[str], list[str]]:
        with school.live.store.snapshot() as tx:
            return attending.due(tx, at=NOON + timedelta(minutes=minutes))

    assert due(69) == ([], [])
    assert due(70) == ([], [school.session])
    run(school.live, attending.close_session, school.session, by="server", at=END)
    second = run(
        school.live,
        add_session,
        school.course.course_id,
        Span(END, END + timedelta(hours=1)),
        origin="hand",
    )
    assert due(44) == ([], [])
    assert due(45) == ([second.session_id], [])
    assert due(999) == ([second.session_id], [])


def test_a_session_moves_on_one_way_only(school: School) -> None:
    with pytest.raises(InvalidValue, match="is open and can't be opened"):
        run(school.live, attending.open_session, school.session, by="a", at=NOON)
    closed(school)
    with pytest.raises(InvalidValue, match="is closed and can't be closed"):
        run(school.live, attending.close_session, school.session, by="a", at=END)
    with pytest.raises(InvalidValue, match="its register stays"):
        run(school.live, attending.cancel_session, school.session, by="a", at=END)
    with pytest.raises(InvalidValue, match="closed, not open"):
        run(
            school.live, attending.give_sign, school.session, school.cem, Method.QR,
            by="person", at=END,
        )  # fmt: skip


def test_closed_before_its_end_it_ends_then(school: School) -> None:
    early = NOON + timedelta(minutes=10)
    version = run(school.live, attending.close_session, school.session, by="a", at=early)
    assert version.span == Span(NOON, early)
    # Bo came 20 minutes after the start
    assert statuses(read(school))[school.bo] is Status.ABSENT


def test_a_timetable_is_planned_ahead_and_anew(live: Live) -> None:
    slot = Slot(0, time(9), time(10, 30), date(2026, 1, 1), date(2026, 12, 31))
    wanted = Course("", "Logic", "Europe/Paris", slots=(slot,), rules=Rules(grace=5))
    made = run(live, add_course, wanted, at=NOON)
    assert run(live, attending.plan, at=NOON) == 4
    assert run(live, attending.plan, at=NOON + timedelta(minutes=1)) == 0
    assert run(live, attending.plan, at=NOON + timedelta(days=7)) == 1
    with live.store.snapshot() as tx:
        found = sessions(tx, course_id=made.course_id)
    assert [one.span.starts_at.isoformat() for one in found][:2] == [
        "2026-01-05T08:00:00+00:00",
        "2026-01-12T08:00:00+00:00",
    ]
    run(live, end_course, made.course_id, at=NOON)
    assert run(live, attending.plan, at=NOON + timedelta(days=14)) == 0
    with live.store.snapshot() as tx:
        found = sessions(tx, course_id=made.course_id)
    assert {one.state for one in found} == {SessionState.CANCELLED}


def test_unsure_sightings_are_for_a_human(school: School) -> None:
    between = sighting(toward(0.45, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9), 400, 401, group=7, worth=0.2)
    school.live.takes(between)
    assert school.live.standing(between).band is Band.UNSURE
    with school.live.store.snapshot() as tx:
        found = attending.marked(tx, school.session, at=END)
    assert [(one.sighting_id, one.person_id) for one in found.doubts] == [
        (between.sighting_id, school.anna)
    ]


def test_people_are_found_by_number_or_name(school: School) -> None:
    with school.live.store.snapshot() as tx:
        assert attending.find_on_list(tx, school.session, "77") == school.cem
        assert attending.find_on_list(tx, school.session, "anna") == school.anna
        assert attending.find_on_list(tx, school.session, school.bo) == school.bo
        with pytest.raises(NotFound, match="nobody on the class list"):
            attending.find_on_list(tx, school.session, "Dora")
