"""Draws what an evaluation found; every function gives a picture as PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from sightgrid.domain.errors import MissingExtra
from sightgrid.domain.geometry import Bytes
from sightgrid.evaluation.curves import ErrorCurve, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# told apart by all common kinds of colour blindness, and in grey
_BLUE, _ORANGE, _GREY = "#245a91", "#d95f02", "#777777"
_COLUMNS = 4


@dataclass(frozen=True, slots=True, eq=False)
class LookAlike:
    """Two aligned faces, uint8 BGR of one size, and what is written above them."""

    one: Bytes
    other: Bytes
    title: str


def check_plotting() -> None:
    """Whether plots can be drawn, before time is spent on what they would show.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    _figure(1.0, 1.0)


def draw_roc(curve: ErrorCurve) -> bytes:
    """True accepts over false accepts, false accepts on a logarithmic scale."""
    figure = _figure(6.4, 4.4)
    axes = figure.add_subplot()
    floor = _floor(curve.false_accepts)
    axes.step(
        np.maximum(curve.false_accepts, floor), 1 - curve.false_rejects, where="post", color=_BLUE
    )
    axes.set(xscale="log", xlim=(floor, 1), ylim=(min(0.9, _lowest(curve)), 1.002))
    axes.set(xlabel="different people accepted", ylabel="the same person accepted")
    return _png(figure, axes)


def draw_det(curve: ErrorCurve, *, rejects: str, accepts: str) -> bytes:
    """False rejects over false accepts, both on logarithmic scales; the axes' words are given."""
    figure = _figure(6.4, 4.4)
    axes = figure.add_subplot()
    across, up = _floor(curve.false_accepts), _floor(curve.false_rejects)
    axes.step(
        np.maximum(curve.false_accepts, across),
        np.maximum(curve.false_rejects, up),
        where="post",
        color=_BLUE,
    )
    corner = max(across, up)
    axes.plot([corner, 1], [corner, 1], color=_GREY, linewidth=1, linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=(across, 1), ylim=(up, 1))
    axes.set(xlabel=accepts, ylabel=rejects)
    return _png(figure, axes)


def draw_scores(
    same: Scores,
    different: Scores,
    *,
    labels: tuple[str, str],
    thresholds: Sequence[tuple[str, float | None]],
) -> bytes:
    """Two histograms of scores, each of area 1, and thresholds as lines; what was not found in a
    photo is left out."""
    figure = _figure(6.4, 4.4)
    axes = figure.add_subplot()
    drawn = [scores[np.isfinite(scores)] for scores in (same, different)]
    everything = np.concatenate(drawn)
    if everything.size:
        low, high = float(everything.min()), float(everything.max())
        bins = np.linspace(low, max(high, low + 1e-6), 61).tolist()
        for scores, label, colour in zip(drawn, labels, (_BLUE, _ORANGE), strict=True):
            weights = np.full(len(scores), 1 / max(len(scores), 1))
            axes.hist(scores, bins=bins, weights=weights, label=label, color=colour, alpha=0.6)
    for (name, threshold), style in zip(thresholds, ("-", "--", ":"), strict=False):
        if threshold is not None and np.isfinite(threshold):
            axes.axvline(threshold, color="black", linewidth=1, linestyle=style, label=name)
    axes.set(xlabel="score, higher is more alike", ylabel="share")
    axes.legend(frameon=False)
    return _png(figure, axes)


def draw_cmc(cmc: Scores) -> bytes:
    """The share of known people's photos whose person is among the first r."""
    figure = _figure(6.4, 4.4)
    axes = figure.add_subplot()
    shown = cmc[:20]
    axes.plot(np.arange(1, len(shown) + 1), shown, marker="o", markersize=4, color=_BLUE)
    axes.set(xlabel="rank", ylabel="right person among the first", xlim=(0.5, len(shown) + 0.5))
    axes.set_ylim(min(0.9, float(shown[0]) - 0.02), 1.002)
    return _png(figure, axes)


def draw_look_alikes(pairs: Sequence[LookAlike]) -> bytes:
    """Pairs of faces side by side, the surest mistake first; a sentence where there is none."""
    if not pairs:
        figure = _figure(6.4, 1.2)
        figure.text(0.5, 0.5, "no mistake to show", ha="center", va="center")
        return _save(figure)
    rows = -(-len(pairs) // _COLUMNS)
    figure = _figure(2.6 * _COLUMNS, 1.85 * rows)
    for number, pair in enumerate(pairs):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1)
        axes.imshow(np.hstack([pair.one, pair.other])[..., ::-1])
        # names may hold what matplotlib would read as a formula
        axes.set_title(pair.title.replace("$", r"\$"), fontsize=7)
        axes.axis("off")
    figure.tight_layout()
    return _save(figure)


def _figure(width: float, height: float) -> Figure:
    """A picture of width x height inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("drawing plots", extra="evaluation") from error
    return Figure(figsize=(width, height), dpi=150)


def _png(figure: Figure, axes: Axes) -> bytes:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return _save(figure)


def _save(figure: Figure) -> bytes:
    stream = BytesIO()
    # without the date and version that matplotlib notes, one result gives one file
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _floor(rates: Scores) -> float:
    """Where a logarithmic axis begins: half of the smallest rate that is not 0."""
    above = rates[rates > 0]
    return float(above.min()) / 2 if above.size else 1e-3


def _lowest(curve: ErrorCurve) -> float:
    """The share accepted where not one stranger is, a little lower."""
    return float(max(1 - curve.false_rejects[curve.false_accepts <= 0].min() - 0.02, 0.0))
