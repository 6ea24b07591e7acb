"""Photos to vectors: one face of each photo, as an evaluation sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import hypot
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.evaluation.degradations import Degradation
from sightgrid.offline.engine import Engine, usable_cores
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.framing import cut
from sightgrid.vision.packs import Pack
from sightgrid.vision.pictures import read_picture

Tell = Callable[[str, int, int | None], None]

_BATCH = 8
_WEIGHT_OF_SIZE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class PhotoVectors:
    """What a pack makes of photos.

    ``vectors`` (N, D) float32 of unit length, zeros where no face was found; ``found`` (N,);
    ``secs`` is the wall time of all cores for reading, detecting and embedding them.
    """

    vectors: Floats
    found: NDArray[np.bool_]
    secs: float

    @property
    def undetected(self) -> int:
        """How many photos show no face to the detector."""
        return int((~self.found).sum())


@dataclass(frozen=True, slots=True, eq=False)
class FaceReader:
    """Cuts out the one face that a photo is about."""

    engine: Engine
    degradation: Degradation | None = None

    def crop(self, photo: Path) -> Bytes | None:
        """The aligned face (S, S, 3) uint8 BGR nearest to the photo's middle, or ``None``.

        Raises:
            ImageError: the photo can't be read.
        """
        seen = seen_face(photo, detector=self.engine.detector, degradation=self.degradation)
        return None if seen is None else cut_face(self.engine.pack, *seen)


def seen_face(
    photo: Path, *, detector: FaceDetector, degradation: Degradation | None
) -> tuple[Bytes, Detection] | None:
    """The picture as the camera would have sent it, (H, W, 3) uint8 BGR, with the face nearest to
    its middle; ``None`` where none is found.

    Raises:
        ImageError: the photo can't be read.
    """
    pixels = read_picture(photo)
    face = central_face(detector.detect(pixels), pixels)
    if face is not None and degradation is not None:
        pixels = degradation.apply(pixels, face_width=face.box.width)
        face = central_face(detector.detect(pixels), pixels)
    return None if face is None else (pixels, face)


def cut_face(pack: Pack, pixels: Bytes, face: Detection) -> Bytes:
    """The face as the pack's embedder wants it, (S, S, 3) uint8 BGR."""
    return cut(pixels, face, pack.manifest.embedder_input.framing)


def central_face(faces: Sequence[Detection], pixels: Bytes) -> Detection | None:
    """The face nearest to the middle of the picture, each forgiven 0.3 of its own width."""
    height, width = pixels.shape[:2]

    def remoteness(face: Detection) -> float:
        x, y = face.box.centre
        return hypot(x - width / 2, y - height / 2) - _WEIGHT_OF_SIZE * face.box.width

    return min(faces, key=remoteness, default=None)


def embed_photos(photos: Sequence[Path], *, reader: FaceReader, tell: Tell) -> PhotoVectors:
    """Embeds each photo once, on all cores; the answer does not depend on how many there are.

    Raises:
        ImageError: a photo can't be read.
    """
    dimension = reader.engine.pack.contract.dimension
    vectors = np.zeros((len(photos), dimension), np.float32)
    found = np.zeros(len(photos), np.bool_)
    began, done = perf_counter(), 0
    tell("embedding photos", 0, len(photos))
    for start, crops, embedded in _embedded_batches(photos, reader):
        held = [start + offset for offset, crop in enumerate(crops) if crop is not None]
        found[held] = True
        if held:
            vectors[held] = embedded
        done += len(crops)
        tell("embedding photos", done, len(photos))
    return PhotoVectors(vectors, found, perf_counter() - began)


def _embedded_batches(
    photos: Sequence[Path], reader: FaceReader
) -> Iterator[tuple[int, list[Bytes | None], Floats]]:
    """For each batch: the number of its first photo, the crops, the vectors of those not None."""

    def embed(start: int) -> tuple[int, list[Bytes | None], Floats]:
        crops = [reader.crop(photo) for photo in photos[start : start + _BATCH]]
        embeddings = reader.engine.embedder.embed([crop for crop in crops if crop is not None])
        vectors = np.array([embedding.vector for embedding in embeddings], np.float32)
        return start, crops, vectors

    pool = ThreadPoolExecutor(usable_cores())
    try:
        yield from pool.map(embed, range(0, len(photos), _BATCH))
    finally:
        # after an unreadable photo or Ctrl-C, what is still queued would only delay the answer
        pool.shutdown(wait=True, cancel_futures=True)
