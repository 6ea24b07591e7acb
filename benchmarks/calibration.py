"""Where a pack's thresholds and grades come from: ``python -m benchmarks.calibration PHOTOS
[--pack NAME]``.

PHOTOS is a folder with a folder for each person (``lfw_ident_dev``). Three tables:

1. how alike photos of *different* people come out, which is the impostor curve of the pack's
   manifest: the similarity reached by one pair in a hundred, a thousand and so on; the same for
   means of three photos;
2. how long the network's raw vectors are, and with ``--origin`` the mean of them all, for packs
   whose strength is how far a vector lies from it;
3. what a degraded look is still worth: portraits are shrunk, blurred, darkened and compressed at
   random, and their similarity to the person's other, undamaged photos is set against the strength
   (the raw vector, on the manifest's scale) and the grades of the look.

``--halves N`` measures something else: whether a site's own threshold keeps its budget. N times,
half of the people are a site: all are enrolled, and the threshold is chosen on their own passages.
The other half are the strangers who come: how many of their photos get a name? With ``--write`` it
goes into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import pages
from sightgrid.domain.errors import ImageError
from sightgrid.domain.faces import Detection
from sightgrid.evaluation.datasets import read_people
from sightgrid.evaluation.photos import FaceReader, embed_photos
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.recognition.budgets import CalibrationState, calibrate, impostor_passages
from sightgrid.vision.framing import cut
from sightgrid.vision.pictures import PICTURE_SUFFIXES, read_picture
from sightgrid.vision.quality import grade

_RATES = (0.5, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_FACE_PX_IN_LFW = 90.0
_AVERAGED, _DEALS = 3, 20


def photos_of(folder: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        for photo in sorted(person.iterdir()):
            if photo.suffix.lower() in PICTURE_SUFFIXES:
                try:
                    yield person.name, read_picture(photo)
                except ImageError as error:
                    print(f"left out: {error}")


def central(faces: list[Detection], width: int, height: int) -> Detection:
    return min(
        faces,
        key=lambda face: (
            (face.box.centre[0] - width / 2) ** 2 + (face.box.centre[1] - height / 2) ** 2
        ),
    )


def degraded(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Face 12-90 px wide, blur up to 2 px, light 0.5-1.5, noise, JPEG 70, on a grey ground."""
    scale = float(np.exp(rng.uniform(np.log(12), np.log(90)))) / _FACE_PX_IN_LFW
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    blur = rng.uniform(0, 2) * (rng.random() < 0.7)
    if blur > 0.05:
        small = cv2.GaussianBlur(small, (0, 0), blur)
    noisy = small.astype(np.float32) * rng.uniform(0.5, 1.5) + rng.normal(0, 2, small.shape)
    coded = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [1, 70])[1]
    seen = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    height, width = seen.shape[:2]
    canvas = np.full((max(128, height + 16), max(128, width + 16), 3), 110, np.uint8)
    canvas[8 : 8 + height, 8 : 8 + width] = seen
    return canvas


def crops(
    engine: Engine, pictures: list[NDArray[np.uint8]]
) -> list[tuple[int, Detection, NDArray[np.uint8]]]:
    """The central face of each picture that shows one, with the picture's number."""
    framing = engine.pack.manifest.embedder_input.framing
    found = []
    for number, pixels in enumerate(pictures):
        faces = engine.detector.detect(pixels)
        if faces:
            face = central(faces, pixels.shape[1], pixels.shape[0])
            found.append((number, face, cut(pixels, face, framing)))
    return found


def tell_means(vectors: NDArray[np.float32], labels: NDArray[np.str_], seed: int) -> None:
    """How alike means of three photos of different people come out, over twenty deals."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_DEALS):
        means, names = [], []
        for name in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == name))
            for start in range(0, len(rows) - _AVERAGED + 1, _AVERAGED):
                mean = vectors[rows[start : start + _AVERAGED]].sum(axis=0)
                means.append(mean / np.linalg.norm(mean))
                names.append(name)
        one, other = np.triu_indices(len(means), 1)
        apart = np.array(names)[one] != np.array(names)[other]
        drawn.append((np.stack(means) @ np.stack(means).T)[one, other][apart])
    impostors = np.concatenate(drawn)
    print(f"means of {_AVERAGED} photos, {impostors.size:,} pairs of strangers, {_DEALS} deals")
    for rate in _RATES:
        print(f"  one pair in {round(1 / rate):>9,}: {np.quantile(impostors, 1 - rate):.4f}")


def tell_lengths(engine: Engine, pictures: list[NDArray[np.uint8]], *, origin: bool) -> None:
    raw = engine.embedder.raw_vectors([crop for _, _, crop in crops(engine, pictures)])
    known = engine.pack.manifest.embedder_input.strength_origin
    mean = raw.mean(axis=0)
    for name, away in (("zero", 0.0), ("their mean", mean), ("the manifest's origin", known)):
        if away is not None:
            shares = np.quantile(np.linalg.norm(raw - np.array(away), axis=1), (0.01, 0.1, 0.5))
            told = ", ".join(f"{share:.3f}" for share in shares)
            print(f"raw vectors lie from {name} (lowest hundredth, tenth, half): {told}")
    if origin:
        print(", ".join(f"{value:.4f}" for value in mean))


def embed(
    engine: Engine, pictures: list[NDArray[np.uint8]]
) -> list[tuple[NDArray[np.float32], float, float] | None]:
    """Vector, strength and overall grade of each picture's central face."""
    found = crops(engine, pictures)
    vectors = engine.embedder.embed([crop for _, _, crop in found])
    results: list[tuple[NDArray[np.float32], float, float] | None] = [None] * len(pictures)
    for (number, face, crop), embedding in zip(found, vectors, strict=True):
        overall = grade(crop, face, outside=0.0).overall
        results[number] = (embedding.vector, embedding.strength, overall)
    return results


