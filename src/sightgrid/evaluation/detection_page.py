"""What an evaluation of a detector has to say: its figures in words, its plots, its mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sightgrid.domain.geometry import Floats
from sightgrid.evaluation.detection import DetectionScores, Judged
from sightgrid.evaluation.page import Figure, Page, Plot, percent, percent_span
from sightgrid.evaluation.plots import (
    Example,
    draw_bars,
    draw_examples,
    draw_precision_recall,
)
from sightgrid.evaluation.wider import LabelledPicture
from sightgrid.vision.pictures import read_picture

_SHOWN = 24
_EXAMPLE_PX = 160


def detection_figures(
    scores: DetectionScores, *, judged: Judged, min_height: int, ms_per_image: float
) -> list[Figure]:
    """The figures with their meaning."""
    faces = f"{len(judged.faces)} faces in {judged.pictures} pictures"
    bar = f"{scores.score_threshold:g}"
    return [
        Figure(
            "ap",
            percent(scores.ap),
            percent_span(scores.ap_interval),
            faces,
            "Average precision: the area under the curve of precision over recall, every score "
            "that occurs being tried as the bar once.",
        ),
        Figure(
            "recall",
            percent(scores.recall),
            percent_span(scores.recall_interval),
            faces,
            f"So many of the faces of {min_height} px or more are found with a score of {bar} or "
            "more, from which on a detection may begin a track.",
        ),
        Figure(
            "precision",
            "-" if scores.precision is None else percent(scores.precision),
            percent_span(scores.precision_interval),
            f"{scores.found + scores.false} boxes",
            f"So many of the boxes with a score of {bar} or more lie on a labelled face. Faces "
            "that nobody labelled count against the detector.",
        ),
        *(
            Figure(
                f"recall, {band.name} px",
                percent(band.recall),
                percent_span(band.interval),
                f"{band.faces} faces",
                f"The same for faces of {band.from_px} px or more"
                + ("." if band.to_px is None else f", but less than {band.to_px} px, in height."),
            )
            for band in scores.by_height
        ),
        Figure(
            "ms per image",
            f"{ms_per_image:.1f}",
            "",
            "pictures as they are",
            "So many milliseconds of processor time a picture takes, median, one at a time; "
            "reading the file not included.",
        ),
    ]


def detection_page(
    scores: DetectionScores,
    *,
    pictures: Sequence[LabelledPicture],
    judged: Judged,
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page with plots; reads again the pictures it shows pieces of."""
    bands = scores.by_height
    at = None if scores.precision is None else (scores.recall, scores.precision)
    return Page(
        title="Detection",
        lead=f"Of {len(judged.faces)} labelled faces in {judged.pictures} pictures, "
        f"{percent(scores.recall)} are found, and {scores.false} boxes lie on no labelled face.",
        settings=settings,
        figures=figures,
        plots=(
            Plot(
                "precision-recall.png",
                "Precision and recall",
                "How many of the boxes lie on faces (up) when so many faces are found (across), "
                "from a strict bar at the left to a lax one at the right.",
                draw_precision_recall(
                    scores.curve_recall,
                    scores.curve_precision,
                    at=at,
                    at_name=f"score {scores.score_threshold:g}",
                ),
            ),
            Plot(
                "recall-by-height.png",
                "Recall by height",
                "The share of faces found, by their labelled height in pixels; the lines are 95 % "
                "intervals.",
                draw_bars(
                    [band.name for band in bands],
                    [band.recall for band in bands],
                    [band.interval for band in bands],
                    across="height of the face, px",
                    up="found",
                ),
            ),
            Plot(
                "misses.png",
                "Missed faces",
                f"The {_SHOWN} tallest faces that were not found, at most one a picture.",
                draw_examples(_misses(scores, pictures, judged)),
                wide=True,
            ),
            Plot(
                "false-boxes.png",
                "Boxes on no labelled face",
                f"The {_SHOWN} boxes of highest score that lie on no labelled face, at most one a "
                "picture. Faces that nobody labelled, or labelled otherwise, show here too.",
                draw_examples(_false_boxes(scores, pictures, judged)),
                wide=True,
            ),
        ),
        notes=(
            "A box finds the labelled face that it overlaps most, if the overlap (intersection "
            "over union) is 0.5 or more; a second box on the same face is false.",
            "Faces marked invalid, and faces lower than the least height, are ignored: they are "
            "no misses, and boxes on them are neither right nor false. Boxes lower than the least "
            "height that lie on no face are ignored too.",
            "Intervals come from drawing the pictures anew 1,000 times: faces of one picture are "
            "found or missed together.",
        ),
    )


def _misses(
    scores: DetectionScores, pictures: Sequence[LabelledPicture], judged: Judged
) -> list[Example]:
    missed = np.flatnonzero(judged.found_at < scores.score_threshold)
    heights = judged.faces[missed, 3] - judged.faces[missed, 1]
    missed = missed[np.argsort(-heights, kind="stable")]
    numbers = _first_of_each(judged.face_picture[missed].tolist())
    return [
        _example(
            pictures[judged.face_picture[missed[n]]],
            judged.faces[missed[n]],
            f"{round(float(np.ptp(judged.faces[missed[n], 1::2])))} px",
        )
        for n in numbers
    ]


def _false_boxes(
    scores: DetectionScores, pictures: Sequence[LabelledPicture], judged: Judged
) -> list[Example]:
    false = np.flatnonzero(~judged.right & (judged.scores >= scores.score_threshold))
    numbers = _first_of_each(judged.box_picture[false].tolist())
    return [
        _example(
            pictures[judged.box_picture[false[n]]],
            judged.boxes[false[n]],
            f"score {judged.scores[false[n]]:.2f}",
        )
        for n in numbers
    ]


def _first_of_each(picture_of: Sequence[int]) -> list[int]:
    """The places of the first mistake of each picture, as many as are shown."""
    seen: dict[int, int] = {}
    for place, picture in enumerate(picture_of):
        seen.setdefault(picture, place)
    return list(seen.values())[:_SHOWN]


def _example(picture: LabelledPicture, box: Floats, title: str) -> Example:
    """A square three times as wide as the box is long, brought to one size."""
    pixels = read_picture(picture.path)
    side = max(3.0 * float(max(box[2] - box[0], box[3] - box[1])), 8.0)
    corner = (box[:2] + box[2:]) / 2 - side / 2
    scale = _EXAMPLE_PX / side
    move = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]], np.float64)
    shrinking = scale < 1
    piece = cv2.warpAffine(
        pixels,
        move,
        (_EXAMPLE_PX, _EXAMPLE_PX),
        flags=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC,
        borderValue=(230, 230, 230),
    ).astype(np.uint8, copy=False)
    left, top, right, bottom = ((box - np.tile(corner, 2)) * scale).tolist()
    return Example(piece, (left, top, right, bottom), title)
