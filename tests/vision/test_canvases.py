from __future__ import annotations

from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.geometry import Bytes, boxes_array, iou_matrix
from sightgrid.vision.canvases import RegionDetector, lay_out, shrunken
from sightgrid.vision.detection import YuNet
from sightgrid.vision.regions import Area, Region, RegionFrame, area_around

WIDTH, HEIGHT = 1920, 1080
MOMENT = datetime(2026, 3, 4, tzinfo=UTC)


def region_of(pixels: Bytes, area: Area) -> Region:
    part = pixels[area.top : area.bottom, area.left : area.right]
    planes = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_BGR2YUV_I420)
    return Region(area, np.asarray(planes, np.uint8).ravel())


def frame_of(pixels: Bytes, *areas: Area) -> RegionFrame:
    height, width = pixels.shape[:2]
    return RegionFrame(
        camera="door",
        generation=1,
        index=1,
        captured_at=MOMENT,
        width=width,
        height=height,
        whole=False,
        full_range=False,
        regions=tuple(region_of(pixels, area) for area in areas),
    )


@pytest.fixture(scope="module")
def street(astronaut: Bytes) -> tuple[Bytes, list[Area]]:
    """A 1080p frame with the astronaut in three sizes, and where."""
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    pixels[::, ::40] = 130
    places = []
    for left, top, side in ((100, 60, 480), (900, 300, 240), (1500, 700, 120)):
        shrunk = cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)
        pixels[top : top + side, left : left + side] = shrunk
        places.append(Area(left, top, side, side))
    return pixels, places


@pytest.fixture(scope="module")
def detector(yunet: YuNet) -> RegionDetector:
    return RegionDetector(yunet.at_input_scale(), face_on_canvas_px=YuNet.FACE_ON_INPUT_PX)


def test_regions_show_the_same_faces_as_the_whole_frame(
    street: tuple[Bytes, list[Area]], detector: RegionDetector, yunet: YuNet
) -> None:
    pixels, places = street
    expected = sorted(yunet.detect(pixels), key=lambda face: face.box.left)
    assert len(expected) == 3
    parts = [
        area_around(p.left - 21, p.top - 13, p.right + 9, p.bottom + 31, width=WIDTH, height=HEIGHT)
        for p in places
    ]
    found = detector.detect(frame_of(pixels, *[part for part in parts if part is not None]))
    assert found.cut == []
    faces = sorted(found.faces, key=lambda face: face.box.left)
    assert len(faces) == 3
    for one, other in zip(faces, expected, strict=True):
        overlap = iou_matrix(boxes_array([one.box]), boxes_array([other.box]))[0, 0]
        assert overlap > 0.65, "a pixel of the canvas is two of the frame, and a 22 px face has few"
        assert np.abs(one.landmarks - other.landmarks).max() < 0.1 * other.box.width + 2
        assert one.score == pytest.approx(other.score, abs=0.08)


def test_the_whole_frame_as_one_region_is_the_frame(
    street: tuple[Bytes, list[Area]], detector: RegionDetector, yunet: YuNet
) -> None:
    pixels, _ = street
    found = detector.detect(frame_of(pixels, Area(0, 0, WIDTH, HEIGHT)))
    assert found.cut == []
    for one, other in zip(found.faces, yunet.detect(pixels), strict=True):
        assert np.abs(one.box.as_array() - other.box.as_array()).max() < 4


def test_a_face_cut_by_a_border_is_told_apart(
    street: tuple[Bytes, list[Area]], detector: RegionDetector
) -> None:
    pixels, places = street
    whole = detector.detect(frame_of(pixels, places[0])).faces[0].box
    middle = int(whole.centre[0]) // 2 * 2 + 20
    half = Area(places[0].left, places[0].top, middle - places[0].left, places[0].height)
    found = detector.detect(frame_of(pixels, half))
    assert found.faces == []
    at_edge = np.ascontiguousarray(pixels[:, : half.right])
    found = detector.detect(frame_of(at_edge, half))
    assert found.cut == [], "at the frame's own edge there is no more of it to be had"


def test_nothing_to_look_at_is_nothing_found(detector: RegionDetector) -> None:
    found = detector.detect(frame_of(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))
    assert (found.faces, found.cut) == ([], [])


def test_colours_on_the_canvas_are_the_frames(astronaut: Bytes) -> None:
    area = Area(0, 0, 512, 512)
    shown = shrunken(region_of(astronaut, area), 256, 256, full_range=False)
    expected = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    apart = shown.astype(int) - expected
    assert np.abs(apart.mean(axis=(0, 1))).max() < 1.0
    assert np.abs(apart).mean() < 3.5


def test_part_of_a_region_is_that_part(astronaut: Bytes) -> None:
    region = region_of(astronaut, Area(0, 0, 512, 512))
    part = region.part(Area(120, 60, 200, 160))
    shown = part.bgr(full_range=False)
    assert np.abs(shown.astype(int) - region.bgr(full_range=False)[60:220, 120:320]).max() == 0


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 300)), min_size=1, max_size=40),
    st.sampled_from([0.42, 0.5, 0.75, 1.0]),
)
def test_parts_lie_on_the_canvas_apart_from_each_other(
    halves: list[tuple[int, int]], scale: float
) -> None:
    areas = [Area(0, 0, 2 * wide, 2 * tall) for wide, tall in halves]
    layout = lay_out(areas, scale=scale)
    assert layout.width % 32 == 0
    assert layout.height % 32 == 0
    taken = np.zeros((layout.height, layout.width), np.uint8)
    for place in layout.places:
        part = taken[place.top : place.top + place.height, place.left : place.left + place.width]
        assert part.shape == (place.height, place.width), "inside"
        assert not part.any(), "apart"
        part[:] = 1
    assert sorted(place.number for place in layout.places) == list(range(len(areas)))


def test_sides_come_in_few_sizes() -> None:
    rng = np.random.default_rng(1)
    sizes = set()
    for _ in range(300):
        areas = [
            Area(0, 0, int(w) * 2, int(h) * 2)
            for w, h in rng.integers(20, 250, (rng.integers(1, 9), 2))
        ]
        layout = lay_out(areas, scale=0.5)
        sizes |= {layout.width, layout.height}
        filled = sum(place.width * place.height for place in layout.places)
        assert filled > 0.3 * layout.width * layout.height
    assert len(sizes) <= 40
