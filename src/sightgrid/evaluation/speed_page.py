"""What a measurement of speed has to say: its figures in words, its plots."""

from __future__ import annotations

from collections.abc import Sequence

from sightgrid.evaluation.page import Figure, Page, Plot
from sightgrid.evaluation.plots import draw_amounts, draw_course
from sightgrid.evaluation.speed import Speed

_MEANINGS = {
    "decode": "Coded video to pixels.",
    "detect": "Finding the faces, resizing included.",
    "follow": "Joining faces to tracks, cutting out and grading the best looks; without embedding.",
    "align": "Cutting out and grading one face; part of following, which does it for some.",
    "embed": "A face to a vector; done for a few looks of every track.",
}


def speed_figures(speed: Speed) -> list[Figure]:
    """The figures with their meaning."""
    clip = f"{speed.frames} frames, {speed.width} x {speed.height}, {speed.fps:g} a second"
    figures = [
        Figure(
            f"{stage.name}, ms",
            f"{stage.each_ms:.2f}",
            "",
            f"{stage.count} {stage.unit}s, median",
            f"For one {stage.unit}. {_MEANINGS[stage.name]}"
            + ("" if stage.load is None else f" {stage.load * 1e3:.0f} ms a second of video."),
        )
        for stage in speed.stages
    ]
    return [
        *figures,
        Figure(
            "faces a second",
            f"{speed.faces_per_sec:.0f}",
            "",
            f"{speed.faces} faces",
            "So many faces are found and followed in a second of processor time, with everything "
            "counted.",
        ),
        Figure(
            "cameras a core",
            f"{speed.cameras_per_core:.2f}",
            "",
            clip,
            f"So many such cameras one core could bear: {speed.cpu_secs:.2f} s of processor time "
            f"for {speed.media_secs:.2f} s of video, every frame looked at.",
        ),
    ]


def speed_page(
    speed: Speed, *, figures: Sequence[Figure], settings: Sequence[tuple[str, str]]
) -> Page:
    """The page with plots."""
    costs = [stage for stage in speed.stages if stage.load is not None]
    return Page(
        title="Speed",
        lead=f"One core bears {speed.cameras_per_core:.1f} cameras like this one "
        f"({speed.width} x {speed.height}, {speed.fps:g} frames a second, every frame looked at).",
        settings=settings,
        figures=figures,
        plots=(
            Plot(
                "costs.png",
                "What a second of video costs",
                "Processor time of each stage, all threads together.",
                draw_amounts(
                    [stage.name for stage in costs],
                    [(stage.load or 0.0) * 1e3 for stage in costs],
                    along="ms of processor time for a second of video",
                ),
            ),
            Plot(
                "frames.png",
                "Frame by frame",
                "Detection, following and embedding of each frame; peaks are frames in which "
                "tracks end, whose best looks are embedded then.",
                draw_course(speed.look_ms, across="frame", up="ms"),
            ),
        ),
        notes=(
            "Everything is on one thread but the decoder; times are processor time, medians are "
            "over frames or faces.",
            "The source, which delivers the coded video, is not counted; decoding is. Nor are "
            "deciding who is who and writing results, which come once for a track.",
            "Every frame is looked at, as for a recording. A live camera is looked at some times a "
            "second, and only where something moves.",
        ),
    )
