from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.evaluation.degradations import Degradation


def photo() -> np.ndarray:
    rng = np.random.default_rng(0)
    rough = rng.integers(40, 215, (40, 60, 3)).astype(np.uint8)
    return np.repeat(np.repeat(rough, 4, axis=0), 4, axis=1)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("face32", "face32"),
        ("blur1.5", "blur1.5"),
        ("dark20", "dark20"),
        ("noise8", "noise8"),
        ("grey", "grey"),
        ("jpeg20", "jpeg20"),
        ("jpeg20+grey+face24+blur2", "face24+blur2+grey+jpeg20"),
    ],
)
def test_a_name_gives_a_degradation_that_gives_its_name(name: str, told: str) -> None:
    assert Degradation.named(name).name == told
    assert Degradation.named(told) == Degradation.named(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fog", "known are"),
        ("", "known are"),
        ("face2", "8 to 1000"),
        ("face32.5", "8 to 1000"),
        ("dark0", "1 to 99"),
        ("noise500", "1 to 100"),
        ("jpeg0", "1 to 100"),
        ("blur99", "0.1 to 20"),
        ("face32+face24", "once is enough"),
    ],
)
def test_a_name_that_is_none_is_refused_with_what_could_be(name: str, hint: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Degradation.named(name)
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_what_each_does() -> None:
    pixels = photo()

    def spoilt(name: str) -> np.ndarray:
        return Degradation.named(name).apply(pixels, face_width=80.0)

    assert spoilt("face40").shape == (160, 240, 3)
    assert spoilt("dark25").mean() == pytest.approx(pixels.mean() / 4, abs=1)
    assert (spoilt("grey").std(axis=2) == 0).all()
    assert (
        np.abs(np.diff(spoilt("blur3").astype(int), axis=1)).mean()
        < 0.5 * np.abs(np.diff(pixels.astype(int), axis=1)).mean()
    )
    apart = spoilt("noise10").astype(float) - pixels
    assert apart.std() == pytest.approx(10, abs=1)
    assert apart.mean() == pytest.approx(0, abs=0.5)
    rough = np.abs(spoilt("jpeg5").astype(int) - pixels).mean()
    assert rough > np.abs(spoilt("jpeg90").astype(int) - pixels).mean() > 0


def test_noise_is_the_same_whenever_it_is_asked_for() -> None:
    pixels = photo()
    noisy = Degradation.named("noise10+face32")
    np.testing.assert_array_equal(
        noisy.apply(pixels, face_width=50.0), noisy.apply(pixels.copy(), face_width=50.0)
    )
    other = noisy.apply(pixels[::-1], face_width=50.0)
    assert (other != noisy.apply(pixels, face_width=50.0)).any()


def test_a_photo_too_large_for_jpeg_is_told() -> None:
    from sightgrid.domain.errors import ImageError

    wide = np.zeros((1, 70_000, 3), np.uint8)
    with pytest.raises(ImageError, match="too many for a JPEG"):
        Degradation.named("jpeg50").apply(wide, face_width=1.0)
