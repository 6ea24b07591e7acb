"""Boxes against labelled faces, by hand and against a plain count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.evaluation.detection import (
    Found,
    Judged,
    area_under,
    judge,
    score_detection,
)
from sightgrid.evaluation.wider import LabelledPicture


def picture(*boxes: tuple[float, float, float, float], invalid: tuple[int, ...] = ()) -> object:
    marked = np.array([n in invalid for n in range(len(boxes))], np.bool_)
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    return LabelledPicture(Path("p.jpg"), "p.jpg", corners, marked)


def found(*boxes: tuple[float, float, float, float, float]) -> Found:
    rows = np.array(sorted(boxes, key=lambda box: -box[4]), np.float32).reshape(-1, 5)
    return Found(rows[:, :4], rows[:, 4])


def judged(pictures: list[object], answers: list[Found], *, min_height: int = 20) -> Judged:
    return judge(pictures, answers, min_height=min_height)  # type: ignore[arg-type]


FACE = (0.0, 0.0, 40.0, 40.0)


def test_the_second_box_on_a_face_is_false() -> None:
    result = judged([picture(FACE)], [found((*FACE, 0.8), (1, 1, 41, 41, 0.9))])
    assert result.right.tolist() == [True, False]
    assert result.scores.tolist() == pytest.approx([0.9, 0.8])
    assert result.found_at.tolist() == pytest.approx([0.9])


def test_a_box_goes_to_the_face_it_overlaps_most_even_if_that_is_taken() -> None:
    other = (20.0, 0.0, 60.0, 40.0)
    boxes = found((*FACE, 0.9), (2, 0, 42, 40, 0.8))
    result = judged([picture(FACE, other)], [boxes])
    assert result.right.tolist() == [True, False]
    assert result.found_at[1] == -np.inf


def test_less_than_half_of_overlap_is_a_miss_and_a_false_box() -> None:
    # 40 x 40 against 40 x 40 moved by 14: 26 / 54 = 0.48
    result = judged([picture(FACE)], [found((14, 0, 54, 40, 0.9))])
    assert result.right.tolist() == [False]
    assert score_detection(result, min_height=20).recall == 0.0


def test_invalid_and_small_faces_are_no_misses_and_boxes_on_them_are_ignored() -> None:
    small, blurred = (100.0, 0.0, 119.0, 19.0), (200.0, 0.0, 240.0, 40.0)
    result = judged(
        [picture(FACE, small, blurred, invalid=(2,))],
        [found((*FACE, 0.9), (100, 0, 119, 20.5, 0.8), (*blurred, 0.95), (*blurred, 0.85))],
    )
    assert len(result.faces) == 1
    assert result.right.tolist() == [True]
    assert result.ignored == 3


def test_a_small_box_on_nothing_is_ignored_but_one_on_a_face_counts() -> None:
    face = (0.0, 0.0, 20.0, 20.0)
    result = judged(
        [picture(face), picture()],
        [found((0, 0, 20, 19, 0.9), (50, 50, 60, 60, 0.9)), found((50, 50, 90, 90, 0.7))],
    )
    assert result.right.tolist() == [True, False]
    assert result.ignored == 1
    assert result.box_picture.tolist() == [0, 1]


def test_precision_recall_and_heights_hold_from_the_threshold_on() -> None:
    tall = (100.0, 0.0, 200.0, 100.0)
    result = judged(
        [picture(FACE, tall), picture(FACE)],
        [found((*FACE, 0.7), (*tall, 0.69)), found((300, 0, 340, 40, 0.9))],
    )
    scores = score_detection(result, min_height=20, threshold=0.69999)
    assert scores.recall == pytest.approx(1 / 3)
    assert scores.precision == pytest.approx(1 / 2)
    assert (scores.found, scores.false) == (1, 1)
    assert [(b.name, b.faces, b.found) for b in scores.by_height] == [
        ("40-80", 2, 1),
        ("80-160", 1, 0),
    ]
    assert scores.recall_interval[0] <= scores.recall <= scores.recall_interval[1]
    nothing = score_detection(result, min_height=20, threshold=0.99)
    assert nothing.precision is None
    assert nothing.recall == 0.0


def test_the_area_by_hand() -> None:
    # right, false, right, right of four faces: 1/4 at 1, then 3/4 at best for the next two quarters
    recall, precision = np.array([1, 1, 2, 3]) / 4, np.array([1, 1 / 2, 2 / 3, 3 / 4])
    assert area_under(recall, precision) == pytest.approx(0.25 + 0.5 * 0.75)


def test_nothing_found_is_an_answer_and_no_face_is_a_mistake() -> None:
    scores = score_detection(judged([picture(FACE)], [found()]), min_height=20)
    assert (scores.ap, scores.recall, scores.precision) == (0.0, 0.0, None)
    with pytest.raises(InvalidValue, match="41 px"):
        judged([picture(FACE)], [found()], min_height=41)


def plain_ap(truth: list[bool], scores: list[float], faces: int) -> float:
    """Average precision by its words: for every face, the best precision at its recall or more."""
    points = []
    for bar in sorted(set(scores), reverse=True):
        believed = [right for right, score in zip(truth, scores, strict=True) if score >= bar]
        points.append((sum(believed), sum(believed) / len(believed)))
    return (
        sum(
            max((precision for right, precision in points if right >= face), default=0.0)
            for face in range(1, faces + 1)
        )
        / faces
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_ap_is_that_of_a_plain_count_also_where_scores_are_equal(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    pictures, answers = [], []
    truth: list[bool] = []
    scores: list[float] = []
    for _ in range(count):
        rows = data.draw(
            st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.25, 0.5, 0.75])), max_size=5)
        )
        places = [(100.0 * n, 0.0, 100.0 * n + 40, 40.0) for n in range(len(rows) + 1)]
        pictures.append(picture(*places))
        boxes = []
        for place, (right, score) in zip(places, rows, strict=False):
            top = 0.0 if right else 1000.0
            boxes.append((place[0], top, place[2], top + 40, score))
            truth.append(right)
            scores.append(score)
        answers.append(found(*boxes))
    result = judged(pictures, answers)
    expected = plain_ap(truth, scores, len(result.faces))
    assert score_detection(result, min_height=20).ap == pytest.approx(expected)
