"""Draws what an evaluation found; every function gives a picture as PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
BLUE, ORANGE, GREY = "#245a91", "#d95f02", "#777777"
_COLUMNS = 4
_EXAMPLE_COLUMNS = 8
# dark enough for white letters, neighbours unlike
_COLOURS = ("#245a91", "#b8500a", "#2f7d4f", "#8a3a8f", "#8c6d1f", "#a3283b", "#2a7f86", "#5b5b9e")


@dataclass(frozen=True, slots=True, eq=False)
class LookAlike:
    """Two aligned faces, uint8 BGR of one size, and what is written above them."""

    one: Bytes
    other: Bytes
    title: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames in a row, both ends included, under one answered identity; ``None``: not found."""

    first_frame: int
    last_frame: int
    identity: int | None


@dataclass(frozen=True, slots=True)
class Life:
    """What a true identity was taken for, in order of time."""

    name: str
    stretches: tuple[Stretch, ...]


def check_plotting() -> None:
    """Whether plots can be drawn, before time is spent on what they would show.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    new_figure(1.0, 1.0)


def draw_roc(curve: ErrorCurve) -> bytes:
    """True accepts over false accepts, false accepts on a logarithmic scale."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    floor = _floor(curve.false_accepts)
    axes.step(
        np.maximum(curve.false_accepts, floor), 1 - curve.false_rejects, where="post", color=BLUE
    )
    axes.set(xscale="log", xlim=(floor, 1), ylim=(min(0.9, _lowest(curve)), 1.002))
    axes.set(xlabel="different people accepted", ylabel="the same person accepted")
    return to_png(figure, axes)


def draw_det(curve: ErrorCurve, *, rejects: str, accepts: str) -> bytes:
    """False rejects over false accepts, both on logarithmic scales; the axes' words are given."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    across, up = _floor(curve.false_accepts), _floor(curve.false_rejects)
    axes.step(
        np.maximum(curve.false_accepts, across),
        np.maximum(curve.false_rejects, up),
        where="post",
        color=BLUE,
    )
    corner = max(across, up)
    axes.plot([corner, 1], [corner, 1], color=GREY, linewidth=1, linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=(across, 1), ylim=(up, 1))
    axes.set(xlabel=accepts, ylabel=rejects)
    return to_png(figure, axes)


def draw_scores(
    same: Scores,
    different: Scores,
    *,
    labels: tuple[str, str],
    thresholds: Sequence[tuple[str, float | None]],
) -> bytes:
    """Two histograms of scores, each of area 1, and thresholds as lines; what was not found in a
    photo is left out."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    drawn = [scores[np.isfinite(scores)] for scores in (same, different)]
    everything = np.concatenate(drawn)
    if everything.size:
        low, high = float(everything.min()), float(everything.max())
        bins = np.linspace(low, max(high, low + 1e-6), 61).tolist()
        for scores, label, colour in zip(drawn, labels, (BLUE, ORANGE), strict=True):
            weights = np.full(len(scores), 1 / max(len(scores), 1))
            axes.hist(scores, bins=bins, weights=weights, label=label, color=colour, alpha=0.6)
    for (name, threshold), style in zip(thresholds, ("-", "--", ":"), strict=False):
        if threshold is not None and np.isfinite(threshold):
            axes.axvline(threshold, color="black", linewidth=1, linestyle=style, label=name)
    axes.set(xlabel="score, higher is more alike", ylabel="share")
    axes.legend(frameon=False)
    return to_png(figure, axes)


def draw_cmc(cmc: Scores) -> bytes:
    """The share of known people's photos whose person is among the first r."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    shown = cmc[:20]
    axes.plot(np.arange(1, len(shown) + 1), shown, marker="o", markersize=4, color=BLUE)
    axes.set(xlabel="rank", ylabel="right person among the first", xlim=(0.5, len(shown) + 0.5))
    axes.set_ylim(min(0.9, float(shown[0]) - 0.02), 1.002)
    return to_png(figure, axes)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A piece of a picture, uint8 BGR, a box in it (left, top, right, bottom) in its pixels, and
    what is written above."""

    pixels: Bytes
    box: tuple[float, float, float, float]
    title: str


