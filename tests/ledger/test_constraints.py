"""Who can't be whom, whatever they look like."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from by_hand import sighting
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Sighting
from sightgrid.ledger.constraints import cannot_links

OPEN = CameraGrid()
NEVER_AT_ONCE = CameraGrid(apart=frozenset({frozenset({"hall", "door"})}))
FOUR_SECS_AWAY = CameraGrid(links=(CameraLink("hall", "door", 4.0, 60.0),))


def links(sightings: Sequence[Sighting], grid: CameraGrid = OPEN) -> set[tuple[int, int]]:
    return {(min(pair), max(pair)) for pair in cannot_links(sightings, grid=grid)}


def test_two_faces_in_one_frame_are_two_people() -> None:
    together = [sighting(0, 0, 3, left=0), sighting(0, 2, 5, left=200, group=2)]
    assert links(together) == {(0, 1)}


def test_a_single_shared_frame_is_enough() -> None:
    assert links([sighting(0, 0, 3, left=0), sighting(0, 3, 5, left=200, group=2)]) == {(0, 1)}
    assert links([sighting(0, 0, 3, left=0), sighting(0, 3.1, 5, left=200, group=2)]) == set()


def test_two_boxes_on_one_face_are_a_stutter_of_the_detector() -> None:
    assert links([sighting(0, 0, 3, left=0), sighting(0, 2, 5, left=5, group=2)]) == set()


def test_without_a_grid_views_of_two_cameras_may_overlap() -> None:
    assert links([sighting(0, 0, 3), sighting(0, 0, 3, camera="door")]) == set()


def test_cameras_that_never_overlap_can_not_see_one_person_at_once() -> None:
    at_once = [sighting(0, 0, 3), sighting(0, 2, 5, camera="door")]
    assert links(at_once, NEVER_AT_ONCE) == {(0, 1)}
    one_after_the_other = [sighting(0, 0, 3), sighting(0, 3, 5, camera="door")]
    assert links(one_after_the_other, NEVER_AT_ONCE) == set()


@pytest.mark.parametrize(("gap_secs", "apart"), [(-1, True), (0, True), (3.9, True), (4, False)])
def test_nobody_is_quicker_than_the_way_between_two_cameras(gap_secs: float, apart: bool) -> None:
    seen = [sighting(0, 0, 3), sighting(0, 3 + gap_secs, 9 + gap_secs, camera="door")]
    assert links(seen, FOUR_SECS_AWAY) == ({(0, 1)} if apart else set())
    assert links(seen[::-1], FOUR_SECS_AWAY) == ({(0, 1)} if apart else set())


def test_a_link_says_nothing_of_other_cameras() -> None:
    seen = [sighting(0, 0, 3), sighting(0, 1, 5, camera="garden")]
    assert links(seen, FOUR_SECS_AWAY) == set()


@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_every_pair_is_found_that_a_look_at_all_pairs_finds(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    seen = [
        sighting(
            0,
            float(start),
            float(start + random.uniform(0, 6)),
            camera=str(random.choice(["hall", "door", "garden"])),
            group=number,
            left=float(random.integers(0, 3) * 30),
        )
        for number, start in enumerate(random.uniform(0, 20, count).round(1))
    ]
    grid = CameraGrid(
        links=(CameraLink("hall", "door", 2.0),), apart=frozenset({frozenset({"door", "garden"})})
    )
    wanted = {(a, b) for a, b in combinations(range(count), 2) if links([seen[a], seen[b]], grid)}
    assert links(seen, grid) == wanted


def test_frames_before_and_after_the_shared_ones_do_not_count() -> None:
    """Somebody walks up to where another stood a moment before: no frame shows both there."""
    gone = sighting(0, 0, 3, left=0)
    gaps = replace(gone, path=gone.path[:5] + gone.path[25:])
    between = sighting(0, 1, 2, left=200, group=2)
    assert links([gaps, between]) == set()
    assert links([gone, between]) == {(0, 1)}


def test_somebody_who_sits_there_all_day_costs_no_more_than_who_passes_by() -> None:
    sitting = sighting(0, 0, 20_000)
    passing = [sighting(0, 30.0 * n, 30.0 * n + 1, left=200, group=n) for n in range(600)]
    started = time.process_time()
    assert links([sitting, *passing]) == {(0, n) for n in range(1, 601)}
    assert time.process_time() - started < 3.0


def test_a_face_tracked_twice_for_long_is_compared_frame_by_frame() -> None:
    twice = [sighting(0, 0, 2000), sighting(0, 0, 2000, left=5, group=2)]
    started = time.process_time()
    assert links(twice) == set()
    assert time.process_time() - started < 3.0
