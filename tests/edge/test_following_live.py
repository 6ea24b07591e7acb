from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from streaming import at

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes, boxes_array, iou_matrix
from sightgrid.domain.presence import Sighting
from sightgrid.edge.following import LiveView
from sightgrid.edge.remembering import LiveSettings
from sightgrid.vision.canvases import Found
from sightgrid.vision.detection import YuNet
from sightgrid.vision.embedding import AlignedFaceEmbedder
from sightgrid.vision.packs import Pack
from sightgrid.vision.regions import Area, Region, RegionFrame

WIDTH, HEIGHT = 640, 360
STEP = 0.2


class Stage:
    """A frame with one portrait in it, detected once and then moved about with its face."""

    def __init__(self, photo: Bytes, yunet: YuNet, *, side: int = 200) -> None:
        self.photo = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA)
        self.side = side
        alone = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        alone[100 : 100 + side, 200 : 200 + side] = self.photo
        (self.found,) = YuNet(yunet._network, smallest_face_px=20).detect(alone)

    def frame(
        self, number: int, x: float, *, region: Area | None = None, still: tuple[int, ...] = ()
    ) -> tuple[RegionFrame, Found]:
        left = round(200 + x)
        pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        pixels[100 : 100 + self.side, left : left + self.side] = self.photo
        area = region or Area(0, 0, WIDTH, HEIGHT)
        part = np.ascontiguousarray(pixels[area.top : area.bottom, area.left : area.right])
        planes = np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2YUV_I420), np.uint8).ravel()
        frame = RegionFrame(
            camera="door",
            generation=1,
            index=4 * number + 1,
            captured_at=at(number * STEP),
            width=WIDTH,
            height=HEIGHT,
            whole=region is None,
            full_range=False,
            regions=() if still else (Region(area, planes),),
            still=still,
        )
        return frame, Found([] if still else [self.face(x)], [])

    def face(self, x: float) -> Detection:
        box = self.found.box
        shift = round(x)
        return Detection(
            Box(box.left + shift, box.top, box.right + shift, box.bottom),
            (self.found.landmarks + np.array([shift, 0])).astype(np.float32),
            self.found.score,
        )


@pytest.fixture(scope="module")
def stage(astronaut: Bytes, yunet: YuNet) -> Stage:
    return Stage(astronaut, yunet)


@pytest.fixture
def view(pack: Pack, embedder: AlignedFaceEmbedder) -> LiveView:
    return new_view(pack, embedder)


def new_view(pack: Pack, embedder: AlignedFaceEmbedder, **live: float) -> LiveView:
    return LiveView(
        "door",
        embedder=embedder,
        framing=pack.manifest.embedder_input.framing,
        live=LiveSettings(**live),  # type: ignore[arg-type]
    )


class Watching:
    """Plays frames to a view and keeps the sightings, embedding what is asked for."""

    def __init__(self, view: LiveView, embedder: AlignedFaceEmbedder) -> None:
        self.view = view
        self.embedder = embedder
        self.embedded = 0
        self.made: list[tuple[int, Sighting]] = []
        self.number = 0

    def see(self, frame: RegionFrame, found: Found) -> None:
        self._take(self.view.look(frame, found))
        self.number += 1

    def leave(self) -> None:
        self._take(self.view.leave())

    def _take(self, due: list) -> None:  # type: ignore[type-arg]
        for pending in due:
            for _ in range(3):
                missing = pending.missing
                self.embedded += len(missing)
                vectors = self.embedder.embed([sample.crop.pixels for sample in missing])
                for sample, vector in zip(missing, vectors, strict=True):
                    sample.embedding = vector
                if self.view.enough(pending):
                    break
            self.made += ((self.number, one) for one in self.view.sightings(pending))


def nothing(stage: Stage, number: int) -> tuple[RegionFrame, Found]:
    frame, _ = stage.frame(number, 0.0)
    return frame, Found([], [])


def test_a_sighting_goes_out_early_and_is_closed_in_the_end(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder
) -> None:
    watching = Watching(view, embedder)
    for number in range(15):
        watching.see(*stage.frame(number, 8.0 * number))
    assert watching.made, "somebody in view for three seconds is known of"
    early_at, early = watching.made[0]
    assert early_at * STEP <= 1.0
    assert (early.revision, early.closed, early.group) == (1, False, 1)
    assert len(early.looks) == 2
    assert all(look.embedding is not None for look in early.looks)
    for number in range(15, 40):
        watching.see(*nothing(stage, number))
    assert len(watching.made) == 2
    last = watching.made[-1][1]
    assert (last.revision, last.closed) == (2, True)
    assert (last.sighting_id, last.group) == (early.sighting_id, early.group)
    assert last.first_seen == at(0)
    assert last.last_seen == at(14 * STEP)
    assert len(last.path) == 15
    assert watching.embedded <= 3, "looks at somebody known well cost no more vectors"
    shown = iou_matrix(boxes_array([last.path[7].box]), boxes_array([stage.face(56.0).box]))
    assert shown[0, 0] > 0.99


def test_the_crop_is_the_same_from_a_region_as_from_the_whole_frame(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder, pack: Pack
) -> None:
    other = Watching(new_view(pack, embedder), embedder)
    watching = Watching(view, embedder)
    around = Area(160, 40, 320, 300)
    for number in range(5):
        watching.see(*stage.frame(number, 4.0 * number))
        other.see(*stage.frame(number, 4.0 * number, region=around))
    watching.leave()
    other.leave()
    (one,), (two,) = ([s for _, s in w.made if s.closed] for w in (watching, other))
    assert one.looks[0].embedding is not None
    assert two.looks[0].embedding is not None
    assert one.looks[0].embedding.cosine(two.looks[0].embedding) > 0.999


