"""A face: where it is in a frame, how good a look it is, and its point in a model's space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from sightgrid.domain.errors import ContractMismatch, InvalidValue
from sightgrid.domain.geometry import Box, Bytes, Floats


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face found in a frame. ``landmarks`` are float32 (5, 2) in pixels of the source frame
    (order in :mod:`sightgrid.domain.geometry`), ``score`` is the detector's own, 0-1."""

    box: Box
    landmarks: Floats
    score: float

    def __post_init__(self) -> None:
        if self.landmarks.shape != (5, 2) or self.landmarks.dtype != np.float32:
            raise InvalidValue(
                f"landmarks: expected float32 (5, 2), "
                f"got {self.landmarks.dtype} {self.landmarks.shape}"
            )


@dataclass(frozen=True, slots=True)
class Quality:
    """How much a look at a face is worth for recognition; every part and the whole are 0-1.

    ``face_width_px`` is the width of the detected box in the source frame; ``certainty`` is how
    surely the detector took it for a face; ``yaw`` and ``pitch`` are ratios read off the landmarks
    (0 = frontal, about 1 = profile), not angles.
    """

    face_width_px: float
    size: float
    sharpness: float
    light: float
    pose: float
    visible: float
    certainty: float
    yaw: float
    pitch: float
    overall: float


@dataclass(frozen=True, slots=True, eq=False)
class FaceCrop:
    """An aligned face, (S, S, 3) uint8 BGR, with the moment and place it was cut from."""

    pixels: Bytes
    quality: Quality
    captured_at: datetime
    frame_index: int
    box_in_frame: Box
    landmarks_in_frame: Floats
    detection_score: float

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise InvalidValue(
                f"crop: expected uint8 (S, S, 3), got {self.pixels.dtype} {self.pixels.shape}"
            )

    def without_pixels(self) -> FaceCrop:
        """The same crop, its pixels (0, 0, 3), once they lie on disk: a long recording has more
        crops than memory."""
        return replace(self, pixels=np.zeros((0, 0, 3), np.uint8))


@dataclass(frozen=True, slots=True)
class EmbeddingContract:
    """What makes two embeddings comparable.

    ``id`` is the SHA-256 over weight-tensor bytes, template, input size and colour order,
    normalisation, flip averaging and numeric class. The runtime is not part of it.
    """

    id: str
    pack: str
    dimension: int


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A face as a point on the unit sphere of one model; float32 (dimension,).

    ``strength``, 0-1, is how much of a face the network found in the crop: the length of its raw
    vector on the pack's own scale. Backs of heads, blur and darkness come out short.
    """

    vector: Floats
    contract: EmbeddingContract
    strength: float = 1.0

    def __post_init__(self) -> None:
        expected = (self.contract.dimension,)
        if self.vector.shape != expected or self.vector.dtype != np.float32:
            raise InvalidValue(
                f"embedding: expected float32 {expected}, "
                f"got {self.vector.dtype} {self.vector.shape}"
            )
        length = float(np.linalg.norm(self.vector))
        if not abs(length - 1.0) < 1e-3:
            raise InvalidValue(f"embedding: expected unit length, got {length:.4f}")

    def cosine(self, other: Embedding) -> float:
        """Similarity in [-1, 1]; not a probability.

        Raises:
            ContractMismatch: the other was made under another contract.
        """
        if self.contract.id != other.contract.id:
            raise ContractMismatch(
                f"an embedding of {self.contract.pack} ({self.contract.id[:12]}) can't be compared "
                f"with one of {other.contract.pack} ({other.contract.id[:12]})"
            )
        return float(self.vector @ other.vector)
