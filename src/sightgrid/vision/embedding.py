"""Turns aligned faces into points on the unit sphere of a pack's embedder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Protocol

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.domain.geometry import Bytes
from sightgrid.vision.onnx import Network
from sightgrid.vision.packs import Pack


class FaceEmbedder(Protocol):
    """Aligned crops to unit vectors, in batches."""

    contract: EmbeddingContract

    def embed(self, crops: Sequence[Bytes]) -> list[Embedding]:
        """One embedding a crop, in order; crops are (S, S, 3) uint8 BGR."""


class AlignedFaceEmbedder:
    """The embedder of a pack. Where its contract says so, a crop and its mirror image are summed
    before the vector is brought to unit length."""

    # larger batches gain nothing on a CPU, and small ones spread over the workers
    MAX_BATCH = 4

    def __init__(self, pack: Pack, network: Network, *, workers: Executor | None = None) -> None:
        """``workers`` run batches side by side; without them they follow each other."""
        self.contract = pack.contract
        self._prepared = pack.manifest.embedder_input
        self._network = network
        self._workers = workers

    def embed(self, crops: Sequence[Bytes]) -> list[Embedding]:
        """One embedding a crop, in order; crops are (S, S, 3) uint8 BGR."""
        side = self._prepared.input_px
        for crop in crops:
            if crop.shape != (side, side, 3):
                raise InvalidValue(f"expected crops of ({side}, {side}, 3), got {crop.shape}")
        batches = [
            np.stack(crops[start : start + self.MAX_BATCH])
            for start in range(0, len(crops), self.MAX_BATCH)
        ]
        if self._workers is None or len(batches) < 2:
            done: Iterator[list[Embedding]] = map(self._embed_batch, batches)
        else:
            done = self._workers.map(self._embed_batch, batches)
        return [embedding for batch in done for embedding in batch]

    def _embed_batch(self, crops: Bytes) -> list[Embedding]:
        ordered = crops[..., ::-1] if self._prepared.colour_order == "RGB" else crops
        batch = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), np.float32)
        batch = (batch - self._prepared.mean) * self._prepared.scale
        if self._prepared.flip_average:
            batch = np.concatenate([batch, batch[..., ::-1]])
        (vectors,) = self._network.run(np.ascontiguousarray(batch)).values()
        if self._prepared.flip_average:
            vectors = vectors[: len(crops)] + vectors[len(crops) :]
        lengths = np.linalg.norm(vectors, axis=1)
        units = (vectors / np.maximum(lengths, 1e-9)[:, None]).astype(np.float32)
        summed = 2.0 if self._prepared.flip_average else 1.0
        steps = (lengths / summed - self._prepared.strength_middle) / self._prepared.strength_width
        strengths = 1.0 / (1.0 + np.exp(-np.clip(steps, -30, 30)))
        return [
            Embedding(vector=unit, contract=self.contract, strength=float(strength))
            for unit, strength in zip(units, strengths, strict=True)
        ]
