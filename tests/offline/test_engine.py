from __future__ import annotations

import pytest

from sightgrid.domain.errors import PackError
from sightgrid.domain.geometry import Bytes
from sightgrid.offline.engine import open_engine
from sightgrid.vision.detectors import DetectorName, detector_runtime


@pytest.mark.parametrize("name", DetectorName)
def test_an_engine_finds_faces_with_the_detector_it_is_asked_for(
    astronaut: Bytes, name: DetectorName
) -> None:
    if name is DetectorName.HOG:
        pytest.importorskip("dlib", reason="dlib is not installed (extra 'hog')")
    engine = open_engine("default", detector=name.value)
    faces = engine.detector.detect(astronaut)
    assert faces
    assert engine.runtimes.get("detector") == detector_runtime(name)
    assert "embedder" in engine.runtimes
    # what finds a face is no part of what its embedding may be compared with
    assert engine.pack.contract.id == open_engine("default").pack.contract.id


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(PackError, match="there is no detector 'viola'"):
        open_engine("default", detector="viola")