def draw_precision_recall(
    recall: Scores, precision: Scores, *, at: tuple[float, float] | None, at_name: str
) -> bytes:
    """Precision over recall, and the point (recall, precision) that is worked at."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    axes.plot(recall, precision, color=BLUE)
    if at is not None:
        axes.plot(*at, marker="o", color=ORANGE, linestyle="none", label=at_name)
        axes.legend(frameon=False, loc="lower left")
    axes.set(xlabel="faces found (recall)", ylabel="boxes on faces (precision)")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    return to_png(figure, axes)


def draw_bars(
    names: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    *,
    across: str,
    up: str,
) -> bytes:
    """A bar for each share, 0-1, with its interval."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    reach = np.abs(np.array(intervals).T - np.array(shares))
    axes.bar(list(names), shares, color=BLUE, yerr=reach, ecolor=GREY, capsize=4)
    for place, share in enumerate(shares):
        axes.text(place, 0.02, f"{share * 100:.1f} %", ha="center", color="white", fontsize=9)
    axes.set(xlabel=across, ylabel=up, ylim=(0, 1.02))
    return to_png(figure, axes)


def draw_amounts(names: Sequence[str], amounts: Sequence[float], *, along: str) -> bytes:
    """A bar to the right for each amount, the first on top."""
    figure = new_figure(6.4, 1.2 + 0.5 * len(names))
    axes = figure.add_subplot()
    axes.barh(list(names), amounts, color=BLUE)
    axes.invert_yaxis()
    for place, amount in enumerate(amounts):
        axes.text(amount, place, f" {amount:.1f}", va="center", fontsize=9)
    axes.set(xlabel=along, xlim=(0, max([*amounts, 1e-9]) * 1.15))
    return to_png(figure, axes)


def draw_course(values: Sequence[float], *, across: str, up: str) -> bytes:
    """Values in their order, from 1, and their median as a line."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    axes.plot(range(1, len(values) + 1), values, color=BLUE, linewidth=0.9)
    axes.axhline(float(np.median(values)), color=ORANGE, linewidth=1, label="median")
    axes.set(xlabel=across, ylabel=up, ylim=(0, None))
    axes.legend(frameon=False)
    return to_png(figure, axes)


def draw_examples(examples: Sequence[Example]) -> bytes:
    """Pieces of pictures with a box in each; a sentence where there is none."""
    if not examples:
        return _nothing()
    rows = -(-len(examples) // _EXAMPLE_COLUMNS)
    figure = new_figure(1.75 * _EXAMPLE_COLUMNS, 2.05 * rows)
    for number, example in enumerate(examples):
        axes = figure.add_subplot(rows, _EXAMPLE_COLUMNS, number + 1)
        axes.imshow(example.pixels[..., ::-1])
        left, top, right, bottom = example.box
        axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=ORANGE)
        axes.set_title(example.title.replace("$", r"\$"), fontsize=7)
        axes.axis("off")
    figure.tight_layout()
    return _save(figure)


def draw_lines(over: Scores, lines: Mapping[str, Scores], *, across: str) -> bytes:
    """Shares, 0-1, over one axis; ``across`` names it."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    for (name, values), colour in zip(lines.items(), (BLUE, ORANGE, GREY), strict=False):
        axes.plot(over, values, marker="o", markersize=3, color=colour, label=name)
    axes.set(xlabel=across, ylabel="share", ylim=(0, 1.02))
    axes.legend(frameon=False)
    return to_png(figure, axes)


def draw_budget(
    levels: Scores,
    shares: Scores,
    *,
    budget: float,
    threshold: float | None,
    pack_threshold: float,
    least_shown: float,
) -> bytes:
    """The share of strangers' passages above each level, on a logarithmic scale, with the budget,
    the threshold that keeps it and the pack's own; below ``least_shown`` nothing can be shown."""
    figure = new_figure(8.4, 4.6)
    axes = figure.add_subplot()
    floor = min(budget, least_shown, _floor(shares)) / 2
    axes.axhspan(floor, least_shown, color=GREY, alpha=0.15, label="too few people to show")
    axes.step(levels, np.maximum(shares, floor), where="post", color=BLUE, label="own people")
    axes.axhline(budget, color=ORANGE, linewidth=1, linestyle="--", label=f"budget {budget:g}")
    if threshold is not None:
        axes.axvline(threshold, color="black", linewidth=1, label=f"threshold {threshold:.3f}")
    label = f"the pack's own, {pack_threshold:.3f}"
    axes.axvline(pack_threshold, color=GREY, linewidth=1, linestyle=":", label=label)
    axes.set(yscale="log", ylim=(floor, 1))
    axes.set(xlabel="similarity from which a name is given", ylabel="strangers' passages named")
    axes.legend(frameon=False, loc="lower left")
    return to_png(figure, axes)


