"""Writes a run's tables: three CSV files and a MOTChallenge file for each camera."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from sightgrid.domain.frames import format_time
from sightgrid.domain.presence import Decision, Visit
from sightgrid.offline.results import IdentitySummary, RunResult, SourceState

SIGHTING_COLUMNS = (
    "sighting_id",
    "camera",
    "group",
    "first_seen",
    "last_seen",
    "first_frame",
    "last_frame",
    "faces",
    "identity",
    "person",
    "band",
    "score",
    "quality",
    "crop",
)
VISIT_COLUMNS = ("identity", "person", "camera", "first_seen", "last_seen", "sightings")
IDENTITY_COLUMNS = ("identity", "person", "cameras", "visits", "first_seen", "last_seen", "crop")


def write_tables(result: RunResult, folder: Path) -> None:
    """Writes ``sightings.csv``, ``visits.csv``, ``identities.csv`` and ``<camera>.mot.txt``."""
    _write_csv(
        folder / "sightings.csv",
        SIGHTING_COLUMNS,
        (_sighting_row(d, result.crop_paths[d.sighting.sighting_id]) for d in result.decisions),
    )
    _write_csv(folder / "visits.csv", VISIT_COLUMNS, (_visit_row(v) for v in result.visits))
    _write_csv(
        folder / "identities.csv", IDENTITY_COLUMNS, (_identity_row(i) for i in result.identities)
    )
    for source in result.sources:
        if source.state is SourceState.FAILED:
            continue
        decisions = [d for d in result.decisions if d.sighting.camera == source.camera]
        (folder / f"{source.camera}.mot.txt").write_text(mot_rows(decisions), "ascii")


def mot_rows(decisions: Iterable[Decision]) -> str:
    """Every detection as ``frame,id,left,top,width,height,conf,-1,-1,-1``, by frame and id."""
    rows = []
    for decision in decisions:
        serial = -1 if decision.match.serial is None else decision.match.serial
        for point in decision.sighting.path:
            box = point.box
            rows.append(
                (
                    point.frame_index,
                    serial,
                    f"{box.left:.2f},{box.top:.2f},{box.width:.2f},{box.height:.2f},"
                    f"{point.score:.4f}",
                )
            )
    rows.sort(key=lambda row: (row[0], row[1], row[2]))
    return "".join(f"{frame},{serial},{rest},-1,-1,-1\n" for frame, serial, rest in rows)


def _sighting_row(decision: Decision, crops: Sequence[str]) -> list[object]:
    sighting, match = decision.sighting, decision.match
    return [
        sighting.sighting_id,
        sighting.camera,
        sighting.group,
        format_time(sighting.first_seen),
        format_time(sighting.last_seen),
        sighting.path[0].frame_index,
        sighting.path[-1].frame_index,
        len(sighting.path),
        "" if match.serial is None else match.serial,
        match.person or "",
        match.band.value,
        "" if match.score is None else f"{match.score:.4f}",
        f"{sighting.quality:.3f}",
        crops[0] if crops else "",
    ]


def _visit_row(visit: Visit) -> list[object]:
    return [
        visit.serial,
        visit.person or "",
        visit.camera,
        format_time(visit.first_seen),
        format_time(visit.last_seen),
        len(visit.sighting_ids),
    ]


def _identity_row(summary: IdentitySummary) -> list[object]:
    return [
        summary.identity.serial,
        summary.identity.person or "",
        len(summary.cameras),
        len(summary.visits),
        format_time(summary.first_seen),
        format_time(summary.last_seen),
        summary.crops[0] if summary.crops else "",
    ]


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
