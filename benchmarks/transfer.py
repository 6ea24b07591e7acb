"""The ancestor's experiment on better ground: ``python -m benchmarks.transfer --data DIR``.

A frozen network and a softmax head for 22 people. The ancestor took VGG-Face and webcam photos of
22 people, and named 62 % of them rightly. Here 22 people of ``lfw_ident_dev`` are drawn by each of
five seeds, and every photo is named by a head that has not seen it (five folds over each person's
photos), with each built-in pack. Prints a table; with ``--write`` it goes into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks import pages
from benchmarks.accuracy import photo_vectors
from sightgrid import __version__
from sightgrid.domain.errors import PackError
from sightgrid.evaluation.datasets import PersonPhotos, read_people
from sightgrid.evaluation.photos import Degradation, FaceReader, PhotoVectors
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.recognition.headfiles import TrainingFacts
from sightgrid.recognition.heads import HeadKind, open_head
from sightgrid.recognition.training.fitting import FittingPlan, Provenance, fit_head
from sightgrid.recognition.training.material import Material
from sightgrid.vision.packs import cache_folder, network_parameters

PACKS = ("default", "dlib", "dlib-int8", "facenet", "vgg-face")
SEEDS = range(5)
PEOPLE = 22
FACES_PX = (None, 20)
_SECTION = "transfer"
# one training takes milliseconds, and anything may come between
_TIMED = 15


@dataclass(frozen=True, slots=True)
class Result:
    """What a pack came to, or why it could not be asked."""

    pack: str
    faces: str
    facts: tuple[TrainingFacts, ...]
    missing: str | None = None


def measure(data: Path, pack: str, face_px: int | None) -> Result:
    """One experiment a seed; the photos are embedded once, with faces made ``face_px`` wide."""
    faces = "full size" if face_px is None else f"{face_px} px wide"
    try:
        engine = open_engine(pack)
    except PackError as error:
        if "weights not supplied" not in str(error):
            raise
        return Result(pack, faces, (), "weights not supplied")
    degradation = None if face_px is None else Degradation(face_px)
    people = read_people(data / "lfw_ident_dev")
    photos = [photo for person in people for photo in person.photos]
    vectors = photo_vectors(
        photos, FaceReader(engine, degradation), pages.tell, cache_folder() / "evaluation"
    )
    return Result(pack, faces, tuple(_experiment(people, vectors, engine, seed) for seed in SEEDS))


def _experiment(
    people: Sequence[PersonPhotos], photos: PhotoVectors, engine: Engine, seed: int
) -> TrainingFacts:
    names = [person.name for person in people for _ in person.photos]
    generator = random.Random(seed)  # noqa: S311 - a draw that anybody can repeat, not a secret
    chosen = set(generator.sample([person.name for person in people], PEOPLE))
    asked = np.array([name in chosen for name in names])
    rows = asked & photos.found
    material = Material.of(
        photos.vectors[rows], [name for name, taken in zip(names, rows, strict=True) if taken]
    )
    fitted = fit_head(
        material,
        open_head=lambda tell: open_head(HeadKind.SOFTMAX, tell=tell),
        plan=FittingPlan(folds=5, seed=seed),
        provenance=Provenance(
            contract=engine.pack.contract,
            network_parameters=network_parameters(engine.pack),
            least_cosine=-1.0,
            source="folder",
            images_without_face=int((asked & ~photos.found).sum()),
            at=datetime.now(UTC),
            version=__version__,
        ),
        tell=lambda task, done, total: None,
    )
    secs = statistics.median(_fitting_secs(material) for _ in range(_TIMED))
    facts = fitted.trained.facts
    return replace(facts, secs=secs, secs_per_epoch=secs / facts.epochs)


def _fitting_secs(material: Material) -> float:
    head = open_head(HeadKind.SOFTMAX)
    began = perf_counter()
    head.fit(material.vectors, material.labels)
    return perf_counter() - began


def in_words(results: Sequence[Result]) -> str:
    """The table in Markdown; a photo without a face counts as wrong."""
    rows: list[tuple[str, ...]] = []
    for result in results:
        if result.missing is not None:
            row = (result.pack, "", result.missing, *("",) * 6)
            rows += [] if row in rows else [row]
            continue
        facts = result.facts
        rates = [
            (one.accuracy or 0.0) * one.images / (one.images + one.images_without_face)
            for one in facts
        ]
        photos = [one.images + one.images_without_face for one in facts]
        rows.append(
            (
                result.pack,
                result.faces,
                f"{np.mean(rates):.1%} ({min(rates):.1%} to {max(rates):.1%})",
                f"{min(photos)} to {max(photos)}",
                f"{facts[0].trainable_parameters:,}",
                f"{facts[0].total_parameters:,}",
                f"{np.mean([one.epochs for one in facts]):.0f}",
                f"{np.median([one.secs_per_epoch for one in facts]) * 1e3:.2f} ms",
                f"{np.median([one.secs for one in facts]):.3f} s",
            )
        )
    columns = (
        *("pack", "faces", "rightly named", "photos", "trainable", "total"),
        *("epochs", "per epoch", "training"),
    )
    return (
        f"{PEOPLE} people drawn by seeds {SEEDS[0]} to {SEEDS[-1]}; the mean and the range over "
        "the seeds. The ancestor: VGG-Face, 90,134 trainable of 134,350,678, 62 % on its own "
        f"webcam photos.\n\n{pages.table(columns, rows)}"
    )


def main() -> None:
    """Measures, prints and, if asked to, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    chosen = parser.parse_args()
    data = pages.data_folder(parser, chosen)
    pages.publish(
        _SECTION,
        in_words([measure(data, pack, face_px) for pack in PACKS for face_px in FACES_PX]),
        command="python -m benchmarks.transfer",
        chosen=chosen,
    )


if __name__ == "__main__":
    main()
