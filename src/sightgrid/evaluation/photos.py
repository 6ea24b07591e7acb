"""Photos to vectors: one face of each photo, as an evaluation sees it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import hypot
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import ImageError, InvalidValue
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.offline.engine import Engine, usable_cores
from sightgrid.vision.framing import cut
from sightgrid.vision.pictures import read_picture

Tell = Callable[[str, int, int | None], None]

_BATCH = 8
_WEIGHT_OF_SIZE = 0.3
_JPEG_QUALITY = 60
_ENLARGEMENT = 2.0
_NARROWEST_PX, _WIDEST_PX = 8, 1000


@dataclass(frozen=True, slots=True)
class Degradation:
    """Makes a photo what a far camera would have sent: the face ``face_px`` wide, then JPEG."""

    face_px: int

    @classmethod
    def named(cls, name: str) -> Degradation:
        """The degradation of a name such as ``face32``.

        Raises:
            InvalidValue: it is no such name, or the width is out of range.
        """
        match = re.fullmatch(r"face(\d{1,4})", name)
        if match is None or not _NARROWEST_PX <= int(match[1]) <= _WIDEST_PX:
            raise InvalidValue(
                f"'{name}' is no degradation",
                hint=f"face32 makes faces 32 px wide; {_NARROWEST_PX} to {_WIDEST_PX} can be had",
            )
        return cls(int(match[1]))

    @property
    def name(self) -> str:
        return f"face{self.face_px}"

    def apply(self, pixels: Bytes, *, face_width: float) -> Bytes:
        """The photo (H, W, 3) uint8 BGR, reduced so that a face ``face_width`` px wide has the
        wanted width (never enlarged), through JPEG, then twice that size."""
        scale = min(self.face_px / face_width, 1.0)
        height, width = pixels.shape[:2]
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        _, coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        if decoded is None:
            raise ImageError(f"{width} x {height} pixels are too many for a JPEG picture")
        return cv2.resize(
            decoded, None, fx=_ENLARGEMENT, fy=_ENLARGEMENT, interpolation=cv2.INTER_CUBIC
        ).astype(np.uint8, copy=False)


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
        pixels = read_picture(photo)
        face = central_face(self.engine.detector.detect(pixels), pixels)
        if face is not None and self.degradation is not None:
            pixels = self.degradation.apply(pixels, face_width=face.box.width)
            face = central_face(self.engine.detector.detect(pixels), pixels)
        if face is None:
            return None
        return cut(pixels, face, self.engine.pack.manifest.embedder_input.framing)


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
