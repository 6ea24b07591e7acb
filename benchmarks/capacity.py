"""How many cameras a core carries, decode to sighting, and what is lost on the way.

    python -m benchmarks.capacity [--clips FOLDER] [--secs 30] [--cameras N] [--only CLIP] [--write]
    python -m benchmarks.capacity --soak 30 [--write]

Each clip is played in real time by N cameras of one box (``sightgrid.edge.box``, all its
processes), and the processor time of every process is counted while all cameras are live: cameras
a core = 1 / (CPU seconds a stream-second). Reading the file takes the place of a network; there is
no other player. The visits found are compared with those that the offline run finds in the same
clip. The split by stage is measured apart, in one process; what the box needs beyond that is
transport: pacing, reports, conditions of the picture, memory, switching between processes.

The soak plays the walking clip in a loop at 80 % of the capacity of the cores there are and watches
memory and lag.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

from benchmarks import pages
from benchmarks.clips import FPS, make_clips
from sightgrid.configuration.settings import (
    BoxSettings,
    CameraSettings,
    Configuration,
    RecognitionSettings,
    RetentionSettings,
    SiteSettings,
)
from sightgrid.domain.cameras import CameraState
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.locations import Location
from sightgrid.domain.presence import Sighting, Visit
from sightgrid.edge.box import INFERENCE, Box
from sightgrid.edge.inference import InferenceLoop
from sightgrid.edge.packing import FramePacker, PackingSettings
from sightgrid.edge.ring import Ring, RingReader, RingWriter
from sightgrid.edge.sightingfolder import read_sightings
from sightgrid.ledger.settling import settle
from sightgrid.offline.engine import open_engine, usable_cores
from sightgrid.offline.watching import watch
from sightgrid.trajectory.visits import visits as visits_of
from sightgrid.vision.engine import open_vision
from sightgrid.vision.onnx import Runtime, is_installed
from sightgrid.vision.sources import open_source
from sightgrid.vision.sources.decoding import lighten

_BEGAN = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
_VISIT_GAP_SECS = 15.0
# of a clip's own time, left out at both ends of the measurement
_MARGIN_SECS = 2.0
_STAGES = ("decode", "gate", "detect", "follow", "embed")
TARGETS = {"walk1080": 6.0, "crowd1080": 2.0, "walk720": 10.0}


@dataclass(frozen=True, slots=True)
class Split:
    """CPU milliseconds a stream-second of each stage, in one process."""

    stages: Mapping[str, float]
    faces_per_look: float
    embeddings_per_min: float

    @property
    def total(self) -> float:
        return sum(self.stages.values())


@dataclass(frozen=True, slots=True)
class Carried:
    """What a box needed, and what it found."""

    clip: str
    runtime: str
    cameras: int
    ms_per_stream_sec: float
    cameras_per_core: float
    by_process: Mapping[str, float]
    lost_share: float
    visits_offline: int
    visits_lost: int
    visits_beside: int


class _Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []

    def put(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)


def split_by_stage(clip: Path, runtime: Runtime) -> Split:
    """Plays a clip through all stages in this process, as fast as it goes."""
    engine = open_vision("default", calls=1, embedding=runtime)
    side = engine.pack.manifest.embedder_input.input_px
    engine.embedder.embed([np.zeros((side, side, 3), np.uint8)])
    engine.detector.detect(np.zeros((1080, 1920, 3), np.uint8))
    ring = Ring.create("split")
    try:
        packer = FramePacker(RingWriter.attach(ring.spec), PackingSettings())
        loop = InferenceLoop({"split": RingReader.attach(ring.spec)}, engine, _Kept())
        stages: Counter[str] = Counter()
        frames = 0
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            lighten(stream)
            pictures = container.decode(stream)
            while True:
                began = time.process_time()
                picture = next(pictures, None)
                stages["decode"] += time.process_time() - began
                if picture is None:
                    break
                frames += 1
                captured_at = _BEGAN + timedelta(seconds=(frames - 1) / FPS)
                began = time.process_time()
                packer.offer(picture, captured_at=captured_at, index=frames)
                stages["gate"] += time.process_time() - began
                loop.step()
        loop.finish()
    finally:
        ring.remove()
    progress = loop.progress()
    secs = frames / FPS
    stages.update(progress.stage_secs)
    return Split(
        {stage: round(1e3 * spent / secs, 2) for stage, spent in stages.items()},
        faces_per_look=round((progress.faces + progress.held) / max(progress.looks, 1), 2),
        embeddings_per_min=round(60 * progress.embeddings / secs, 1),
    )


def offline_sightings(clip: Path) -> list[Sighting]:
    """What the offline run finds in the clip."""
    engine = open_engine("default")
    source = open_source(str(clip), camera="c00", starts_at=_BEGAN)
    view = engine.view("c00")
    with ThreadPoolExecutor(usable_cores()) as workers:
        return [
            Sighting(str(n), 1, True, t.camera, t.group, t.path, t.looks)
            for n, t in enumerate(
                watch(source, detector=engine.detector, view=view, workers=workers)
            )
        ]


def visits_in(sightings: Sequence[Sighting]) -> list[tuple[Visit, np.ndarray]]:
    """The visits that the ledger makes of one camera's sightings, each with its mean vector."""
    policy = open_engine("default").policy
    settlement = settle(list(sightings), people=(), grid=CameraGrid(), policy=policy)
    found = visits_of(settlement.decisions, gap_secs=_VISIT_GAP_SECS, grid=CameraGrid())
    by_id = {one.sighting_id: one for one in sightings}
    rows = []
    for visit in found:
        looks = [look for name in visit.sighting_ids for look in by_id[name].looks]
        vectors = [look.embedding.vector for look in looks if look.embedding is not None]
        mean = np.mean(vectors, axis=0)
        rows.append((visit, mean / np.linalg.norm(mean)))
    return rows


