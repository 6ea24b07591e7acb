from __future__ import annotations

import pytest

from sightgrid.domain.likeness import ImpostorCurve


def test_a_decade_is_the_rise_between_a_hundredth_and_a_hundred_thousandth() -> None:
    even = ImpostorCurve.of([[1e-1, 0.2], [1e-6, 0.7]])
    assert even.decade == pytest.approx(0.1)
    bent = ImpostorCurve.of([[1e-1, 0.0], [1e-2, 0.8], [1e-5, 0.86], [1e-6, 0.99]])
    assert bent.decade == pytest.approx(0.02)


def test_a_stretched_scale_stretches_every_level() -> None:
    points = [[0.5, 0.1], [1e-2, 0.3], [1e-4, 0.43]]
    plain = ImpostorCurve.of(points)
    other = ImpostorCurve.of([[rate, 0.8 + 0.2 * level] for rate, level in points])
    for rate in (0.35, 3e-4, 1e-7):
        assert other.threshold(rate) == pytest.approx(0.8 + 0.2 * plain.threshold(rate))
    assert other.decade == pytest.approx(0.2 * plain.decade)
