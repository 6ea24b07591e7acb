"""``sightgrid evaluate detection``: are faces found, and nothing else?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.evaluate.options import (
    answer,
    check_plots,
    chosen_detector,
    detector_option,
    in_words,
    pack_option,
    plots_option,
)
from sightgrid.cli.output import interrupt_on_termination, json_option, note, progress

if TYPE_CHECKING:
    from sightgrid.evaluation.detection import DetectionScores, Judged


@click.command("detection")
@click.option(
    "--images",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the pictures that the list names.",
)
@click.option(
    "--truth",
    "truth_file",
    required=True,
    type=click.Path(path_type=Path),
    help="Pictures and the boxes of their faces, in WIDER FACE's text format.",
)
@click.option(
    "--min-height",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Faces lower than this, in pixels, are ignored.",
)
@pack_option
@detector_option
@plots_option
@json_option
def command(
    images: Path,
    truth_file: Path,
    min_height: int,
    pack: str,
    detector: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Are faces found, and nothing else? Pictures with labelled boxes, as in WIDER FACE.

    Average precision over all scores; precision and recall at the detector's own bar.
    """
    interrupt_on_termination()
    import cv2

    from sightgrid.evaluation.detection import (
        LEAST_OVERLAP,
        detection_ms,
        find_faces,
        judge,
        measuring_score,
        score_detection,
    )
    from sightgrid.evaluation.detection_page import detection_figures, detection_page
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.wider import read_wider
    from sightgrid.offline.engine import usable_cores
    from sightgrid.vision.detectors import detector_name, detector_runtime, open_detector
    from sightgrid.vision.packs import load_pack

    check_plots(plots_folder)
    pictures = read_wider(truth_file, images=images)
    detector = chosen_detector(pack, detector)
    name = detector_name(detector)
    opened = load_pack(pack)
    # OpenCV's own threads would fight with ours over the same cores
    cv2.setNumThreads(1)
    lax = open_detector(name, pack=opened, calls=usable_cores(), least_score=measuring_score(name))
    with progress() as tell:
        found = find_faces(pictures, detector=lax, tell=tell)
        judged = judge(pictures, found, min_height=min_height)
        scores = score_detection(judged, min_height=min_height)
        taken_ms = detection_ms(pictures, detector=open_detector(name, pack=opened), tell=tell)
    figures = detection_figures(scores, judged=judged, min_height=min_height, ms_per_image=taken_ms)
    runtime = detector_runtime(name)
    settings = {
        "min_height": min_height,
        "iou": LEAST_OVERLAP,
        "least_score": measuring_score(name),
        "pack": opened.manifest.name,
        "detector": detector,
        "runtime": None if runtime is None else runtime.value,
    }
    if plots_folder is not None:
        page = detection_page(
            scores,
            pictures=pictures,
            judged=judged,
            figures=figures,
            settings=in_words(settings),
        )
        note(f"Page: {write_page(page, folder=plots_folder)}")
    document = detection_document(scores, judged) | {"ms_per_image": round(taken_ms, 3)}
    answer(document | settings, figures, "Detection", json_file)


def detection_document(scores: DetectionScores, judged: Judged) -> dict[str, Any]:
    """An evaluation of a detector as JSON."""
    from sightgrid.evaluation.detection import heights_as_json

    spread = scores.precision_interval
    return {
        "ap": scores.ap,
        "ap_interval": list(scores.ap_interval),
        "precision": scores.precision,
        "precision_interval": None if spread is None else list(spread),
        "recall": scores.recall,
        "recall_interval": list(scores.recall_interval),
        "score_threshold": scores.score_threshold,
        "by_height": heights_as_json(scores.by_height),
        "images": judged.pictures,
        "faces": len(judged.faces),
        "found": scores.found,
        "false": scores.false,
        "ignored_boxes": judged.ignored,
    }
