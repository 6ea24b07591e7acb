"""Every face of a photo as an embedding, for a search of the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from sightgrid.domain.faces import Embedding
from sightgrid.domain.geometry import Box, Bytes
from sightgrid.offline.engine import Engine
from sightgrid.vision.framing import cut


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFace:
    """A face of a photo: where it is and what it looks like to the pack."""

    box: Box
    embedding: Embedding


def faces_of(pixels: Bytes, engine: Engine) -> list[PhotoFace]:
    """The faces of a picture (H, W, 3) uint8 BGR, from left to right."""
    framing = engine.pack.manifest.embedder_input.framing
    detections = sorted(engine.detector.detect(pixels), key=lambda face: face.box.left)
    embeddings = engine.embedder.embed([cut(pixels, face, framing) for face in detections])
    return [
        PhotoFace(face.box, embedding)
        for face, embedding in zip(detections, embeddings, strict=True)
    ]
