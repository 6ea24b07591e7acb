"""What a comparison has to say: its tables, its bars, and what is best at what."""

from __future__ import annotations

from collections.abc import Sequence

from sightgrid.evaluation.page import Figure, Page, Plot, Table, percent
from sightgrid.evaluation.report import Row, Terms
from sightgrid.evaluation.report_plots import draw_bars
from sightgrid.recognition.heads import HeadKind

_DASH = "-"


def report_figures(rows: Sequence[Row], terms: Terms) -> list[Figure]:
    """What is best at each level, and what is fastest."""
    measured = [row for row in rows if row.problem is None]
    if not measured:
        return []
    figures = []
    for place, level in enumerate(terms.levels):
        best = max(measured, key=lambda row: row.levels[place].found)
        share = best.levels[place]
        figures.append(
            Figure(
                f"best at {level}",
                percent(share.found),
                "",
                f"{len(measured)} combinations",
                f"Pack {best.pack} with detector {best.detector} and head {best.head} names so "
                "many photos of known people rightly, at a threshold that lets 1 % of strangers "
                f"through; the right person comes first for {percent(share.rank1)}.",
            )
        )
    quick = min(measured, key=lambda row: row.detect_ms + row.embed_ms)
    figures.append(
        Figure(
            "fastest",
            f"{quick.detect_ms + quick.embed_ms:.1f} ms",
            "",
            f"{len(measured)} combinations",
            f"Pack {quick.pack} with detector {quick.detector} takes so long to find and embed a "
            f"face; with head {quick.head} it names {percent(quick.levels[0].found)} at "
            f"{terms.levels[0]}.",
        )
    )
    return figures


def detector_table(rows: Sequence[Row], terms: Terms) -> Table:
    """Detectors and packs under the plainest head."""
    plain = _plainest(rows)
    return Table(
        "Detectors and packs",
        f"Head {plain}. DIR: the share of known people's photos that are named, and named rightly, "
        "at a threshold that lets 1 % of strangers' photos through. Not found: photos asked about "
        "in which the detector sees no face, at the last level.",
        (
            *("pack", "detector"),
            *(f"DIR, {level}" for level in terms.levels),
            *("not found", "detect, ms", "embed, ms", "network, MB"),
        ),
        [
            (
                *(row.pack, row.detector),
                *_shares(row, terms),
                percent(row.levels[-1].undetected) if row.levels else _DASH,
                *_numbers(
                    row, f"{row.detect_ms:.1f}", f"{row.embed_ms:.1f}", f"{row.network_mb:.0f}"
                ),
            )
            for row in _absent_last(rows)
            if row.head in (plain, "any")
        ],
    )


def head_table(rows: Sequence[Row], terms: Terms) -> Table:
    """Heads and packs behind the detector that does best."""
    best = _best_detector(rows)
    return Table(
        "Heads",
        f"Detector {best}. Rank 1: the right person comes first, whatever the score. A probe is "
        "one face compared with everybody enrolled.",
        (
            *("pack", "head"),
            *(f"DIR, {level}" for level in terms.levels),
            *(f"rank 1, {level}" for level in terms.levels),
            *("fit, s", "a probe, ms", "trainable parameters", "head, MB"),
        ),
        [
            (
                *(row.pack, row.head),
                *_shares(row, terms),
                *(
                    [percent(share.rank1) for share in row.levels]
                    if row.levels
                    else [_DASH] * len(terms.levels)
                ),
                *_numbers(
                    row,
                    f"{row.fit_secs:.2f}",
                    f"{row.probe_ms:.3f}",
                    f"{row.trainable_parameters:,}",
                    f"{row.head_mb:.2f}",
                ),
            )
            for row in _absent_last(rows)
            if row.detector in (best, "any")
        ],
    )


def whole_table(rows: Sequence[Row], terms: Terms) -> Table:
    """Everything, the best at the first level first."""
    ordered = sorted(rows, key=lambda row: -row.levels[0].found if row.levels else 1.0)
    return Table(
        "Everything",
        "All combinations, best first; below, what could not be measured and why.",
        (
            *("pack", "detector", "head"),
            *(f"DIR, {level}" for level in terms.levels),
            *(f"rank 1, {level}" for level in terms.levels),
            *("detect + embed, ms", "a probe, ms", "trainable parameters", "size, MB"),
        ),
        [
            (
                *(row.pack, row.detector, row.head),
                *_shares(row, terms),
                *(
                    [percent(share.rank1) for share in row.levels]
                    if row.levels
                    else [_DASH] * len(terms.levels)
                ),
                *_numbers(
                    row,
                    f"{row.detect_ms + row.embed_ms:.1f}",
                    f"{row.probe_ms:.3f}",
                    f"{row.trainable_parameters:,}",
                    f"{row.network_mb + row.head_mb:.1f}",
                ),
            )
            for row in ordered
        ],
    )


def report_page(
    rows: Sequence[Row],
    *,
    terms: Terms,
    people: int,
    photos: int,
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page with its tables and bars."""
    measured = [row for row in rows if row.problem is None]
    plain = _plainest(rows)
    bars = [row for row in measured if row.head == plain]
    return Page(
        title="Detectors, packs and heads",
        lead=f"{len(measured)} ways to recognise a face, on the same {photos} photos of {people} "
        "people.",
        settings=settings,
        figures=figures,
        tables=(
            detector_table(rows, terms),
            head_table(rows, terms),
            whole_table(rows, terms),
        ),
        plots=(
            Plot(
                "report.png",
                f"Detectors and packs, head {plain}",
                "The share of known people's photos named rightly while 1 % of strangers' are "
                "named, for photos as they are and as poor cameras send them. Longer is better.",
                draw_bars(
                    [f"{row.pack}, {row.detector}" for row in bars],
                    {
                        level: [row.levels[place].found for row in bars]
                        for place, level in enumerate(terms.levels)
                    },
                ),
                wide=True,
            ),
        )
        if bars
        else (),
        notes=(
            "People are enrolled from photos as they are; only photos asked about are spoilt. A "
            "photo in which no face is found counts as not named.",
            "Shares are means over the seeds, each of which divides the people anew into known "
            "and unknown ones. They share the people: small differences say nothing.",
            "Milliseconds are of one thread, one photo at a time; other work on the machine adds "
            "to them.",
            "The people of public sets may be known to a network; compare methods with them, and "
            "measure a site on its own photos.",
        ),
    )


def _absent_last(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.problem is not None)


def _plainest(rows: Sequence[Row]) -> str:
    """Nearest mean where it was asked for, else the first head."""
    heads = [row.head for row in rows if row.problem is None]
    plain = HeadKind.NEAREST_MEAN.value
    return plain if plain in heads or not heads else heads[0]


def _best_detector(rows: Sequence[Row]) -> str:
    measured = [row for row in rows if row.levels]
    if not measured:
        return "any"
    return max(measured, key=lambda row: row.levels[0].found).detector


def _shares(row: Row, terms: Terms) -> list[str]:
    if row.problem is not None:
        return [row.problem, *([_DASH] * (len(terms.levels) - 1))]
    return [percent(share.found) for share in row.levels]


def _numbers(row: Row, *told: str) -> list[str]:
    return [_DASH] * len(told) if row.problem is not None else list(told)