def compared(
    offline: list[tuple[Visit, np.ndarray]], live: list[tuple[Visit, np.ndarray]]
) -> tuple[int, int]:
    """How many offline visits nobody found live, and how many live ones nobody found offline. Two
    visits are the same if they overlap for half of the offline one and show the same face."""
    free = list(live)
    lost = 0
    for visit, vector in offline:
        lasted = max((visit.last_seen - visit.first_seen).total_seconds(), 0.2)
        for candidate in free:
            other, seen = candidate
            both = min(visit.last_seen, other.last_seen) - max(visit.first_seen, other.first_seen)
            if both.total_seconds() >= 0.5 * lasted and float(vector @ seen) >= 0.5:
                free.remove(candidate)
                break
        else:
            lost += 1
            print(f"  lost: {_in_secs(visit)}; found live: {[_in_secs(v) for v, _ in live]}")
    return lost, len(free)


def _in_secs(visit: Visit) -> str:
    first, last = ((at - _BEGAN).total_seconds() for at in (visit.first_seen, visit.last_seen))
    return f"{first:.2f}-{last:.2f} s"


def configuration_of(
    clips: Iterable[tuple[str, Path]], folder: Path, *, loop: bool = False
) -> Configuration:
    """A box that plays clips, each as a camera."""
    return Configuration(
        path=folder / "sightgrid.yml",
        site=SiteSettings(),
        database=Location("sqlite:///none.db"),
        cameras=tuple(CameraSettings(name, Location(str(clip)), loop=loop) for name, clip in clips),
        grid=CameraGrid(),
        recognition=RecognitionSettings(),
        retention=RetentionSettings(),
        mqtt=None,
        box=BoxSettings(data_folder=folder),
    )


