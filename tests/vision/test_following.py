"""A camera's view on painted frames: faces are textured squares whose colour says whose they are,
and the embedder's stand-in reads that colour off the crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from sightgrid.domain.faces import Detection, Embedding, EmbeddingContract
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.domain.likeness import ImpostorCurve
from sightgrid.domain.tracklets import Tracklet
from sightgrid.vision.following import CameraView, FollowingSettings
from sightgrid.vision.framing import FivePoints

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TEMPLATE = np.array(
    [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], np.float32
)
WIDTH, HEIGHT, SIDE = 640, 360, 64
# equally bright, so that no one's looks are better than another's
COLOURS = {"red": (40, 40, 230), "green": (40, 137, 40), "blue": (230, 80, 80)}
STRIPES = np.where(np.random.default_rng(0).random((SIDE, SIDE, 1)) < 0.5, 0.45, 1.0)
FPS = 12.5


class ColourEmbedder:
    """Stands in for a network: a crop's mean colour as a point on the unit sphere."""

    contract = EmbeddingContract("c" * 64, "colours", 3)
    impostors = ImpostorCurve.of([[0.5, 0.1], [0.1, 0.2], [0.01, 0.3], [1e-4, 0.43]])

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, crops: Sequence[Bytes]) -> list[Embedding]:
        self.batches.append(len(crops))
        return [self._of(crop) for crop in crops]

    def _of(self, crop: Bytes) -> Embedding:
        mean = crop[30:80, 30:80].reshape(-1, 3).mean(axis=0)
        vector = (mean - mean.mean()).astype(np.float32)
        return Embedding(vector / np.linalg.norm(vector), self.contract, strength=0.9)


