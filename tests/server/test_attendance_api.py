"""A lesson over the API: planned, marked in every way, closed, corrected, contested, reported."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from tests.server.conftest import Served, error_of

from sightgrid.domain.accounts import Role
from sightgrid.server.app import create_app
from sightgrid.server.attending import AttendanceKeeper
from sightgrid.server.checking_in import svg_of
from sightgrid.server.mqtt import _attendance_messages
from sightgrid.store.outbox import events_after
from sightgrid.store.people import insert_person

API = "/api/v1/attendance"
START = datetime(2026, 1, 2, 13, tzinfo=UTC)


class School:
    """Three people, one course, a lesson from 13:00 to 14:00; it is 12:00."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.clock = served.clock
        self.teacher = served.program(Role.ATTENDANCE_MANAGER)
        self.anybody = TestClient(served.client.app, base_url="https://site.test")
        with served.site.store.transaction() as tx:
            self.anna, self.bo, self.cem = (
                insert_person(
                    tx, name, {"student_id": number, "class": "9a"}, added_at=served.clock()
                )
                for name, number in (("Anna", "71"), ("Bo", "72"), ("=Cem", "73"))
            )
        self.course = self.post("/courses", {
            "name": "Logic",
            "zone": "Europe/Paris",
            "people": [self.anna, self.bo, self.cem],
            "cameras": ["door"],
        })["course_id"]  # fmt: skip
        self.session = self.post("/sessions", {
            "course_id": self.course,
            "starts_at": "2026-01-02T13:00:00Z",
            "ends_at": "2026-01-02T14:00:00Z",
        })["session_id"]  # fmt: skip

    def post(self, path: str, body: Any = None, status: int | None = None) -> Any:
        answer = self.teacher.post(API + path, json=body)
        assert answer.status_code == (status or answer.status_code), answer.text
        assert status is not None or answer.is_success, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.teacher.get(API + path)
        assert answer.is_success, answer.text
        return answer.json()

    def marks(self) -> dict[str, str]:
        return {
            one["number"]: one["status"] for one in self.get(f"/sessions/{self.session}")["marks"]
        }

    def open(self) -> None:
        self.clock.now = START
        self.post(f"/sessions/{self.session}/open")

    def close(self) -> Any:
        self.clock.now = START + timedelta(hours=1)
        return self.post(f"/sessions/{self.session}/close")


@pytest.fixture
def school(served: Served) -> School:
    return School(served)


def test_a_lesson_from_its_plan_to_its_register(school: School) -> None:
    lesson = f"/sessions/{school.session}"
    school.post(f"{lesson}/marks", {"person": "73", "status": "excused", "reason": "ill"})
    assert school.marks() == {"71": "absent", "72": "absent", "73": "excused"}
    school.open()
    school.clock.forward(minutes=20)
    school.post(f"{lesson}/marks", {"person": "Anna", "status": "present"})
    shown = school.close()
    assert shown["counts"] == {"present": 1, "late": 0, "absent": 1, "excused": 1, "left-early": 0}
    assert shown["intact"] is True
    (version,) = shown["versions"]
    assert version["kind"] == "closing"
    assert len(version["sha256"]) == 64
    school.post(f"{lesson}/marks", {"person": "72", "status": "late"}, 422)
    school.post(f"{lesson}/marks", {"person": "72", "status": "late", "reason": "the bus"})
    assert school.marks() == {"71": "present", "72": "late", "73": "excused"}
    last = school.get(lesson)["versions"][-1]
    assert (last["kind"], last["reason"]) == ("correction", "the bus")
    school.post(f"{lesson}/open", status=422)
    assert [one["state"] for one in school.get("/sessions?state=closed")["items"]] == ["closed"]
    assert school.get("/sessions?state=open")["items"] == []


