"""What a verification has to say: its figures in words, its plots, its worst mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sightgrid.evaluation.datasets import Pair
from sightgrid.evaluation.page import Figure, Page, Plot, percent, percent_span
from sightgrid.evaluation.photos import FaceReader, PhotoVectors
from sightgrid.evaluation.plots import LookAlike, draw_det, draw_look_alikes, draw_roc, draw_scores
from sightgrid.evaluation.verification import Metric, Verification

_SHOWN = 8


def verification_figures(
    result: Verification, *, metric: Metric, photos: PhotoVectors
) -> list[Figure]:
    """The figures with their meaning."""
    same, different = int(result.same.sum()), int((~result.same).sum())
    pairs = f"{len(result.same)} pairs in {result.folds} folds"
    return [
        Figure(
            "accuracy",
            percent(result.accuracy),
            percent_span(result.accuracy_interval),
            pairs,
            "So many pairs were answered rightly, each fold at the threshold that was best on the "
            f"others; between folds it varies by {percent(result.accuracy_std)} (standard "
            "deviation).",
        ),
        Figure(
            "val",
            percent(result.val),
            percent_span(result.val_interval),
            f"{same} pairs of one person",
            f"So many pairs of one person are accepted when at most {result.far_target:g} of the "
            f"pairs of different people may be; between folds it varies by "
            f"{percent(result.val_std)}.",
        ),
        Figure(
            "far",
            f"{result.far:.5f}",
            "",
            f"{different} pairs of different people",
            f"So many pairs of different people were accepted meanwhile; {result.far_target:g} was "
            f"aimed at, and a share below {1 / different:.1g} can't be seen with so few pairs.",
        ),
        Figure(
            "auc",
            f"{result.auc:.5f}",
            "",
            pairs,
            "The chance that a pair of one person scores above a pair of different people; 1 is "
            "perfect, 0.5 is guessing.",
        ),
        Figure(
            "eer",
            percent(result.eer),
            "",
            pairs,
            "At the threshold where both mistakes are equally frequent, they happen so often.",
        ),
        Figure(
            "threshold",
            f"{result.threshold:.4f}",
            "",
            f"mean of {result.folds} folds",
            f"From this score on ({_in_words(metric)}) two photos are taken for one person; for "
            f"val it is {result.val_threshold:.4f}.",
        ),
        Figure(
            "undetected",
            str(photos.undetected),
            "",
            f"{len(photos.found)} photos",
            "In so many photos no face was found; pairs with them are answered 'different'.",
        ),
    ]


def verification_page(
    result: Verification,
    *,
    pairs: Sequence[Pair],
    reader: FaceReader,
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page with plots; reads again the photos of the pairs it shows."""
    same, different = result.scores[result.same], result.scores[~result.same]
    return Page(
        title="Verification",
        lead=f"Shown {len(pairs)} pairs of photos, the system tells rightly for "
        f"{percent(result.accuracy)} of them whether both show one person.",
        settings=settings,
        figures=figures,
        plots=(
            Plot(
                "roc.png",
                "ROC",
                "The share of pairs of one person accepted (up) for each share of pairs of "
                "different people accepted (across, logarithmic). Further up and left is better.",
                draw_roc(result.curve),
            ),
            Plot(
                "det.png",
                "DET",
                "The two mistakes against each other on logarithmic scales: further down and left "
                "is better; the dotted line is where they are equal.",
                draw_det(
                    result.curve,
                    rejects="the same person rejected",
                    accepts="different people accepted",
                ),
            ),
            Plot(
                "scores.png",
                "Scores",
                "How alike pairs of one person and of different people come out; what overlaps "
                "can't be told apart at any threshold. Photos without a face are left out.",
                draw_scores(
                    same,
                    different,
                    labels=("one person", "different people"),
                    thresholds=(("accuracy", result.threshold), ("val", result.val_threshold)),
                ),
            ),
            Plot(
                "look-alikes.png",
                "Look-alikes and strangers to themselves",
                "First the pairs of different people that score highest, then the pairs of one "
                "person that score lowest. A wrong label in the list shows here too.",
                draw_look_alikes(_mistakes(result, pairs, reader)),
                wide=True,
            ),
        ),
        notes=(
            "Whatever is chosen from data is chosen on the other folds than those it is judged on.",
            "Intervals are Wilson's for shares, as though pairs were independent; pairs that share "
            "a photo are not quite, so they are somewhat too narrow.",
            "The people of public sets may be known to the network; compare methods with them, and "
            "measure a site on its own photos.",
        ),
    )


def _mistakes(result: Verification, pairs: Sequence[Pair], reader: FaceReader) -> list[LookAlike]:
    found = np.isfinite(result.scores)
    highest = np.flatnonzero(found & ~result.same)
    highest = highest[np.argsort(-result.scores[highest], kind="stable")][:_SHOWN]
    lowest = np.flatnonzero(found & result.same)
    lowest = lowest[np.argsort(result.scores[lowest], kind="stable")][:_SHOWN]
    shown = []
    for number in (*highest, *lowest):
        pair = pairs[number]
        one, other = reader.crop(pair.image_a), reader.crop(pair.image_b)
        if one is not None and other is not None:
            names = f"{_stem(pair.image_a)}\n{_stem(pair.image_b)}"
            kind = "one person" if pair.same else "different"
            shown.append(LookAlike(one, other, f"{names}\n{kind}, {result.scores[number]:.3f}"))
    return shown


def _stem(photo: Path) -> str:
    return photo.stem[:34]


def _in_words(metric: Metric) -> str:
    match metric:
        case Metric.COSINE:
            return "cosine, 1 for the same direction"
        case Metric.EUCLIDEAN:
            return "Euclidean distance, negative so that higher is more alike"
        case Metric.SQUARED_EUCLIDEAN:
            return "squared Euclidean distance, negative so that higher is more alike"
        case Metric.ARCCOS:
            return "angle as a share of a half turn, negative so that higher is more alike"
