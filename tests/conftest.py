"""What tests of several rooms share: a model cache of their own, the bundled pack, one photo."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from tests.databases import backend, database, empty_database, mysql_database, postgresql_database

__all__ = ["backend", "database", "empty_database", "mysql_database", "postgresql_database"]

if TYPE_CHECKING:
    from sightgrid.domain.geometry import Bytes
    from sightgrid.vision.detection import YuNet
    from sightgrid.vision.embedding import AlignedFaceEmbedder
    from sightgrid.vision.packs import Pack

# the machines that run the tests are slow and shared; a push must not fail by luck
settings.register_profile("sightgrid", deadline=None, derandomize=True)
settings.load_profile("sightgrid")


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Packs are built in a folder of the test run's own, never in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SIGHTGRID_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def pack(model_cache: Path) -> Pack:
    from sightgrid.vision.packs import load_pack

    return load_pack("default")


@pytest.fixture(scope="session")
def yunet(pack: Pack) -> YuNet:
    from sightgrid.vision.detection import YuNet
    from sightgrid.vision.onnx import Runtime, open_network

    return YuNet(open_network(pack.detector_path, runtime=Runtime.ONNXRUNTIME, threads=1))


@pytest.fixture(scope="session")
def embedder(pack: Pack) -> AlignedFaceEmbedder:
    from sightgrid.vision.embedding import AlignedFaceEmbedder
    from sightgrid.vision.onnx import Runtime, open_network

    network = open_network(pack.embedder_path, runtime=Runtime.ONNXRUNTIME, threads=1)
    return AlignedFaceEmbedder(pack, network)


@pytest.fixture(scope="session")
def astronaut() -> Bytes:
    """NASA's portrait of Eileen Collins (public domain), 512 x 512, as scikit-image installs it."""
    from sightgrid.vision.pictures import read_picture

    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        pytest.skip("scikit-image's photos are not installed (requirements/photos.txt)")
    return read_picture(Path(spec.origin).with_name("data") / "astronaut.png")
