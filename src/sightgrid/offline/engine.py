"""Opens a pack's networks and sets up what looks at faces."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2

from sightgrid.offline.enrolment import FaceEnroller
from sightgrid.recognition.calibration import ImpostorCurve, Policy
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.detectors import (
    DetectorName,
    detector_name,
    detector_runtime,
    open_detector,
)
from sightgrid.vision.embedding import AlignedFaceEmbedder
from sightgrid.vision.following import CameraView
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import Pack, load_pack


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """A pack, opened: its detector, its embedder and the policy on its similarity.

    Both networks compute on one thread a call; several calls run side by side, which uses the
    cores better than one call on many threads.
    """

    pack: Pack
    detector: FaceDetector
    embedder: AlignedFaceEmbedder
    policy: Policy
    runtimes: dict[str, Runtime]

    def view(self, camera: str) -> CameraView:
        """A fresh view for one camera."""
        prepared = self.pack.manifest.embedder_input
        return CameraView(
            camera,
            embedder=self.embedder,
            template=prepared.template,
            crop_px=prepared.input_px,
        )

    def enroller(self) -> FaceEnroller:
        """What turns photos into embeddings of this pack."""
        prepared = self.pack.manifest.embedder_input
        return FaceEnroller(self.detector, self.embedder, prepared.template, prepared.input_px)


def open_engine(pack_name: str, *, detector: str = DetectorName.YUNET) -> Engine:
    """Loads a pack (building it if need be) and opens its networks.

    Args:
        detector: a :class:`DetectorName`; all but ``yunet`` bring their own networks.

    Raises:
        PackError: there is no such pack or detector, or it can't be loaded.
        MissingExtra: the detector needs an optional package that is not installed.
    """
    name = detector_name(detector)
    pack = load_pack(pack_name)
    # OpenCV's own threads would fight with ours over the same cores
    cv2.setNumThreads(1)
    # measured (docs/benchmarks.md): SFace runs faster on OpenVINO, YuNet does not
    embedding = Runtime.OPENVINO if is_installed(Runtime.OPENVINO) else Runtime.ONNXRUNTIME
    detection = detector_runtime(name)
    cores = usable_cores()
    return Engine(
        pack=pack,
        detector=open_detector(name, pack=pack, calls=cores),
        embedder=AlignedFaceEmbedder(
            pack,
            open_network(pack.embedder_path, runtime=embedding, threads=1, calls=cores),
            workers=ThreadPoolExecutor(cores, thread_name_prefix="embedder"),
        ),
        policy=Policy(ImpostorCurve.of(pack.manifest.thresholds.impostors)),
        runtimes=({} if detection is None else {"detector": detection}) | {"embedder": embedding},
    )


def usable_cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
