from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Box, boxes_array, iou_matrix

places = st.floats(-5000, 5000, width=32)
sides = st.floats(0.125, 5000, width=32)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), places, places, sides, sides)
whole = st.integers(0, 12)
small_boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w + 1, y + h + 1), whole, whole, whole, whole
)


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=6))
def test_iou_is_a_symmetric_fraction(one: list[Box], other: list[Box]) -> None:
    ratio = iou_matrix(boxes_array(one), boxes_array(other))
    assert ratio.shape == (len(one), len(other))
    assert ratio.dtype == np.float32
    assert np.all((ratio >= 0) & (ratio <= 1))
    np.testing.assert_array_equal(ratio, iou_matrix(boxes_array(other), boxes_array(one)).T)


@given(boxes)
def test_a_box_overlaps_itself_wholly(box: Box) -> None:
    assert iou_matrix(boxes_array([box]), boxes_array([box])) == pytest.approx(1.0)


@given(small_boxes, small_boxes)
def test_iou_equals_counting_cells(one: Box, other: Box) -> None:
    painted = []
    for box in (one, other):
        cells = np.zeros((32, 32), bool)
        cells[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
        painted.append(cells)
    shared = (painted[0] & painted[1]).sum()
    either = (painted[0] | painted[1]).sum()
    ratio = iou_matrix(boxes_array([one]), boxes_array([other]))[0, 0]
    assert ratio == pytest.approx(shared / either, abs=1e-6)


def test_boxes_that_only_touch_share_nothing() -> None:
    one, other = Box(0, 0, 10, 10), Box(10, 0, 20, 10)
    assert iou_matrix(boxes_array([one]), boxes_array([other]))[0, 0] == 0


@pytest.mark.parametrize(
    "corners",
    [(0, 0, 0, 5), (0, 0, 5, 0), (5, 0, 4, 1), (math.nan, 0, 1, 1), (0, 0, 1, math.nan)],
)
def test_a_box_without_area_is_refused(corners: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValue, match="right > left"):
        Box(*corners)


def test_a_box_knows_its_measures() -> None:
    box = Box(-10, 20, 30, 40)
    assert (box.width, box.height, box.area, box.centre) == (40, 20, 800, (10, 30))
    assert box.as_array().tolist() == [-10, 20, 30, 40]


@pytest.mark.parametrize(
    ("box", "fraction"),
    [
        (Box(10, 10, 20, 20), 1.0),
        (Box(-5, 0, 5, 10), 0.5),
        (Box(95, 45, 105, 55), 0.25),
        (Box(200, 0, 210, 10), 0.0),
        (Box(-100, -50, 200, 100), 100 * 50 / (300 * 150)),
    ],
)
def test_visible_fraction(box: Box, fraction: float) -> None:
    assert box.visible_fraction(100, 50) == pytest.approx(fraction)
