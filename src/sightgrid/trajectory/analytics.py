"""Site analytics from visits: how many came when, how long they stayed, where they went next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

import numpy as np

from sightgrid.domain.presence import Visit
from sightgrid.trajectory.suppression import LEAST, Counts, suppress

_AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Footfall:
    """Different identities by hour and camera. ``counts[i][j]`` is hour i on camera j, ``None``
    where it is too small to be shown, and so are the totals; an identity counts once in a cell and
    once in the total of everything."""

    hours: tuple[datetime, ...]
    cameras: tuple[str, ...]
    counts: tuple[tuple[int | None, ...], ...]
    unique: int | None


@dataclass(frozen=True, slots=True)
class Dwell:
    """How long visits to a camera lasted, in seconds; ``None`` where too few were there."""

    camera: str
    visits: int | None
    median_secs: float | None
    mean_secs: float | None
    p90_secs: float | None


@dataclass(frozen=True, slots=True)
class Flows:
    """How often an identity went from one camera to another next. ``counts[i][j]`` is from camera
    i to camera j, ``None`` where it is too small to be shown."""

    cameras: tuple[str, ...]
    counts: tuple[tuple[int | None, ...], ...]
    out_of: tuple[int | None, ...]
    into: tuple[int | None, ...]
    whole: int | None


def footfall(visits: Iterable[Visit], *, zone: tzinfo, least: int = LEAST) -> Footfall:
    """Different identities in each hour of local time on each camera.

    A visit counts in every hour that it touches. Hours are local to ``zone`` and told with their
    offset, so that the hour that the clock goes through twice in autumn is two.
    """
    seen: dict[tuple[datetime, str], set[int]] = defaultdict(set)
    everybody: set[int] = set()
    began: dict[datetime, datetime] = {}
    for visit in visits:
        everybody.add(visit.serial)
        # zones lie whole quarters of an hour apart, so one look at the clock does for a quarter
        first = visit.first_seen
        quarter = first.replace(minute=first.minute // 15 * 15, second=0, microsecond=0)
        hour = began.get(quarter) or began.setdefault(quarter, _hour_of(quarter, zone))
        seen[hour, visit.camera].add(visit.serial)
        if visit.last_seen - hour < _AN_HOUR:
            continue
        hour = _hour_of(hour + _AN_HOUR, zone)
        while hour <= visit.last_seen:
            seen[hour, visit.camera].add(visit.serial)
            hour = _hour_of(hour + _AN_HOUR, zone)
    hours = sorted({hour for hour, _ in seen})
    cameras = sorted({camera for _, camera in seen})
    counts = np.array(
        [[len(seen.get((hour, camera), ())) for camera in cameras] for hour in hours], np.int64
    ).reshape(len(hours), len(cameras))
    # the number of different people is at most the sum of the cells, so a cell can't be had from
    # it by subtraction; cells are no sums of each other either, but hiding as if they were is safe
    hidden = suppress(counts, least=least).cells
    return Footfall(
        hours=tuple(hour.astimezone(zone) for hour in hours),
        cameras=tuple(cameras),
        counts=_shown(counts, hidden),
        unique=len(everybody) if len(everybody) == 0 or len(everybody) >= least else None,
    )


def dwell(visits: Iterable[Visit], *, least: int = LEAST) -> tuple[Dwell, ...]:
    """How long visits lasted, by camera; figures over fewer than ``least`` different identities
    are not shown."""
    by_camera: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        by_camera[visit.camera].append(visit)
    rows = []
    for camera in sorted(by_camera):
        its = by_camera[camera]
        if len({visit.serial for visit in its}) < least:
            rows.append(Dwell(camera, None, None, None, None))
            continue
        secs = np.array([(v.last_seen - v.first_seen).total_seconds() for v in its])
        rows.append(
            Dwell(
                camera,
                len(its),
                round(float(np.median(secs)), 1),
                round(float(secs.mean()), 1),
                round(float(np.quantile(secs, 0.9)), 1),
            )
        )
    return tuple(rows)


def flows(visits: Iterable[Visit], *, least: int = LEAST) -> Flows:
    """From which camera identities went to which next; staying on one is no flow."""
    by_serial: dict[int, list[Visit]] = defaultdict(list)
    cameras: set[str] = set()
    for visit in visits:
        by_serial[visit.serial].append(visit)
        cameras.add(visit.camera)
    names = sorted(cameras)
    at = {name: index for index, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for its in by_serial.values():
        its.sort(key=lambda visit: (visit.first_seen, visit.last_seen, visit.camera))
        for one, following in pairwise(its):
            if one.camera != following.camera:
                counts[at[one.camera], at[following.camera]] += 1
    hidden = suppress(counts, least=least)
    return Flows(
        cameras=tuple(names),
        counts=_shown(counts, hidden.cells),
        out_of=_line(counts.sum(axis=1).tolist(), hidden.rows.tolist()),
        into=_line(counts.sum(axis=0).tolist(), hidden.columns.tolist()),
        whole=None if hidden.whole else int(counts.sum()),
    )


def _hour_of(moment: datetime, zone: tzinfo) -> datetime:
    """When the local hour of a moment began, in UTC: two local times can be the same text."""
    local = moment.astimezone(zone)
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return (moment - into).astimezone(UTC)


def _shown(counts: Counts, hidden: np.ndarray) -> tuple[tuple[int | None, ...], ...]:
    return tuple(
        _line(row, covered) for row, covered in zip(counts.tolist(), hidden.tolist(), strict=True)
    )


def _line(counts: Sequence[int], hidden: Sequence[bool]) -> tuple[int | None, ...]:
    return tuple(None if covered else count for count, covered in zip(counts, hidden, strict=True))
