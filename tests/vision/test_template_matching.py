"""The classic grouping, on painted faces: a person is a texture, whatever the place and light."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Detection, Embedding, EmbeddingContract
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.domain.likeness import ImpostorCurve
from sightgrid.domain.tracklets import Tracklet
from sightgrid.vision.following import CameraView
from sightgrid.vision.framing import FivePoints
from sightgrid.vision.grouping import ClassicView, Grouping, grouping_named, open_view
from sightgrid.vision.template_matching import (
    GrouperSettings,
    TemplateMatchingGrouper,
    best_correlations,
)

EIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SIDE = 60
TEMPLATE = np.array(
    [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], np.float32
)

Who = tuple[str, int, int]
"""A person's name, and the left and top of the face."""


def texture(person: str) -> np.ndarray:
    chance = np.random.default_rng([ord(letter) for letter in person])
    coarse = chance.uniform(40, 210, (7, 7)).astype(np.float32)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def shoot(*people: Who, score: float = 0.9, light: float = 1.0) -> tuple[Bytes, list[Detection]]:
    pixels = np.full((240, 400), 90.0, np.float32)
    detections = []
    for person, left, top in people:
        rows, columns = slice(max(top, 0), top + SIDE), slice(max(left, 0), left + SIDE)
        face = texture(person)[rows.start - top :, columns.start - left :]
        area = pixels[rows, columns]
        area[:] = face[: area.shape[0], : area.shape[1]]
        landmarks = (TEMPLATE * (SIDE / 112) + (left, top)).astype(np.float32)
        detections.append(Detection(Box(left, top, left + SIDE, top + SIDE), landmarks, score))
    grey = np.clip(pixels * light, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), detections


class Camera:
    """Feeds a grouper frame by frame and tells who got which number."""

    def __init__(self, *, starts_at: datetime = EIGHT, fps: float = 10.0) -> None:
        self.grouper = TemplateMatchingGrouper()
        self.at = starts_at
        self.interval = timedelta(seconds=1 / fps)
        self.ended: list[int] = []

    def see(self, *people: Who, score: float = 0.9, light: float = 1.0) -> list[int]:
        pixels, detections = shoot(*people, score=score, light=light)
        update = self.grouper.update(pixels, detections, captured_at=self.at)
        self.at += self.interval
        self.ended = [group.number for group in update.ended]
        return [grouped.group.number for grouped in update.grouped]


def test_correlation_is_that_of_opencv() -> None:
    chance = np.random.default_rng(1)
    patch = chance.uniform(0, 255, (32, 32)).astype(np.float32)
    others = chance.uniform(0, 255, (5, 24, 24)).astype(np.float32)
    others[0] = patch[3:27, 6:30]
    rows = others.reshape(5, -1) - others.reshape(5, -1).mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = [cv2.matchTemplate(patch, one, cv2.TM_CCOEFF_NORMED).max() for one in others]
    np.testing.assert_allclose(best_correlations(patch, rows), expected, atol=1e-4)
    assert expected[0] == pytest.approx(1.0, abs=1e-5)


def test_a_face_keeps_its_group_wherever_it_goes_and_in_any_light() -> None:
    camera = Camera()
    assert camera.see(("anna", 10, 10)) == [1]
    assert camera.see(("anna", 300, 150), light=0.7) == [1]
    # the box need not lie exactly
    pixels, _ = shoot(("anna", 300, 150))
    _, askew = shoot(("anna", 303, 147))
    update = camera.grouper.update(pixels, askew, captured_at=camera.at)
    assert [grouped.group.number for grouped in update.grouped] == [1]


def test_a_face_that_matches_none_gets_a_fresh_group() -> None:
    camera = Camera()
    assert camera.see(("anna", 10, 10)) == [1]
    assert camera.see(("ben", 10, 10)) == [2]
    assert camera.see(("carla", 200, 10), ("ben", 100, 100), ("anna", 10, 10)) == [3, 2, 1]


def test_it_looks_back_twenty_frames_and_no_further() -> None:
    camera = Camera()
    camera.see(("anna", 10, 10))
    for _ in range(19):
        assert camera.see() == []
    assert camera.see(("anna", 10, 10)) == [1]
    for _ in range(19):
        camera.see()
        assert camera.ended == []
    camera.see()
    assert camera.ended == []
    assert camera.see(("anna", 10, 10)) == [2]
    assert camera.ended == [1]


def test_everything_is_forgotten_at_each_minute_of_utc() -> None:
    # a zone that is off by seconds has its minutes elsewhere
    zone = timezone(timedelta(hours=1, seconds=30))
    camera = Camera(starts_at=(EIGHT + timedelta(seconds=59.8)).astimezone(zone))
    assert camera.see(("ben", 200, 10), ("anna", 10, 10)) == [1, 2]
    assert camera.see(("anna", 10, 10)) == [2]
    assert camera.see(("anna", 10, 10), ("ben", 200, 10)) == [1, 2]
    assert camera.ended == [1, 2]
    assert len(camera.grouper.finish()) == 2
    # what is begun after the end of a scene is still told apart within the minute
    assert camera.see(("anna", 10, 10)) == [3]


