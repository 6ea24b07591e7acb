"""How well faces are recognised: ``python -m benchmarks.accuracy --data DIR``.

LFW pairs, and open-set identification of half of the people with seeds 0 to 19: at full size, with
faces of 30 and of 20 pixels, and with three photos enrolled and the mean of three photos asked
about. Prints a table; with ``--write`` it goes into docs/benchmarks.md and the figures into
benchmarks/ratchet.json, which tests/footage/test_accuracy_ratchet.py holds later versions to.
Vectors are kept in the cache folder until the photos or the code that makes them change.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import sightgrid
from benchmarks import pages, ratchet
from benchmarks.ratchet import Figure
from sightgrid.evaluation.datasets import PersonPhotos, read_pairs, read_people
from sightgrid.evaluation.degradations import Degradation
from sightgrid.evaluation.identification import Deal, Identification, deal, identify
from sightgrid.evaluation.photos import FaceReader, PhotoVectors, Tell, embed_photos
from sightgrid.evaluation.verification import Metric, photo_rows, verify
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.recognition.heads import HeadKind, open_head
from sightgrid.vision.detectors import DetectorName, detector_files
from sightgrid.vision.packs import cache_folder

SEEDS = range(20)
# the figures' names in the ratchet, what is enrolled of a person, what is asked about
_ROWS = (
    ("full", "1 photo", "1 photo"),
    ("full 3x3", "3 photos", "mean of 3"),
    ("face30", "1 photo", "1 photo, face 30 px"),
    ("face30 3x3", "3 photos", "mean of 3, face 30 px"),
    ("face30 enrolled too", "1 photo, face 30 px", "1 photo, face 30 px"),
    ("face20", "1 photo", "1 photo, face 20 px"),
    ("face20 3x3", "3 photos", "mean of 3, face 20 px"),
    ("face20 enrolled too", "1 photo, face 20 px", "1 photo, face 20 px"),
)
# what vectors depend on beside the pack and the photos
_MAKERS = (
    "evaluation/degradations.py",
    "evaluation/photos.py",
    "vision/alignment.py",
    "vision/framing.py",
    "vision/detection.py",
    "vision/onnx.py",
    "vision/embedding.py",
    "vision/pictures.py",
)

_DETECTOR_MAKERS = {
    DetectorName.MTCNN: "vision/mtcnn.py",
    DetectorName.MTCNN_FAST: "vision/mtcnn_fast.py",
}


def measure(data: Path, *, engine: Engine, tell: Tell, folder: Path | None = None) -> list[Figure]:
    """Every figure, in a fixed order. ``folder`` keeps vectors between runs."""
    cache = cache_folder() / "evaluation" if folder is None else folder
    figures = _verification(data / "lfw_pairs_dev", engine, tell, cache)
    people = read_people(data / "lfw_ident_dev")
    photos = [photo for person in people for photo in person.photos]
    full = photo_vectors(photos, FaceReader(engine), tell, cache)
    for name, face_px in (("full", None), ("face30", 30), ("face20", 20)):
        probes = full
        if face_px is not None:
            probes = photo_vectors(photos, FaceReader(engine, Degradation(face_px)), tell, cache)
        figures += _identification(name, people, full, probes, each=1)
        figures += _identification(f"{name} 3x3", people, full, probes, each=3)
        if face_px is not None:
            figures += _identification(f"{name} enrolled too", people, probes, probes, each=1)
    return figures


def _verification(data: Path, engine: Engine, tell: Tell, cache: Path) -> list[Figure]:
    pairs = read_pairs(data / "pairs.csv", images=data / "images")
    names, rows = photo_rows(pairs)
    vectors = photo_vectors([Path(name) for name in names], FaceReader(engine), tell, cache)
    result = verify(
        pairs, rows=rows, photos=vectors, metric=Metric.COSINE, far=0.001, subtract_mean=False
    )
    name = "lfw_pairs_dev"
    return [
        Figure(f"{name} accuracy", result.accuracy, result.accuracy_interval, None, 0.002),
        Figure(f"{name} val at far 0.001", result.val, result.val_interval, None, 0.004),
    ]


def _identification(
    name: str,
    people: Sequence[PersonPhotos],
    enrolled: PhotoVectors,
    asked: PhotoVectors,
    *,
    each: int,
) -> list[Figure]:
    """``each``: how many photos are enrolled of a person, and how many are averaged to ask."""
    results = []
    for seed in SEEDS:
        dealt = deal(people, enrol=each, unknown=0.5, seed=seed, photos_a_probe=each)
        vectors = _joined(dealt, enrolled, asked)
        results.append(identify(dealt, photos=vectors, head=open_head(HeadKind.NEAREST_MEAN)))
    prefix = f"lfw_ident_dev {name}"
    return [
        _over_seeds(f"{prefix} rank1", [(r.rank1, r.rank1_interval) for r in results], 0.003),
        *(
            _over_seeds(f"{prefix} dir at fpir {fpir:g}", _rates(results, fpir), tolerance)
            for fpir, tolerance in ((0.01, 0.005), (0.001, 0.02))
        ),
    ]


def _joined(dealt: Deal, enrolled: PhotoVectors, asked: PhotoVectors) -> PhotoVectors:
    is_enrolled = np.zeros(len(asked.found), np.bool_)
    is_enrolled[[photo for photo, _ in dealt.enrolled]] = True
    return PhotoVectors(
        np.where(is_enrolled[:, None], enrolled.vectors, asked.vectors),
        np.where(is_enrolled, enrolled.found, asked.found),
        0.0,
    )


def _rates(
    results: Sequence[Identification], fpir: float
) -> list[tuple[float, tuple[float, float]]]:
    rates = [(result.dir_at_fpir[fpir], result.dir_interval[fpir]) for result in results]
    return [(rate, span) for rate, span in rates if rate is not None and span is not None]


def _over_seeds(
    name: str, rates: Sequence[tuple[float, tuple[float, float]]], tolerance: float
) -> Figure:
    """The mean over the seeds. All seeds share the people, so they can't narrow down what other
    people would have given: the interval is the mean of the seeds' own, drawn over people."""
    values = [value for value, _ in rates]
    low, high = np.mean([interval for _, interval in rates], axis=0)
    spread = (min(values), max(values))
    return Figure(name, float(np.mean(values)), (float(low), float(high)), spread, tolerance)


