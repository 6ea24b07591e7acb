from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Box
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Band, Decision, Match, Sighting, Visit
from sightgrid.domain.tracklets import PathPoint
from sightgrid.trajectory.routes import route
from sightgrid.trajectory.visits import visits

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
FACE = Box(0.0, 0.0, 10.0, 10.0)


def at(secs: float) -> datetime:
    return NOON + timedelta(seconds=secs)


def decided(
    number: int,
    camera: str,
    first: float,
    last: float,
    serial: int | None = 1,
    person: str | None = None,
) -> Decision:
    path = (PathPoint(1, at(first), FACE, 1.0), PathPoint(2, at(last), FACE, 1.0))
    seen = Sighting(str(UUID(int=number)), 1, True, camera, number, path, ())
    if serial is None:
        band = Band.UNSURE
    else:
        band = Band.STRANGER if person is None else Band.LIKELY
    return Decision(seen, Match(band, serial, person, None, None, None, ""))


def spans(found: tuple[Visit, ...]) -> list[tuple[str, float, float]]:
    return [
        (
            visit.camera,
            (visit.first_seen - NOON).total_seconds(),
            (visit.last_seen - NOON).total_seconds(),
        )
        for visit in found
    ]


def test_none() -> None:
    assert visits([]) == ()
    assert visits([decided(1, "hall", 0, 1, None)]) == ()


def test_short_gaps_join_and_long_ones_part() -> None:
    found = visits(
        [decided(1, "hall", 0, 5), decided(2, "hall", 20, 25), decided(3, "hall", 40.001, 50)]
    )
    assert spans(found) == [("hall", 0, 25), ("hall", 40.001, 50)]
    assert [len(visit.sighting_ids) for visit in found] == [2, 1]


def test_seen_elsewhere_in_between_parts() -> None:
    seen = [decided(1, "hall", 0, 5), decided(2, "stairs", 7, 8), decided(3, "hall", 10, 12)]
    assert spans(visits(seen)) == [("hall", 0, 5), ("stairs", 7, 8), ("hall", 10, 12)]


@pytest.mark.parametrize(("first", "last"), [(4, 8), (5, 8), (7, 10), (7, 11), (0, 12)])
def test_seen_on_both_at_once_does_not_part(first: float, last: float) -> None:
    seen = [decided(1, "hall", 0, 5), decided(2, "yard", first, last), decided(3, "hall", 10, 12)]
    assert ("hall", 0, 12) in spans(visits(seen))


def test_another_identity_in_between_does_not_part() -> None:
    seen = [decided(1, "hall", 0, 5), decided(2, "stairs", 7, 8, 2), decided(3, "hall", 10, 12)]
    assert spans(visits(seen)) == [("hall", 0, 12), ("stairs", 7, 8)]


def test_what_the_grid_forbids_does_not_part() -> None:
    seen = [decided(1, "hall", 0, 5), decided(2, "stairs", 7, 8), decided(3, "hall", 10, 12)]
    far = CameraGrid(links=(CameraLink("stairs", "hall", 30.0),))
    near = CameraGrid(links=(CameraLink("stairs", "hall", 1.0),))
    assert spans(visits(seen, grid=far)) == [("hall", 0, 12), ("stairs", 7, 8)]
    assert visits(seen, grid=near) == visits(seen) == visits(seen, grid=CameraGrid())


def test_overlapping_and_nested_sightings_join() -> None:
    seen = [decided(1, "hall", 0, 50), decided(2, "hall", 5, 6), decided(3, "hall", 60, 61)]
    seen.append(decided(4, "stairs", 7, 8))
    assert spans(visits(seen)) == [("hall", 0, 61), ("stairs", 7, 8)]


def test_the_name_is_the_identity_s() -> None:
    seen = [decided(1, "hall", 0, 5), decided(2, "hall", 100, 105, 1, "Anna")]
    assert [visit.person for visit in visits(seen)] == ["Anna", "Anna"]


decisions = st.lists(
    st.tuples(
        st.sampled_from(["hall", "stairs", "yard"]),
        st.integers(0, 120),
        st.integers(0, 20),
        st.one_of(st.none(), st.integers(1, 3)),
    ),
    max_size=25,
).map(
    lambda rows: [
        decided(number, camera, first, first + length, serial)
        for number, (camera, first, length, serial) in enumerate(rows)
    ]
)
grids = st.sampled_from(
    [None, CameraGrid(), CameraGrid(links=(CameraLink("hall", "stairs", 5.0, 60.0),))]
)


