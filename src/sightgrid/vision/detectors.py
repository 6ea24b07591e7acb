"""The detectors by name."""

from __future__ import annotations

from enum import StrEnum

from sightgrid.domain.errors import PackError
from sightgrid.vision.detection import FaceDetector, YuNet
from sightgrid.vision.mtcnn import LIVE, StageThresholds
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import Pack


class DetectorName(StrEnum):
    """What can find faces; docs/packs.md says what each is."""

    YUNET = "yunet"
    MTCNN = "mtcnn"
    MTCNN_FAST = "mtcnn-fast"
    HAAR = "haar"
    HOG = "hog"


def detector_name(name: str) -> DetectorName:
    """The detector that is called ``name``.

    Raises:
        PackError: none is.
    """
    try:
        return DetectorName(name)
    except ValueError:
        raise PackError(
            f"there is no detector '{name}'", hint=f"known detectors: {', '.join(DetectorName)}"
        ) from None


def detector_runtime(name: DetectorName) -> Runtime | None:
    """What executes the networks of a detector; ``None`` if it has none."""
    match name:
        case DetectorName.YUNET | DetectorName.MTCNN:
            # measured (docs/benchmarks.md): YuNet gains nothing from OpenVINO, and MTCNN meets
            # pictures of all sizes, while OpenVINO is fast for shapes that it knows
            return Runtime.ONNXRUNTIME
        case DetectorName.MTCNN_FAST:
            return Runtime.OPENVINO if is_installed(Runtime.OPENVINO) else Runtime.ONNXRUNTIME
        case DetectorName.HAAR | DetectorName.HOG:
            return None


def open_detector(
    name: DetectorName,
    *,
    pack: Pack,
    calls: int = 1,
    thresholds: StageThresholds = LIVE,
) -> FaceDetector:
    """The detector of this name, computing on one thread a call.

    Args:
        pack: carries YuNet; the others bring their own networks.
        calls: how many calls, from as many threads, shall run side by side.
        thresholds: MTCNN's; :data:`sightgrid.vision.mtcnn.BUILDING` is the stricter choice.

    Raises:
        MissingExtra: an optional package is needed that is not installed.
        PackError: a network or cascade is missing or damaged.
    """
    match name:
        case DetectorName.YUNET:
            return YuNet(open_network(pack.detector_path, runtime=Runtime.ONNXRUNTIME, threads=1))
        case DetectorName.MTCNN:
            from sightgrid.vision.mtcnn import Mtcnn
            from sightgrid.vision.mtcnn_networks import build_mtcnn

            return Mtcnn(build_mtcnn(), thresholds=thresholds)
        case DetectorName.MTCNN_FAST:
            from sightgrid.vision.mtcnn_fast import MtcnnFast
            from sightgrid.vision.mtcnn_networks import build_mtcnn

            return MtcnnFast(build_mtcnn(), thresholds=thresholds, calls=calls)
        case DetectorName.HAAR:
            from sightgrid.vision.haar import HaarCascade

            return HaarCascade()
        case DetectorName.HOG:
            from sightgrid.vision.hog import HogDetector

            return HogDetector()
