"""What a run found beside the truth: found, missed, invented and mixed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Band, Decision, Match, Sighting, Visit
from sightgrid.domain.tracklets import PathPoint
from sightgrid.offline.comparison import Comparison, compare
from sightgrid.vision.simulation import CameraTruth, Distribution, GridTruth, TrueVisit

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
PEOPLE = ("Ada", "Eva")
FRAMES = 40
# Ada walks at the left in frames 1 to 20, Eva at the right in frames 11 to 40
SPANS = {0: (1, 20, 0.0), 1: (11, 40, 100.0)}


def moment(frame: int) -> datetime:
    return NOON + timedelta(seconds=(frame - 1) / 10)


def truth() -> GridTruth:
    rows = [
        (frame, who, (left, 0.0, left + 40.0, 50.0))
        for who, (first, last, left) in SPANS.items()
        for frame in range(first, last + 1)
    ]
    rows.sort()
    camera = CameraTruth(
        camera="hall",
        fps=10,
        width=200,
        height=100,
        starts_at=NOON,
        frames=FRAMES,
        frame=np.array([row[0] for row in rows], np.int32),
        person=np.array([row[1] for row in rows], np.int32),
        boxes=np.array([row[2] for row in rows], np.float32),
        visible=np.ones(len(rows), np.float32),
    )
    return GridTruth(
        preset="none",
        seed=0,
        secs=4.0,
        people=PEOPLE,
        cameras=(camera,),
        links=(),
        visits=tuple(
            TrueVisit(PEOPLE[who], "hall", moment(first), moment(last))
            for who, (first, last, _) in SPANS.items()
        ),
        distribution=Distribution(2, *[(0.0, 0.0, 0.0)] * 4, 0.0, 0.0),
    )


def seen(
    serial: int | None, first: int, last: int, left: float, *, camera: str = "hall"
) -> Decision:
    box = Box(left, 0, left + 40, 50)
    path = tuple(PathPoint(f, moment(f), box, 0.9) for f in range(first, last + 1))
    sighting = Sighting(f"{camera}-{first}-{left}", 1, True, camera, 1, path, ())
    band = Band.UNSURE if serial is None else Band.STRANGER
    return Decision(sighting, Match(band, serial, None, None, None, None, "because"))


def compared(*decisions: Decision) -> Comparison:
    visits = [
        Visit(
            d.match.serial,
            None,
            d.sighting.camera,
            d.sighting.first_seen,
            d.sighting.last_seen,
            (d.sighting.sighting_id,),
        )
        for d in decisions
        if d.match.serial is not None
    ]
    return compare(truth(), decisions, visits)


def test_a_perfect_run() -> None:
    found = compared(seen(1, 2, 20, 0.0), seen(2, 11, 39, 100.0))
    assert found.visits_found == 2
    assert found.visits_invented == 0
    assert found.wrong_joins == 0
    assert found.serials_per_person == 1.0
    assert found.names == {1: "Ada", 2: "Eva"}
    first = found.visits[0]
    assert (first.truth.person, first.serials) == ("Ada", (1,))
    assert (first.found_from, first.found_to) == (moment(2), moment(20))


def test_who_was_not_seen_or_left_unsure_is_missed() -> None:
    found = compared(seen(None, 2, 20, 0.0), seen(1, 11, 39, 100.0))
    ada, eva = found.visits
    assert (ada.serials, ada.found_from, ada.found_to) == ((), None, None)
    assert eva.serials == (1,)
    assert found.visits_found == 1
    assert found.serials_per_person == 1.0, "of those who were found"


def test_a_person_with_two_serials_is_counted_as_two() -> None:
    found = compared(seen(1, 1, 9, 0.0), seen(3, 12, 20, 0.0), seen(2, 11, 40, 100.0))
    assert found.visits[0].serials == (1, 3)
    assert found.visits[0].found_to == moment(9)
    assert found.serials_per_person == 1.5
    assert found.wrong_joins == 0


def test_a_serial_that_covers_two_people_is_a_wrong_join() -> None:
    found = compared(seen(1, 1, 20, 0.0), seen(1, 11, 40, 100.0))
    assert found.wrong_joins == 1
    assert found.names == {1: "Eva"}, "whom it mostly is"


def test_a_visit_on_nobodys_face_is_invented() -> None:
    found = compared(
        seen(1, 1, 20, 0.0), seen(2, 11, 40, 100.0), seen(3, 1, 20, 155.0), seen(4, 30, 40, 0.0)
    )
    assert found.visits_invented == 2
    assert 3 not in found.names
    assert 4 not in found.names


def test_a_camera_that_is_not_of_the_truth_shows_nobody() -> None:
    assert compared(seen(1, 1, 20, 0.0, camera="garden")).visits_found == 0


def test_nothing_found_is_no_division_by_nothing() -> None:
    found = compared()
    assert (found.visits_found, found.wrong_joins, found.serials_per_person) == (0, 0, 0.0)
