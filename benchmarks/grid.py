"""Trajectories on simulated camera grids: ``python -m benchmarks.grid [--quick] [--write]``.

Six cameras, thirty people of ``lfw_ident_dev``, two minutes, seeds 0 to 4, presets *normal* and
*hard*; mean and worst over the seeds. About four minutes a seed and preset on two cores, half of it
rendering. ``--quick``: preset *normal*, seed 0, four cameras, ten people, one minute, stored for
the ratchet with ``--write``. ``--from FOLDER`` reads answers of
``sightgrid evaluate grid --json`` that lie there as ``PRESET-SEED.json`` instead of measuring anew.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import pages
from benchmarks.ratchet import Figure, store
from sightgrid.cli.evaluate.grid import grid_document
from sightgrid.evaluation.grid import PRESETS, GridTask, evaluate_grid
from sightgrid.vision.simulation import NORMAL

SEEDS = range(5)
QUICK = {"cameras": 4, "people": 10, "minutes": 1.0, "seed": 0}
# of figures that differ a little between processors: a box more or less can turn a decision
_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Column:
    """A figure, how it is written, whether more is better, and what it should reach."""

    key: str
    digits: int
    more_is_better: bool
    target: str


_COLUMNS = (
    Column("idf1", 3, True, "≥ 0.95"),
    Column("hota", 3, True, ""),
    Column("purity", 4, True, "≥ 0.995"),
    Column("wrong_joins", 1, False, ""),
    Column("serials_per_person", 2, False, "≤ 1.1"),
    Column("visits_recall", 3, True, "≥ 0.97"),
    Column("visits_precision", 3, True, ""),
    Column("realtime_factor", 1, True, ""),
)


def measure_quick(data: Path) -> list[Figure]:
    """The figures of the small grid, all of them better the higher they are."""
    answer = _measure(_task(data, "normal", **QUICK))
    values = {
        "idf1": answer["idf1"],
        "purity": answer["purity"],
        "one serial a person": 1.0 / answer["serials_per_person"],
        "visits recall": answer["visits_recall"],
        "visits precision": answer["visits_precision"],
    }
    return [
        Figure(f"grid quick {name}", value, (0.0, 1.0), None, _TOLERANCE)
        for name, value in values.items()
    ]


def _task(
    data: Path, preset: str, *, seed: int, cameras: int = 6, people: int = 30, minutes: float = 2.0
) -> GridTask:
    return GridTask(
        photos=data / "lfw_ident_dev",
        cameras=cameras,
        people=people,
        minutes=minutes,
        seed=seed,
        preset=PRESETS[preset],
    )


def _measure(task: GridTask) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="sightgrid-grid-") as folder:
        return grid_document(evaluate_grid(task, folder=Path(folder), tell=pages.tell))


def _rows(preset: str, answers: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    mean, worst = [f"*{preset}*, mean"], [f"*{preset}*, worst"]
    for column in _COLUMNS:
        values = np.array([answer[column.key] for answer in answers], np.float64)
        mean.append(f"{values.mean():.{column.digits}f}")
        extreme = values.min() if column.more_is_better else values.max()
        worst.append(f"{extreme:.{column.digits}f}")
    return [mean, worst]


def _section(answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = [["wanted on *normal*", *(column.target for column in _COLUMNS)]]
    told = []
    for preset, own in answers.items():
        rows += _rows(preset, own)
        passages = sum(answer["distribution"]["passages"] for answer in own)
        joins = sum(answer["wrong_joins"] for answer in own)
        told.append(
            f"*{preset}*, {len(own)} seeds: {passages} passages, {joins} serials that cover two "
            f"people, {sum(answer['sightings_unsure'] for answer in own)} of "
            f"{sum(answer['sightings'] for answer in own)} sightings *unsure*."
        )
    lead = (
        "Six cameras, 30 people of `lfw_ident_dev`, nobody enrolled, two minutes; what the figures "
        "mean stands in [commands](cli.md#sightgrid-evaluate-grid)."
    )
    names = ["", *(column.key.replace("_", " ") for column in _COLUMNS)]
    return "\n\n".join([lead, pages.table(names, rows), *told])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--quick", action="store_true", help="only the small grid")
    parser.add_argument("--from", dest="kept", type=Path, help="folder of answers to tell")
    chosen = parser.parse_args()
    data = pages.data_folder(parser, chosen)
    if chosen.kept is None:
        figures = measure_quick(data)
        for figure in figures:
            print(f"{figure.name}: {figure.value:.4f}")
        if chosen.write:
            store(figures)
        if chosen.quick:
            return
    answers: dict[str, list[Mapping[str, Any]]] = {}
    for preset in PRESETS:
        for seed in SEEDS:
            if chosen.kept is None:
                answers.setdefault(preset, []).append(_measure(_task(data, preset, seed=seed)))
            elif (file := chosen.kept / f"{preset}-{seed}.json").is_file():
                answers.setdefault(preset, []).append(json.loads(file.read_text("utf-8")))
    if not answers.get(NORMAL.name):
        parser.error("there is nothing to tell of")
    pages.publish("grid", _section(answers), command="python -m benchmarks.grid", chosen=chosen)


if __name__ == "__main__":
    main()
