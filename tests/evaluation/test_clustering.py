from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.likeness import ImpostorCurve
from sightgrid.evaluation.clustering import cluster, judge, threshold_for
from sightgrid.recognition.calibration import Policy


def test_scores_of_a_case_worked_by_hand() -> None:
    """Serial 0 holds three of a and one of b, serial 1 two of b, serial 2 one of a."""
    found = judge(np.array([0, 0, 0, 0, 1, 1, 2]), ["a", "a", "a", "b", "b", "b", "a"])
    assert found.purity == pytest.approx(6 / 7)
    assert (found.people, found.clusters, found.photos) == (2, 3, 7)
    assert found.serials_per_person == 1.5
    assert found.wrong_joins == 1
    # each of the three: 3/4; the b among them: 1/4; the two b and the last a: 1
    assert found.precision == pytest.approx((3 * 0.75 + 0.25 + 2 + 1) / 7)
    # each of the three: 3/4; the b among them: 1/3; the two b: 2/3; the last a: 1/4
    assert found.recall == pytest.approx((3 * 0.75 + 1 / 3 + 2 * 2 / 3 + 0.25) / 7)
    assert found.f == pytest.approx(
        2 * found.precision * found.recall / (found.precision + found.recall)
    )


def test_perfect_and_useless_clusters() -> None:
    labels = ["a", "a", "b", "c"]
    perfect = judge(np.array([4, 4, 9, 2]), labels)
    assert perfect.purity == perfect.precision == perfect.recall == perfect.f == 1.0
    torn = judge(np.arange(4), labels)
    assert (torn.purity, torn.recall, torn.wrong_joins) == (1.0, 0.75, 0)
    heap = judge(np.zeros(4, np.intp), labels)
    assert (heap.recall, heap.wrong_joins, heap.clusters) == (1.0, 1, 1)
    assert heap.precision == pytest.approx((0.5 + 0.5 + 0.25 + 0.25) / 4)


def test_photos_of_one_direction_are_joined() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.eye(8, dtype=np.float32), 4, axis=0) + 0.05 * rng.normal(size=(32, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    labels = [str(n // 4) for n in range(32)]
    found = cluster(rows, labels, threshold=0.5)
    assert found.scores.f == 1.0
    policy = Policy(ImpostorCurve.of([[1e-1, 0.3], [1e-3, 0.5], [1e-5, 0.7]]))
    # 8 identities to confuse, not 32
    assert threshold_for(rows, policy=policy) == policy.bands(enrolled=0, identities=8).same


def test_nothing_to_group_is_told() -> None:
    with pytest.raises(InvalidValue, match="no photo shows a face"):
        cluster(np.zeros((0, 4), np.float32), [], threshold=0.5)
    with pytest.raises(InvalidValue, match="2 vectors have 1 labels"):
        cluster(np.eye(2, dtype=np.float32), ["a"], threshold=0.5)
    with pytest.raises(InvalidValue, match="20001 photos are too many"):
        cluster(np.zeros((20_001, 1), np.float32), ["a"] * 20_001, threshold=0.5)
