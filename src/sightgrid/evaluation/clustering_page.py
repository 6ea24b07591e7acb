"""What a clustering has to say: its figures in words, and what other thresholds would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightgrid.evaluation.clustering import Clustering
from sightgrid.evaluation.page import Figure, Page, Plot, Table, percent
from sightgrid.evaluation.plots import draw_lines


def clustering_figures(found: Clustering, *, undetected: int) -> list[Figure]:
    """The figures with their meaning."""
    scores = found.scores
    photos = f"{scores.photos} photos of {scores.people} people"
    return [
        Figure(
            "purity",
            percent(scores.purity),
            "",
            photos,
            "So many photos show the person whom most of their serial shows. Photos that all have "
            "a serial of their own are pure too, so look at the next figure.",
        ),
        Figure(
            "serials_per_person",
            f"{scores.serials_per_person:.2f}",
            "",
            f"{scores.clusters} serials for {scores.people} people",
            "So many serials a person was given on average; 1 is perfect.",
        ),
        Figure(
            "wrong_joins",
            str(scores.wrong_joins),
            "",
            f"{scores.clusters} serials",
            "So many serials cover two people or more.",
        ),
        Figure(
            "bcubed_precision",
            percent(scores.precision),
            "",
            photos,
            "Of the photos under a photo's serial, so many show the same person.",
        ),
        Figure(
            "bcubed_recall",
            percent(scores.recall),
            "",
            photos,
            "Of the photos of a photo's person, so many are under its serial.",
        ),
        Figure(
            "bcubed_f",
            percent(scores.f),
            "",
            photos,
            "Both in one figure: their harmonic mean.",
        ),
        Figure(
            "threshold",
            f"{found.threshold:.4f}",
            "",
            f"{scores.clusters} serials to confuse",
            "Means of photos from this similarity on were joined.",
        ),
        Figure(
            "undetected",
            str(undetected),
            "",
            f"{scores.photos + undetected} photos",
            "In so many photos no face was found; they are left out.",
        ),
    ]


def clustering_page(
    found: Clustering,
    *,
    others: Sequence[Clustering],
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page with its plot.

    Args:
        others: the same photos at other thresholds, rising.
    """
    levels = np.array([one.threshold for one in others])
    lines = {
        "BCubed precision": np.array([one.scores.precision for one in others]),
        "BCubed recall": np.array([one.scores.recall for one in others]),
        "BCubed F": np.array([one.scores.f for one in others]),
    }
    return Page(
        title="Clustering of strangers",
        lead=f"{found.scores.photos} photos of {found.scores.people} people, nobody enrolled, were "
        f"given {found.scores.clusters} serials; {found.scores.wrong_joins} of them cover two "
        "people or more.",
        settings=settings,
        figures=figures,
        tables=(
            Table(
                "Other thresholds",
                "The same photos, joined from another similarity on.",
                ("threshold", "serials", "serials a person", "wrong joins", "purity", "BCubed F"),
                [
                    (
                        f"{one.threshold:.3f}",
                        str(one.scores.clusters),
                        f"{one.scores.serials_per_person:.2f}",
                        str(one.scores.wrong_joins),
                        percent(one.scores.purity),
                        percent(one.scores.f),
                    )
                    for one in others
                ],
            ),
        ),
        plots=(
            Plot(
                "clustering.png",
                "By threshold",
                "A low threshold joins different people (precision falls), a high one tears people "
                "apart (recall falls).",
                draw_lines(levels, lines, across="similarity from which photos are joined"),
            ),
        ),
        notes=(
            "Photos are joined as the ledger joins strangers by similarity: the two groups most "
            "alike first, by their mean vectors, until none reach the threshold. Time and place "
            "play no part here.",
            "The threshold follows from the pack's budget for wrong joins and the number of "
            "serials; another one can be given.",
        ),
    )
