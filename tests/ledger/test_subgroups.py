from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from by_hand import BANDS, CONTRACT, NOON, enrol, person, sighting, toward
from live import Live

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.ledger.candidates import likenesses
from sightgrid.ledger.faceindex import FaceIndex
from sightgrid.ledger.subgroups import subgroups
from sightgrid.store.looks import SeenFace, template_of, templates_of


def seen(number: int, vector: Floats, *, worth: float = 0.8) -> SeenFace:
    at = NOON + timedelta(minutes=number)
    return SeenFace(f"s{number}", "hall", at, vector, worth, True)


def test_two_people_under_one_serial_fall_apart_by_themselves() -> None:
    faces = [seen(1, person(0)), seen(2, person(1)), seen(3, toward(1, 0.2)), seen(4, person(1))]
    faces.append(seen(5, toward(1, 0, 0.2)))
    first, second = subgroups(faces, bands=BANDS)
    assert first.sightings == ("s1", "s3", "s5")
    assert first.likeness == 1.0
    assert second.sightings == ("s2", "s4")
    assert second.likeness < 0.3


def test_finer_groups_are_smaller_and_nobody_is_lost() -> None:
    rng = np.random.default_rng(0)
    faces = []
    for number in range(12):
        vector = toward(1.0, 0.5) + 0.12 * rng.normal(size=16).astype(np.float32)
        faces.append(seen(number, (vector / np.linalg.norm(vector)).astype(np.float32)))
    counts = []
    for finer in range(4):
        groups = subgroups(faces, bands=BANDS, finer=finer)
        counts.append(len(groups))
        assert sorted(one for each in groups for one in each.sightings) == sorted(
            face.sighting_id for face in faces
        )
    assert counts == sorted(counts)
    assert counts[0] > 1
    assert subgroups([], bands=BANDS) == []
    with pytest.raises(InvalidValue, match="finer"):
        subgroups(faces, bands=BANDS, finer=9)


def test_whom_a_face_is_like_among_all_that_was_ever_seen(live: Live) -> None:
    live.enrol([enrol("Anna", 0)])
    made = [sighting(1, 0, 2), sighting(0, 20, 22, group=2), sighting(1, 40, 42, camera="stairs")]
    live.takes(*made)
    faces = FaceIndex(CONTRACT)
    faces.refresh(live.store)
    face = seen(9, toward(0.2, 1))
    near = faces.nearest(face.vector, 5)
    with live.store.snapshot() as tx:
        found = likenesses(tx, face, near, CONTRACT.id)
        there = likenesses(tx, face, near, CONTRACT.id, cameras=frozenset({"stairs"}))
        own = template_of(tx, made[0].sighting_id, CONTRACT.id)
        assert own is not None
        besides = likenesses(tx, own, near, CONTRACT.id)
    assert [(one.serial, one.enrolled) for one in found] == [(2, False), (1, True)]
    assert found[0].closest_score == pytest.approx(found[0].score, abs=0.02)
    # what other cameras saw is no proof that may be shown
    assert there[0].closest is not None
    assert (there[0].closest.camera, there[1].closest) == ("stairs", None)
    # nor is a sighting a proof of itself
    assert besides[0].closest is not None
    assert besides[0].closest.sighting_id == made[2].sighting_id


def test_templates_are_those_of_the_cameras_asked_for(live: Live) -> None:
    made = [sighting(1, 0, 2), sighting(1, 40, 42, camera="stairs")]
    live.takes(*made)
    with live.store.snapshot() as tx:
        both = templates_of(tx, [1], CONTRACT.id, most=9)
        hall = templates_of(tx, [1], CONTRACT.id, cameras=frozenset({"hall"}), most=9)
        one = template_of(tx, made[1].sighting_id, CONTRACT.id)
        foreign = template_of(tx, made[1].sighting_id, "f" * 64)
    assert [face.camera for face in both] == ["hall", "stairs"]
    assert [face.camera for face in hall] == ["hall"]
    assert one is not None
    assert float(one.vector @ person(1)) == pytest.approx(1.0, abs=1e-3)
    assert foreign is None