def named_share(
    enrolled: NDArray[np.float32], owners: NDArray[np.intp], asked: NDArray[np.float32], at: float
) -> float:
    """The share of strangers' photos above a threshold, against the means of those enrolled."""
    sums = np.zeros((int(owners.max()) + 1, enrolled.shape[1]))
    np.add.at(sums, owners, enrolled)
    means = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return float(((asked @ means.T).max(axis=1) > at).mean())


def tell_halves(folder: Path, chosen: argparse.Namespace) -> None:
    """Whether thresholds chosen on one half of the people keep their budget on the other."""
    people = read_people(folder)
    photos = embed_photos(
        [photo for person in people for photo in person.photos],
        reader=FaceReader(open_engine(chosen.pack)),
        tell=pages.tell,
    )
    person = np.repeat(np.arange(len(people)), [len(one.photos) for one in people])[photos.found]
    vectors = photos.vectors[photos.found]
    rows = []
    for budget in (0.05, 0.02, 0.01, 0.001):
        states, measured, inside, spans, needs, levels = [], [], [], [], [], []
        for half in range(chosen.halves):
            order = np.random.default_rng(half).permutation(len(people))
            site = np.isin(person, order[: len(people) // 2])
            _, owners = np.unique(person[site], return_inverse=True)
            labels = [str(number) for number in person[site]]
            found = calibrate(impostor_passages(vectors[site], labels), budget=budget)
            states.append(found.state)
            needs.append(found.needs_people)
            if found.threshold is None or found.interval is None:
                continue
            share = named_share(vectors[site], owners, vectors[~site], found.threshold)
            measured.append(share)
            levels.append(found.threshold)
            spans.append(found.interval)
            inside.append(found.interval[0] <= share <= found.interval[1])
        kept = sum(state is CalibrationState.CALIBRATED for state in states)
        row = [f"{budget:g}", f"{kept} of {chosen.halves}"]
        if measured:
            low, high = np.mean(spans, axis=0)
            row += [
                f"{np.mean(levels):.3f}",
                f"{np.mean(measured):.4f}",
                f"{np.quantile(measured, 0.05):.4f} to {np.quantile(measured, 0.95):.4f}",
                f"{low:.4f} to {high:.4f}",
                f"{np.mean(inside):.0%}",
            ]
        else:
            row += [""] * 5
        rows.append([*row, f"{np.median(needs):.0f}"])
    text = (
        f"{chosen.halves} random halves of the {len(people)} people of `{folder.name}`, pack "
        f"`{chosen.pack}`.\n\n"
        + pages.table(
            (
                *("budget", "calibrated", "threshold, mean", "measured FPIR, mean"),
                *("9 of 10 halves", "stated interval, mean", "interval holds"),
                "people needed, median",
            ),
            rows,
        )
    )
    pages.publish(
        "calibration",
        text,
        command=f"python -m benchmarks.calibration {folder.name} --halves {chosen.halves}",
        chosen=chosen,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--origin", action="store_true", help="print the mean raw vector")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--halves", type=int, default=0, help="try thresholds on so many halves")
    parser.add_argument("--write", action="store_true", help="put the halves into the page")
    arguments = parser.parse_args()
    if arguments.halves:
        tell_halves(arguments.photos, arguments)
        return
    engine = open_engine(arguments.pack)
    everything = list(photos_of(arguments.photos))
    people = [person for person, _ in everything]
    clean = embed(engine, [pixels for _, pixels in everything])
    rows = [(p, item[0]) for p, item in zip(people, clean, strict=True) if item is not None]
    labels = np.array([person for person, _ in rows])
    vectors = np.stack([vector for _, vector in rows])
    one, other = np.triu_indices(len(vectors), 1)
    alike = (vectors @ vectors.T)[one, other]
    impostors = alike[labels[one] != labels[other]]
    print(f"{len(rows)} photos of {len(set(labels))} people, {impostors.size:,} pairs of strangers")
    for rate in _RATES:
        print(f"  one pair in {round(1 / rate):>9,}: {np.quantile(impostors, 1 - rate):.4f}")
    tell_means(vectors, labels, arguments.seed)
    tell_lengths(engine, [pixels for _, pixels in everything], origin=arguments.origin)

    rng = np.random.default_rng(arguments.seed)
    poor = embed(engine, [degraded(pixels, rng) for _, pixels in everything])
    table = []
    for row, (person, item) in enumerate(zip(people, poor, strict=True)):
        others = [
            kept[0]
            for at, (name, kept) in enumerate(zip(people, clean, strict=True))
            if name == person and at != row and kept is not None
        ]
        if item is None or not others:
            continue
        mean = np.sum(others, axis=0)
        table.append((item[1], item[2], float(item[0] @ mean / np.linalg.norm(mean))))
    strength, overall, genuine = np.array(table).T
    missed = sum(item is None for item in poor)
    print(f"\n{len(table)} degraded portraits, {missed} without a face found; similarity to the")
    print("person's other photos (median, lowest tenth) by strength of the vector:")
    for low, high in ((0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        inside = (strength >= low) & (strength < high)
        if inside.any():
            middle, least = np.median(genuine[inside]), np.quantile(genuine[inside], 0.1)
            print(f"  {low:.2f}-{min(high, 1):.2f}: {inside.sum():4d} {middle:6.2f} {least:6.2f}")
    for name, values in (("strength", strength), ("grade of the picture", overall)):
        print(f"correlation with {name}: {np.corrcoef(values, genuine)[0, 1]:.2f}")


if __name__ == "__main__":
    main()
