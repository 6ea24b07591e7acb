"""What the packs give and what they cost: ``python -m benchmarks.packs --data DIR``.

Speed: one thread, median milliseconds a forward pass of one face and of eight, with each runtime
that is installed; beside them dlib's own program (extra ``hog`` brings it) on the same crops, and
how far its vectors lie from ours. Accuracy: the development sets of :mod:`benchmarks.accuracy`,
each pack with its own detector. Prints two tables; with ``--write`` they go into the page.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import accuracy, pages, ratchet
from benchmarks.ratchet import Figure
from benchmarks.speed import median_ms
from sightgrid.evaluation.datasets import read_people
from sightgrid.evaluation.photos import FaceReader
from sightgrid.offline.engine import open_engine
from sightgrid.vision.detectors import DetectorName
from sightgrid.vision.embedding import embedder_runtime
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import Pack, carried_path, load_pack

_PACKS = ("default", "dlib", "dlib-int8")
_CROPS = 64
_FIGURES = (
    ("lfw_pairs_dev accuracy", "accuracy"),
    ("lfw_pairs_dev val at far 0.001", "val at FAR 0.1 %"),
    ("lfw_ident_dev full rank1", "rank 1"),
    ("lfw_ident_dev full dir at fpir 0.01", "DIR at FPIR 1 %"),
    ("lfw_ident_dev full 3x3 dir at fpir 0.01", "the same, 3 photos and mean of 3"),
    ("lfw_ident_dev face30 dir at fpir 0.01", "DIR, face 30 px"),
    ("lfw_ident_dev face30 3x3 dir at fpir 0.01", "DIR, face 30 px, 3 and 3"),
)


def crops_of(data: Path, pack: str) -> list[NDArray[np.uint8]]:
    """Aligned faces of the development set, one of each of the first people."""
    reader = FaceReader(open_engine(pack))
    found = []
    for person in read_people(data / "lfw_ident_dev"):
        crop = reader.crop(person.photos[0])
        if crop is not None:
            found.append(crop)
        if len(found) == _CROPS:
            break
    return found


def batch_of(crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2), np.float32)


def speed_rows(data: Path, runs: int) -> list[list[str]]:
    rows = []
    for name in _PACKS:
        pack = load_pack(name)
        batch = batch_of(crops_of(data, name))
        for runtime in Runtime:
            if not is_installed(runtime):
                continue
            network = open_network(pack.embedder_path, runtime=runtime, threads=1)
            one, eight = (
                median_ms(lambda n=network, b=batch[:faces]: n.run(b), runs=runs) / faces
                for faces in (1, 8)
            )
            used = "yes" if embedder_runtime(pack) is runtime else ""
            told = f"{pack.embedder_path.stat().st_size / 1e6:.0f}"
            rows.append([name, runtime.value, f"{one:.2f}", f"{eight:.2f}", told, used])
    return rows


def peer_row(data: Path) -> tuple[list[str], str] | None:
    """dlib's own program: its time, and in words how far its vectors lie from ours."""
    if find_spec("dlib") is None:
        return None
    import dlib

    pack = load_pack("dlib")
    carried = pack.manifest.embedder.carried_by
    if carried is None:
        return None
    model = dlib.face_recognition_model_v1(str(carried_path(carried)))
    crops = crops_of(data, "dlib")
    mirrored = [np.ascontiguousarray(crop[..., ::-1]) for crop in crops]
    taken = median_ms(lambda: model.compute_face_descriptor(mirrored[0]), runs=5)
    theirs = np.array([model.compute_face_descriptor(crop) for crop in mirrored[:32]])
    row = ["dlib's own program", f"dlib-bin {dlib.__version__}", f"{taken:.0f}", "", "22", ""]
    return row, distances(crops[:32], theirs)


def distances(crops: list[NDArray[np.uint8]], theirs: NDArray[np.float64]) -> str:
    told = []
    for name in ("dlib", "dlib-int8"):
        pack: Pack = load_pack(name)
        network = open_network(pack.embedder_path, runtime=embedder_runtime(pack), threads=1)
        (ours,) = network.run(batch_of(crops)).values()
        apart = np.linalg.norm(ours - theirs, axis=1)
        told.append(f"`{name}` {apart.mean():.1e} on average, {apart.max():.1e} at most")
    return (
        f"Distance to the vectors of dlib's own program, of length 1.4, on {len(crops)} faces: "
        + "; ".join(told)
        + "."
    )


def accuracy_rows(data: Path) -> list[list[str]]:
    # the default pack's are those that benchmarks.accuracy stored
    found = {"default": (DetectorName.YUNET, ratchet.stored_figures())}
    for name in _PACKS[1:]:
        engine = open_engine(name)
        figures = accuracy.measure(data, engine=engine, tell=pages.tell)
        found[name] = (engine.detector_name, {figure.name: figure for figure in figures})
    return [
        [name, detector.value, *(_in_words(figures[known]) for known, _ in _FIGURES)]
        for name, (detector, figures) in found.items()
    ]


def _in_words(figure: Figure) -> str:
    low, high = figure.interval
    return f"{figure.value:.3f} ({low:.3f}–{high:.3f})"  # noqa: RUF001


def main() -> None:
    """Measures, prints and, if asked to, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--runs", type=int, default=40)
    chosen = parser.parse_args()
    data = pages.data_folder(parser, chosen)
    cv2.setNumThreads(1)
    accurate = pages.table(
        ["pack", "detector", *(title for _, title in _FIGURES)], accuracy_rows(data)
    )
    rows, peer = speed_rows(data, chosen.runs), peer_row(data)
    apart = "dlib's own program is not installed (extra `hog`)."
    if peer is not None:
        rows.append(peer[0])
        apart = peer[1]
    fast = pages.table(
        ["pack", "runtime", "ms a face, alone", "of eight", "MB", "what sightgrid uses"], rows
    )
    text = (
        "One forward pass, one thread, median. A face is shown to the network twice, mirrored "
        f"too, so an embedding costs two.\n\n{fast}\n\n{apart}\n\n"
        "Labeled Faces in the Wild, development sets, as under [accuracy](#accuracy); 95 % "
        f"intervals.\n\n{accurate}"
    )
    pages.publish("packs", text, command="python -m benchmarks.packs", chosen=chosen)


if __name__ == "__main__":
    main()
