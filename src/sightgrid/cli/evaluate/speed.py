"""``sightgrid evaluate speed``: what does a camera cost?"""

from __future__ import annotations

from contextlib import nullcontext
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
    from sightgrid.evaluation.speed import Speed


@click.command("speed")
@click.option(
    "--video",
    type=click.Path(path_type=Path),
    help="A recording, or a folder of pictures; else a short clip is rendered.",
)
@pack_option
@detector_option
@plots_option
@json_option
def command(
    video: Path | None,
    pack: str,
    detector: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """What does a camera cost? Milliseconds a stage, and how many cameras a core bears.

    One thread, processor time. Every frame is looked at; decoding counts, the source does not.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.speed import measure_speed, sample_video
    from sightgrid.evaluation.speed_page import speed_figures, speed_page
    from sightgrid.vision.engine import open_vision
    from sightgrid.vision.sources import open_source

    check_plots(plots_folder)
    given = None if video is None else open_source(str(video), camera="video", starts_at=None)
    detector = chosen_detector(pack, detector)
    vision = open_vision(pack, detector=detector, calls=1)
    with progress() as tell:
        opened = sample_video(vision.detector, tell=tell) if given is None else nullcontext(given)
        with opened as source:
            speed = measure_speed(source, vision=vision, tell=tell)
    figures = speed_figures(speed)
    settings = {
        "video": "rendered" if video is None else video.name,
        "pack": vision.pack.manifest.name,
        "detector": detector,
        "runtimes": {part: runtime.value for part, runtime in vision.runtimes.items()},
    }
    if plots_folder is not None:
        page = speed_page(speed, figures=figures, settings=in_words(settings))
        note(f"Page: {write_page(page, folder=plots_folder)}")
    answer(speed_document(speed) | settings, figures, "Speed", json_file)


def speed_document(speed: Speed) -> dict[str, Any]:
    """A measurement of speed as JSON."""
    return {
        "stages": {
            stage.name: {
                "ms": round(stage.each_ms, 4),
                "unit": stage.unit,
                "count": stage.count,
                "cpu_secs_per_stream_sec": None if stage.load is None else round(stage.load, 6),
            }
            for stage in speed.stages
        },
        "faces_per_sec": speed.faces_per_sec,
        "cameras_per_core": speed.cameras_per_core,
        "cpu_secs_per_stream_sec": speed.cpu_secs / speed.media_secs,
        "frames": speed.frames,
        "faces": speed.faces,
        "width": speed.width,
        "height": speed.height,
        "fps": speed.fps,
        "media_secs": round(speed.media_secs, 3),
    }