@given(decisions, st.floats(0, 40), grids)
def test_every_sure_sighting_is_in_exactly_one_visit(
    seen: list[Decision], gap_secs: float, grid: CameraGrid | None
) -> None:
    found = visits(seen, gap_secs=gap_secs, grid=grid)
    inside = sorted(one for visit in found for one in visit.sighting_ids)
    assert inside == sorted(
        one.sighting.sighting_id for one in seen if one.match.serial is not None
    )
    by_id = {one.sighting.sighting_id: one for one in seen}
    for visit in found:
        members = [by_id[one] for one in visit.sighting_ids]
        assert {(one.match.serial, one.sighting.camera) for one in members} == {
            (visit.serial, visit.camera)
        }
        assert visit.first_seen == min(one.sighting.first_seen for one in members)
        assert visit.last_seen == max(one.sighting.last_seen for one in members)


@given(decisions, st.floats(0, 40), grids)
def test_visits_of_one_on_one_camera_never_overlap(
    seen: list[Decision], gap_secs: float, grid: CameraGrid | None
) -> None:
    found = visits(seen, gap_secs=gap_secs, grid=grid)
    assert list(found) == sorted(found, key=lambda v: (v.serial, v.first_seen, v.camera))
    by_place: dict[tuple[int, str], list[Visit]] = {}
    for visit in found:
        by_place.setdefault((visit.serial, visit.camera), []).append(visit)
    for here in by_place.values():
        assert all(one.last_seen < other.first_seen for one, other in pairwise(here))


@given(decisions.flatmap(lambda seen: st.tuples(st.just(seen), st.permutations(seen))), grids)
def test_the_order_of_the_input_does_not_matter(
    both: tuple[list[Decision], list[Decision]], grid: CameraGrid | None
) -> None:
    assert visits(both[0], grid=grid) == visits(both[1], grid=grid)


@given(decisions, st.floats(0, 40))
def test_a_wider_gap_never_makes_more_visits(seen: list[Decision], gap_secs: float) -> None:
    assert len(visits(seen, gap_secs=gap_secs + 5)) <= len(visits(seen, gap_secs=gap_secs))


def visit(camera: str, first: float, last: float, serial: int = 1) -> Visit:
    return Visit(serial, None, camera, at(first), at(last), (f"{camera}-{first}",))


def test_a_route() -> None:
    grid = CameraGrid(
        links=(CameraLink("hall", "stairs", 4.0, 60.0),),
        apart=frozenset({frozenset({"stairs", "yard"})}),
    )
    way = [
        visit("hall", 0, 10),
        visit("stairs", 15, 20),
        visit("hall", 22, 30),
        visit("hall", 100, 110),
        visit("stairs", 120, 130),
        visit("yard", 129, 140),
        visit("hall", 135, 150),
    ]
    found = route(reversed(way), grid=grid)
    assert (found.serial, found.person, found.visits) == (1, None, tuple(way))
    assert [hop.unseen_secs for hop in found.hops] == [5, 2, 70, 10, 0, 0]
    assert [hop.possible for hop in found.hops] == [True, False, True, True, False, True]
    assert found.transitions == {
        ("hall", "stairs"): 2,
        ("stairs", "hall"): 1,
        ("stairs", "yard"): 1,
        ("yard", "hall"): 1,
    }
    assert all(hop.possible for hop in route(way).hops)


def test_a_route_of_one_visit() -> None:
    found = route([visit("hall", 0, 10)])
    assert (found.hops, found.transitions) == ((), {})


@pytest.mark.parametrize("way", [[], [visit("hall", 0, 1), visit("hall", 2, 3, serial=2)]])
def test_a_route_is_of_one_identity(way: list[Visit]) -> None:
    with pytest.raises(InvalidValue, match="one identity"):
        route(way)


@given(decisions, grids)
def test_hops_join_the_visits(seen: list[Decision], grid: CameraGrid | None) -> None:
    found = visits(seen, grid=grid)
    for serial in {one.serial for one in found}:
        way = route([one for one in found if one.serial == serial], grid=grid)
        assert len(way.hops) == len(way.visits) - 1
        assert all(hop.unseen_secs >= 0 for hop in way.hops)
        assert sum(way.transitions.values()) <= len(way.hops)
