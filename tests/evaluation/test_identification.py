from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.evaluation.datasets import PersonPhotos
from sightgrid.evaluation.identification import Deal, Probe, deal, identify, unknown_people
from sightgrid.evaluation.photos import PhotoVectors
from sightgrid.recognition.heads import NearestMean


def people_of(*counts: int) -> list[PersonPhotos]:
    return [
        PersonPhotos(f"p{n}", tuple(Path(f"p{n}/{i}.jpg") for i in range(count)))
        for n, count in enumerate(counts)
    ]


@pytest.mark.parametrize(
    ("people", "unknown", "expected"),
    [(198, 0.5, 99), (5, 0.5, 2), (100, 0.29, 29), (10, 0.0, 0), (3, 0.9, 2)],
)
def test_unknown_people_are_the_floor(people: int, unknown: float, expected: int) -> None:
    assert unknown_people(people, unknown) == expected


def test_the_deal_is_as_documented() -> None:
    people = people_of(3, 4, 5, 2, 6)
    dealt = deal(people, enrol=2, unknown=0.5, seed=11)
    order = list(range(5))
    generator = random.Random(11)
    generator.shuffle(order)
    starts = [0, 3, 7, 12, 14]
    expected = []
    for person in order[math.floor(0.5 * 5) :]:
        photos = [starts[person] + i for i in range(len(people[person].photos))]
        generator.shuffle(photos)
        expected += [(photo, person) for photo in photos[:2]]
    assert list(dealt.enrolled) == expected
    unknown = set(order[:2])
    assert {probe.person for probe in dealt.probes if not probe.known} == unknown
    asked = [photo for probe in dealt.probes for photo in probe.photos]
    assert sorted([*asked, *(photo for photo, _ in dealt.enrolled)]) == list(range(20))
    assert all(len(probe.photos) == 1 for probe in dealt.probes)


def test_the_deal_depends_on_the_seed_alone() -> None:
    people = people_of(*[4] * 12)
    assert deal(people, enrol=1, unknown=0.5, seed=3) == deal(people, enrol=1, unknown=0.5, seed=3)
    assert deal(people, enrol=1, unknown=0.5, seed=3) != deal(people, enrol=1, unknown=0.5, seed=4)


def test_groups_of_photos_leave_out_what_is_over() -> None:
    dealt = deal(people_of(7, 5, 9, 8), enrol=3, unknown=0.5, seed=0, photos_a_probe=3)
    assert all(len(probe.photos) == 3 for probe in dealt.probes)
    photos = [photo for probe in dealt.probes for photo in probe.photos]
    assert len(set(photos)) == len(photos)


def test_impossible_deals_are_refused() -> None:
    with pytest.raises(InvalidValue, match="no photo of a known person"):
        deal(people_of(2, 2), enrol=2, unknown=0.5, seed=0)
    with pytest.raises(InvalidValue, match="nobody is left"):
        deal(people_of(2), enrol=1, unknown=1.0, seed=0)


def on_circle(*degrees: float, missed: tuple[int, ...] = ()) -> PhotoVectors:
    angles = np.radians(degrees)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = np.ones(len(degrees), np.bool_)
    found[list(missed)] = False
    vectors[~found] = 0
    return PhotoVectors(vectors, found, 0.0)


def probes(*rows: tuple[int, int, bool]) -> tuple[Probe, ...]:
    return tuple(Probe((photo,), person, known) for photo, person, known in rows)


