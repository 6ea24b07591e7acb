from __future__ import annotations

import numpy as np
import pytest

from sightgrid.domain.errors import InvalidValue
from sightgrid.vision.augmentation import Augmentation, cropped, rotated, standardised

SIDE = 64


def crop() -> np.ndarray:
    """A dark face on one side, so that turning and mirroring show."""
    pixels = np.full((SIDE, SIDE, 3), 120, np.uint8)
    pixels[20:40, 5:25] = 30
    pixels[:8] = 200
    return pixels


@pytest.mark.parametrize("name", ["rotate", "crop", "flip", "standardise"])
def test_each_alteration_changes_a_face_and_keeps_its_shape(name: str) -> None:
    made = Augmentation.named([name], copies_each=12).copies(crop(), seed=4)
    assert len(made) == 12
    assert all(one.shape == (SIDE, SIDE, 3) and one.dtype == np.uint8 for one in made)
    assert any((one != crop()).any() for one in made)


def test_the_same_seed_gives_the_same_copies() -> None:
    augmentation = Augmentation.named(["flip", "rotate", "crop"], copies_each=3)
    one, same, other = (augmentation.copies(crop(), seed=seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))


def test_flip_mirrors_about_half_of_the_copies() -> None:
    made = Augmentation.named(["flip"], copies_each=40).copies(crop(), seed=0)
    mirrored = sum((one == crop()[:, ::-1]).all() for one in made)
    assert 8 <= mirrored <= 32
    assert all((one == crop()).all() or (one == crop()[:, ::-1]).all() for one in made)


def test_rotation_is_about_the_middle_and_leaves_no_black_corners() -> None:
    plain = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert (rotated(plain, degrees=10) == 90).all()
    assert (rotated(crop(), degrees=0) == crop()).all()


def test_a_crop_enlarges_what_it_keeps() -> None:
    first, last = cropped(crop(), x=0, y=0), cropped(crop(), x=1, y=1)
    # the bright top is 8 rows high: kept and enlarged, or all but cut off
    assert (first[:, 50, 0] == 200).sum() >= 8
    assert (last[:, 50, 0] == 200).sum() <= 3


def test_standardised_faces_have_one_mean_and_one_contrast() -> None:
    rng = np.random.default_rng(0)
    face = rng.normal(100, 20, size=(SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8)
    darker = (face * 0.5).astype(np.uint8)
    for one in (face, darker):
        out = standardised(one).astype(float)
        assert out.mean() == pytest.approx(127.5, abs=1)
        assert out.std() == pytest.approx(50, abs=2)
    assert (standardised(np.full((SIDE, SIDE, 3), 7, np.uint8)) == 128).all()


def test_unknown_alterations_are_refused() -> None:
    with pytest.raises(InvalidValue, match="'blur' is no alteration"):
        Augmentation.named(["flip", "blur"], copies_each=2)
    with pytest.raises(InvalidValue, match="0 copies"):
        Augmentation.named(["flip"], copies_each=0)