def test_two_faces_in_one_frame_are_never_one_group() -> None:
    camera = Camera()
    assert camera.see(("anna", 10, 10)) == [1]
    assert camera.see(("anna", 10, 10), ("anna", 200, 10)) == [1, 2]
    assert sorted(camera.see(("anna", 10, 10), ("anna", 200, 10))) == [1, 2]


def test_of_two_faces_that_match_the_better_one_joins() -> None:
    grouper = TemplateMatchingGrouper(GrouperSettings(same=0.3))
    grouper.update(*shoot(("anna", 10, 10)), captured_at=EIGHT)
    blurred, faces = shoot(("anna", 10, 10), ("anna", 200, 10))
    blurred[:, :100] = cv2.GaussianBlur(blurred[:, :100], (0, 0), 7)
    update = grouper.update(blurred, faces, captured_at=EIGHT + timedelta(seconds=1))
    assert [grouped.group.number for grouped in update.grouped] == [2, 1]


def test_what_is_hardly_a_face_or_all_one_tone_joins_nothing() -> None:
    camera = Camera()
    assert camera.see(("anna", 10, 10), score=0.6) == []
    for number in (1, 2):
        empty = Detection(Box(300, 150, 360, 210), TEMPLATE, 0.9)
        update = camera.grouper.update(shoot()[0], [empty], captured_at=camera.at)
        assert [grouped.group.number for grouped in update.grouped] == [number]


def test_faces_may_reach_over_the_edge() -> None:
    camera = Camera()
    assert camera.see(("anna", -15, 100)) == [1]
    assert camera.see(("anna", -14, 100)) == [1]
    outside = Detection(Box(-80, 10, -20, 70), TEMPLATE, 0.9)
    update = camera.grouper.update(shoot()[0], [outside], captured_at=camera.at)
    assert [grouped.group.number for grouped in update.grouped] == [2]


class CountingEmbedder:
    """Stands in for a network; notes how many crops it was given."""

    contract = EmbeddingContract("e" * 64, "ones", 2)
    impostors = ImpostorCurve.of([[0.5, 0.1], [0.1, 0.2], [0.01, 0.3], [1e-4, 0.43]])

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, crops: list[Bytes]) -> list[Embedding]:
        self.batches.append(len(crops))
        return [Embedding(np.array([1, 0], np.float32), self.contract) for _ in crops]


def watch(
    view: ClassicView, script: dict[int, list[Who]], *, starts_at: datetime
) -> list[Tracklet]:
    closed = []
    for number in range(max(script) + 1):
        pixels, detections = shoot(*script.get(number, []))
        moment = starts_at + timedelta(seconds=number / 10)
        closed += view.see(Frame("hall", moment, number + 1, pixels), detections)
    return closed + view.finish()


def test_the_faces_of_a_group_are_a_tracklet_and_minutes_cut_it() -> None:
    embedder = CountingEmbedder()
    view = ClassicView("hall", embedder=embedder, framing=FivePoints(TEMPLATE, 112))
    script = {n: [("anna", 10 + n, 10)] for n in range(30)}
    script[14] = [("ben", 250, 100), ("anna", 24, 10)]
    tracklets = watch(view, script, starts_at=EIGHT + timedelta(seconds=58))
    spans = [(t.group, t.path[0].frame_index, t.path[-1].frame_index) for t in tracklets]
    assert spans == [(1, 1, 20), (2, 15, 15), (1, 21, 30)]
    before, glimpse, after = tracklets
    assert before.last_seen < EIGHT + timedelta(seconds=60) <= after.first_seen
    assert len(glimpse.looks) == 1, "a group counts from its first face on"
    assert 2 <= len(before.looks) <= 7
    assert sorted(look.counter for look in before.looks) == list(range(1, len(before.looks) + 1))
    assert sum(embedder.batches) == sum(len(t.looks) for t in tracklets)


def test_a_group_is_cut_into_as_many_groups_as_its_face_is_away() -> None:
    view = ClassicView("hall", embedder=CountingEmbedder(), framing=FivePoints(TEMPLATE, 112))
    script = {n: [("anna", 10, 10)] for n in (0, 1, 2, 30, 31)}
    tracklets = watch(view, script, starts_at=EIGHT)
    assert [(t.group, len(t.path)) for t in tracklets] == [(1, 3), (2, 2)]


def test_groupings_by_name() -> None:
    opened = {
        grouping: open_view(
            grouping, "hall", embedder=CountingEmbedder(), framing=FivePoints(TEMPLATE, 112)
        )
        for grouping in Grouping
    }
    assert isinstance(opened[grouping_named("tracks")], CameraView)
    assert isinstance(opened[grouping_named("template-matching")], ClassicView)
    with pytest.raises(InvalidValue, match="no grouping 'optical-flow'") as caught:
        grouping_named("optical-flow")
    assert "template-matching" in str(caught.value.hint)