def test_a_qr_code_and_a_personal_link_mark_who_refuses_the_camera(school: School) -> None:
    school.open()
    link = school.post(f"/people/{school.cem}/link", {"days": 7})["link"]
    code = school.get(f"/sessions/{school.session}/qr")["code"]
    body = {"code": code, "link": link}
    answer = school.anybody.post(f"{API}/check-in", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["method"] == "qr"
    (cem,) = [
        one
        for one in school.get(f"/sessions/{school.session}")["marks"]
        if one["person_id"] == school.cem
    ]
    assert (cem["status"], cem["method"], cem["review"]) == ("present", "qr", False)
    school.clock.forward(seconds=46)
    late = school.anybody.post(f"{API}/check-in", json=body)
    assert (late.status_code, "too old" in late.text) == (401, True)
    assert school.get(f"/sessions/{school.session}/qr")["code"] != code


@pytest.mark.parametrize("spoil", ["x", "", "AAAA", "é", "A" * 48])
def test_no_code_can_be_made_up(school: School, spoil: str) -> None:
    school.open()
    link = school.post(f"/people/{school.cem}/link", {})["link"]
    code = school.get(f"/sessions/{school.session}/qr")["code"]
    first, last = ("B" if one == "A" else "A" for one in (code[0], code[-1]))
    for wrong in (spoil, first + code[1:], code[:-1] + last, code[4:]):
        answer = school.anybody.post(f"{API}/check-in", json={"code": wrong, "link": link})
        assert answer.status_code in (401, 422), wrong


def test_a_link_ends_and_can_be_replaced(school: School) -> None:
    first = school.post(f"/people/{school.cem}/link", {"days": 1})["link"]

    def asked(link: str) -> int:
        return school.anybody.get(f"{API}/mine", headers={"Sightgrid-Link": link}).status_code

    assert asked(first) == 200
    second = school.post(f"/people/{school.cem}/link", {"days": 1})["link"]
    assert (asked(first), asked(second)) == (401, 200)
    school.clock.forward(days=1)
    assert asked(second) == 401
    assert asked("sgl_nothing") == 401
    assert school.anybody.get(f"{API}/mine").status_code == 422


def test_a_pin_at_a_kiosk_and_no_guessing(school: School) -> None:
    school.open()
    kiosk = f"/sessions/{school.session}/pin"
    pin = school.post(f"/people/{school.bo}/pin")["pin"]
    assert len(pin) == 6
    wrong = f"{(int(pin) + 1) % 10**6:06}"
    school.post(kiosk, {"person": "72", "pin": wrong}, 401)
    school.post(kiosk, {"person": "nobody", "pin": pin}, 401)
    assert school.post(kiosk, {"person": "72", "pin": pin})["method"] == "pin"
    assert school.marks()["72"] == "present"
    statuses = [
        school.teacher.post(API + kiosk, json={"person": "71", "pin": "0"}).status_code
        for _ in range(8)
    ]
    assert statuses[:5] == [401] * 5
    assert 429 in statuses[5:]
    code = school.get(f"/sessions/{school.session}/qr")["code"]
    answer = school.anybody.post(f"{API}/check-in", json={"code": code, "person": "72", "pin": pin})
    assert answer.json()["method"] == "qr"


def test_somebody_contests_their_mark_and_a_manager_decides(school: School) -> None:
    school.open()
    school.close()
    link = school.post(f"/people/{school.anna}/link", {})["link"]
    mine = {"Sightgrid-Link": link}
    (own,) = school.anybody.get(f"{API}/mine", headers=mine).json()["items"]
    assert (own["status"], own["course"], own["dispute"]) == ("absent", "Logic", None)
    contest = f"{API}/mine/{school.session}/contest"
    made = school.anybody.post(contest, headers=mine, json={"words": "I sat in the back"})
    assert made.status_code == 201, made.text
    assert school.anybody.post(contest, headers=mine, json={"words": "x"}).status_code == 422
    (dispute,) = school.get("/disputes?state=open")["items"]
    assert dispute["words"] == "I sat in the back"
    assert school.get(f"/sessions/{school.session}/review")["disputes"] == [dispute]
    school.clock.forward(hours=1)
    school.post(
        f"/disputes/{dispute['dispute_id']}/decide",
        {"status": "present", "answer": "so you did"},
    )
    (own,) = school.anybody.get(f"{API}/mine", headers=mine).json()["items"]
    assert (own["status"], own["dispute"], own["answer"]) == ("present", "accepted", "so you did")
    assert school.get(f"/sessions/{school.session}")["versions"][-1]["kind"] == "dispute"
    school.post(f"/disputes/{dispute['dispute_id']}/decide", {"answer": "again"}, 422)
    picture = school.anybody.get(f"{API}/mine/{school.session}/evidence", headers=mine)
    assert picture.status_code == 404


def test_reports_come_as_files(school: School) -> None:
    school.open()
    school.post(f"/sessions/{school.session}/marks", {"person": "73", "status": "late"})
    school.close()
    register = school.teacher.get(f"{API}/sessions/{school.session}/report.csv")
    assert register.headers["content-disposition"] == (
        'attachment; filename="register_2026-01-02_1400.csv"'
    )
    rows = list(csv.DictReader(io.StringIO(register.content.decode("utf-8-sig"))))
    assert [(row["name"], row["status"]) for row in rows] == [
        ("'=Cem", "late"),
        ("Anna", "absent"),
        ("Bo", "absent"),
    ]
    for form, begins in (("xlsx", b"PK"), ("pdf", b"%PDF-")):
        made = school.teacher.get(f"{API}/sessions/{school.session}/report.{form}")
        assert made.content.startswith(begins)
    for kind in ("matrix", "absentees", "warnings", "daily"):
        answer = school.teacher.get(
            f"{API}/courses/{school.course}/report.csv", params={"kind": kind, "status": "late"}
        )
        assert answer.status_code == 200, answer.text
    daily = school.teacher.get(f"{API}/courses/all/report.csv", params={"kind": "daily"})
    assert daily.content.decode("utf-8-sig").splitlines() == [
        "id,name,class,faculty,date,time",
        "73,'=Cem,9a,,2026-01-02,14:00:00",
    ]
    noted = school.served.program(Role.AUDITOR).get("/api/v1/audit?limit=20").json()["items"]
    assert sum(row["action"] == "report-made" for row in noted) == 8


def test_a_calendar_is_previewed_and_planned(school: School) -> None:
    text = "\r\n".join([
        "BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:a", "DTSTART:20260105T090000",
        "DTEND:20260105T103000", "RRULE:FREQ=WEEKLY;COUNT=3", "END:VEVENT", "END:VCALENDAR",
    ])  # fmt: skip
    path = f"{API}/courses/{school.course}/calendar"
    seen = school.teacher.post(path, content=text, params={"preview": True}).json()
    assert (seen["added"], len(seen["lessons"])) == (3, 3)
    assert seen["lessons"][0]["starts_at"] == "2026-01-05T08:00:00.000Z"
    assert len(school.get("/sessions")["items"]) == 1
    assert school.teacher.post(path, content=text).json()["added"] == 3
    assert school.teacher.post(path, content=text).json()["added"] == 0
    shorter = text.replace("COUNT=3", "COUNT=1")
    assert school.teacher.post(path, content=shorter).json()["removed"] == 2
    assert len(school.get("/sessions")["items"]) == 2
    wrong = school.teacher.post(path, content=text.replace("WEEKLY", "YEARLY"))
    assert "line 6: the repetition FREQ=YEARLY is not read" in wrong.json()["error"]["message"]


def test_courses_are_changed_and_ended(school: School) -> None:
    wanted = {
        "name": "Logic 2",
        "rules": {"grace": 5, "leave": 10},
        "timetable": [{
            "weekday": 0, "begin": "09:00", "end": "10:30",
            "first_day": "2026-01-01", "last_day": "2026-12-31",
        }],
        "people": [school.anna],
    }  # fmt: skip
    changed = school.teacher.put(f"{API}/courses/{school.course}", json=wanted).json()
    assert (changed["rules"]["grace"], changed["zone"]) == (5, "UTC")
    assert len(school.get(f"/sessions?course={school.course}")["items"]) == 5
    for wrong, problem in (
        ({"zone": "Mars/Base"}, "zone: 'Mars/Base' is no time zone"),
        ({"cameras": ["a b"]}, "cameras: 'a b' can't be the name"),
        ({"people": ["nobody"]}, "people: there is no person nobody"),
        ({"mail": {"to": ["a@b.test"]}}, "no mail server is configured"),
    ):
        answer = school.teacher.put(f"{API}/courses/{school.course}", json=wanted | wrong)
        assert problem in answer.json()["error"]["message"]
    assert school.teacher.delete(f"{API}/courses/{school.course}").status_code == 204
    assert school.get(f"/courses/{school.course}")["ended"] is True
    states = {one["state"] for one in school.get("/sessions")["items"]}
    assert states == {"cancelled"}


def test_sessions_are_looked_after(school: School) -> None:
    keeper = AttendanceKeeper(school.served.site)

    def state() -> str:
        return str(school.get(f"/sessions/{school.session}")["session"]["state"])

    keeper.look()
    assert state() == "planned"
    school.clock.now = START - timedelta(minutes=15)
    keeper.look()
    assert state() == "open"
    school.post(f"/sessions/{school.session}/marks", {"person": "71", "status": "present"})
    keeper.look()
    keeper.look()
    school.clock.now = START + timedelta(minutes=70)
    keeper.look()
    assert state() == "closed"
    with school.served.site.store.snapshot() as tx:
        told = [e for e in events_after(tx, 0) if e.event_id == school.session]
    assert [event.kind for event in told] == ["new", "update", "update", "end"]
    assert _attendance_messages(told[-1])[0] == (
        f"sightgrid/attendance/{school.session}/present",
        "1",
        False,
    )


def test_a_session_that_was_missed_is_opened_and_closed(school: School) -> None:
    school.clock.now = START + timedelta(hours=20)
    AttendanceKeeper(school.served.site).look()
    assert school.get(f"/sessions/{school.session}")["session"]["state"] == "closed"


def test_nobody_is_marked_before_or_after(school: School) -> None:
    pin = school.post(f"/people/{school.bo}/pin")["pin"]
    answer = school.teacher.post(
        f"{API}/sessions/{school.session}/pin", json={"person": "72", "pin": pin}
    )
    assert (answer.status_code, error_of(answer)) == (422, "invalid")
    assert school.teacher.get(f"{API}/sessions/{school.session}/qr").status_code == 422


def test_a_code_can_be_scanned() -> None:
    text = "https://site.test/attendance/here#" + "Ab3-" * 14
    svg = svg_of(text)
    side = int(svg.split('viewBox="-4 -4 ')[1].split()[0])
    picture = np.full((side, side), 255, np.uint8)
    for cell in svg.split('d="M')[1].split('"')[0].split("M"):
        x, y = (int(part) for part in cell.split("h")[0].split())
        picture[y + 4, x + 4] = 0
    large = cv2.resize(picture, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    assert cv2.QRCodeDetector().detectAndDecode(large)[0] == text


def test_the_application_starts_with_it(served: Served) -> None:
    paths = create_app(served.site).openapi()["paths"]
    assert f"{API}/sessions/{{session_id}}/report.{{form}}" in paths
