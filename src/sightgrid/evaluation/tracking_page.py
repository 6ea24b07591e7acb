"""What a comparison of tracks has to say: its figures in words, its plots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightgrid.evaluation.mot_files import MotResult, ToCompare
from sightgrid.evaluation.page import Figure, Page, Plot, percent
from sightgrid.evaluation.plots import Life, Stretch, draw_lines, draw_lives, draw_mistakes
from sightgrid.evaluation.tracking_metrics import (
    ALPHAS,
    LEAST_OVERLAP,
    TrackingScores,
    rows_by_frame,
)

_LIVES_SHOWN = 40


def tracking_figures(
    scores: TrackingScores, *, compared: ToCompare, result: MotResult
) -> list[Figure]:
    """The figures with their meaning."""
    hota, identity, clear = scores.hota, scores.identity, scores.clear
    truths, answers = len(compared.truth), len(compared.result)
    people = len(np.unique(compared.truth.identity))
    both = f"{truths} true boxes, {answers} answered"
    half = f"by {LEAST_OVERLAP:g} or more"
    return [
        _share(
            "hota",
            hota.hota,
            both,
            "Root of deta times assa, mean over overlaps of 0.05 to "
            "0.95: finding and joining count alike, and so does where exactly a box lies.",
        ),
        _share(
            "deta",
            hota.deta,
            both,
            "How well boxes were found, whoever they were given to: "
            "found, as a share of found, missed and invented.",
        ),
        _share(
            "assa",
            hota.assa,
            "boxes found",
            "How well boxes were joined: of the boxes of a "
            "true and an answered identity that were found together, the share they have in "
            "common, mean over all boxes found.",
        ),
        _share(
            "idf1",
            identity.idf1,
            both,
            "Boxes that carry the right identity, when every true "
            "identity is given the one answered identity that fits best.",
        ),
        _share(
            "idp",
            identity.idp,
            f"{answers} answered boxes",
            "So many of the answered boxes carry the right identity.",
        ),
        _share(
            "idr",
            identity.idr,
            f"{truths} true boxes",
            "So many of the true boxes were answered with the right identity.",
        ),
        _share(
            "mota",
            clear.mota,
            f"{truths} true boxes",
            "1 minus missed boxes, invented boxes "
            "and switches of identity, as a share of the true boxes; may be negative, and "
            "hardly minds how long a wrong identity is kept.",
        ),
        Figure(
            "id_switches",
            str(clear.id_switches),
            "",
            f"{people} true identities",
            "So often somebody was found under another identity than the last time.",
        ),
        Figure(
            "fragments",
            str(clear.fragments),
            "",
            f"{people} true identities",
            "So often somebody was found again after having been missed.",
        ),
        _share(
            "recall",
            clear.recall,
            f"{truths} true boxes",
            f"So many of them were overlapped {half}; {clear.missed} were missed.",
        ),
        _share(
            "precision",
            clear.precision,
            f"{answers} answered boxes",
            f"So many of them overlap a true box {half}; {clear.false} were invented.",
        ),
        _share(
            "motp",
            clear.motp,
            f"{clear.found} boxes found",
            "So much do they overlap the true boxes, on average.",
        ),
        Figure(
            "mostly_tracked",
            str(clear.mostly_tracked),
            "",
            f"{people} true identities",
            "So many were found in more than 80 % of their frames, whatever they were called; "
            f"{clear.partly_tracked} in part, {clear.mostly_lost} in less than 20 %.",
        ),
        Figure(
            "unsure",
            str(result.unsure),
            "",
            f"{result.unsure + len(result.named)} rows",
            "So many answered rows name nobody (id -1) and were left out: they are no answer, "
            "so what has no other row counts as missed.",
        ),
    ]


def tracking_page(
    scores: TrackingScores,
    *,
    compared: ToCompare,
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page with plots."""
    hota = scores.hota
    return Page(
        title="Tracking",
        lead=f"Of {len(compared.truth)} true boxes, {percent(scores.clear.recall)} were found and "
        f"{percent(scores.identity.idr)} carry the right identity; "
        f"{percent(1 - scores.identity.idp)} of the answered boxes carry a wrong one or show "
        "nobody.",
        settings=settings,
        figures=figures,
        plots=(
            Plot(
                "alpha.png",
                "HOTA and its parts",
                "How the figures fall the more exactly a box must lie over the true one (across). "
                "A curve that falls early says that boxes lie askew, one that is low from the "
                "start that they were not found (DetA) or not joined (AssA).",
                draw_lines(
                    ALPHAS,
                    {
                        "HOTA": hota.by_alpha,
                        "DetA": hota.deta_by_alpha,
                        "AssA": hota.assa_by_alpha,
                    },
                    across="overlap from which on a box counts as found",
                ),
            ),
            Plot(
                "mistakes.png",
                "Mistakes over time",
                "When boxes were missed (up, blue) and invented (orange), and when somebody's "
                "identity switched (lines).",
                draw_mistakes(*_mistakes(scores, compared)),
            ),
            Plot(
                "lives.png",
                "Who was taken for whom",
                "A row for each true identity, frames across, the longest lives first, "
                f"{_LIVES_SHOWN} at most. A colour and a number is the answered identity, a thin "
                "grey line is where nothing was found. One number from end to end is right; the "
                "same number in two rows is one identity given to two people. Colours repeat.",
                draw_lives(_lives(scores, compared)),
                wide=True,
            ),
        ),
        notes=(
            f"For all figures but hota, deta and assa a box is found if it overlaps the true one "
            f"{LEAST_OVERLAP:g} or more (intersection over union).",
            "A row of the truth counts if its conf is not 0 and its class, where rows of 8 or 9 "
            "fields carry one, is 1. Answered boxes over people of the classes 2, 7, 8 and 12 are "
            "neither right nor wrong.",
            "One recording is one sample: boxes of neighbouring frames are hardly independent, so "
            "no interval is given. Compare several recordings.",
            "All figures agree with the public implementation TrackEval on the same files.",
        ),
    )


