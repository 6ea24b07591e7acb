"""Makes the evidence model of a pack: ``python -m benchmarks.evidence PHOTOS --leave-out PHOTOS``.

PHOTOS is a folder with a folder for each person (``lfw_pairs_dev/images``); people who are also in
the folder to leave out are not used (``lfw_ident_dev``: they walk in the simulated grid). Every
photo is seen once as it is and several times as a camera would see it: faces 16-100 px wide, blur
up to 2 px, light 0.55-1.45, noise, JPEG; three looks each time. From these come, by the strength
of the vector, its mean, what is left of the person, and the noise; see
``sightgrid.recognition.evidence``, where the result is stored by the pack's embedding contract.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import sightgrid.recognition
from sightgrid.domain.errors import ImageError
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes
from sightgrid.evaluation.datasets import read_people
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.vision.detection import YuNet
from sightgrid.vision.framing import cut
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.quality import grade

Doubles = NDArray[np.float64]
_EDGES = (0.0, 0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95, 1.01)
_VIEWS, _LOOKS = 2, 3
# a 720p frame is brought to 3/4 before detection, see YuNet.working_size
_SMALLEST_FACE_PX = 720 / 54
# how much of the covariances' mean variance is mixed in, so that few people suffice
_SMOOTH_WITHIN, _SMOOTH_BETWEEN = 0.3, 0.1
_PRIOR_SIGNAL, _PRIOR_COUNT = 0.7, 5.0


@dataclass(frozen=True, slots=True)
class View:
    """How a camera sees somebody in passing."""

    width_px: float
    blur_px: float
    gain: float
    roll_deg: float
    jpeg: int

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> View:
        return cls(
            width_px=float(np.exp(rng.uniform(np.log(16), np.log(100)))),
            blur_px=float(rng.uniform(0, 2) * (rng.random() < 0.85)),
            gain=float(rng.uniform(0.55, 1.45)),
            roll_deg=float(rng.uniform(-5, 5)),
            jpeg=int(rng.uniform(45, 80)),
        )

    def of(self, photo: Bytes, face: Detection, rng: np.random.Generator) -> Bytes:
        """One frame of it, the face near the middle."""
        width = self.width_px * rng.uniform(0.9, 1.1)
        scale, (x, y) = width / face.box.width, face.box.centre
        while scale < 0.5:
            photo = np.asarray(
                cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8
            )
            scale, x, y = scale * 2, x / 2, y / 2
        side = 2 * round(np.clip(width * 1.6, 48, 165))
        turn = np.radians(self.roll_deg + rng.uniform(-2.5, 2.5))
        matrix = np.zeros((2, 3))
        matrix[:, :2] = scale * np.array(
            [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        )
        matrix[:, 2] = side / 2 + rng.uniform(-4, 4, 2) - matrix[:, :2] @ np.array([x, y])
        seen = cv2.warpAffine(photo, matrix, (side, side), borderValue=(120, 115, 110))
        if self.blur_px > 0.15:
            seen = cv2.GaussianBlur(seen, (0, 0), self.blur_px)
        noisy = seen.astype(np.float32) * self.gain + rng.normal(0, 2.2, seen.shape)
        coded = cv2.imencode(
            ".jpg",
            np.clip(noisy, 0, 255).astype(np.uint8),
            [cv2.IMWRITE_JPEG_QUALITY, self.jpeg],
        )[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Crops of one view of a photo, each with how much it can be worth, embedding aside."""

    photo: int
    clean: bool
    crops: list[Bytes]
    grades: list[float]


def see(engine: Engine, photo: int, path: Path) -> Iterator[Seen]:
    """The photo as it is, then as cameras see it; nothing where no face is found in it."""
    try:
        pixels = read_picture(path)
    except ImageError:
        return
    face = _central(engine.detector.detect(pixels), pixels)
    if face is None:
        return
    yield _seen(engine, photo, True, [(pixels, face)])
    rng = np.random.default_rng(photo)
    detector = YuNet(
        open_network(engine.pack.detector_path, runtime=Runtime.ONNXRUNTIME, threads=1),
        smallest_face_px=_SMALLEST_FACE_PX,
    )
    for _ in range(_VIEWS):
        view = View.drawn(rng)
        found = []
        for _ in range(_LOOKS):
            frame = view.of(pixels, face, rng)
            again = _central(detector.detect(frame), frame)
            if again is not None:
                found.append((frame, again))
        if found:
            yield _seen(engine, photo, False, found)


def _central(faces: Sequence[Detection], pixels: Bytes) -> Detection | None:
    height, width = pixels.shape[:2]
    inside = [
        face
        for face in faces
        if abs(face.box.centre[0] / width - 0.5) < 0.2
        and abs(face.box.centre[1] / height - 0.5) < 0.2
    ]
    return max(inside, key=lambda face: face.box.area, default=None)


def _seen(
    engine: Engine, photo: int, clean: bool, found: Sequence[tuple[Bytes, Detection]]
) -> Seen:
    framing = engine.pack.manifest.embedder_input.framing
    crops, grades = [], []
    for pixels, face in found:
        crop = cut(pixels, face, framing)
        quality = grade(crop, face, outside=0.0)
        crops.append(crop)
        grades.append(quality.certainty * (0.5 + 0.5 * quality.overall))
    return Seen(photo, clean, crops, grades)