def test_a_face_whose_crop_reaches_out_of_its_region_is_followed_but_not_looked_at(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder
) -> None:
    box = stage.face(0.0).box
    tight = Area(int(box.left) // 2 * 2, int(box.top) // 2 * 2, int(box.width) // 2 * 2 + 2, 2 * 40)
    watching = Watching(view, embedder)
    for number in range(8):
        watching.see(*stage.frame(number, 0.0, region=tight))
    watching.leave()
    (sighting,) = (s for _, s in watching.made)
    assert sighting.closed
    assert sighting.looks == ()
    assert len(sighting.path) == 8


def test_a_still_face_is_held_without_pixels(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder
) -> None:
    watching = Watching(view, embedder)
    watching.see(*stage.frame(0, 0.0))
    (followed,) = view.followed(at(0))
    for number in range(1, 30):
        still = (followed.key,) if number % 5 else ()
        watching.see(*stage.frame(number, 0.0, still=still))
    assert len(view.followed(at(29 * STEP))) == 1
    watching.leave()
    last = watching.made[-1][1]
    assert len(last.path) == 30
    assert last.closed


def test_who_was_gone_when_last_looked_at_is_not_held(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder
) -> None:
    """An empty place is still, too."""
    watching = Watching(view, embedder)
    for number in range(6):
        watching.see(*stage.frame(number, 0.0))
    (followed,) = view.followed(at(5 * STEP))
    watching.see(*nothing(stage, 6))
    assert [face.key for face in view.followed(at(6 * STEP))] == [0], "to be looked at again"
    for number in range(7, 30):
        watching.see(*stage.frame(number, 0.0, still=(followed.key,)))
    last = watching.made[-1][1]
    assert last.closed
    assert last.last_seen == at(5 * STEP)


def test_a_face_that_is_seen_is_not_held_beside_itself(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder
) -> None:
    watching = Watching(view, embedder)
    watching.see(*stage.frame(0, 0.0))
    (followed,) = view.followed(at(0))
    for number in range(1, 8):
        frame, found = stage.frame(number, 0.0)
        watching.see(replace(frame, still=(followed.key,)), found)
    watching.leave()
    assert len([s for _, s in watching.made if s.closed]) == 1


def test_followed_faces_are_told_with_their_speed(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder
) -> None:
    watching = Watching(view, embedder)
    for number in range(8):
        watching.see(*stage.frame(number, 10.0 * number))
    (followed,) = view.followed(at(7 * STEP))
    assert followed.speed_x == pytest.approx(50, rel=0.15)
    expected = stage.face(80.0).box
    left, _, right, _ = followed.box_at(at(8 * STEP).timestamp())
    assert left == pytest.approx(expected.left, abs=4)
    assert right == pytest.approx(expected.right, abs=4)
    for number in range(8, 14):
        watching.see(*nothing(stage, number))
    assert view.followed(at(13 * STEP)) == [], "who has left is not sent for ever"


def test_half_a_face_asks_for_the_rest(stage: Stage, view: LiveView) -> None:
    frame, found = stage.frame(0, 0.0)
    view.look(frame, Found([], found.faces))
    (place,) = view.followed(at(0))
    box = found.faces[0].box
    assert place.key == 0
    assert place.left < box.left - 0.4 * box.width
    assert place.right > box.right + 0.4 * box.width


def test_who_stays_is_told_again_and_again_at_no_cost(
    stage: Stage, pack: Pack, embedder: AlignedFaceEmbedder
) -> None:
    watching = Watching(new_view(pack, embedder, renew_secs=10.0, longest_secs=40.0), embedder)
    for number in range(5 * 60):
        watching.see(*stage.frame(number, 3.0 * (number % 2)))
    watching.leave()
    first = [s for _, s in watching.made if s.group == 1]
    assert [s.revision for s in first] == list(range(1, len(first) + 1))
    assert [s.closed for s in first] == [False] * (len(first) - 1) + [True]
    assert 3 <= len(first) <= 6
    second = [s for _, s in watching.made if s.group == 2]
    assert second[0].first_seen > first[-1].last_seen
    assert second[0].first_seen - first[-1].last_seen < at(1) - at(0)
    assert len({s.sighting_id for _, s in watching.made}) == 2
    assert watching.embedded <= 14


def test_a_long_path_stays_bounded(stage: Stage, pack: Pack, embedder: AlignedFaceEmbedder) -> None:
    watching = Watching(new_view(pack, embedder, path_points=100), embedder)
    for number in range(400):
        watching.see(*stage.frame(number, 2.0 * (number % 2)))
    watching.leave()
    last = watching.made[-1][1]
    assert len(last.path) <= 101
    assert last.first_seen == at(0)
    assert last.last_seen == at(399 * STEP)
    indexes = [point.frame_index for point in last.path]
    assert indexes == sorted(set(indexes))
    assert {look.crop.frame_index for look in last.looks} <= set(indexes)


def test_a_walker_close_by_is_one_track_at_five_looks_a_second(
    stage: Stage, view: LiveView, embedder: AlignedFaceEmbedder
) -> None:
    """Nine face widths a second: further in one look than the face is wide."""
    width = stage.found.box.width
    watching = Watching(view, embedder)
    for number in range(4):
        watching.see(*stage.frame(number, -150 + 1.6 * width * number))
    watching.leave()
    assert [s.group for _, s in watching.made if s.closed] == [1]
    assert len(watching.made[-1][1].path) == 4
