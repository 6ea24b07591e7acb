"""What a simulated grid has to say: figures in words, trajectories beside the truth, mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from sightgrid.domain.geometry import Bytes
from sightgrid.evaluation.grid import GridEvaluation
from sightgrid.evaluation.grid_plots import Bar, Lane, draw_lanes
from sightgrid.evaluation.grid_scores import NOBODY, SightingShown
from sightgrid.evaluation.page import Figure, Page, Plot, percent
from sightgrid.evaluation.plots import LookAlike, draw_look_alikes

_PAIRS_SHOWN = 16


def grid_figures(evaluation: GridEvaluation) -> list[Figure]:
    """The figures with their meaning."""
    scores, truth = evaluation.scores, evaluation.truth
    boxes = sum(int((camera.visible >= 0.5).sum()) for camera in truth.cameras)
    with_serial = sum(one.serial is not None for one in scores.sightings)
    told = f"{len(truth.visits)} true visits"
    figures = [
        Figure(
            "idf1",
            f"{scores.idf1:.4f}",
            "",
            f"{boxes} faces in view, all cameras",
            "Boxes with the right identity, when each person is given the one serial that makes "
            "most of them right, over all cameras at once.",
        ),
        Figure(
            "hota",
            f"{scores.hota:.4f}",
            "",
            f"{boxes} faces in view, all cameras",
            "Finding, placing and joining faces in one number; boxes drawn by another detector "
            "would lower it.",
        ),
        Figure(
            "purity",
            f"{scores.purity:.4f}",
            "",
            f"{len(scores.owners)} serials",
            "Boxes on a face that show the person whom their serial mostly shows.",
        ),
        Figure(
            "wrong_joins",
            str(scores.wrong_joins),
            "",
            f"{len(scores.owners)} serials",
            "Serials that cover two people: a sighting of somebody else, or half a second of them.",
        ),
        Figure(
            "serials_per_person",
            f"{scores.serials_per_person:.3f}",
            "",
            f"{scores.people_found} people found",
            "1 if everybody kept one serial on all cameras.",
        ),
        Figure(
            "visits_recall",
            percent(scores.visits_recall),
            "",
            told,
            "True visits that a row of the trajectory table tells, under a serial that is mostly "
            "this person.",
        ),
        Figure(
            "visits_precision",
            percent(scores.visits_precision),
            "",
            f"{len(evaluation.result.visits)} rows",
            "Rows of the trajectory table that tell a true visit, each another one.",
        ),
        Figure(
            "unsure",
            str(len(scores.sightings) - with_serial),
            "",
            f"{len(scores.sightings)} sightings",
            "Sightings that were given to nobody.",
        ),
        Figure(
            "realtime_factor",
            f"{evaluation.realtime_factor:.2f}",
            "",
            f"{truth.secs * len(truth.cameras):.0f} s of video",
            "Seconds of video, all cameras together, by seconds of work; rendering excluded.",
        ),
    ]
    if evaluation.task.enrolled_people:
        figures.append(
            Figure(
                "names_wrong",
                str(scores.names_wrong),
                "",
                f"{scores.names_right + scores.names_wrong} sightings named",
                "Sightings under the name of somebody enrolled whom they do not show.",
            )
        )
    return figures


def grid_page(
    evaluation: GridEvaluation,
    *,
    run: Path,
    figures: Sequence[Figure],
    settings: Sequence[tuple[str, str]],
) -> Page:
    """The page; ``run`` is the folder with the run's crops."""
    scores, spread = evaluation.scores, evaluation.truth.distribution
    plots = [
        Plot(
            "trajectories.png",
            "Trajectories beside the truth",
            "A line a person. Grey: truly in view, with the camera's number. Below it what was "
            "found: blue under the person's main serial, orange under another one of theirs (a "
            "split), red under somebody else's (a wrong join), hollow: unsure.",
            draw_lanes(_lanes(evaluation), secs=evaluation.truth.secs + 4.0),
            wide=True,
        )
    ]
    for name, title, caption, pairs in (
        (
            "wrong-joins",
            "Wrong joins",
            "Two people under one serial: whom it mostly shows, and the other.",
            _wrong_joins(evaluation, run),
        ),
        (
            "splits",
            "Splits",
            "One person under two serials: the best look of the main one, and of the other.",
            _splits(evaluation, run),
        ),
        (
            "unsure",
            "Unsure",
            "Sightings given to nobody (left), and the best look at that person (right).",
            _unsure(evaluation, run),
        ),
    ):
        shown = f" {len(pairs)} in all, {_PAIRS_SHOWN} shown." if len(pairs) > _PAIRS_SHOWN else ""
        plots.append(
            Plot(
                f"{name}.png", title, caption + shown, draw_look_alikes(pairs[:_PAIRS_SHOWN]), True
            )
        )
    return Page(
        title="Simulated grid",
        lead=f"{evaluation.task.people} people pass {evaluation.task.cameras} cameras "
        f"{spread.passages} times: idf1 {scores.idf1:.3f}, {scores.serials_per_person:.2f} serials "
        f"a person, serials that cover two people: {scores.wrong_joins}.",
        settings=settings,
        figures=figures,
        plots=plots,
        notes=(
            f"Faces met: {spread.face_px[0]:.0f} to {spread.face_px[2]:.0f} px wide, half of them "
            f"under {spread.face_px[1]:.0f}; blur sigma up to {spread.blur_px[2]:.2f} px; light "
            f"{spread.gain[0]:.2f} to {spread.gain[2]:.2f}; {spread.occluded:.0%} of the passages "
            f"hidden for half a second or more; two or more in view for {spread.in_company:.0%} of "
            "the time.",
            "Another photo for every passage of a person; who is enrolled is enrolled with a photo "
            "that is shown nowhere.",
            "A face counts as in view when half of it is visible; boxes on faces that are hidden "
            "further are neither asked for nor wrong.",
            "Drawn figures with real heads: good to compare versions, not to promise a rate at a "
            "site.",
        ),
    )