def test_rates_of_a_case_worked_by_hand() -> None:
    """a at 0 and b at 90 degrees are enrolled. Known: a at 10, b at 80, a at 60 (taken for b, at
    30 from it), b at 70; strangers at 185 (cosine below 0), 125 (35 from b)."""
    dealt = Deal(
        names=("a", "b", "c"),
        enrolled=((0, 0), (1, 1)),
        probes=probes(
            *((2, 0, True), (3, 1, True), (4, 0, True), (5, 1, True)),
            *((6, 2, False), (7, 2, False)),
        ),
    )
    photos = on_circle(0, 90, 10, 80, 60, 70, 185, 125)
    result = identify(dealt, photos=photos, head=NearestMean(), wrong_shown=2)
    assert result.rank1 == 0.75
    assert result.cmc.tolist() == [0.75, 1.0]
    # no stranger may pass, so the threshold is the higher stranger's score
    assert result.thresholds[0.01] == pytest.approx(np.cos(np.radians(35)))
    assert result.dir_at_fpir == {0.01: 0.75, 0.001: 0.75}
    assert (result.probes, result.impostor_probes, result.people) == (6, 2, 3)
    assert result.trainable_parameters == 0
    surest = result.wrong[0]
    assert (surest.person, surest.taken_for, surest.known) == ("a", "b", True)
    assert (surest.probe, surest.enrolled) == (4, 1)
    assert result.wrong[1].person == "c"


def test_a_stranger_more_alike_than_a_known_person_costs_detection_not_rank() -> None:
    dealt = Deal(
        ("a", "b", "c"),
        ((0, 0), (1, 1)),
        probes((2, 0, True), (3, 1, True), (4, 2, False)),
    )
    result = identify(dealt, photos=on_circle(0, 90, 40, 88, 20), head=NearestMean())
    assert result.rank1 == 1.0
    assert result.dir_at_fpir[0.01] == 0.5


def test_photos_without_a_face() -> None:
    """A missed probe is a miss, a missed stranger is never accepted, a missed photo to enrol is
    skipped; who has none left is missed too."""
    dealt = Deal(
        ("a", "b", "c"),
        ((0, 0), (1, 0), (2, 1)),
        probes((3, 0, True), (4, 0, True), (5, 1, True), (6, 2, False)),
    )
    photos = on_circle(0, 50, 90, 1, 2, 89, 10, missed=(1, 2, 4, 6))
    result = identify(dealt, photos=photos, head=NearestMean())
    assert (result.enrolled_photos, result.enrolled_undetected) == (1, 2)
    assert result.undetected == 2
    assert result.rank1 == pytest.approx(1 / 3)
    assert result.thresholds[0.01] == -np.inf
    assert result.dir_at_fpir[0.01] == pytest.approx(1 / 3)
    assert result.impostor_probes == 1


def test_nobody_unknown_leaves_no_detection_rate() -> None:
    dealt = deal(people_of(2, 2), enrol=1, unknown=0.0, seed=0)
    result = identify(dealt, photos=on_circle(0, 1, 90, 91), head=NearestMean())
    assert result.rank1 == 1.0
    assert result.dir_at_fpir == result.dir_interval == {0.01: None, 0.001: None}


def test_no_face_to_enrol_is_told() -> None:
    dealt = deal(people_of(2, 2), enrol=1, unknown=0.5, seed=0)
    with pytest.raises(InvalidValue, match="no face was found in any photo to enrol"):
        identify(dealt, photos=on_circle(0, 1, 2, 3, missed=(0, 1, 2, 3)), head=NearestMean())


def test_interval_is_drawn_over_people_and_holds_the_rate() -> None:
    rng = np.random.default_rng(0)
    people = people_of(*[5] * 60)
    directions = np.repeat(rng.normal(size=(60, 24)), 5, axis=0)
    vectors = directions + 0.8 * rng.normal(size=directions.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    photos = PhotoVectors(vectors.astype(np.float32), np.ones(300, np.bool_), 0.0)
    dealt = deal(people, enrol=1, unknown=0.5, seed=0)
    result = identify(dealt, photos=photos, head=NearestMean())
    again = identify(dealt, photos=photos, head=NearestMean())
    for target, rate in result.dir_at_fpir.items():
        span = result.dir_interval[target]
        assert rate is not None
        assert span is not None
        assert 0 <= span[0] < rate <= span[1] <= 1
        assert span == again.dir_interval[target]
        threshold = result.thresholds[target]
        assert (result.best[~result.known] > threshold).mean() <= target
