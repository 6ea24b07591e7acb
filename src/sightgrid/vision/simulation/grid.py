"""Renders the clips of a plan: real H.264, a file a camera."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

import av
import cv2
import numpy as np

from sightgrid.domain.errors import OutputError
from sightgrid.domain.frames import format_time
from sightgrid.vision.simulation.plans import Plan, SimulatedCamera
from sightgrid.vision.simulation.scene import draw
from sightgrid.vision.simulation.truth import GridTruth, truth_of


def render(
    plan: Plan, out_dir: Path, *, progress: Callable[[int, int], None] | None = None
) -> GridTruth:
    """Writes ``<camera>.mp4`` for every camera and returns what there is to see in them.

    Each file's creation time is the camera's start. Cameras are drawn side by side in threads; a
    clip never depends on how many.

    Args:
        plan: who walks where.
        out_dir: made if missing; a clip of the same name is replaced.
        progress: told (frames done, frames in all) now and then, from any thread, one at a time.

    Raises:
        OutputError: the folder or a clip can't be written.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out_dir} can't be made: {error.strerror}") from error
    tally = _Tally(plan.frame_count * len(plan.cameras), progress)
    stop = Event()
    workers = min(len(plan.cameras), os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="render") as pool:
        clips = [pool.submit(_film, plan, c, out_dir, tally, stop) for c in plan.cameras]
        try:
            for clip in clips:
                clip.result()
        finally:
            # Without this an interrupted render would still draw every other camera to its end.
            stop.set()
    return truth_of(plan)


class _Tally:
    """Counts frames over all threads."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = Lock()

    def add(self, frames: int) -> None:
        with self._lock:
            self._done += frames
            if self._progress is not None:
                self._progress(self._done, self._total)


def _film(plan: Plan, camera: SimulatedCamera, out_dir: Path, tally: _Tally, stop: Event) -> None:
    path = out_dir / f"{camera.name}.mp4"
    partial = out_dir / f".{camera.name}.partial.mp4"
    try:
        try:
            _encode(plan, camera, partial, tally, stop)
            if not stop.is_set():
                partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, av.FFmpegError) as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror or error}",
            hint="is the disk full, or the folder read-only?",
        ) from error


def _encode(plan: Plan, camera: SimulatedCamera, path: Path, tally: _Tally, stop: Event) -> None:
    fps = plan.preset.fps
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["creation_time"] = format_time(plan.moment(camera, 1))
        stream = container.add_stream(
            "libx264",
            rate=fps,
            options={"crf": str(plan.preset.crf), "preset": plan.preset.encoder},
        )
        stream.width, stream.height = plan.preset.frame_px
        stream.pix_fmt = "yuv420p"
        # A thread a camera is enough; and more would make the clip depend on the machine.
        stream.codec_context.thread_count = 1
        for frame_index in range(1, plan.frame_count + 1):
            if stop.is_set():
                return
            pixels, _ = draw(plan, camera.name, frame_index)
            # OpenCV turns colours into luma and chroma several times faster than the encoder's own.
            planes = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = frame_index - 1
            container.mux(stream.encode(frame))
            if frame_index % fps == 0:
                tally.add(fps)
        container.mux(stream.encode(None))
        tally.add(plan.frame_count % fps)