def draw_mistakes(missed: Sequence[int], false: Sequence[int], switches: Sequence[int]) -> bytes:
    """How many boxes were missed and invented in each part of a recording, and the frames in which
    an identity switched."""
    figure = new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    ends = [frame for frames in (missed, false, switches) for frame in frames]
    if ends:
        low, high = min(ends), max(ends) + 1
        bins = np.unique(np.linspace(low, high, min(61, high - low + 1)).round()).tolist()
        axes.hist(
            [missed, false],
            bins=bins,
            stacked=True,
            color=[BLUE, ORANGE],
            label=["missed", "invented"],
        )
        for number, frame in enumerate(switches):
            label = "identity switched" if number == 0 else None
            axes.axvline(frame, color="black", linewidth=0.8, alpha=0.6, label=label)
        axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.set(xlabel="frame", ylabel="boxes")
    return to_png(figure, axes)


def draw_lives(lives: Sequence[Life]) -> bytes:
    """A row for each life: coloured where it was found, by what it was taken for."""
    figure = new_figure(10.4, 0.9 + 0.26 * len(lives))
    axes = figure.add_subplot()
    frames = [s.last_frame for life in lives for s in life.stretches]
    narrow = max(frames, default=1) / 60
    for row, life in enumerate(lives):
        told = None
        for stretch in life.stretches:
            span = (stretch.first_frame - 0.5, stretch.last_frame - stretch.first_frame + 1)
            if stretch.identity is None:
                axes.broken_barh([span], (row - 0.05, 0.1), color=GREY, linewidth=0)
                continue
            colour = _COLOURS[stretch.identity % len(_COLOURS)]
            axes.broken_barh([span], (row - 0.38, 0.76), color=colour, linewidth=0)
            # after a gap the same number would say nothing new
            if stretch.identity != told and span[1] > narrow:
                axes.text(
                    span[0] + narrow / 6,
                    row,
                    str(stretch.identity),
                    va="center",
                    fontsize=6,
                    color="white",
                )
                told = stretch.identity
    axes.set(xlabel="frame", ylabel="true identity", ylim=(len(lives) - 0.4, -0.6))
    axes.set_yticks(range(len(lives)), [life.name for life in lives], fontsize=7)
    return to_png(figure, axes)


def draw_look_alikes(pairs: Sequence[LookAlike]) -> bytes:
    """Pairs of faces side by side, the surest mistake first; a sentence where there is none."""
    if not pairs:
        return _nothing()
    rows = -(-len(pairs) // _COLUMNS)
    figure = new_figure(2.6 * _COLUMNS, 1.85 * rows)
    for number, pair in enumerate(pairs):
        axes = figure.add_subplot(rows, _COLUMNS, number + 1)
        axes.imshow(np.hstack([pair.one, pair.other])[..., ::-1])
        # names may hold what matplotlib would read as a formula
        axes.set_title(pair.title.replace("$", r"\$"), fontsize=7)
        axes.axis("off")
    figure.tight_layout()
    return _save(figure)


def _nothing() -> bytes:
    figure = new_figure(6.4, 1.2)
    figure.text(0.5, 0.5, "no mistake to show", ha="center", va="center")
    return _save(figure)


def new_figure(width: float, height: float) -> Figure:
    """A picture of width x height inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("drawing plots", extra="evaluation") from error
    return Figure(figsize=(width, height), dpi=150)


def to_png(figure: Figure, axes: Axes) -> bytes:
    """The finished plot, with a light grid and without a frame."""
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
