"""What an identification has to say: its figures in words, its plots, its surest mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sightgrid.evaluation.curves import error_curve
from sightgrid.evaluation.identification import Identification
from sightgrid.evaluation.page import Figure, Page, Plot, percent, percent_span
from sightgrid.evaluation.photos import FaceReader
from sightgrid.evaluation.plots import (
    LookAlike,
    draw_cmc,
    draw_det,
    draw_look_alikes,
    draw_scores,
)

LOOK_ALIKES_SHOWN = 16


def identification_figures(result: Identification) -> list[Figure]:
    """The figures with their meaning."""
    known = f"{int(result.known.sum())} photos of {result.enrolled_people} known people"
    figures = [
        Figure(
            "rank1",
            percent(result.rank1),
            percent_span(result.rank1_interval),
            known,
            "For so many photos of known people the most alike person enrolled is the right one, "
            "whatever the score.",
        )
    ]
    for target, rate in result.dir_at_fpir.items():
        if rate is None:
            continue
        unseen = target * result.impostor_probes < 1
        figures.append(
            Figure(
                f"dir at fpir {target:g}",
                percent(rate),
                percent_span(result.dir_interval[target]),
                f"{known}; {result.impostor_probes} of strangers",
                "So many photos of known people are rightly named at the smallest threshold "
                f"({result.thresholds[target]:.4f}) at which at most {target:g} of the strangers' "
                "photos are given anybody's name."
                + (" There are too few of those to allow a single one." if unseen else ""),
            )
        )
    return [
        *figures,
        Figure(
            "undetected",
            str(result.undetected),
            "",
            f"{result.probes} probes",
            "In so many probes no face was found; those of known people count as missed. "
            f"{result.enrolled_undetected} photos to enrol were skipped for the same reason.",
        ),
        Figure(
            "fit_secs",
            f"{result.fit_secs:.3f} s",
            "",
            f"{result.enrolled_photos} photos enrolled",
            "So long the head took to learn who is enrolled, vectors given.",
        ),
        Figure(
            "probe_ms",
            f"{result.probe_ms:.3f} ms",
            "",
            "median over probes, one at a time",
            "So long the head takes to compare one face with everybody, its vector given.",
        ),
        Figure(
            "trainable_parameters",
            f"{result.trainable_parameters}",
            "",
            f"{result.enrolled_people} people",
            "So many numbers the head's training solves for; 0 for heads that only keep vectors.",
        ),
    ]


def identification_page(
    result: Identification,
    *,
    photos: Sequence[Path],
    enrolled_reader: FaceReader,
    probe_reader: FaceReader,
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page with plots; reads again the photos of the mistakes it shows."""
    right = np.where(result.rank == 1, result.best, -np.inf)[result.known]
    strangers = result.best[~result.known]
    plots = [
        Plot(
            "cmc.png",
            "CMC",
            "The share of known people's photos whose person is among the first r by score. It "
            "says nothing about strangers.",
            draw_cmc(result.cmc),
        )
    ]
    if len(strangers):
        plots += [
            Plot(
                "det.png",
                "DET",
                "Known people's photos missed or misnamed (up) for each share of strangers' "
                "photos that are given a name (across), on logarithmic scales. Further down and "
                "left is better.",
                draw_det(
                    error_curve(right, strangers),
                    rejects="known people missed or misnamed (FNIR)",
                    accepts="strangers named (FPIR)",
                ),
            ),
            Plot(
                "scores.png",
                "Scores",
                "The best score of each probe: rightly named photos of known people against "
                "strangers. Probes without a face are left out.",
                draw_scores(
                    right,
                    strangers,
                    labels=("known, rightly named", "strangers"),
                    thresholds=[(f"fpir {t:g}", level) for t, level in result.thresholds.items()],
                ),
            ),
        ]
    plots.append(
        Plot(
            "look-alikes.png",
            "Look-alikes",
            "The probes (left) that score highest for somebody else, beside the enrolled photo "
            "(right) they were taken for. A wrong label in the folder shows here too.",
            draw_look_alikes(_mistakes(result, photos, enrolled_reader, probe_reader)),
            wide=True,
        )
    )
    return Page(
        title="Identification",
        lead=f"With {result.enrolled_people} of {result.people} people enrolled, the right person "
        f"comes first for {percent(result.rank1)} of known people's photos.",
        settings=settings,
        figures=figures,
        plots=plots,
        notes=(
            "Who is enrolled: the names, sorted, are shuffled by the seed, the first are unknown; "
            "each known person's photos, sorted, are shuffled by the same generator and the first "
            "are enrolled. Everything else is asked about, photo by photo.",
            "A degradation is done to the photos asked about only, unless enrolled ones are to be "
            "spoilt too: people are enrolled from good photos and seen by far cameras.",
            "Intervals come from drawing known and unknown people anew, 1,000 times, thresholds "
            "included: photos of one person succeed or fail together.",
            "One seed is one way to divide the people; quote the mean over many.",
            "The people of public sets may be known to the network; compare methods with them, and "
            "measure a site on its own photos.",
        ),
    )


def _mistakes(
    result: Identification,
    photos: Sequence[Path],
    enrolled_reader: FaceReader,
    probe_reader: FaceReader,
) -> list[LookAlike]:
    shown = []
    for wrong in result.wrong:
        one = probe_reader.crop(photos[wrong.probe])
        other = enrolled_reader.crop(photos[wrong.enrolled])
        if one is not None and other is not None:
            kind = "known" if wrong.known else "stranger"
            title = f"{wrong.person[:30]} ({kind})\nfor {wrong.taken_for[:30]}, {wrong.score:.3f}"
            shown.append(LookAlike(one, other, title))
    return shown
