"""How the benchmark of groupings counts fragments and wrong joins."""

from __future__ import annotations

from collections import Counter

import pytest
from benchmarks.grouping import PLACES, Group, Place, Tally, read_places, whose_face

from sightgrid.domain.geometry import Box


def box_at(x: float, width: float = 40) -> Box:
    return Box(x - width / 2, 80, x + width / 2, 120)


TRUTH = {
    frame: [Place("anna", 100 + frame, 100, 40), Place("ben", 300 - frame, 100, 40)]
    for frame in range(1, 41)
}


def path(person: str, frames: range) -> Group:
    return [
        (frame, box_at(100 + frame if person == "anna" else 300 - frame), 0.9) for frame in frames
    ]


def counted(*groups: Group) -> Tally:
    tally = Tally()
    tally.add(list(groups), TRUTH, Counter(anna=40, ben=40))
    return tally


def test_a_box_is_of_whoever_is_nearest_and_near() -> None:
    assert whose_face(TRUTH, 1, box_at(119)) == "anna"
    assert whose_face(TRUTH, 1, box_at(125)) is None
    assert whose_face(TRUTH, 99, box_at(101)) is None


def test_one_group_a_person_is_right() -> None:
    tally = counted(path("anna", range(1, 41)), path("ben", range(1, 41)))
    assert (tally.fragments, tally.wrong, tally.right, tally.faces) == (1.0, 0, 80, 80)


def test_every_further_group_of_a_person_is_a_fragment_and_what_is_nobody_is_none() -> None:
    nobody = [(frame, box_at(600), 0.9) for frame in range(1, 41)]
    tally = counted(path("anna", range(1, 20)), path("anna", range(20, 41)), nobody)
    assert (tally.groups, tally.fragments, tally.wrong) == (3, 1.0, 0)
    assert tally.right == 40


def test_two_faces_of_somebody_else_are_a_wrong_join() -> None:
    joined = path("anna", range(1, 30)) + path("ben", range(30, 41))
    tally = counted(joined, path("ben", range(1, 30)))
    assert (tally.wrong, tally.right) == (1, 58)
    assert counted(path("anna", range(1, 30)) + path("ben", range(30, 31))).wrong == 0


def test_weak_detections_count_for_nothing_gained() -> None:
    weak = [(frame, box, 0.6) for frame, box, _ in path("anna", range(1, 41))]
    assert counted(weak).right == 0


def test_the_places_are_whole_and_straight_between() -> None:
    truths = read_places(PLACES)
    assert len(truths) == 8
    street = truths["vid_street_royalopera/royal_opera_walkers.mp4"]
    assert len({place.person for places in street.values() for place in places}) == 11
    assert max(street) == 105
    names = [place.person for place in street[60]]
    assert len(names) == len(set(names)), "nobody is in two places"
    man = {f: p for f, places in street.items() for p in places if p.person == "white-haired man"}
    assert 28 not in man, "hidden"
    assert man[26].x == pytest.approx((man[25].x + man[27].x) / 2, abs=3)
