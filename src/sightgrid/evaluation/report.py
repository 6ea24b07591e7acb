"""Every detector with every pack and every head, on one set of people, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue, MissingExtra, PackError
from sightgrid.domain.faces import Detection
from sightgrid.domain.geometry import Bytes
from sightgrid.evaluation.datasets import PersonPhotos
from sightgrid.evaluation.degradations import Degradation
from sightgrid.evaluation.identification import (
    Deal,
    Identification,
    deal,
    identify,
    unknown_people,
)
from sightgrid.evaluation.photos import PhotoVectors, Tell, central_face, cut_face
from sightgrid.offline.engine import Engine, open_engine, usable_cores
from sightgrid.recognition.heads import HeadKind, check_classes, open_head
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.detectors import DetectorName, open_detector
from sightgrid.vision.packs import catalogue, installed, load_pack
from sightgrid.vision.pictures import read_picture

CLEAN = "clean"
NO_WEIGHTS = "weights not supplied"
# of networks that are built here, but whose weights only their owners may hand out
CLASSIC_PACKS = ("facenet", "vgg-face")
FPIR = 0.01
_BATCH = 8
_TIMED = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """What is measured: photos enrolled of each known person, the share of people who are not,
    over how many seeds, and on photos spoilt how (``clean`` or a degradation's name)."""

    enrol: int
    unknown: float
    seeds: int
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LevelShare:
    """What came out with photos spoilt in one way: means over the seeds, shares 0-1. ``found`` is
    the detection and identification rate at a false alarm rate of 1 %, ``undetected`` the share of
    photos asked about in which no face was found."""

    level: str
    rank1: float
    found: float
    undetected: float


@dataclass(frozen=True, slots=True)
class Row:
    """One detector with one pack and one head; or ``problem``, why it could not be measured.

    Milliseconds are wall time of one thread, medians: ``detect_ms`` a photo, ``embed_ms`` a face,
    ``probe_ms`` a face compared with everybody. Sizes are megabytes: of the pack's embedder and of
    the numbers the head keeps.
    """

    pack: str
    detector: str
    head: str
    problem: str | None = None
    levels: tuple[LevelShare, ...] = ()
    detect_ms: float = 0.0
    embed_ms: float = 0.0
    fit_secs: float = 0.0
    probe_ms: float = 0.0
    trainable_parameters: int = 0
    network_mb: float = 0.0
    head_mb: float = 0.0


def known_packs() -> tuple[str, ...]:
    """All packs that could be compared, those without weights too."""
    return tuple(sorted({*catalogue(), *installed(), *CLASSIC_PACKS}))


def why_absent(pack: str) -> str | None:
    """Why a pack can't be measured here; ``None`` if it can.

    Raises:
        PackError: there is no such pack.
    """
    shelf = catalogue()
    if pack not in shelf and pack not in installed():
        if pack in CLASSIC_PACKS:
            return NO_WEIGHTS
        raise PackError(
            f"there is no pack '{pack}'", hint=f"known packs: {', '.join(known_packs())}"
        )
    if pack not in installed() and not shelf[pack].carried:
        return NO_WEIGHTS
    try:
        load_pack(pack)
    except MissingExtra as error:
        return str(error)
    return None


def compare(
    people: Sequence[PersonPhotos],
    *,
    packs: Sequence[str],
    detectors: Sequence[DetectorName],
    heads: Sequence[HeadKind],
    terms: Terms,
    tell: Tell,
) -> list[Row]:
    """Measures every combination; each photo is looked at once by each detector and way of spoiling
    it, and each head is asked about the same vectors.

    Raises:
        InvalidValue: a level is no degradation, or the terms leave nobody to ask about.
        PackError: there is no such pack. ImageError: a photo can't be read.
    """
    degradations = {
        level: None if level == CLEAN else Degradation.named(level)
        for level in dict.fromkeys((CLEAN, *terms.levels))
    }
    deals = [
        deal(people, enrol=terms.enrol, unknown=terms.unknown, seed=seed)
        for seed in range(terms.seeds)
    ]
    absent = {pack: why_absent(pack) for pack in packs}
    engines: dict[str, Engine] = {}
    for pack, problem in absent.items():
        if problem is None:
            try:
                engines[pack] = open_engine(pack, detector=DetectorName.YUNET)
            except (PackError, MissingExtra) as error:
                absent[pack] = str(error)
    rows = [
        Row(pack, "any", "any", problem=problem)
        for pack, problem in absent.items()
        if problem is not None
    ]
    known = len(people) - unknown_people(len(people), terms.unknown)
    photos = [photo for person in people for photo in person.photos]
    holder = load_pack("default")
    for name in detectors:
        try:
            detector = open_detector(name, pack=holder, calls=usable_cores())
        except MissingExtra as error:
            rows.append(Row("any", name.value, "any", problem=str(error)))
            continue
        seen_at: dict[str, _Seen] = {}
        for level, degradation in degradations.items():
            seen_at[level] = _looked_at(
                photos, name, detector, engines, degradation, seen_at.get(CLEAN), tell
            )
        detect_ms, seen = _timed_detection(photos, detector)
        for pack, engine in engines.items():
            embed_ms = _timed_embedding(engine, seen)
            for kind in heads:
                try:
                    check_classes(kind, known)
                except InvalidValue as error:
                    rows.append(Row(pack, name.value, kind.value, problem=str(error)))
                    continue
                by_level = {level: one.by_pack[pack] for level, one in seen_at.items()}
                measured = _measured(deals, by_level, kind, terms.levels)
                rows.append(
                    Row(
                        pack,
                        name.value,
                        kind.value,
                        levels=measured.levels,
                        detect_ms=detect_ms,
                        embed_ms=embed_ms,
                        fit_secs=measured.fit_secs,
                        probe_ms=measured.probe_ms,
                        trainable_parameters=measured.trainable_parameters,
                        network_mb=engine.pack.embedder_path.stat().st_size / 1e6,
                        head_mb=measured.head_mb,
                    )
                )
                tell(f"heads after {name.value}", len(rows), None)
    return rows


@dataclass(frozen=True, slots=True)
class _HeadShare:
    levels: tuple[LevelShare, ...]
    fit_secs: float
    probe_ms: float
    trainable_parameters: int
    head_mb: float


def _measured(
    deals: Sequence[Deal],
    vectors: Mapping[str, PhotoVectors],
    kind: HeadKind,
    levels: Sequence[str],
) -> _HeadShare:
    shares, answers = [], []
    megabytes = 0.0
    for level in levels:
        at_level: list[Identification] = []
        for dealt in deals:
            photos = joined(dealt, enrolled=vectors[CLEAN], asked=vectors[level])
            head = open_head(kind)
            at_level.append(identify(dealt, photos=photos, head=head))
            megabytes = sum(array.nbytes for array in head.arrays().values()) / 1e6
        answers += at_level
        shares.append(
            LevelShare(
                level,
                rank1=float(np.mean([one.rank1 for one in at_level])),
                found=float(np.mean([one.dir_at_fpir[FPIR] or 0.0 for one in at_level])),
                undetected=float(np.mean([one.undetected / one.probes for one in at_level])),
            )
        )
    return _HeadShare(
        tuple(shares),
        fit_secs=float(np.median([one.fit_secs for one in answers])),
        probe_ms=float(np.median([one.probe_ms for one in answers])),
        trainable_parameters=answers[0].trainable_parameters,
        head_mb=megabytes,
    )


def joined(dealt: Deal, *, enrolled: PhotoVectors, asked: PhotoVectors) -> PhotoVectors:
    """The vectors of a deal whose photos to enrol were read in another way than those asked
    about; one row a photo in both."""
    is_enrolled = np.zeros(len(asked.found), np.bool_)
    is_enrolled[[photo for photo, _ in dealt.enrolled]] = True
    return PhotoVectors(
        np.where(is_enrolled[:, None], enrolled.vectors, asked.vectors),
        np.where(is_enrolled, enrolled.found, asked.found),
        enrolled.secs + asked.secs,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What one detector saw in photos spoilt in one way: every pack's vectors, and how wide the
    faces are, px (N,), 0 where there is none."""

    by_pack: dict[str, PhotoVectors]
    widths: NDArray[np.float64]


def _looked_at(
    photos: Sequence[Path],
    name: DetectorName,
    detector: FaceDetector,
    engines: Mapping[str, Engine],
    degradation: Degradation | None,
    unspoilt: _Seen | None,
    tell: Tell,
) -> _Seen:
    """Every photo looked at once, and its face embedded by every pack.

    Args:
        unspoilt: what was seen in the photos as they are, which says how wide the faces are.
    """
    began = perf_counter()
    widths = np.zeros(len(photos))
    vectors = {
        pack: np.zeros((len(photos), engine.pack.contract.dimension), np.float32)
        for pack, engine in engines.items()
    }

    def look(start: int) -> int:
        batch = photos[start : start + _BATCH]
        rows, seen = [], []
        for row, photo in enumerate(batch, start):
            pixels = read_picture(photo)
            if degradation is not None and unspoilt is not None:
                if not unspoilt.widths[row]:
                    continue
                pixels = degradation.apply(pixels, face_width=float(unspoilt.widths[row]))
            face = central_face(detector.detect(pixels), pixels)
            if face is not None:
                rows.append(row)
                seen.append((pixels, face))
                widths[row] = face.box.width
        for pack, engine in engines.items():
            embedded = engine.embedder.embed([cut_face(engine.pack, *one) for one in seen])
            for row, embedding in zip(rows, embedded, strict=True):
                vectors[pack][row] = embedding.vector
        return len(batch)

    task, done = f"{name.value}, {degradation.name if degradation else CLEAN}", 0
    pool = ThreadPoolExecutor(usable_cores())
    try:
        for count in pool.map(look, range(0, len(photos), _BATCH)):
            done += count
            tell(task, done, len(photos))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    secs = perf_counter() - began
    by_pack = {pack: PhotoVectors(found, widths > 0, secs) for pack, found in vectors.items()}
    return _Seen(by_pack, widths)


def _timed_detection(
    photos: Sequence[Path], detector: FaceDetector
) -> tuple[float, list[tuple[Bytes, Detection]]]:
    """Milliseconds a photo, one at a time, and the faces found meanwhile."""
    spent, seen = [], []
    for photo in photos[:: max(len(photos) // _TIMED, 1)][:_TIMED]:
        pixels = read_picture(photo)
        detector.detect(pixels)
        began = perf_counter()
        face = central_face(detector.detect(pixels), pixels)
        spent.append(perf_counter() - began)
        if face is not None:
            seen.append((pixels, face))
    return float(np.median(spent) * 1e3), seen


def _timed_embedding(engine: Engine, seen: Sequence[tuple[Bytes, Detection]]) -> float:
    """Milliseconds a face, one at a time; 0 where there is none to embed."""
    spent = []
    for pixels, face in seen:
        crop = cut_face(engine.pack, pixels, face)
        began = perf_counter()
        engine.embedder.embed([crop])
        spent.append(perf_counter() - began)
    return float(np.median(spent) * 1e3) if spent else 0.0
