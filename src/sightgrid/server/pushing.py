"""Registers handed on to other systems: Moodle's attendance module, Frappe's check-ins.

Who is who there is found by what both know: in Moodle the ID number, in Frappe the attendance
device id, each the person's number here. What can't be handed on is named person by person, and
the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from sightgrid.attendance.reports import Line
from sightgrid.configuration.settings import FrappeSettings, MoodleSettings
from sightgrid.domain.attendance import SessionState, Status
from sightgrid.domain.errors import InvalidValue, SightgridError
from sightgrid.server.reporting import lines_of_session
from sightgrid.server.site import Site
from sightgrid.store import Transaction
from sightgrid.store.audit import note_event
from sightgrid.store.courses import course, session

_TIMEOUT_SECS = 20.0
_MOODLE_PATH = "/webservice/rest/server.php"
_FRAPPE_PATH = (
    "/api/method/hrms.hr.doctype.employee_checkin.employee_checkin.add_log_based_on_employee_field"
)
# the letters of Moodle's own set of statuses; who left early was there, so late
_MOODLE_LETTERS = {
    Status.PRESENT: "P",
    Status.LATE: "L",
    Status.LEFT_EARLY: "L",
    Status.ABSENT: "A",
    Status.EXCUSED: "E",
}


class PushFailed(SightgridError):
    """The other system could not be asked, or answered with an error."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """How many marks were handed on, and why others were not, by person id."""

    sent: int
    problems: Mapping[str, str]


def push_to_moodle(
    site: Site,
    session_id: str,
    *,
    moodle_session: int,
    taken_by: int,
    actor: str,
    client: httpx.Client | None = None,
) -> Pushed:
    """Sets the statuses of a session of Moodle's attendance module.

    Args:
        moodle_session: the id of the session there; ``taken_by`` the user there who took it.

    Raises:
        NotFound: there is no such session.
        InvalidValue: it is not closed, or Moodle is not configured.
        PushFailed: Moodle can't be asked.
    """
    settings = site.configuration.moodle
    if settings is None:
        raise InvalidValue("Moodle is not configured", hint="add 'moodle:' to sightgrid.yml")
    lines, _ = _closed_lines(site, session_id)
    with client or httpx.Client(timeout=_TIMEOUT_SECS) as asked:
        moodle = _Moodle(settings, asked)
        letters, sets = moodle.statuses(moodle_session)
        users = moodle.users([line.number for line in lines if line.number])
        sent, problems = 0, {}
        for line in lines:
            letter = _MOODLE_LETTERS[line.mark.status]
            if line.number not in users:
                problems[line.mark.person_id] = "no user there has this ID number"
            elif letter not in letters:
                problems[line.mark.person_id] = f"there is no status {letter} there"
            else:
                moodle.call(
                    "mod_attendance_update_user_status",
                    {
                        "sessionid": moodle_session,
                        "studentid": users[line.number],
                        "takenbyid": taken_by,
                        "statusid": letters[letter],
                        "statusset": sets,
                    },
                )
                sent += 1
    return _noted(site, session_id, "moodle", Pushed(sent, problems), actor)


def push_to_frappe(
    site: Site, session_id: str, *, actor: str, client: httpx.Client | None = None
) -> Pushed:
    """Adds a check-in for everybody who came, and one for leaving where that is known.

    Raises:
        NotFound: there is no such session.
        InvalidValue: it is not closed, or Frappe is not configured.
        PushFailed: Frappe can't be asked.
    """
    settings = site.configuration.frappe
    if settings is None:
        raise InvalidValue("Frappe is not configured", hint="add 'frappe:' to sightgrid.yml")
    lines, zone = _closed_lines(site, session_id)
    sent, problems = 0, {}
    with client or httpx.Client(timeout=_TIMEOUT_SECS) as asked:
        for line in lines:
            if not line.mark.status.attended:
                continue
            if not line.number:
                problems[line.mark.person_id] = "has no number"
                continue
            came = line.mark.came_at or line.span.starts_at
            moments = [("IN", came)]
            if line.mark.left_at is not None and line.mark.left_at > came:
                moments.append(("OUT", line.mark.left_at))
            said = [
                _check_in(settings, asked, line.number, kind, moment, zone)
                for kind, moment in moments
            ]
            problem = next((one for one in said if one is not None), None)
            if problem is None:
                sent += 1
            else:
                problems[line.mark.person_id] = problem
    return _noted(site, session_id, "frappe", Pushed(sent, problems), actor)


class _Moodle:
    """Moodle's web service, asked over REST with a token."""

    def __init__(self, settings: MoodleSettings, client: httpx.Client) -> None:
        self._settings = settings
        self._client = client

    def call(self, function: str, parameters: Mapping[str, object]) -> Any:
        """Calls a function; the token goes in the body, not in the address.

        Raises:
            PushFailed: Moodle can't be reached or refuses it.
        """
        form = {name: str(value) for name, value in parameters.items()}
        form |= {
            "wstoken": self._settings.token.reveal(),
            "wsfunction": function,
            "moodlewsrestformat": "json",
        }
        answer = _asked(
            "Moodle",
            lambda: self._client.post(self._settings.url.rstrip("/") + _MOODLE_PATH, data=form),
        )
        found = _json("Moodle", answer)
        # Moodle answers 200 to errors as well
        if isinstance(found, dict) and "exception" in found:
            raise PushFailed(f"Moodle refuses {function}: {found.get('errorcode', 'no reason')}")
        return found

    def statuses(self, moodle_session: int) -> tuple[dict[str, int], str]:
        """The ids of a session's statuses by letter, and its status set as Moodle wants it."""
        found = self.call("mod_attendance_get_session", {"sessionid": moodle_session})
        try:
            letters = {str(one["acronym"]): int(one["id"]) for one in found["statuses"]}
        except (KeyError, TypeError, ValueError):
            raise PushFailed("Moodle's answer about the session can't be read") from None
        return letters, ",".join(str(number) for number in letters.values())

    def users(self, numbers: Sequence[str]) -> dict[str, int]:
        """The ids of users by ID number; who is not there is left out."""
        asked: dict[str, object] = {"field": "idnumber"}
        asked |= {f"values[{place}]": number for place, number in enumerate(numbers)}
        found = self.call("core_user_get_users_by_field", asked) if numbers else []
        try:
            return {str(one["idnumber"]): int(one["id"]) for one in found}
        except (KeyError, TypeError, ValueError):
            raise PushFailed("Moodle's answer about its users can't be read") from None


