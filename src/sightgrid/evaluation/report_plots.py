"""Draws a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sightgrid.evaluation.plots import BLUE, GREY, ORANGE, new_figure, to_png

_COLOURS = (BLUE, ORANGE, GREY, "#2f7d4f", "#8a3a8f")


def draw_bars(names: Sequence[str], shares: Mapping[str, Sequence[float]]) -> bytes:
    """A group of bars a name, lying; one bar a key of ``shares``, each with a share a name."""
    figure = new_figure(9.6, 1.0 + 0.2 * len(names) * len(shares) + 0.12 * len(names))
    axes = figure.add_subplot()
    places = np.arange(len(names), dtype=np.float64)
    height = 0.8 / max(len(shares), 1)
    for number, (key, values) in enumerate(shares.items()):
        above = places + (number - (len(shares) - 1) / 2) * height
        axes.barh(above, values, height * 0.9, color=_COLOURS[number % len(_COLOURS)], label=key)
        for place, value in zip(above, values, strict=True):
            axes.text(value + 0.006, place, f"{value:.3f}", va="center", fontsize=6)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.08), xlabel="named rightly while 1 % of strangers are named")
    axes.legend(frameon=False, ncols=len(shares), loc="lower left", bbox_to_anchor=(0, 1.0))
    return to_png(figure, axes)
