"""Reads a recording from end to end: frames to faces to closed tracklets, on all cores.

Detection looks at one frame at a time, so several frames are in the detector at once; following
needs them in order, so results are taken in order. Decoding, following and embedding share the
calling thread and run beside the detector's workers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

from sightgrid.domain.faces import Detection
from sightgrid.domain.frames import Frame
from sightgrid.domain.tracklets import Tracklet
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.grouping import View
from sightgrid.vision.sources import FrameSource

# frames decoded ahead of the tracker; enough to keep every worker busy, few enough to stay small
_FRAMES_AHEAD = 6


def watch(
    source: FrameSource,
    *,
    detector: FaceDetector,
    view: View,
    workers: Executor,
    on_frame: Callable[[Frame, list[Detection]], None] | None = None,
) -> Iterator[Tracklet]:
    """The tracklets of a source as they close; ``on_frame`` is told of every frame.

    Raises:
        SourceError: the source can't be read at all. What breaks off later is in its ``ending``.
    """
    for frame, detections in _detected(source.frames(), detector, workers):
        yield from view.see(frame, detections)
        if on_frame is not None:
            on_frame(frame, detections)
    yield from view.finish()


def _detected(
    frames: Iterator[Frame], detector: FaceDetector, workers: Executor
) -> Iterator[tuple[Frame, list[Detection]]]:
    """Each frame with its faces, in order, found several frames at a time."""
    ahead: deque[tuple[Frame, Future[list[Detection]]]] = deque()
    try:
        for frame in frames:
            ahead.append((frame, workers.submit(detector.detect, frame.pixels)))
            if len(ahead) >= _FRAMES_AHEAD:
                first, found = ahead.popleft()
                yield first, found.result()
        while ahead:
            first, found = ahead.popleft()
            yield first, found.result()
    finally:
        for _, found in ahead:
            found.cancel()
