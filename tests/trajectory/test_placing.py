from __future__ import annotations

from itertools import pairwise

import pytest

from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.trajectory.placing import links_between, place_cameras


def line(*names: str) -> CameraGrid:
    pairs = pairwise(names)
    return CameraGrid(links=tuple(CameraLink(one, other, 1.0) for one, other in pairs))


def test_placed_cameras_stay_and_the_rest_stand_at_the_foot() -> None:
    places = place_cameras(["a", "b", "c"], CameraGrid(positions={"a": (0.2, 0.3)}))
    assert places["a"] == (0.2, 0.3)
    assert {places["b"][1], places["c"][1]} == {1.0}
    assert places["b"][0] < places["c"][0]


def test_links_lay_a_corridor_out_in_a_row() -> None:
    places = place_cameras("abcd", line("a", "b", "c", "d"))
    xs = [places[name][0] for name in "abcd"]
    assert xs == sorted(xs)
    assert xs[0] == pytest.approx(0.12)
    assert xs[-1] == pytest.approx(0.88)
    steps = [after - before for before, after in pairwise(xs)]
    assert max(steps) == pytest.approx(min(steps), abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_without_links_all_lie_apart_within_the_plan(count: int) -> None:
    names = [f"camera{number}" for number in range(count)]
    places = place_cameras(names, CameraGrid())
    assert len(set(places.values())) == count
    assert all(0 <= each <= 1 for place in places.values() for each in place)


def test_who_can_not_be_reached_lies_beyond_the_rest() -> None:
    places = place_cameras(["a", "b", "c", "lone"], line("a", "b", "c"))
    assert set(places) == {"a", "b", "c", "lone"}
    assert len({(round(x, 3), round(y, 3)) for x, y in places.values()}) == 4


def test_each_link_is_drawn_once() -> None:
    grid = CameraGrid(
        links=(CameraLink("b", "a", 1.0), CameraLink("a", "b", 2.0), CameraLink("a", "x", 1.0))
    )
    assert links_between(["a", "b"], grid) == [("a", "b")]
