"""What was seen and said becomes marks: every case a row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from sightgrid.attendance.marking import count, mark_everybody, rule_version
from sightgrid.domain.attendance import Method, Rules, Seen, Sign, Span, Status
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.presence import Band

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
LESSON = Span(NINE, NINE + timedelta(minutes=90))
DOOR = Rules()
ROOM = Rules(early=15, grace=5, least=30, leave=10)


def at(minutes: float, secs: float = 0) -> datetime:
    return NINE + timedelta(minutes=minutes, seconds=secs)


def seen(
    *spans: tuple[float, float], band: Band = Band.CONFIRMED, score: float = 0.6
) -> list[Seen]:
    return [
        Seen("p", "door", at(first), at(last), f"s{number}", band, score, 0.1)
        for number, (first, last) in enumerate(spans)
    ]


def sign(method: Method, minutes: float, status: Status | None = None) -> Sign:
    return Sign("p", method, at(minutes), status)


@dataclass(frozen=True)
class Case:
    name: str
    rules: Rules
    seen: list[Seen]
    signs: list[Sign]
    status: Status
    method: Method
    minutes: int
    review: bool = False


CASES = [
    Case("nobody saw them", DOOR, [], [], Status.ABSENT, Method.NONE, 0),
    Case("on time", DOOR, seen((2, 3)), [], Status.PRESENT, Method.CAMERA, 1),
    Case("came early", DOOR, seen((-10, -9)), [], Status.PRESENT, Method.CAMERA, 0),
    Case("only long before", DOOR, seen((-60, -20)), [], Status.ABSENT, Method.NONE, 0),
    Case("only after", DOOR, seen((91, 99)), [], Status.ABSENT, Method.NONE, 0),
    Case("before, no early minutes", Rules(early=0), seen((-9, -1)), [], Status.ABSENT,
         Method.NONE, 0),
    Case("before, and a stay is asked", ROOM, seen((-10, -2)), [], Status.ABSENT, Method.CAMERA, 0),
    Case("last second of grace", DOOR, seen((10, 11)), [], Status.PRESENT, Method.CAMERA, 1),
    Case("late by a moment", DOOR, seen((10.05, 11)), [], Status.LATE, Method.CAMERA, 0),
    Case("there all along", ROOM, seen((-5, 1), (30, 40), (85, 95)), [], Status.PRESENT,
         Method.CAMERA, 90),
    Case("left early", ROOM, seen((1, 2), (70, 71)), [], Status.LEFT_EARLY, Method.CAMERA, 70),
    Case("late and left early is late", ROOM, seen((20, 21), (60, 61)), [], Status.LATE,
         Method.CAMERA, 41),
    Case("there too shortly", ROOM, seen((1, 2), (20, 21)), [], Status.ABSENT, Method.CAMERA, 20),
    Case("seen on both sides of the start", DOOR, seen((-30, 5)), [], Status.PRESENT,
         Method.CAMERA, 5),
    Case("only likely", DOOR, seen((1, 2), band=Band.LIKELY), [], Status.PRESENT, Method.CAMERA, 1,
         review=True),
    Case("likely, then sure", DOOR,
         seen((1, 2), band=Band.LIKELY) + seen((30, 31)), [], Status.PRESENT, Method.CAMERA, 30),
    Case("QR in time", ROOM, [], [sign(Method.QR, 3)], Status.PRESENT, Method.QR, 87),
    Case("QR late", ROOM, [], [sign(Method.QR, 33)], Status.LATE, Method.QR, 57),
    Case("PIN in time", DOOR, [], [sign(Method.PIN, -3)], Status.PRESENT, Method.PIN, 90),
    Case("QR long before", DOOR, [], [sign(Method.QR, -30)], Status.ABSENT, Method.NONE, 0),
    Case("QR, seen later", DOOR, seen((40, 41)), [sign(Method.QR, 3)], Status.PRESENT, Method.QR,
         87),
    Case("seen, QR later", DOOR, seen((1, 2)), [sign(Method.QR, 33)], Status.PRESENT,
         Method.CAMERA, 89),
    Case("QR vouches for a likely face", DOOR, seen((1, 2), band=Band.LIKELY),
         [sign(Method.QR, 3)], Status.PRESENT, Method.CAMERA, 89),
    Case("teacher excuses", DOOR, [], [sign(Method.TEACHER, -999, Status.EXCUSED)],
         Status.EXCUSED, Method.TEACHER, 0),
    Case("teacher counts more", DOOR, seen((1, 2)), [sign(Method.TEACHER, 5, Status.ABSENT)],
         Status.ABSENT, Method.TEACHER, 1),
    Case("the last word counts", DOOR, [],
         [sign(Method.TEACHER, 9, Status.LATE), sign(Method.TEACHER, 5, Status.ABSENT)],
         Status.LATE, Method.TEACHER, 0),
    Case("teacher settles a likely face", DOOR, seen((1, 2), band=Band.LIKELY),
         [sign(Method.TEACHER, 5, Status.PRESENT)], Status.PRESENT, Method.TEACHER, 1),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_signs_become_a_mark(case: Case) -> None:
    (mark,) = mark_everybody(["p"], LESSON, case.rules, seen=case.seen, signs=case.signs)
    assert (mark.status, mark.method, mark.minutes, mark.review) == (
        case.status,
        case.method,
        case.minutes,
        case.review,
    )


def test_the_best_sighting_is_the_evidence() -> None:
    sightings = [
        Seen("p", "door", at(1), at(2), "weak", Band.LIKELY, 0.9, 0.2),
        Seen("p", "room", at(3), at(4), "sure", Band.CONFIRMED, 0.5, 0.1),
        Seen("p", "room", at(5), at(6), "surer", Band.CONFIRMED, 0.7, 0.3),
    ]
    (mark,) = mark_everybody(["p"], LESSON, DOOR, seen=sightings)
    assert (mark.sighting_id, mark.camera, mark.score, mark.margin) == ("surer", "room", 0.7, 0.3)
    assert (mark.came_at, mark.left_at) == (at(1), at(6))


def test_while_it_goes_on_nobody_has_left_early_or_stayed_too_shortly() -> None:
    for minutes in (6, 40):
        (mark,) = mark_everybody(["p"], LESSON, ROOM, seen=seen((1, minutes - 3)), now=at(minutes))
        assert mark.status is Status.PRESENT


def test_the_class_list_gives_the_order_and_guests_are_left_out() -> None:
    guest = Seen("guest", "door", at(1), at(2), "s", Band.CONFIRMED)
    marks = mark_everybody(["b", "a", "b"], LESSON, DOOR, seen=[guest])
    assert [mark.person_id for mark in marks] == ["b", "a"]
    assert count(marks)[Status.ABSENT] == 2
    assert count(marks)[Status.EXCUSED] == 0


def test_the_rules_have_a_version() -> None:
    assert rule_version(Rules()) == rule_version(Rules(grace=10))
    assert rule_version(Rules()) != rule_version(Rules(grace=11))


def test_impossible_rules_and_signs_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"rules\.grace: -1"):
        Rules(grace=-1)
    with pytest.raises(InvalidValue, match="a teacher says a status"):
        Sign("p", Method.QR, NINE, Status.PRESENT)
    with pytest.raises(InvalidValue, match="end after it starts"):
        Span(NINE, NINE)
