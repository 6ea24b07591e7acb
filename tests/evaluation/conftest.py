"""Photos of six people that every installation has: the demo's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sightgrid.domain.errors import NotFound

PEOPLE = ("Eileen Collins", "Grace Hopper", "visitor A", "visitor B", "visitor C", "visitor D")


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people, four photos each: as it is, darker, blurred, tilted."""
    from sightgrid.offline.demo_photos import find_demo_photos
    from sightgrid.vision.pictures import read_picture

    try:
        found = {photo.name: photo.path for photo in find_demo_photos().photos}
    except NotFound as error:
        pytest.skip(f"{error} ({error.hint})")
    if not set(PEOPLE) <= found.keys():
        pytest.skip("not all of the demo's photos are installed")
    folder = tmp_path_factory.mktemp("people")
    for name in PEOPLE:
        pixels = read_picture(found[name])
        height, width = pixels.shape[:2]
        scale = 400 / max(height, width)
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = pixels.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 8, 1.0)
        variants = (
            pixels,
            (pixels * 0.6).astype(np.uint8),
            cv2.GaussianBlur(pixels, (0, 0), 1.5),
            cv2.warpAffine(pixels, turn, (width, height)),
        )
        (folder / name).mkdir()
        for number, variant in enumerate(variants, 1):
            cv2.imwrite(str(folder / name / f"{name}_{number:04d}.png"), variant)
    return folder
