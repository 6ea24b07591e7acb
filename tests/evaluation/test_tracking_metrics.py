"""HOTA, IDF1 and CLEAR-MOT against values worked out by hand and against figures of TrackEval."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from following import GOLDENS, Case, judged_by_us, kept_cases

from sightgrid.domain.errors import InvalidValue
from sightgrid.evaluation.tracking_metrics import (
    TrackedBoxes,
    overlaps,
    score_tracking,
    side_by_side,
)


def boxes(*rows: tuple[int, int, float]) -> TrackedBoxes:
    """Rows of frame, identity and left edge; all boxes are 10 pixels wide and high."""
    frame, identity, left = np.array(rows, float).reshape(-1, 3).T
    sides = np.stack([left, np.zeros(len(left)), left + 10, np.full(len(left), 10.0)], axis=1)
    return TrackedBoxes(frame.astype(np.int64), identity.astype(np.int64), sides)


NOTHING = boxes()


@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(name, case, id=name) for name, case in kept_cases()]
)
def test_every_figure_is_what_trackeval_gave(name: str, case: Case, tmp_path: Path) -> None:
    truth, result = tmp_path / "gt.txt", tmp_path / "res.txt"
    truth.write_text(case.truth, "ascii")
    result.write_text(case.result, "ascii")
    kept = json.loads(GOLDENS.read_text("utf-8"))[name]
    ours = {figure: float(np.mean(value)) for figure, value in judged_by_us(truth, result).items()}
    assert ours == pytest.approx(kept, rel=0, abs=1e-8)


def test_the_same_is_perfect_whatever_the_names_and_the_order() -> None:
    truth = boxes((1, 4, 0), (1, 9, 50), (2, 4, 3), (2, 9, 53))
    scores = score_tracking(truth, boxes((2, 1, 53), (2, 0, 3), (1, 1, 50), (1, 0, 0)))
    assert scores.hota.hota == scores.hota.deta == scores.hota.assa == scores.hota.loca == 1
    assert (scores.identity.idf1, scores.clear.mota, scores.clear.motp) == (1, 1, 1)
    assert (scores.clear.id_switches, scores.clear.mostly_tracked) == (0, 2)
    assert {tuple(pair) for pair in scores.matches.tolist()} == {(0, 3), (1, 2), (2, 1), (3, 0)}


def test_a_life_told_as_two_halves() -> None:
    """One person for ten frames, of whom the answer makes two of six and four frames."""
    truth = boxes(*((f, 1, 0) for f in range(10)))
    scores = score_tracking(truth, boxes(*((f, 1 if f < 6 else 2, 0) for f in range(10))))
    assert scores.identity.idf1 == pytest.approx(6 / 10)
    assert scores.clear.id_switches == 1
    assert scores.clear.mota == pytest.approx(9 / 10)
    assert scores.hota.deta == 1
    # each of 6 pairs shares 6 of 10 frames, each of 4 pairs 4 of 10
    assert scores.hota.assa == pytest.approx((6 * 0.6 + 4 * 0.4) / 10)
    assert scores.hota.hota == pytest.approx(np.sqrt(0.52))


def test_missed_for_a_while_is_a_fragment_and_no_switch() -> None:
    other = [(f, 2, 100) for f in range(10)]
    truth = boxes(*((f, 1, 0) for f in range(10)), *other)
    result = boxes(*((f, 1, 0) for f in range(10) if f not in (4, 5)), *other)
    scores = score_tracking(truth, result).clear
    assert (scores.fragments, scores.id_switches, scores.missed, scores.false) == (1, 0, 2, 0)
    assert (scores.mostly_tracked, scores.partly_tracked, scores.mostly_lost) == (1, 1, 0)


def test_a_box_keeps_its_identity_though_another_fits_better() -> None:
    truth = boxes((1, 1, 0), (2, 1, 0))
    scores = score_tracking(truth, boxes((1, 1, 0), (2, 1, 2), (2, 2, 0)))
    assert (scores.clear.id_switches, scores.clear.false) == (0, 1)


def test_identities_must_hold_across_cameras() -> None:
    entrance, stairs = boxes((1, 1, 0), (2, 1, 0)), boxes((1, 1, 50), (2, 1, 50))
    again = boxes((1, 2, 50), (2, 2, 50))
    truth = side_by_side([entrance, stairs])
    assert score_tracking(truth, side_by_side([entrance, stairs])).identity.idf1 == 1
    apart = score_tracking(truth, side_by_side([entrance, again]))
    assert apart.identity.idf1 == pytest.approx(0.5)
    assert apart.hota.deta == 1
    assert len(side_by_side([])) == 0


@pytest.mark.parametrize(
    ("truth", "result", "mota"),
    [(NOTHING, NOTHING, 0.0), (boxes((1, 1, 0)), NOTHING, 0.0), (NOTHING, boxes((1, 1, 0)), -1.0)],
)
def test_nothing_true_or_nothing_answered(
    truth: TrackedBoxes, result: TrackedBoxes, mota: float
) -> None:
    scores = score_tracking(truth, result)
    assert scores.hota.hota == scores.identity.idf1 == 0
    assert scores.clear.mota == mota
    assert scores.clear.mostly_lost == len(truth)
    assert scores.matches.shape == (0, 2)


def test_overlap_is_shared_area_over_joint_area() -> None:
    one = np.array([[0.0, 0, 10, 10], [0, 0, 0, 0]])
    other = np.array([[5.0, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 20]])
    assert overlaps(one, other).tolist() == [[pytest.approx(1 / 3), 0, 0.5], [0, 0, 0]]


def test_boxes_that_break_their_promise_are_refused() -> None:
    with pytest.raises(InvalidValue, match="twice in one frame"):
        boxes((1, 1, 0), (1, 1, 50))
    with pytest.raises(InvalidValue, match="not finite"):
        boxes((1, 1, np.nan))
    with pytest.raises(InvalidValue, match=r"boxes: expected \(2, 4\)"):
        TrackedBoxes(np.arange(2), np.arange(2), np.zeros((2, 2)))
    with pytest.raises(InvalidValue, match="frame and identity"):
        TrackedBoxes(np.arange(2), np.arange(3), np.zeros((2, 4)))
