"""Draws people's trajectories beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightgrid.evaluation.plots import BLUE, GREY, ORANGE, new_figure, to_png

_RED = "#c2185b"
_COLOURS = {"main": BLUE, "split": ORANGE, "wrong": _RED, "unsure": "white"}


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted, in seconds since the first camera's start, and what is said of it."""

    from_secs: float
    to_secs: float
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A person: when they were in view (label: the camera's number), and what was found of them
    (label: ``main``, ``split``, ``wrong`` or ``unsure``)."""

    name: str
    true: Sequence[Bar]
    found: Sequence[Bar]


def draw_lanes(lanes: Sequence[Lane], *, secs: float) -> bytes:
    """A line a person over ``secs`` seconds, the truth above what was found; PNG."""
    figure = new_figure(13.0, 1.0 + 0.32 * max(len(lanes), 1))
    axes = figure.add_subplot()
    for row, lane in enumerate(lanes):
        for bar in lane.true:
            axes.broken_barh(
                [(bar.from_secs, max(bar.to_secs - bar.from_secs, 0.1))],
                (row - 0.40, 0.42),
                facecolors="#dddddd",
                edgecolors=GREY,
                linewidth=0.5,
            )
            middle = (bar.from_secs + bar.to_secs) / 2
            axes.text(middle, row - 0.19, bar.label, ha="center", va="center", fontsize=6)
        for bar in lane.found:
            axes.broken_barh(
                [(bar.from_secs, max(bar.to_secs - bar.from_secs, 0.1))],
                (row + 0.08, 0.28),
                facecolors=_COLOURS[bar.label],
                edgecolors=GREY,
                linewidth=0.5,
            )
    axes.set_yticks(
        range(len(lanes)), [lane.name.replace("$", r"\$") for lane in lanes], fontsize=7
    )
    axes.set(xlim=(0, secs), xlabel="seconds")
    axes.set_ylim(max(len(lanes), 1) - 0.4, -0.6)
    return to_png(figure, axes)