def _check_in(
    settings: FrappeSettings,
    client: httpx.Client,
    number: str,
    kind: str,
    moment: datetime,
    zone: ZoneInfo,
) -> str | None:
    """One check-in; why it was not taken, or ``None``. One that is there already counts as taken,
    so that a register may be handed on again."""
    answer = _asked(
        "Frappe",
        lambda: client.post(
            settings.url.rstrip("/") + _FRAPPE_PATH,
            json={
                "employee_field_value": number,
                "timestamp": moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S.%f"),
                "device_id": "sightgrid",
                "log_type": kind,
            },
            headers={"Authorization": f"token {settings.key.reveal()}:{settings.secret.reveal()}"},
        ),
    )
    if answer.is_success:
        return None
    if answer.status_code in (401, 403):
        raise PushFailed("Frappe refuses key and secret")
    said = answer.text
    if "already has a log with the same timestamp" in said:
        return None
    if "No Employee found" in said:
        return "no employee there has this attendance device id"
    return f"Frappe answered {answer.status_code}"


def _asked(name: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
    try:
        return ask()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # its message may hold the address, and with it a token
        raise PushFailed(f"{name} can't be reached: {type(error).__name__}") from None


def _json(name: str, answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise PushFailed(f"{name} answered {answer.status_code}")
    try:
        return answer.json()
    except ValueError:
        raise PushFailed(f"{name}'s answer is no JSON") from None


def _closed_lines(site: Site, session_id: str) -> tuple[list[Line], ZoneInfo]:
    with site.store.snapshot() as tx:
        one = session(tx, session_id)
        if one.state is not SessionState.CLOSED:
            raise InvalidValue("only a closed register is handed on", hint="close the session")
        its_course = course(tx, one.course_id)
        return lines_of_session(tx, one, its_course, site), ZoneInfo(its_course.zone)


def _noted(site: Site, session_id: str, where: str, pushed: Pushed, actor: str) -> Pushed:
    now = site.clock()

    def note(tx: Transaction) -> None:
        note_event(
            tx,
            at=now,
            actor=actor,
            action="register-pushed",
            subject=f"session:{session_id}",
            details={"to": where, "sent": pushed.sent, "problems": len(pushed.problems)},
        )

    site.store.run(note)
    return pushed
