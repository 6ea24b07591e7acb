"""Turns aligned faces into points on the unit sphere of a pack's embedder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Protocol

import numpy as np

from sightgrid.domain.errors import InvalidValue, PackError
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.domain.geometry import Bytes, Floats
from sightgrid.domain.likeness import ImpostorCurve
from sightgrid.vision.onnx import Network, Runtime, is_installed
from sightgrid.vision.packs import Pack
from sightgrid.vision.processor import multiplies_bytes


class FaceEmbedder(Protocol):
    """Aligned crops to unit vectors, in batches."""

    contract: EmbeddingContract
    impostors: ImpostorCurve
    """How alike different people come out with it."""

    def embed(self, crops: Sequence[Bytes]) -> list[Embedding]:
        """One embedding a crop, in order; crops are (S, S, 3) uint8 BGR."""


def embedder_runtime(pack: Pack) -> Runtime:
    """What runs a pack's embedder best here.

    In float32 both runtimes give the same vectors, and OpenVINO takes less time (measured,
    docs/benchmarks.md). In eight bits OpenVINO leaves out roundings that the network asks for, and
    comes out at a cosine of 0.9995 to ONNX Runtime, too far to be compared with it; so there it is
    always ONNX Runtime.
    """
    if pack.manifest.embedder_input.numeric_class == "int8" or not is_installed(Runtime.OPENVINO):
        return Runtime.ONNXRUNTIME
    return Runtime.OPENVINO


class AlignedFaceEmbedder:
    """The embedder of a pack. Where its contract says so, a crop and its mirror image are averaged
    before the vector is brought to unit length."""

    # larger batches gain nothing on a CPU, and small ones spread over the workers
    MAX_BATCH = 4

    def __init__(self, pack: Pack, network: Network, *, workers: Executor | None = None) -> None:
        """``workers`` run batches side by side; without them they follow each other.

        Raises:
            PackError: the network computes in eight bits, which this processor can't do right.
        """
        name = pack.manifest.name
        if pack.manifest.embedder_input.numeric_class == "int8":
            if not multiplies_bytes():
                raise PackError(
                    f"pack '{name}' computes in eight bits, and this processor has no dot products "
                    "of bytes (VNNI), so its vectors would differ from other machines'",
                    hint="take the same network in float32: it is in the pack without -int8",
                )
            if network.runtime is not Runtime.ONNXRUNTIME:
                raise PackError(
                    f"pack '{name}' computes in eight bits, for which OpenVINO's vectors differ",
                    hint="run it on ONNX Runtime",
                )
        self.contract = pack.contract
        self.impostors = ImpostorCurve.of(pack.manifest.thresholds.impostors)
        self._prepared = pack.manifest.embedder_input
        origin = self._prepared.strength_origin
        self._origin = np.zeros(self._prepared.dimension) if origin is None else np.array(origin)
        self._network = network
        self._workers = workers

    def embed(self, crops: Sequence[Bytes]) -> list[Embedding]:
        """One embedding a crop, in order; crops are (S, S, 3) uint8 BGR."""
        vectors = self.raw_vectors(crops)
        lengths = np.linalg.norm(vectors, axis=1)
        units = (vectors / np.maximum(lengths, 1e-9)[:, None]).astype(np.float32)
        distances = np.linalg.norm(vectors - self._origin, axis=1)
        steps = (distances - self._prepared.strength_middle) / self._prepared.strength_width
        strengths = 1.0 / (1.0 + np.exp(-np.clip(steps, -30, 30)))
        return [
            Embedding(vector=unit, contract=self.contract, strength=float(strength))
            for unit, strength in zip(units, strengths, strict=True)
        ]

    def raw_vectors(self, crops: Sequence[Bytes]) -> Floats:
        """What the network makes of each crop, float32 (N, D), of whatever length it has."""
        side = self._prepared.input_px
        for crop in crops:
            if crop.shape != (side, side, 3):
                raise InvalidValue(f"expected crops of ({side}, {side}, 3), got {crop.shape}")
        if not crops:
            return np.zeros((0, self._prepared.dimension), np.float32)
        batches = [
            np.stack(crops[start : start + self.MAX_BATCH])
            for start in range(0, len(crops), self.MAX_BATCH)
        ]
        if self._workers is None or len(batches) < 2:
            done: Iterator[Floats] = map(self._run_batch, batches)
        else:
            done = self._workers.map(self._run_batch, batches)
        return np.concatenate(list(done))

    def _run_batch(self, crops: Bytes) -> Floats:
        ordered = crops[..., ::-1] if self._prepared.colour_order == "RGB" else crops
        batch: Floats = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), np.float32)
        batch = (batch - self._prepared.mean) * self._prepared.scale
        if self._prepared.flip_average:
            batch = np.concatenate([batch, batch[..., ::-1]])
        (vectors,) = self._network.run(np.ascontiguousarray(batch)).values()
        if self._prepared.flip_average:
            vectors = ((vectors[: len(crops)] + vectors[len(crops) :]) / 2).astype(np.float32)
        return vectors