class Meter:
    """CPU seconds of this process and all its children, by name; a child that ends keeps what it
    had when it was last seen."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._seen: dict[int, tuple[str, float]] = {}

    def read(self) -> dict[str, float]:
        own = psutil.Process()
        for process in [own, *own.children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            name = "supervisor" if process.pid == own.pid else self._name(process.pid)
            self._seen[process.pid] = (name, times.user + times.system)
        total: Counter[str] = Counter()
        for name, secs in self._seen.values():
            total[name] += secs
        return dict(total)

    def _name(self, pid: int) -> str:
        known = self._names.get(pid, "other")
        return known if known in (INFERENCE, "other") else "cameras"


def carry(
    clip_name: str,
    clip: Path,
    *,
    cameras: int,
    runtime: Runtime,
    offline: list[tuple[Visit, np.ndarray]],
) -> Carried:
    """Plays the clip on so many cameras of a box at once and measures it."""
    with tempfile.TemporaryDirectory(prefix="sightgrid-capacity-") as name:
        folder = Path(name)
        names = [f"c{number:02d}" for number in range(cameras)]
        configuration = configuration_of([(n, clip) for n in names], folder)
        box = Box(configuration, embedding=runtime.value)
        first_frame: dict[str, datetime] = {}
        window: list[tuple[float, dict[str, float]]] = []
        over_at: list[float] = []

        def is_over() -> bool:
            statuses = box.board.statuses()
            for status in statuses:
                if status.last_frame is not None and status.camera not in first_frame:
                    first_frame[status.camera] = status.last_frame - timedelta(
                        seconds=max(status.frames - 1, 0) / FPS
                    )
            live = [s for s in statuses if s.state is CameraState.LIVE]
            now = time.monotonic()
            if len(live) == cameras and (not window or now - window[-1][0] >= 0.5):
                meter = Meter({pid: n for n, pid in box.supervisor.process_ids().items()})
                window.append((now, meter.read()))
            if not over_at and len(first_frame) == cameras and not live:
                # all have ended; what is waiting is still to be looked at
                over_at.append(now + 4.0)
            return bool(over_at) and now >= over_at[0]

        box.run(is_over)
        counts = list(box.ring_counts().values())
        sightings = [s for s in read_sightings(box.sightings) if s.closed]
    began = next(i for i, (at, _) in enumerate(window) if at >= window[0][0] + _MARGIN_SECS)
    until = max(i for i, (at, _) in enumerate(window) if at <= window[-1][0] - _MARGIN_SECS)
    secs = window[until][0] - window[began][0]
    spent = {
        name: window[until][1].get(name, 0.0) - window[began][1].get(name, 0.0)
        for name in window[until][1]
    }
    each = sum(spent.values()) / secs / cameras
    lost, beside = [], []
    for name in names:
        shifted = [_shifted(s, _BEGAN - first_frame[name]) for s in sightings if s.camera == name]
        one_lost, one_beside = compared(offline, visits_in(shifted))
        lost.append(one_lost)
        beside.append(one_beside)
    written = sum(one.written for one in counts)
    return Carried(
        clip=clip_name,
        runtime=runtime.value,
        cameras=cameras,
        ms_per_stream_sec=round(1e3 * each, 1),
        cameras_per_core=round(1 / each, 2),
        by_process={n: round(1e3 * s / secs / cameras, 1) for n, s in spent.items()},
        lost_share=round(sum(one.lost for one in counts) / max(written, 1), 4),
        visits_offline=len(offline) * cameras,
        visits_lost=sum(lost),
        visits_beside=sum(beside),
    )


def _shifted(sighting: Sighting, by: timedelta) -> Sighting:
    path = tuple(replace(p, captured_at=p.captured_at + by) for p in sighting.path)
    looks = tuple(
        replace(look, crop=replace(look.crop, captured_at=look.crop.captured_at + by))
        for look in sighting.looks
    )
    return replace(sighting, path=path, looks=looks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    pages.add_options(parser)
    parser.add_argument("--clips", type=Path, help="where the clips are, or are made and kept")
    parser.add_argument("--secs", type=float, default=30.0, help="length of the clips")
    parser.add_argument("--cameras", type=int, help="at once; default: target x cores")
    parser.add_argument("--only", choices=sorted(TARGETS), action="append")
    parser.add_argument("--runtime", choices=[r.value for r in Runtime], action="append")
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        # set on some machines for old builds; they slow a current numpy down
        os.environ.pop(name, None)
    folder = given.clips or Path(tempfile.gettempdir(), "sightgrid-clips")
    clips = make_clips(folder, data=pages.data_folder(parser, given), secs=given.secs)
    wished = [Runtime(name) for name in given.runtime or [r.value for r in Runtime]]
    runtimes = [runtime for runtime in wished if is_installed(runtime)]
    # OpenVINO first: that is what is recommended
    runtimes.sort(key=lambda runtime: runtime is not Runtime.OPENVINO)
    if given.soak:
        from benchmarks.soak import in_words, soak_below_capacity  # it needs what is here

        soaked = soak_below_capacity(
            clips["walk1080"], runtimes[0], minutes=given.soak, cameras=given.cameras
        )
        _keep(given.json, asdict(soaked))
        pages.publish(
            "soak",
            in_words(soaked),
            command=f"python -m benchmarks.capacity --soak {given.soak:g} --write",
            chosen=given,
        )
        return
    measured = _measure_all(clips, given.only or list(TARGETS), runtimes, given.cameras)
    _keep(given.json, [{"split": asdict(split), **asdict(one)} for split, one in measured])
    pages.publish(
        "capacity",
        _table(measured),
        command="python -m benchmarks.capacity --write",
        chosen=given,
    )


def _keep(path: Path | None, figures: object) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def _measure_all(
    clips: Mapping[str, Path], names: Sequence[str], runtimes: Sequence[Runtime], wish: int | None
) -> list[tuple[Split, Carried]]:
    measured = []
    for name in names:
        offline = visits_in(offline_sightings(clips[name]))
        for runtime in runtimes:
            split = split_by_stage(clips[name], runtime)
            cameras = wish or int(TARGETS[name] * usable_cores())
            carried = carry(name, clips[name], cameras=cameras, runtime=runtime, offline=offline)
            measured.append((split, carried))
            print(_table(measured[-1:]), flush=True)
    return measured


def _table(measured: Sequence[tuple[Split, Carried]]) -> str:
    columns = [
        "clip",
        "embedder on",
        "cameras at once",
        "**cameras a core** (target)",
        "ms a stream-second",
        *_STAGES,
        "transport",
        "visits lost / beside",
        "looks skipped",
    ]
    rows = []
    for split, one in measured:
        rows.append(
            [
                one.clip,
                one.runtime,
                one.cameras,
                f"**{one.cameras_per_core:.1f}** ({TARGETS[one.clip]:g})",
                f"{one.ms_per_stream_sec:.0f}",
                *(f"{split.stages[stage]:.1f}" for stage in _STAGES),
                f"{one.ms_per_stream_sec - split.total:.1f}",
                f"{one.visits_lost} of {one.visits_offline} / {one.visits_beside}",
                f"{one.lost_share:.1%}",
            ]
        )
    return pages.table(columns, rows)


if __name__ == "__main__":
    main()
