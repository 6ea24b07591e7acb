"""What a calibration has to say: its thresholds with their proof, in words, tables and a plot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightgrid.domain.presence import Band
from sightgrid.evaluation.calibration import LOOKS_A_SIGHTING, SiteCalibration
from sightgrid.evaluation.page import Figure, Page, Plot, Table, percent, percent_span
from sightgrid.evaluation.plots import draw_budget
from sightgrid.recognition.budgets import Calibration, CalibrationState, exceeding

_BANDS = {
    Band.CONFIRMED: "named, and taken as sure",
    Band.LIKELY: "named, to be looked at",
    Band.UNSURE: "nobody is named; it may be somebody enrolled",
    Band.STRANGER: "taken for nobody enrolled",
}


def calibration_figures(found: SiteCalibration) -> list[Figure]:
    """The figures with their meaning."""
    names = ("strangers' photos", "are given somebody's name")
    merges = (f"strangers' sightings of {LOOKS_A_SIGHTING} looks", "are joined to somebody else")
    return [
        _threshold("false_alarms", found.false_alarms, *names),
        _threshold("stranger_merges", found.stranger_merges, *merges),
        Figure(
            "undetected",
            str(found.undetected),
            "",
            f"{len(found.passages) + found.undetected} photos",
            "In so many photos no face was found; they are left out.",
        ),
    ]


def calibration_tables(found: SiteCalibration) -> list[Table]:
    """The bands with their measured precision, and the thresholds of other galleries."""
    tables = []
    if found.bands:
        tables.append(
            Table(
                "Bands",
                "Every photo is asked about twice: with its person enrolled from their other "
                "photos, and without. Thresholds are chosen on other people than those they are "
                "tried on. Precision is how often what the band says is true if half of the "
                "passages are of people enrolled.",
                (
                    *("band", "what it says", "similarity from", "enrolled, right"),
                    *("enrolled, under another's name", "strangers", "precision", "95 %"),
                ),
                [
                    (
                        band.band.value,
                        _BANDS[band.band],
                        "" if band.least is None else f"{band.least:.4f}",
                        str(band.right),
                        str(band.misnamed),
                        str(band.strangers),
                        "says nothing" if band.precision is None else percent(band.precision),
                        percent_span(band.interval),
                    )
                    for band in found.bands
                ],
            )
        )
    tables.append(
        Table(
            "As the gallery grows",
            "The threshold for false_alarms with so many people to be taken for. Each is one "
            "chance more. New people also bring passages to learn from: calibrate again then.",
            ("people enrolled", "threshold", "state"),
            [
                (
                    str(one.gallery),
                    "" if one.threshold is None else f"{one.threshold:.4f}",
                    _state(one),
                )
                for one in found.grown
            ],
        )
    )
    return tables


def calibration_page(
    found: SiteCalibration,
    *,
    pack_threshold: float,
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page with its plot.

    Args:
        pack_threshold: what the pack's own curve says for the same budget and people.
    """
    names = found.false_alarms
    levels = np.linspace(
        float(found.passages.best[-1]), float(found.passages.best[0]) + 0.02, 200
    ).astype(np.float64)
    return Page(
        title="Calibration",
        lead=names.words,
        settings=settings,
        figures=figures,
        tables=calibration_tables(found),
        plots=(
            Plot(
                "calibration.png",
                "False alarms by threshold",
                "The share of passages of people who are not enrolled that exceed a threshold "
                "(up, logarithmic), the budget, and where the two meet. In the grey part there "
                "are too few people to show anything.",
                draw_budget(
                    levels,
                    exceeding(found.passages, levels),
                    budget=names.budget,
                    threshold=names.threshold,
                    pack_threshold=pack_threshold,
                    least_shown=min(2 / names.effective_passages, 1.0),
                ),
                wide=True,
            ),
        ),
        notes=(
            "A threshold holds for cameras and people like those it was chosen on: give photos "
            "from the site's own cameras, and strangers like its own.",
            "Photos of one person fail together, so they count for less than their number: by the "
            "design effect, from how much people differ. Two people who look alike are each taken "
            "for the other; where a budget allows fewer than two false alarms among the "
            "independent passages, a single pair would set the threshold, so none is given.",
            "Intervals: people are drawn anew 1,000 times, once to choose the threshold and once "
            "to try it; 95 % of such trials come out within.",
        ),
    )


def _threshold(name: str, found: Calibration, whose: str, what: str) -> Figure:
    sample = f"{found.passages} passages of {found.people} people, {found.gallery} to be taken for"
    if found.threshold is None:
        return Figure(name, _state(found), "", sample, found.words)
    return Figure(
        name,
        f"{found.threshold:.4f}",
        percent_span(found.interval),
        sample,
        f"Above this similarity a share of {found.budget:g} of {whose} at most {what}; the "
        f"interval is what a trial with as many other people will measure. {found.words}",
    )


def _state(found: Calibration) -> str:
    if found.state is CalibrationState.TOO_FEW_PEOPLE:
        return f"too few people: needs {found.needs_people}"
    return found.state.value