def backdrop(seed: int = 0) -> np.ndarray:
    """A room: large patches of grey, each with its own level."""
    levels = np.random.default_rng(seed).integers(20, 220, (5, 8))
    return np.kron(levels, np.ones((HEIGHT // 5, WIDTH // 8)))[..., None].repeat(3, 2)


ROOM = backdrop()
Faces = dict[str, tuple[float, float]]


def shoot(
    number: int, faces: Faces, *, room: np.ndarray = ROOM, fps: float = FPS, score: float = 0.92
) -> tuple[Frame, list[Detection]]:
    """Frame ``number`` (from 0) with a face of each colour at its centre."""
    pixels = room.astype(np.uint8).copy()
    detections = []
    for colour, (x, y) in faces.items():
        left, top = round(x) - SIDE // 2, round(y) - SIDE // 2
        painted = (STRIPES * COLOURS[colour]).astype(np.uint8)
        rows = slice(max(top, 0), max(min(top + SIDE, pixels.shape[0]), 0))
        columns = slice(max(left, 0), max(min(left + SIDE, pixels.shape[1]), 0))
        pixels[rows, columns] = painted[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        landmarks = (TEMPLATE * (SIDE / 112) + (left, top)).astype(np.float32)
        detections.append(
            Detection(Box(left, top, left + SIDE, top + 1.1 * SIDE), landmarks, score)
        )
    moment = NOON + timedelta(seconds=number / fps)
    return Frame("hall", moment, number + 1, pixels), detections


def view(
    embedder: ColourEmbedder | None = None, settings: FollowingSettings | None = None
) -> CameraView:
    return CameraView(
        "hall",
        embedder=embedder or ColourEmbedder(),
        framing=FivePoints(TEMPLATE, 112),
        settings=settings,
    )


def watch(
    camera: CameraView, script: Callable[[int], Faces], frames: int, *, fps: float = FPS
) -> list[Tracklet]:
    closed: list[Tracklet] = []
    for number in range(frames):
        closed += camera.see(*shoot(number, script(number), fps=fps))
    return closed + camera.finish()


def colours_of(tracklet: Tracklet) -> set[str]:
    """Whose face the looks of a tracklet show."""
    names = list(COLOURS)
    bgr = np.array([COLOURS[name] for name in names], float)
    bgr -= bgr.mean(axis=1, keepdims=True)
    seen = set()
    for look in tracklet.looks:
        assert look.embedding is not None
        seen.add(names[int(np.argmax(bgr @ look.embedding.vector))])
    return seen


def check(tracklet: Tracklet) -> None:
    """What holds for every tracklet."""
    indices = [point.frame_index for point in tracklet.path]
    assert indices == sorted(set(indices))
    times = [point.captured_at for point in tracklet.path]
    assert times == sorted(set(times))
    inside = set(indices)
    assert {look.crop.frame_index for look in tracklet.looks} <= inside
    by_time = sorted(tracklet.looks, key=lambda look: look.crop.captured_at)
    assert [look.counter for look in by_time] == list(range(1, len(by_time) + 1))
    worth = [look.worth for look in tracklet.looks]
    assert worth == sorted(worth, reverse=True)
    assert all(look.crop.pixels.shape == (112, 112, 3) for look in tracklet.looks)


def test_one_person_is_one_tracklet() -> None:
    (tracklet,) = watch(view(), lambda number: {"red": (100 + 6 * number, 180)}, 50)
    check(tracklet)
    assert (tracklet.camera, tracklet.group) == ("hall", 1)
    assert len(tracklet.path) == 50
    assert (tracklet.first_seen, tracklet.last_seen) == (NOON, NOON + timedelta(seconds=49 / FPS))
    assert tracklet.path[3].box.centre == (118, pytest.approx(183.2))
    assert colours_of(tracklet) == {"red"}


def test_two_people_are_two_tracklets() -> None:
    tracklets = watch(
        view(),
        lambda number: {"red": (100 + 5 * number, 120), "blue": (500 - 5 * number, 250)},
        50,
    )
    assert sorted(map(str, map(colours_of, tracklets))) == ["{'blue'}", "{'red'}"]
    assert sorted(tracklet.group for tracklet in tracklets) == [1, 2]
    for tracklet in tracklets:
        check(tracklet)


def test_a_glimpse_is_no_tracklet() -> None:
    embedder = ColourEmbedder()
    assert watch(view(embedder), lambda n: {"red": (100, 180)} if n < 2 else {}, 60) == []
    assert sum(embedder.batches) == 0


def test_nobody_is_nobody() -> None:
    camera = view()
    assert watch(camera, lambda number: {}, 20) == []
    assert camera.finish() == []


def test_a_tracklet_closes_by_itself_when_nobody_comes_back() -> None:
    camera = view()
    closed_at = None
    for number in range(100):
        faces: Faces = {"red": (200, 180)} if number < 20 else {}
        if camera.see(*shoot(number, faces)):
            assert closed_at is None
            closed_at = number / FPS
    assert closed_at == pytest.approx(19 / FPS + 3.6, abs=0.2)
    assert camera.finish() == []


@pytest.mark.parametrize("swap", [22, 23, 24, 25, 27])
def test_a_swap_behind_an_occluder_is_split_at_the_swap(swap: int) -> None:
    """One walks behind a pillar, another comes out of it at the same pace: motion can't tell."""

    def script(number: int) -> Faces:
        if swap <= number < swap + 5:
            return {}
        return {"red" if number < swap else "blue": (80 + 8 * number, 180)}

    first, second = watch(view(), script, 55)
    check(first)
    check(second)
    assert (colours_of(first), colours_of(second)) == ({"red"}, {"blue"})
    assert [point.frame_index for point in first.path] == list(range(1, swap + 1))
    assert [point.frame_index for point in second.path] == list(range(swap + 6, 56))
    assert (first.group, second.group) == (1, 2)


class Blurred(ColourEmbedder):
    """All looks are too poor to be asked."""

    def _of(self, crop: Bytes) -> Embedding:
        return replace(super()._of(crop), strength=0.02)


@pytest.mark.parametrize(("other_at", "tracklets"), [(100, 2), (900, 1)])
def test_even_blurs_part_where_faces_met(other_at: int, tracklets: int) -> None:
    """Blurs alone say nothing, unless another face came so close that both may have been taken
    for each other; ``other_at``: how far to the right somebody else is then, in pixels."""

    def script(number: int) -> Faces:
        x = 100 + 6 * number
        faces: Faces = {"red" if number < 30 else "blue": (x, 150)}
        if 24 <= number < 36 and x + other_at < WIDTH:
            faces["green"] = (x + other_at, 150)
        return faces

    parts = watch(view(Blurred()), script, 60)
    long = [part for part in parts if len(part.path) > 12]
    assert len(long) == tracklets
    if tracklets == 2:
        first, second = long
        # both walk at one pace: where between two looks they changed, the path can't tell
        assert 25 <= first.path[-1].frame_index <= 33
        assert colours_of(first) == {"red"}
        assert colours_of(second) == {"blue"}


def test_whatever_is_split_no_detection_is_lost() -> None:
    names = ["red", "blue", "green", "red"]
    parts = watch(view(), lambda number: {names[number // 25]: (60 + 5 * number, 180)}, 100)
    assert [point.frame_index for part in parts for point in part.path] == list(range(1, 101))
    for part in parts:
        check(part)


def test_the_same_face_behind_an_occluder_stays_whole() -> None:
    (tracklet,) = watch(view(), lambda n: {} if 25 <= n < 30 else {"red": (80 + 8 * n, 180)}, 55)
    assert len(tracklet.path) == 50


@pytest.mark.parametrize(("after", "tracklets"), [("red", 1), ("blue", 2)])
def test_who_comes_back_is_asked_by_look(after: str, tracklets: int) -> None:
    def script(number: int) -> Faces:
        if number < 25:
            return {"red": (300, 180)}
        return {} if number < 45 else {after: (320, 180)}

    parts = watch(view(), script, 70)
    assert len(parts) == tracklets
    assert sorted(point.frame_index for part in parts for point in part.path) == [
        *range(1, 26),
        *range(46, 71),
    ]


def test_a_cut_closes_everything_and_begins_anew() -> None:
    camera = view()
    closed: dict[int, int] = {}
    for number in range(60):
        room = ROOM if number < 30 else backdrop(seed=1)
        done = camera.see(*shoot(number, {"red": (300, 180)}, room=room))
        if done:
            closed[number] = len(done)
    assert closed == {30: 1}
    (second,) = camera.finish()
    # the same face at the same place, but of another scene
    assert [point.frame_index for point in second.path] == list(range(31, 61))
    assert second.group == 2


def test_a_change_of_size_is_a_cut() -> None:
    camera = view()
    for number in range(20):
        assert camera.see(*shoot(number, {"red": (300, 180)})) == []
    smaller = ROOM[:320, :560]
    assert len(camera.see(*shoot(20, {"red": (300, 180)}, room=smaller))) == 1


@pytest.mark.parametrize("gain", [0.6, 1.4])
def test_a_lamp_that_is_switched_is_no_cut(gain: float) -> None:
    camera = view()
    lit = np.clip(ROOM * gain, 0, 255)
    for number in range(40):
        room = ROOM if number < 20 else lit
        assert camera.see(*shoot(number, {"red": (300, 180)}, room=room)) == []
    assert len(camera.finish()) == 1


def test_somebody_walking_close_by_is_no_cut() -> None:
    camera = view()
    for number in range(40):
        room = ROOM.copy()
        passing = 24 * number - 300  # a dark back over nearly half of the picture
        room[:, max(passing, 0) : max(passing + 260, 0)] = 30
        assert camera.see(*shoot(number, {"red": (300, 20)}, room=room)) == []
    assert len(camera.finish()) == 1


@pytest.mark.parametrize("frames", [40, 200, 1000])
def test_looks_are_few_and_spread_over_the_track(frames: int) -> None:
    embedder = ColourEmbedder()
    settings = FollowingSettings()
    camera = view(embedder, settings)
    (tracklet,) = watch(camera, lambda number: {"red": (300, 180)}, frames)
    check(tracklet)
    assert 4 <= len(tracklet.looks) <= settings.looks_embedded
    assert sum(embedder.batches) == len(tracklet.looks)
    whole = frames / FPS
    taken = sorted(
        (look.crop.captured_at - tracklet.first_seen).total_seconds() / whole
        for look in tracklet.looks
    )
    assert taken[0] < 0.3
    assert taken[-1] > 0.7
    assert max(np.diff(taken)) < 0.35
    # all the same in quality, so no two from the same moment
    assert min(np.diff(taken)) * whole >= 0.08 - 1e-6


def test_what_was_never_surely_a_face_is_looked_at_less() -> None:
    embedder, settings = ColourEmbedder(), FollowingSettings()
    camera = view(embedder, settings)
    for number in range(40):
        camera.see(*shoot(number, {"red": (300, 180)}, score=settings.sure - 0.05))
    (tracklet,) = camera.finish()
    assert len(tracklet.looks) == sum(embedder.batches) == settings.looks_of_doubtful
    assert len(tracklet.path) == 40


def test_the_better_look_of_a_moment_is_kept() -> None:
    """Every third frame is sharp, the others are shaded: the looks are of the sharp ones."""
    camera = view()
    closed: list[Tracklet] = []
    for number in range(60):
        frame, detections = shoot(number, {"red": (300, 180)})
        if number % 3:
            dim = (frame.pixels * 0.25).astype(np.uint8)
            frame = Frame("hall", frame.captured_at, frame.index, dim)
        closed += camera.see(frame, detections)
    tracklets = closed + camera.finish()
    indices = [look.crop.frame_index - 1 for tracklet in tracklets for look in tracklet.looks]
    assert indices
    assert sum(index % 3 == 0 for index in indices) >= 0.8 * len(indices)


def test_a_crop_tells_where_it_was_cut() -> None:
    (tracklet,) = watch(view(), lambda number: {"green": (150, 200)}, 20)
    crop = tracklet.looks[0].crop
    assert crop.box_in_frame.as_array().tolist() == pytest.approx([118, 168, 182, 238.4])
    np.testing.assert_allclose(crop.landmarks_in_frame, TEMPLATE * (SIDE / 112) + (118, 168))
    assert crop.detection_score == pytest.approx(0.92)
    moment = NOON + timedelta(seconds=(crop.frame_index - 1) / FPS)
    assert crop.captured_at == moment
    # the crop shows the square and nothing of the room
    assert crop.pixels[30:80, 30:80].reshape(-1, 3).mean(axis=0).argmax() == 1


def test_a_face_half_outside_the_frame_is_a_poor_look() -> None:
    """Standing at the edge for two seconds, then walking in."""
    (tracklet,) = watch(view(), lambda n: {"red": (5 + 12 * max(n - 25, 0), 180)}, 45)
    best, worst = tracklet.looks[0].crop, tracklet.looks[-1].crop
    assert best.box_in_frame.left > -8
    assert best.quality.visible > 0.9
    assert worst.box_in_frame.left < -20
    assert worst.quality.overall < 0.3 * best.quality.overall


@pytest.mark.parametrize("fps", [5.0, 25.0])
def test_another_frame_rate_gives_the_same_tracklets(fps: float) -> None:
    frames = int(4 * fps)
    (tracklet,) = watch(
        view(), lambda number: {"red": (100 + 80 * number / fps, 180)}, frames, fps=fps
    )
    assert len(tracklet.path) == frames
    assert 4 <= len(tracklet.looks) <= FollowingSettings().looks_embedded


def test_levels_follow_the_scale_of_the_embedder() -> None:
    """What is one face for one network is two for a network whose strangers are more alike."""

    def who(number: int) -> Faces:
        return {} if 25 <= number < 40 else {"red": (320, 180)}

    def lenient(number: int) -> list[Tracklet]:
        embedder = ColourEmbedder()
        if number:
            embedder.impostors = ImpostorCurve.of([[0.5, 0.9], [1e-2, 0.99], [1e-4, 1.1]])
        return watch(view(embedder), who, 80)

    assert [len(lenient(strict)) for strict in (0, 1)] == [1, 2]
