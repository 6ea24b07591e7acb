"""Draws how a training went: loss, validation and learning rate over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

from sightgrid.evaluation.plots import BLUE, GREY, ORANGE, new_figure, to_png
from sightgrid.recognition.training.projection import Epoch


def training_pictures(history: Sequence[Epoch]) -> dict[str, bytes]:
    """PNG bytes by file name; validation only where images were kept apart."""
    numbers = [epoch.number for epoch in history]
    pictures = {
        "loss.png": _curve(numbers, [epoch.loss for epoch in history], "loss", BLUE),
        "rate.png": _curve(numbers, [epoch.rate for epoch in history], "learning rate", GREY),
    }
    checked = [(e.number, e.validation) for e in history if e.validation is not None]
    if checked:
        pictures["validation.png"] = _curve(
            [number for number, _ in checked],
            [share for _, share in checked],
            "images kept apart, rightly named",
            ORANGE,
        )
    return pictures


def _curve(across: Sequence[int], up: Sequence[float], label: str, colour: str) -> bytes:
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    axes.plot(across, up, color=colour, marker="." if len(across) < 30 else None)
    axes.set(xlabel="epoch", ylabel=label)
    return to_png(figure, axes)
