"""How many faces of labelled pictures a detector finds, and how many boxes it invents.

The rules are those of WIDER FACE (Yang et al. 2016, its evaluation tools): each picture's boxes are
taken best score first; each goes to the labelled face that it overlaps most. If the overlap is
``LEAST_OVERLAP`` or more, the box is right if nobody took that face before, false if somebody did,
and ignored if the face is invalid or smaller than asked for. A box that overlaps nothing enough is
false, unless it is itself smaller than asked for: then it is ignored, as COCO does for sizes out
of range. Ignored faces are no misses.

AP is the area under precision over recall at every score that occurs, precision made falling from
right to left first (all-point interpolation, as PASCAL VOC does since 2010).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Bytes, Floats, boxes_array, iou_matrix
from sightgrid.evaluation.curves import Scores, Truths
from sightgrid.evaluation.wider import LabelledPicture
from sightgrid.offline.engine import usable_cores
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.detectors import DetectorName
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.tracking import TrackerSettings

Tell = Callable[[str, int, int | None], None]
Numbers = NDArray[np.intp]

LEAST_OVERLAP = 0.5
WORKING_SCORE = TrackerSettings().strong
"""Where precision and recall are told: the score from which a detection may begin a track. The
scores of all detectors are on a scale on which this is their own bar."""

_HEIGHTS = (10, 20, 40, 80, 160)
_TIMED_PICTURES = 40
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A detector's boxes (N, 4) of one picture and their scores (N,), best first."""

    boxes: Floats
    scores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Every box that counts, best score first, and every face that counts.

    ``box_picture`` and ``face_picture`` number the pictures; ``right`` tells of each box whether it
    found a face, ``found_at`` of each face with which score it was found, minus infinity for never.
    ``ignored`` boxes counted neither way.
    """

    scores: Scores
    right: Truths
    boxes: Floats
    box_picture: Numbers
    faces: Floats
    face_picture: Numbers
    found_at: Scores
    pictures: int
    ignored: int


@dataclass(frozen=True, slots=True)
class HeightBand:
    """Faces at least ``from_px`` and less than ``to_px`` high; ``None``: no upper end. The interval
    is 95 % over pictures."""

    from_px: int
    to_px: int | None
    faces: int
    found: int
    recall: float
    interval: tuple[float, float]

    @property
    def name(self) -> str:
        return f"{self.from_px}+" if self.to_px is None else f"{self.from_px}-{self.to_px}"


@dataclass(frozen=True, slots=True, eq=False)
class DetectionScores:
    """Shares are 0-1, intervals 95 % over pictures, drawn anew 1,000 times.

    ``precision`` is ``None`` where no box reached the score. ``curve_recall`` and
    ``curve_precision`` hold a point for every score that occurs, scores falling.
    """

    ap: float
    ap_interval: tuple[float, float]
    precision: float | None
    precision_interval: tuple[float, float] | None
    recall: float
    recall_interval: tuple[float, float]
    score_threshold: float
    by_height: tuple[HeightBand, ...]
    found: int
    false: int
    curve_recall: Scores
    curve_precision: Scores


def measuring_score(name: DetectorName) -> float:
    """The least score that a detector is asked for when the whole curve is measured. What a
    detector gives below would be noise that takes it for ever."""
    match name:
        case DetectorName.YUNET | DetectorName.MTCNN | DetectorName.MTCNN_FAST:
            return 0.02
        case DetectorName.HAAR:
            return 0.4
        case DetectorName.HOG:
            return 0.4


def find_faces(
    pictures: Sequence[LabelledPicture], *, detector: FaceDetector, tell: Tell
) -> list[Found]:
    """What the detector finds in each picture, looked at on all cores.

    Raises:
        ImageError: a picture can't be read.
    """

    def look(picture: LabelledPicture) -> Found:
        faces = detector.detect(read_picture(picture.path))
        faces.sort(key=lambda face: -face.score)
        return Found(
            boxes_array([face.box for face in faces]),
            np.array([face.score for face in faces], np.float32),
        )

    found: list[Found] = []
    tell("looking for faces", 0, len(pictures))
    pool = ThreadPoolExecutor(usable_cores())
    try:
        for one in pool.map(look, pictures):
            found.append(one)
            tell("looking for faces", len(found), len(pictures))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return found


def detection_ms(
    pictures: Sequence[LabelledPicture], *, detector: FaceDetector, tell: Tell
) -> float:
    """Median milliseconds of processor time, one call at a time, for up to 40 of the pictures.

    Each is looked at twice and the second time counts: a camera sends one size of picture for
    years, for which everything is set up at the first. Reading the file does not count.

    Raises:
        ImageError: a picture can't be read.
    """
    step = max(len(pictures) / _TIMED_PICTURES, 1.0)
    chosen = [pictures[int(n * step)] for n in range(min(len(pictures), _TIMED_PICTURES))]
    taken = []
    for number, picture in enumerate(chosen):
        tell("taking the time", number, len(chosen))
        pixels: Bytes = read_picture(picture.path)
        detector.detect(pixels)
        began = time.process_time()
        detector.detect(pixels)
        taken.append(time.process_time() - began)
    tell("taking the time", len(chosen), len(chosen))
    return statistics.median(taken) * 1e3


def judge(
    pictures: Sequence[LabelledPicture], found: Sequence[Found], *, min_height: float
) -> Judged:
    """Holds boxes against labelled faces.

    Args:
        min_height: faces lower than this, in pixels, are ignored.

    Raises:
        InvalidValue: no face is left to be found.
    """
    parts: list[tuple[Found, Truths, Truths]] = []
    faces: list[Floats] = []
    found_at: list[Scores] = []
    for picture, one in zip(pictures, found, strict=True):
        counts = ~picture.invalid & (_heights(picture.boxes) >= min_height)
        right, ignored, taken_at = _match(picture.boxes, counts, one, min_height)
        parts.append((one, right, ignored))
        faces.append(picture.boxes[counts])
        found_at.append(taken_at[counts])
    if not sum(len(boxes) for boxes in faces):
        raise InvalidValue(
            f"no valid face of {min_height:g} px or more is labelled in {len(pictures)} pictures",
            hint="give a smaller --min-height",
        )
    scores = np.concatenate([one.scores[~ignored] for one, _, ignored in parts]).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    box_picture = np.repeat(
        np.arange(len(parts)), [int((~ignored).sum()) for _, _, ignored in parts]
    )
    return Judged(
        scores=scores[order],
        right=np.concatenate([right[~ignored] for _, right, ignored in parts])[order],
        boxes=np.concatenate([one.boxes[~ignored] for one, _, ignored in parts])[order],
        box_picture=box_picture[order],
        faces=np.concatenate(faces),
        face_picture=np.repeat(np.arange(len(faces)), [len(boxes) for boxes in faces]),
        found_at=np.concatenate(found_at),
        pictures=len(pictures),
        ignored=sum(int(ignored.sum()) for _, _, ignored in parts),
    )


def _match(
    truth: Floats, counts: Truths, found: Found, min_height: float
) -> tuple[Truths, Truths, Scores]:
    """Of each box whether it is right and whether it is ignored, and of each labelled face the
    score it was found with."""
    right = np.zeros(len(found.scores), np.bool_)
    found_at = np.full(len(truth), -np.inf)
    # a small box is forgiven until it turns out to lie on a face
    ignored: Truths = np.asarray(_heights(found.boxes) < min_height)
    if not len(truth):
        return right, ignored, found_at
    overlaps = iou_matrix(found.boxes, truth)
    for number, face in enumerate(overlaps.argmax(axis=1)):
        if overlaps[number, face] < LEAST_OVERLAP:
            continue
        ignored[number] = not counts[face]
        if counts[face] and found_at[face] == -np.inf:
            right[number] = True
            found_at[face] = found.scores[number]
    return right, ignored, found_at


def _heights(boxes: Floats) -> Floats:
    return boxes[:, 3] - boxes[:, 1]


def score_detection(
    judged: Judged, *, min_height: int, threshold: float = WORKING_SCORE
) -> DetectionScores:
    """The figures of what was judged; precision, recall and heights from ``threshold`` on."""
    # scores that are equal come in at once, whatever order they stand in
    last_of = np.flatnonzero(np.diff(judged.scores, append=-np.inf))
    once = np.ones(judged.pictures)
    recall, precision = _curve(judged, last_of, once)
    believed = judged.scores >= threshold
    is_found = judged.found_at >= threshold
    # pictures are drawn anew, not faces: those of one picture are found or missed together
    times = np.random.default_rng(0).multinomial(
        judged.pictures, np.full(judged.pictures, 1 / judged.pictures), size=_RESAMPLES
    )
    aps = [area_under(*_curve(judged, last_of, one.astype(np.float64))) for one in times]
    right = int(judged.right[believed].sum())
    false = int(believed.sum()) - right
    box_times = times[:, judged.box_picture[believed]]
    return DetectionScores(
        ap=area_under(recall, precision),
        ap_interval=_span(np.array(aps)),
        precision=right / (right + false) if right + false else None,
        precision_interval=_share_span(box_times, judged.right[believed])
        if right + false
        else None,
        recall=float(is_found.mean()),
        recall_interval=_share_span(times[:, judged.face_picture], is_found),
        score_threshold=threshold,
        by_height=_by_height(judged, is_found, times, min_height),
        found=right,
        false=false,
        curve_recall=recall,
        curve_precision=precision,
    )


def _curve(judged: Judged, last_of: Numbers, weights: Scores) -> tuple[Scores, Scores]:
    """Recall and precision at every distinct score, each picture counted ``weights`` times."""
    of_box = weights[judged.box_picture]
    right: Scores = np.cumsum(of_box * judged.right)[last_of]
    boxes: Scores = np.cumsum(of_box)[last_of]
    faces = max(float(weights[judged.face_picture].sum()), 1.0)
    return right / faces, right / np.maximum(boxes, 1.0)


def area_under(recall: Scores, precision: Scores) -> float:
    """The area under precision over recall, recall rising, by all-point interpolation."""
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * falling))


def _by_height(
    judged: Judged, is_found: Truths, times: NDArray[np.int64], min_height: int
) -> tuple[HeightBand, ...]:
    heights = _heights(judged.faces)
    edges: list[int] = [min_height, *(edge for edge in _HEIGHTS if edge > min_height)]
    bands = []
    for from_px, to_px in zip(edges, [*edges[1:], None], strict=True):
        inside: Truths = np.asarray(heights >= from_px)
        if to_px is not None:
            inside &= heights < to_px
        if not inside.any():
            continue
        interval = _share_span(times[:, judged.face_picture[inside]], is_found[inside])
        faces, found = int(inside.sum()), int(is_found[inside].sum())
        bands.append(HeightBand(from_px, to_px, faces, found, found / faces, interval))
    return tuple(bands)


def _share_span(times: NDArray[np.int64], hit: Truths) -> tuple[float, float]:
    """The interval of a share of things; ``times`` (R, N): how often each is drawn."""
    drawn = times.sum(axis=1)
    shares = (times * hit).sum(axis=1)[drawn > 0] / drawn[drawn > 0]
    return _span(shares)


def _span(values: Scores) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def heights_as_json(bands: Sequence[HeightBand]) -> Mapping[str, Mapping[str, object]]:
    """The bands by their names."""
    return {
        band.name: {
            "faces": band.faces,
            "found": band.found,
            "recall": band.recall,
            "recall_interval": list(band.interval),
        }
        for band in bands
    }
