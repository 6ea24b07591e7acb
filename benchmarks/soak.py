"""A box at 80 % of its capacity for a long time: ``python -m benchmarks.capacity --soak 30``."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from benchmarks import pages
from benchmarks.capacity import Meter, configuration_of, split_by_stage
from sightgrid.edge.box import INFERENCE, Box
from sightgrid.offline.engine import usable_cores
from sightgrid.vision.onnx import Runtime


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of a soak; memory is what the processes hold alone (USS), in MiB."""

    minute: float
    inference_mib: float
    cameras_mib: float
    supervisor_mib: float
    cores: float
    lag_secs: float
    worst_lag_secs: float
    waiting: float
    looks: float
    skipped: float


@dataclass(frozen=True, slots=True)
class Soaked:
    cameras: int
    minutes: float
    moments: tuple[Moment, ...]


def soak_below_capacity(
    clip: Path, runtime: Runtime, *, minutes: float, cameras: int | None
) -> Soaked:
    """Plays a clip over and over on 80 % of the capacity of the cores there are."""
    if cameras is None:
        # the processes need about a fifth more than the stages alone
        needed_secs = 1.2 * split_by_stage(clip, runtime).total / 1e3
        cameras = max(int(0.8 * usable_cores() / needed_secs), 1)
    print(f"{cameras} cameras on {usable_cores()} cores, {minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix="sightgrid-soak-") as name:
        names = [f"c{number:02d}" for number in range(cameras)]
        configuration = configuration_of([(n, clip) for n in names], Path(name), loop=True)
        box = Box(configuration, embedding=runtime.value)
        watching = _Soak(box, names, minutes=minutes)
        box.run(watching.is_over)
    return Soaked(cameras, minutes, tuple(watching.moments))


class _Soak:
    """Reads memory, lag and processor time of a running box now and then."""

    def __init__(self, box: Box, names: Sequence[str], *, minutes: float) -> None:
        self.moments: list[Moment] = []
        self._box = box
        self._names = names
        self._secs = minutes * 60
        self._every_secs = min(60.0, self._secs / 10)
        self._began = self._read_at = time.monotonic()
        self._cpu_secs = 0.0

    def is_over(self) -> bool:
        now = time.monotonic()
        if now - self._read_at >= self._every_secs:
            self.moments.append(self._read(now))
            shown = (f"{key} {value:.2f}" for key, value in asdict(self.moments[-1]).items())
            print("  ".join(shown), flush=True)
            self._read_at = now
        return now - self._began > self._secs

    def _read(self, now: float) -> Moment:
        own = psutil.Process()
        processes = {p.pid: p for p in [own, *own.children(recursive=True)]}
        memory = {pid: p.memory_full_info().uss / 2**20 for pid, p in processes.items()}
        pids = self._box.supervisor.process_ids()
        cpu_secs = sum(Meter({}).read().values())
        before, self._cpu_secs = self._cpu_secs, cpu_secs
        facts = self._box.inference_facts()
        counts = self._box.ring_counts().values()
        return Moment(
            minute=(now - self._began) / 60,
            inference_mib=memory.get(pids.get(INFERENCE, 0), 0.0),
            cameras_mib=sum(memory.get(pids.get(name, 0), 0.0) for name in self._names),
            supervisor_mib=memory[own.pid],
            cores=(cpu_secs - before) / (now - self._read_at),
            lag_secs=facts.get("lag_secs", math.nan),
            worst_lag_secs=facts.get("worst_lag_secs", math.nan),
            waiting=facts.get("waiting", math.nan),
            looks=facts.get("looks", math.nan),
            skipped=float(sum(count.lost for count in counts)),
        )


def in_words(soaked: Soaked) -> str:
    """A table of the beginning, the quarters and the end; the first reading has the start in it."""
    moments = soaked.moments[1:] or soaked.moments
    chosen = [moments[round(part * (len(moments) - 1) / 4)] for part in range(5)]
    columns = [
        "minute",
        "inference MiB",
        "cameras MiB",
        "supervisor MiB",
        "cores used",
        "lag s",
        "looks",
        "skipped",
    ]
    rows = [
        [
            f"{m.minute:.1f}",
            f"{m.inference_mib:.1f}",
            f"{m.cameras_mib:.1f}",
            f"{m.supervisor_mib:.1f}",
            f"{m.cores:.2f}",
            f"{m.lag_secs:.2f}",
            f"{m.looks:.0f}",
            f"{m.skipped:.0f}",
        ]
        for m in dict.fromkeys(chosen)
    ]
    worst = max(m.worst_lag_secs for m in soaked.moments)
    return (
        f"{soaked.cameras} cameras with `walk1080` in a loop, {soaked.minutes:g} minutes; "
        f"the longest lag from capture to look was {worst:.2f} s.\n\n" + pages.table(columns, rows)
    )
