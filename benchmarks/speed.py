"""How fast the networks and a whole run are: ``python -m benchmarks.speed [--video FILE]``.

Networks: one thread, median of the runs after a warm-up, milliseconds a forward pass. With a video:
`track` with default settings, wall seconds against the video's own seconds.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sightgrid.offline.engine import usable_cores
from sightgrid.offline.naming import name_sources
from sightgrid.offline.tracking import TrackRequest, track
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import load_pack

_WARM_UP = 5
_SIZES = ((512, 288), (640, 352), (960, 544), (1280, 736), (1920, 1088))


def median_ms(run: Callable[[], object], *, runs: int) -> float:
    for _ in range(_WARM_UP):
        run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def measure_networks(runs: int) -> None:
    pack = load_pack("default")
    rng = np.random.default_rng(0)
    runtimes = [runtime for runtime in Runtime if is_installed(runtime)]
    for runtime in runtimes:
        network = open_network(pack.embedder_path, runtime=runtime, threads=1)
        for faces in (1, 8):
            batch = rng.uniform(0, 255, (faces, 3, 112, 112)).astype(np.float32)
            taken = median_ms(lambda n=network, b=batch: n.run(b), runs=runs)
            print(f"SFace {runtime.value:12s} batch {faces}: {taken / faces:6.1f} ms a face")
    for runtime in runtimes:
        network = open_network(pack.detector_path, runtime=runtime, threads=1)
        for width, height in _SIZES:
            batch = rng.uniform(0, 255, (1, 3, height, width)).astype(np.float32)
            taken = median_ms(lambda n=network, b=batch: n.run(b), runs=runs)
            print(f"YuNet {runtime.value:12s} {width}x{height}: {taken:6.1f} ms")


def measure_run(video: Path, runs: int) -> None:
    walls = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            outcome = track(TrackRequest(name_sources([str(video)]), Path(folder) / "out"))
            walls.append(time.perf_counter() - start)
    media = sum(source.media_secs for source in outcome.result.sources)
    reading = sum(source.wall_secs for source in outcome.result.sources)
    wall = statistics.median(walls)
    print(
        f"track {video.name}: {media:.2f} s of video in {wall:.2f} s "
        f"(reading {reading:.2f} s), {media / wall:.2f} times real time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, action="append", default=[])
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    print(f"{processor()}, {usable_cores()} processors, Python {platform.python_version()}")
    measure_networks(arguments.runs)
    for video in arguments.video:
        measure_run(video, 3)


if __name__ == "__main__":
    main()