def photo_vectors(
    photos: Sequence[Path], reader: FaceReader, tell: Tell, cache: Path
) -> PhotoVectors:
    file = cache / f"{_key(photos, reader)}.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as kept:
            return PhotoVectors(kept["vectors"], kept["found"], 0.0)
    vectors = embed_photos(photos, reader=reader, tell=tell)
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".partial-{os.getpid()}.npz")
    np.savez(unfinished, vectors=vectors.vectors, found=vectors.found)
    unfinished.replace(file)
    return vectors


def _key(photos: Sequence[Path], reader: FaceReader) -> str:
    root = Path(sightgrid.__file__).parent
    digest = hashlib.sha256()
    told = [reader.engine.pack.contract.id, *map(str, reader.engine.runtimes.values())]
    told.append("none" if reader.degradation is None else reader.degradation.name)
    told += [hashlib.sha256((root / maker).read_bytes()).hexdigest() for maker in _MAKERS]
    engine = reader.engine
    told += detector_files(engine.detector_name, pack=engine.pack).values()
    if engine.detector_name in _DETECTOR_MAKERS:
        maker = _DETECTOR_MAKERS[engine.detector_name]
        told.append(hashlib.sha256((root / maker).read_bytes()).hexdigest())
    for photo in photos:
        state = photo.stat()
        told.append(f"{photo} {state.st_size} {state.st_mtime_ns}")
    for line in told:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()[:32]


def in_words(figures: Sequence[Figure]) -> str:
    """The figures in Markdown: a sentence on pairs, a table on identification."""
    told = {figure.name: figure for figure in figures}

    def cell(name: str) -> str:
        figure = told[name]
        low, high = figure.interval
        return f"{figure.value:.3f} ({low:.3f} to {high:.3f})"

    rows = []
    for name, enrolled, asked in _ROWS:
        shares = [
            cell(f"lfw_ident_dev {name} {rate}")
            for rate in ("rank1", "dir at fpir 0.01", "dir at fpir 0.001")
        ]
        rows.append((enrolled, asked, *shares))
    columns = ("enrolled", "asked about", "rank 1", "DIR at FPIR 1 %", "DIR at FPIR 0.1 %")
    return (
        f"Pairs (`lfw_pairs_dev`): accuracy {cell('lfw_pairs_dev accuracy')}; "
        f"{cell('lfw_pairs_dev val at far 0.001')} of the pairs of one person are found at one "
        f"false match in 1,000.\n\n{pages.table(columns, rows)}"
    )


def main() -> None:
    """Measures, prints and, if asked to, writes page and ratchet."""
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--pack", default="default")
    chosen = parser.parse_args()
    if chosen.write and chosen.pack != "default":
        parser.error("--write is for the default pack; benchmarks.packs compares the others")
    data = pages.data_folder(parser, chosen)
    figures = measure(data, engine=open_engine(chosen.pack), tell=pages.tell)
    if chosen.write:
        ratchet.store(figures)
    pages.publish(
        "accuracy", in_words(figures), command="python -m benchmarks.accuracy", chosen=chosen
    )


if __name__ == "__main__":
    main()
