"""Opens a pack's networks and sets up what looks at faces; knows no policy and no people."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2

from sightgrid.vision.canvases import RegionDetector
from sightgrid.vision.detection import FaceDetector, YuNet
from sightgrid.vision.detectors import (
    DetectorName,
    detector_name,
    detector_runtime,
    open_detector,
    pack_detector,
)
from sightgrid.vision.embedding import AlignedFaceEmbedder, FaceEmbedder, embedder_runtime
from sightgrid.vision.grouping import Grouping, View, open_view
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.packs import Pack, load_pack


@dataclass(frozen=True, slots=True, eq=False)
class VisionEngine:
    """A pack, opened: its detector and its embedder.

    Both networks compute on one thread a call; several calls run side by side, which uses the
    cores better than one call on many threads.
    """

    pack: Pack
    detector_name: DetectorName
    detector: FaceDetector
    embedder: FaceEmbedder
    runtimes: dict[str, Runtime]

    def view(self, camera: str, *, grouping: Grouping = Grouping.TRACKS) -> View:
        """A fresh view for one camera."""
        framing = self.pack.manifest.embedder_input.framing
        return open_view(grouping, camera, embedder=self.embedder, framing=framing)

    def region_detector(self, *, smallest_face_px: float | None = None) -> RegionDetector:
        """What finds the faces in the parts of frames that a live camera sends.

        Args:
            smallest_face_px: width of the smallest face worth finding; ``None``: by the height.
        """
        if isinstance(self.detector, YuNet):
            return RegionDetector(
                self.detector.at_input_scale(),
                face_on_canvas_px=YuNet.FACE_ON_INPUT_PX,
                smallest_face_px=smallest_face_px,
            )
        return RegionDetector(self.detector, smallest_face_px=smallest_face_px)


def open_vision(
    pack_name: str,
    *,
    detector: str | None = None,
    calls: int | None = None,
    embedding: Runtime | None = None,
) -> VisionEngine:
    """Loads a pack (building it if need be) and opens its networks.

    Args:
        detector: a :class:`DetectorName`; the pack's own if not given.
        calls: how many calls shall run side by side; a processor each if not given.
        embedding: what runs the embedder; what suits the pack best, if not given.

    Raises:
        PackError: there is no such pack or detector, it can't be loaded, or this processor can't
            run it.
        MissingExtra: pack, detector or runtime need an optional package that is not installed.
    """
    asked = None if detector is None else detector_name(detector)
    pack = load_pack(pack_name)
    name = asked or pack_detector(pack)
    # OpenCV's own threads would fight with ours over the same cores
    cv2.setNumThreads(1)
    runtime = embedding or embedder_runtime(pack)
    detection = detector_runtime(name)
    side_by_side = calls or usable_cores()
    workers = (
        ThreadPoolExecutor(side_by_side, thread_name_prefix="embedder")
        if side_by_side > 1
        else None
    )
    return VisionEngine(
        pack=pack,
        detector_name=name,
        detector=open_detector(name, pack=pack, calls=side_by_side),
        embedder=AlignedFaceEmbedder(
            pack,
            open_network(pack.embedder_path, runtime=runtime, threads=1, calls=side_by_side),
            workers=workers,
        ),
        runtimes=({} if detection is None else {"detector": detection}) | {"embedder": runtime},
    )


def usable_cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
