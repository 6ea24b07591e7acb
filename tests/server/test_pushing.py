"""Registers handed on, against the protocols of Moodle and Frappe as they were written down from
their sources: what is asked, in which words, and what their answers and errors look like."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from tests.server.conftest import Served

from sightgrid.configuration.settings import FrappeSettings, MoodleSettings
from sightgrid.domain.attendance import Course, Method, Span
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.locations import Location
from sightgrid.ledger.attending import close_session, give_sign, open_session
from sightgrid.server.pushing import PushFailed, push_to_frappe, push_to_moodle
from sightgrid.store.courses import add_course, add_session
from sightgrid.store.people import insert_person

MOODLE = MoodleSettings("https://moodle.test/m/", Location("tok"))
FRAPPE = FrappeSettings("https://hr.test", Location("key"), Location("secret"))


@pytest.fixture
def lesson(served: Served) -> str:
    """A closed session: Anna (71) in time by QR code, Bo (72) late, Cem (73) absent, Di has no
    number and came."""
    site, now = served.site, served.clock()
    configuration = replace(site.configuration, moodle=MOODLE, frappe=FRAPPE)
    site.settings = replace(site.settings, configuration=configuration)
    with site.store.transaction() as tx:
        ids = [
            insert_person(tx, name, {"student_id": number} if number else {}, added_at=now)
            for name, number in (("Anna", "71"), ("Bo", "72"), ("Cem", "73"), ("Di", ""))
        ]
        course = add_course(tx, Course("", "Logic", "Europe/Paris", people=tuple(ids)), at=now)
        span = Span(now, now + timedelta(hours=1))
        session = add_session(tx, course.course_id, span, origin="hand").session_id
        open_session(tx, session, by="test", at=now)
        for person, minutes in ((ids[0], 1), (ids[1], 30), (ids[3], 2)):
            give_sign(
                tx, session, person, Method.QR, by="person", at=now + timedelta(minutes=minutes)
            )
        close_session(tx, session, by="test", at=span.ends_at)
    return session


def client(answer: Any) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(answer))


def test_moodle_is_told_each_status_by_its_own_numbers(served: Served, lesson: str) -> None:
    told: list[dict[str, str]] = []

    def moodle(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://moodle.test/m/webservice/rest/server.php"
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        assert (form["wstoken"], form["moodlewsrestformat"]) == ("tok", "json")
        match form["wsfunction"]:
            case "mod_attendance_get_session":
                assert form["sessionid"] == "17"
                letters = enumerate("PALE", 5)
                statuses = [{"id": n, "acronym": letter} for n, letter in letters]
                return httpx.Response(200, json={"id": 17, "statuses": statuses, "users": []})
            case "core_user_get_users_by_field":
                assert form["field"] == "idnumber"
                assert {form[f"values[{n}]"] for n in range(3)} == {"71", "72", "73"}
                found = [{"id": 300 + int(n), "idnumber": n} for n in ("71", "73")]
                return httpx.Response(200, json=found)
            case "mod_attendance_update_user_status":
                told.append(form)
                return httpx.Response(200, content=b"null")
        raise AssertionError(form["wsfunction"])

    pushed = push_to_moodle(
        served.site, lesson, moodle_session=17, taken_by=2, actor="t", client=client(moodle)
    )
    assert pushed.sent == 2
    assert sorted(pushed.problems.values()) == ["no user there has this ID number"] * 2
    assert {(one["studentid"], one["statusid"]) for one in told} == {("371", "5"), ("373", "6")}
    assert {(one["takenbyid"], one["statusset"]) for one in told} == {("2", "5,6,7,8")}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (
            httpx.Response(
                200, json={"exception": "moodle_exception", "errorcode": "invalidtoken"}
            ),
            "Moodle refuses mod_attendance_get_session: invalidtoken",
        ),
        (httpx.Response(502), "Moodle answered 502"),
        (httpx.Response(200, content=b"<html>"), "Moodle's answer is no JSON"),
        (httpx.Response(200, json={}), "about the session can't be read"),
    ],
)
def test_moodle_refuses(served: Served, lesson: str, answer: httpx.Response, problem: str) -> None:
    with pytest.raises(PushFailed, match=problem) as caught:
        push_to_moodle(
            served.site,
            lesson,
            moodle_session=17,
            taken_by=2,
            actor="t",
            client=client(lambda _: answer),
        )
    assert "tok" not in str(caught.value).replace("invalidtoken", "")


def test_frappe_gets_a_check_in_for_everybody_who_came(served: Served, lesson: str) -> None:
    told: list[dict[str, str]] = []

    def frappe(request: httpx.Request) -> httpx.Response:
        assert request.url.path.endswith("employee_checkin.add_log_based_on_employee_field")
        assert request.headers["Authorization"] == "token key:secret"
        body = json.loads(request.content)
        told.append(body)
        if body["employee_field_value"] == "72":
            reason = "This employee already has a log with the same timestamp."
            return httpx.Response(417, json={"exc_type": "ValidationError", "exception": reason})
        return httpx.Response(200, json={"message": {"name": "CHECKIN-1"}})

    pushed = push_to_frappe(served.site, lesson, actor="t", client=client(frappe))
    assert (pushed.sent, list(pushed.problems.values())) == (2, ["has no number"])
    assert told[0] == {
        "employee_field_value": "71",
        "timestamp": "2026-01-02 13:01:00.000000",
        "device_id": "sightgrid",
        "log_type": "IN",
    }


def test_frappe_names_whom_it_does_not_know(served: Served, lesson: str) -> None:
    unknown = httpx.Response(417, json={"exception": "No Employee found for the given field"})
    pushed = push_to_frappe(served.site, lesson, actor="t", client=client(lambda _: unknown))
    assert pushed.sent == 0
    assert "no employee there has this attendance device id" in pushed.problems.values()
    with pytest.raises(PushFailed, match="refuses key and secret"):
        push_to_frappe(served.site, lesson, actor="t", client=client(lambda _: httpx.Response(403)))


def test_only_a_closed_register_is_handed_on(served: Served, lesson: str) -> None:
    with served.site.store.transaction() as tx:
        course = add_course(tx, Course("", "Art", "UTC"), at=served.clock())
        span = Span(served.clock(), served.clock() + timedelta(hours=1))
        planned = add_session(tx, course.course_id, span, origin="hand").session_id
    with pytest.raises(InvalidValue, match="only a closed register"):
        push_to_frappe(served.site, planned, actor="t")
    served.site.settings = replace(
        served.site.settings,
        configuration=replace(served.site.configuration, moodle=None, frappe=None),
    )
    with pytest.raises(InvalidValue, match="Moodle is not configured"):
        push_to_moodle(served.site, lesson, moodle_session=1, taken_by=1, actor="t")
