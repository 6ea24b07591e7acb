"""How fast the networks, the stages and a whole run are: ``python -m benchmarks.speed``.

Networks: one thread, median of the runs after a warm-up, milliseconds a forward pass;
dlib's own recogniser (requirements/peers.txt) in the same run. Stages: as ``sightgrid evaluate
speed`` measures them, for its rendered clip and for every ``--video``, or with ``--data`` for a
street in 1080p. Then ``track`` with default settings on these, wall seconds against the video's own
seconds. ``--write`` puts all of it into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import pages
from benchmarks.peers import PeerMissing, dlib_recogniser
from sightgrid.evaluation.speed import Speed, measure_speed, sample_video
from sightgrid.offline.naming import name_sources
from sightgrid.offline.tracking import TrackRequest, track
from sightgrid.vision.engine import open_vision
from sightgrid.vision.onnx import Runtime, is_installed, open_network
from sightgrid.vision.packs import load_pack
from sightgrid.vision.sources import open_source

_WARM_UP = 5
_SIZES = ((512, 288), (640, 352), (960, 544), (1280, 736), (1920, 1088))
_STREET = Path("vid_street_royalopera") / "royal_opera_walkers.mp4"


def median_ms(run: Callable[[], object], *, runs: int) -> float:
    for _ in range(_WARM_UP):
        run()
    times = []
    for _ in range(runs):
        # of this process only, so that neighbours on the machine disturb less
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e3


def networks(runs: int) -> str:
    pack = load_pack("default")
    rng = np.random.default_rng(0)
    runtimes = [runtime for runtime in Runtime if is_installed(runtime)]
    rows = []
    for faces in (1, 8):
        batch = rng.uniform(0, 255, (faces, 3, 112, 112)).astype(np.float32)
        row = [f"SFace, batch {faces}, a face"]
        for runtime in runtimes:
            network = open_network(pack.embedder_path, runtime=runtime, threads=1)
            taken = median_ms(lambda n=network, b=batch: n.run(b), runs=runs)  # type: ignore[misc]
            row.append(f"{taken / faces:.1f}")
        rows.append(row)
    for width, height in _SIZES:
        batch = rng.uniform(0, 255, (1, 3, height, width)).astype(np.float32)
        row = [f"YuNet {width}×{height}"]  # noqa: RUF001
        for runtime in runtimes:
            network = open_network(pack.detector_path, runtime=runtime, threads=1)
            taken = median_ms(lambda n=network, b=batch: n.run(b), runs=runs)  # type: ignore[misc]
            row.append(f"{taken:.1f}")
        rows.append(row)
    text = pages.table(["one forward pass, ms", *(runtime.value for runtime in runtimes)], rows)
    try:
        describe = dlib_recogniser()
    except PeerMissing as error:
        return f"{text}\n\n{error}."
    crop = rng.integers(0, 255, (150, 150, 3), np.uint8)
    taken = median_ms(lambda: describe(crop), runs=max(runs // 4, 3))
    return f"{text}\n\ndlib's own recogniser, its own library, a face: {taken:.1f} ms."


def stages(measured: dict[str, Speed]) -> str:
    names = ("decode", "detect", "follow", "align", "embed")
    rows: list[list[str]] = []
    for name in names:
        row = [name]
        for speed in measured.values():
            stage = next((one for one in speed.stages if one.name == name), None)
            if stage is None:
                row.append("")
                continue
            load = "" if stage.load is None else f"; {stage.load * 1e3:.0f} a second of video"
            row.append(f"{stage.each_ms:.1f} a {stage.unit}{load}")
        rows.append(row)
    rows.append(["faces a second", *(f"{speed.faces_per_sec:.0f}" for speed in measured.values())])
    rows.append(
        ["cameras a core", *(f"{speed.cameras_per_core:.2f}" for speed in measured.values())]
    )
    titles = [
        f"{name}, {speed.width}×{speed.height}, {speed.fps:g} fps"  # noqa: RUF001
        for name, speed in measured.items()
    ]
    return pages.table(["ms of processor time", *titles], rows)


def whole_run(video: Path, runs: int) -> str:
    walls = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            outcome = track(TrackRequest(name_sources([str(video)]), Path(folder) / "out"))
            walls.append(time.perf_counter() - start)
    media = sum(source.media_secs for source in outcome.result.sources)
    wall = statistics.median(walls)
    return (
        f"`track` on {video.name}, everything from opening the pack to the report, all cores: "
        f"{media:.2f} s of video in {wall:.2f} s (median of {runs}), {media / wall:.2f} times real "
        "time."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pages.add_options(parser)
    parser.add_argument("--video", type=Path, action="append", default=[])
    parser.add_argument("--runs", type=int, default=20)
    chosen = parser.parse_args()
    if chosen.video and (chosen.write or chosen.data):
        parser.error("--write and --data measure the street clip, no other")
    videos: list[Path] = chosen.video
    if chosen.write or chosen.data:
        videos = [pages.data_folder(parser, chosen) / _STREET]
    parts = [networks(chosen.runs)]
    vision = open_vision("default", calls=1)
    with sample_video(vision.detector, tell=pages.tell) as source:
        measured = {"rendered": measure_speed(source, vision=vision, tell=pages.tell)}
    for video in videos:
        source = open_source(str(video), camera="video", starts_at=None)
        measured[video.stem] = measure_speed(source, vision=vision, tell=pages.tell)
    parts.append(stages(measured))
    parts += [whole_run(video, 3) for video in videos]
    pages.publish("speed", "\n\n".join(parts), command="python -m benchmarks.speed", chosen=chosen)


if __name__ == "__main__":
    main()