def templates(engine: Engine, seen: Sequence[Seen]) -> tuple[Doubles, Doubles]:
    """The template of each view, unit vectors (N, D), and its strength (N,)."""
    looks = iter(engine.embedder.embed([crop for view in seen for crop in view.crops]))
    vectors, strengths = [], []
    for view in seen:
        own = [next(looks) for _ in view.crops]
        worths = np.array([e.strength * g for e, g in zip(own, view.grades, strict=True)]) + 1e-3
        mean = worths @ np.stack([embedding.vector for embedding in own])
        vectors.append(mean / np.linalg.norm(mean))
        strengths.append(np.average([embedding.strength for embedding in own], weights=worths))
    return np.stack(vectors).astype(np.float64), np.array(strengths)


def fit(
    vectors: Doubles,
    strengths: Doubles,
    people: NDArray[np.int64],
    photos: NDArray[np.int64],
    clean: NDArray[np.bool_],
) -> dict[str, NDArray[np.float32]]:
    """The tables of an :class:`EvidenceModel`.

    Args:
        vectors: (N, D). strengths: (N,). people, photos: whose and which each is.
        clean: which are photos as they are.
    """
    level = np.clip(np.searchsorted(_EDGES, strengths, side="right") - 1, 0, len(_EDGES) - 2)
    levels = range(len(_EDGES) - 1)
    centres = np.array([strengths[level == n].mean() for n in levels])
    means = np.stack([vectors[level == n].mean(axis=0) for n in levels])
    position = np.interp(strengths, centres, np.arange(len(centres)))
    below = np.minimum(position.astype(int), len(centres) - 2)
    share = (position - below)[:, None]
    centred = vectors - means[below] * (1 - share) - means[below + 1] * share

    basis, between = _axes(centred[clean], people[clean])
    seen = centred @ basis
    portrait = dict(zip(photos[clean].tolist(), seen[clean], strict=True))
    signal, noise = [], []
    for n in levels:
        rows = np.flatnonzero((level == n) & ~clean)
        true = np.stack([portrait[photo] for photo in photos[rows].tolist()])
        left = ((seen[rows] * true).sum(axis=0) + _PRIOR_COUNT) / (
            (true**2).sum(axis=0) + _PRIOR_COUNT / _PRIOR_SIGNAL
        )
        signal.append(left)
        # one photo of a person differs from another by 1 along every axis
        noise.append(left**2 + ((seen[rows] - left * true) ** 2).mean(axis=0))
    tables = {
        "strengths": centres,
        "means": means,
        "basis": basis,
        "between": between,
        "signal": np.stack(signal),
        "noise": np.stack(noise),
    }
    return {name: table.astype(np.float32) for name, table in tables.items()}


def _axes(vectors: Doubles, people: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """Axes along which photos of one person vary by 1 and people independently of each other: as
    columns (D, D), and the variance of people along them (D,), largest first."""
    dimension = vectors.shape[1]
    within, freedom, middles, counts = np.zeros((dimension, dimension)), 0, [], []
    for person in np.unique(people):
        own = vectors[people == person]
        off = own - own.mean(axis=0)
        within += off.T @ off
        freedom += len(own) - 1
        middles.append(own.mean(axis=0))
        counts.append(len(own))
    within /= freedom
    spread = np.stack(middles).T @ np.stack(middles) / len(middles)
    spread -= within * np.mean(1 / np.array(counts))
    within, spread = _smoothed(within, _SMOOTH_WITHIN), _smoothed(spread, _SMOOTH_BETWEEN)
    values, axes = np.linalg.eigh(within)
    whiten = axes @ np.diag(values**-0.5) @ axes.T
    between, turned = np.linalg.eigh(whiten @ spread @ whiten)
    order = np.argsort(-between)
    return whiten @ turned[:, order], np.maximum(between[order], 1e-4)


def _smoothed(covariance: Doubles, share: float) -> Doubles:
    level = np.trace(covariance) / len(covariance)
    smoothed: Doubles = (1 - share) * covariance + share * level * np.eye(len(covariance))
    return smoothed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--leave-out", type=Path, help="folder of people not to use")
    parser.add_argument("--pack", default="default")
    chosen = parser.parse_args()
    engine = open_engine(chosen.pack)
    spared = set() if chosen.leave_out is None else {p.name for p in read_people(chosen.leave_out)}
    used = [person for person in read_people(chosen.photos) if person.name not in spared]
    photos = [(n, photo) for n, person in enumerate(used) for photo in person.photos]
    with ThreadPoolExecutor(2) as workers:
        everything = workers.map(lambda n: list(see(engine, n, photos[n][1])), range(len(photos)))
        seen = [view for views in everything for view in views]
    vectors, strengths = templates(engine, seen)
    numbers = np.array([view.photo for view in seen])
    people = np.array([photos[view.photo][0] for view in seen])
    clean = np.array([view.clean for view in seen])
    tables = fit(vectors, strengths, people, numbers, clean)
    folder = Path(sightgrid.recognition.__file__).parent / "models"
    folder.mkdir(exist_ok=True)
    file = folder / f"{engine.pack.contract.id[:16]}.npz"
    np.savez_compressed(file, **tables)  # type: ignore[arg-type]
    print(
        f"{file.name}: {len(used)} people, {int(clean.sum())} photos, "
        f"{int((~clean).sum())} views of them as cameras see, {file.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