def _share(name: str, value: float, sample: str, meaning: str) -> Figure:
    return Figure(name, percent(value), "", sample, meaning)


def _found_as(scores: TrackingScores, compared: ToCompare) -> dict[int, int]:
    """The answered identity of each row of the truth that was found."""
    rows, others = scores.matches.T
    return dict(zip(rows.tolist(), compared.result.identity[others].tolist(), strict=True))


def _lives(scores: TrackingScores, compared: ToCompare) -> list[Life]:
    truth, found_as = compared.truth, _found_as(scores, compared)
    names, counts = np.unique(truth.identity, return_counts=True)
    lives = []
    for name in names[np.argsort(-counts, kind="stable")][:_LIVES_SHOWN].tolist():
        rows = np.flatnonzero(truth.identity == name)
        rows = rows[np.argsort(truth.frame[rows], kind="stable")]
        stretches: list[Stretch] = []
        for row in rows.tolist():
            frame, identity = int(truth.frame[row]), found_as.get(row)
            last = stretches[-1] if stretches else None
            if last and last.identity == identity and last.last_frame == frame - 1:
                stretches[-1] = Stretch(last.first_frame, frame, identity)
            else:
                stretches.append(Stretch(frame, frame, identity))
        lives.append(Life(str(name), tuple(stretches)))
    return lives


def _mistakes(
    scores: TrackingScores, compared: ToCompare
) -> tuple[list[int], list[int], list[int]]:
    """The frames of boxes missed, of boxes invented, and of switches of identity."""
    truth, result = compared.truth, compared.result
    missed = np.setdiff1d(np.arange(len(truth)), scores.matches[:, 0])
    false = np.setdiff1d(np.arange(len(result)), scores.matches[:, 1])
    found_as = _found_as(scores, compared)
    last_as: dict[int, int] = {}
    switches = []
    for frame, rows in rows_by_frame(truth).items():
        for row in rows.tolist():
            if row in found_as:
                name = int(truth.identity[row])
                if last_as.get(name, found_as[row]) != found_as[row]:
                    switches.append(frame)
                last_as[name] = found_as[row]
    return truth.frame[missed].tolist(), result.frame[false].tolist(), switches
