"""How long each detector takes a picture: ``python -m benchmarks.detectors [--picture FILE]``.

One thread, median of the runs after a warm-up, milliseconds of processor time a picture, at 1080p,
720p and 360p. Without a picture of your own, photos of well-known packages are tiled over a frame.
How much the detectors find is measured by ``sightgrid evaluate detection``.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from sightgrid.domain.errors import MissingExtra, SightgridError
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes
from sightgrid.offline.demo_photos import find_demo_photos
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.detectors import DetectorName, open_detector
from sightgrid.vision.mtcnn_fast import MtcnnFast
from sightgrid.vision.mtcnn_networks import build_mtcnn
from sightgrid.vision.onnx import Runtime, is_installed
from sightgrid.vision.packs import load_pack
from sightgrid.vision.pictures import read_picture

_FRAMES = ((1920, 1080), (1280, 720), (640, 360))
_WARM_UP = 2


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


def median_ms(run: Callable[[], list[Detection]], *, runs: int) -> float:
    for _ in range(_WARM_UP):
        run()
    times = []
    for _ in range(runs):
        # of this process only, so that neighbours on the machine disturb less
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e3


def detectors() -> dict[str, Callable[[], FaceDetector]]:
    """What is measured, by name; opened only when its turn comes."""
    pack = load_pack("default")
    measured: dict[str, Callable[[], FaceDetector]] = {
        name.value: lambda name=name: open_detector(name, pack=pack) for name in DetectorName
    }
    if is_installed(Runtime.OPENVINO):
        measured["mtcnn-fast on ONNX Runtime"] = lambda: MtcnnFast(
            build_mtcnn(), runtime=Runtime.ONNXRUNTIME
        )
    measured["mtcnn-fast from 20 px"] = lambda: MtcnnFast(build_mtcnn(), smallest_face_px=20)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    picture = mosaic() if arguments.picture is None else read_picture(arguments.picture)
    print(f"{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}")
    print(f"{'detector':28s}" + "".join(f"{f'{w}x{h}':>22s}" for w, h in _FRAMES))
    for name, opened in detectors().items():
        try:
            detector = opened()
        except MissingExtra as error:
            print(f"{name:28s} {error}")
            continue
        cells = []
        for width, height in _FRAMES:
            frame = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            frame = frame.astype(np.uint8, copy=False)
            taken = median_ms(lambda d=detector, f=frame: d.detect(f), runs=arguments.runs)
            cells.append(f"{taken:8.1f} ms {len(detector.detect(frame)):3d} faces")
        print(f"{name:28s}" + "".join(f"{cell:>22s}" for cell in cells))


if __name__ == "__main__":
    try:
        main()
    except SightgridError as error:
        raise SystemExit(f"{error} ({error.hint})" if error.hint else str(error)) from error