def _lanes(evaluation: GridEvaluation) -> list[Lane]:
    scores, truth = evaluation.scores, evaluation.truth
    start = min(camera.starts_at for camera in truth.cameras)
    numbers = {camera.camera: str(n) for n, camera in enumerate(truth.cameras, start=1)}
    mains = _main_serials(evaluation)
    lanes = []
    for person, name in enumerate(truth.people):
        visits = [
            Bar(
                (visit.first_seen - start).total_seconds(),
                (visit.last_seen - start).total_seconds(),
                numbers[visit.camera],
            )
            for visit in truth.visits
            if visit.person == name
        ]
        found = [
            Bar(
                (one.decision.sighting.first_seen - start).total_seconds(),
                (one.decision.sighting.last_seen - start).total_seconds(),
                _verdict(one, mains.get(person), scores.owners.get(one.serial or 0)),
            )
            for one in scores.sightings
            if one.person == person
        ]
        lanes.append(Lane(name.replace("_", " "), visits, found))
    return lanes


def _verdict(one: SightingShown, main: int | None, owner: int | None) -> str:
    if one.serial is None:
        return "unsure"
    if owner != one.person:
        return "wrong"
    return "main" if one.serial == main else "split"


def _main_serials(evaluation: GridEvaluation) -> dict[int, int]:
    """By person, the serial of theirs with most boxes."""
    counts: dict[int, int] = {}
    for one in evaluation.scores.sightings:
        if one.serial is not None:
            counts[one.serial] = counts.get(one.serial, 0) + sum(one.boxes.values())
    mains: dict[int, int] = {}
    for serial, owner in evaluation.scores.owners.items():
        if owner == NOBODY:
            continue
        if owner not in mains or counts[serial] > counts[mains[owner]]:
            mains[owner] = serial
    return mains


def _wrong_joins(evaluation: GridEvaluation, run: Path) -> list[LookAlike]:
    pairs = []
    people = evaluation.truth.people
    for serial, persons in evaluation.scores.joined.items():
        first = _best(evaluation, person=persons[0], serial=serial)
        for other in persons[1:]:
            second = _best(evaluation, person=other, serial=serial)
            title = f"#{serial}: {people[persons[0]][:24]}\nand {people[other][:24]}"
            pairs += _pair(evaluation, run, first, second or first, title)
    return pairs


def _splits(evaluation: GridEvaluation, run: Path) -> list[LookAlike]:
    pairs = []
    mains = _main_serials(evaluation)
    for serial, owner in evaluation.scores.owners.items():
        main = mains.get(owner)
        if main is None or main == serial:
            continue
        one = _best(evaluation, person=owner, serial=main)
        other = _best(evaluation, person=owner, serial=serial)
        alike = _alike(one, other)
        title = f"{evaluation.truth.people[owner][:24]}\n#{main} and #{serial}, {alike:.2f}"
        pairs += _pair(evaluation, run, one, other, title)
    return pairs


def _unsure(evaluation: GridEvaluation, run: Path) -> list[LookAlike]:
    pairs = []
    mains = _main_serials(evaluation)
    for one in evaluation.scores.sightings:
        main = mains.get(one.person)
        if one.serial is not None or one.person == NOBODY or main is None:
            continue
        best = _best(evaluation, person=one.person, serial=main)
        title = (
            f"{evaluation.truth.people[one.person][:24]}\nlike #{main} by {_alike(one, best):.2f}"
        )
        pairs += _pair(evaluation, run, one, best, title)
    return pairs


def _best(evaluation: GridEvaluation, *, person: int, serial: int) -> SightingShown | None:
    own = [
        one for one in evaluation.scores.sightings if one.serial == serial and one.person == person
    ]
    return max(own, key=lambda one: one.decision.sighting.quality, default=None)


def _alike(one: SightingShown | None, other: SightingShown | None) -> float:
    """The similarity of the best looks of two sightings."""
    faces = [
        shown.decision.sighting.looks[0].embedding
        for shown in (one, other)
        if shown is not None and shown.decision.sighting.looks
    ]
    if len(faces) < 2 or faces[0] is None or faces[1] is None:
        return 0.0
    return faces[0].cosine(faces[1])


def _pair(
    evaluation: GridEvaluation,
    run: Path,
    one: SightingShown | None,
    other: SightingShown | None,
    title: str,
) -> list[LookAlike]:
    if one is None or other is None:
        return []
    crops = [_crop(evaluation, run, shown) for shown in (one, other)]
    if crops[0] is None or crops[1] is None:
        return []
    return [LookAlike(crops[0], crops[1], title)]


def _crop(evaluation: GridEvaluation, run: Path, one: SightingShown) -> Bytes | None:
    paths = evaluation.result.crop_paths.get(one.decision.sighting.sighting_id, ())
    pixels = cv2.imread(str(run / paths[0])) if paths else None
    return None if pixels is None else np.asarray(pixels, np.uint8)
