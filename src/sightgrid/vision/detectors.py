"""The detectors by name."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from sightgrid.domain.errors import PackError
from sightgrid.vision.detection import FaceDetector, YuNet
from sightgrid.vision.manifests import NamedDetector
from sightgrid.vision.mtcnn import LIVE, StageThresholds
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import Pack, file_sha256, load_pack


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


def pack_detector(pack: Pack) -> DetectorName:
    """The detector that a pack was put together with.

    Raises:
        PackError: its manifest names one that there is not.
    """
    known = pack.manifest.detector
    return detector_name(known.kind) if isinstance(known, NamedDetector) else DetectorName.YUNET


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


def detector_files(name: DetectorName, *, pack: Pack) -> dict[str, str]:
    """The SHA-256 of every file that a detector is read from, by the file's name; empty for HOG,
    which is part of dlib.

    Raises:
        PackError: a cascade is missing.
    """
    match name:
        case DetectorName.YUNET:
            path = _yunet_path(pack)
            return {path.name: file_sha256(path)}
        case DetectorName.MTCNN | DetectorName.MTCNN_FAST:
            from sightgrid.vision.mtcnn_networks import OUTPUT_FILE, PROPOSAL_FILE, REFINEMENT_FILE

            files = (PROPOSAL_FILE, REFINEMENT_FILE, OUTPUT_FILE)
            return {file.file: file.carried_by.sha256 for file in files if file.carried_by}
        case DetectorName.HAAR:
            from sightgrid.vision.haar import cascade_paths

            return {path.name: file_sha256(path) for path in cascade_paths()}
        case DetectorName.HOG:
            return {}


def open_detector(
    name: DetectorName,
    *,
    pack: Pack,
    calls: int = 1,
    thresholds: StageThresholds = LIVE,
    least_score: float | None = None,
) -> FaceDetector:
    """The detector of this name, computing on one thread a call.

    Args:
        pack: carries YuNet, else that of pack ``default`` is taken; the others bring their own
            networks.
        calls: how many calls, from as many threads, shall run side by side.
        thresholds: MTCNN's; :data:`sightgrid.vision.mtcnn.BUILDING` is the stricter choice.
        least_score: give faces from this score on, above 0 and below 1, instead of those the
            detector itself believes. Those are the same ones with the same scores; it lengthens the
            list. The Haar cascade gives none below 0.4.

    Raises:
        MissingExtra: an optional package is needed that is not installed.
        PackError: a network or cascade is missing or damaged.
    """
    match name:
        case DetectorName.YUNET:
            network = open_network(_yunet_path(pack), runtime=Runtime.ONNXRUNTIME, threads=1)
            return (
                YuNet(network)
                if least_score is None
                else YuNet(network, score_threshold=least_score)
            )
        case DetectorName.MTCNN:
            from sightgrid.vision.mtcnn import Mtcnn
            from sightgrid.vision.mtcnn_networks import build_mtcnn

            if least_score is not None:
                thresholds = replace(thresholds, output=least_score)
            return Mtcnn(build_mtcnn(), thresholds=thresholds)
        case DetectorName.MTCNN_FAST:
            from sightgrid.vision.mtcnn_fast import MtcnnFast
            from sightgrid.vision.mtcnn_networks import build_mtcnn

            return MtcnnFast(
                build_mtcnn(), thresholds=thresholds, calls=calls, least_score=least_score
            )
        case DetectorName.HAAR:
            from sightgrid.vision.haar import HaarCascade, neighbours_for

            if least_score is None:
                return HaarCascade()
            return HaarCascade(least_neighbours=neighbours_for(least_score))
        case DetectorName.HOG:
            from sightgrid.vision.hog import HogDetector

            return HogDetector() if least_score is None else HogDetector(least_score=least_score)


def _yunet_path(pack: Pack) -> Path:
    holder = load_pack("default") if isinstance(pack.manifest.detector, NamedDetector) else pack
    return holder.detector_path
