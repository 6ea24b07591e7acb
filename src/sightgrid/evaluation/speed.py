"""What a camera costs: processor time of every stage from coded video to closed tracklets.

Everything runs on one thread, one frame after another, as ``track`` would on a single core; only
PyAV's decoder keeps threads of its own, whose time is counted. Times are processor time of this
process, so that neighbours on the machine disturb little, and frames go through in batches: decoded
first, then looked at, so that the decoder's threads don't run into the time of the others.

A source is what delivers the coded video: the file's bytes here, the camera or a player of streams
for live cameras. It is not counted. Decoding what it delivers is.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.faces import Detection, Embedding, EmbeddingContract
from sightgrid.domain.frames import Frame
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.likeness import ImpostorCurve
from sightgrid.offline.demo_photos import find_demo_photos, pick_face
from sightgrid.vision.detection import FaceDetector
from sightgrid.vision.embedding import FaceEmbedder
from sightgrid.vision.engine import VisionEngine
from sightgrid.vision.framing import cut
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.quality import grade
from sightgrid.vision.simulation import DEMO, Subject, cut_portrait, plan, render
from sightgrid.vision.sources import FrameSource, open_source

Tell = Callable[[str, int, int | None], None]

_BATCH = 16
_WARM_UP = 3
_ALIGNED = 200
# what a common camera sends: 1080p, people in view nearly all the time
_SAMPLE = replace(
    DEMO, name="sample", frame_px=(1920, 1080), fps=20, face_px=(40.0, 110.0), in_company=0.8
)
_SAMPLE_SECS = 10.0
_SAMPLE_SEED = 11


@dataclass(frozen=True, slots=True)
class StageCost:
    """``each_ms`` is the median for one ``unit``; ``load`` the seconds of processor time for a
    second of video, ``None`` where the stage is part of another."""

    name: str
    unit: str
    each_ms: float
    count: int
    load: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Speed:
    """``cpu_secs`` of all stages for ``media_secs`` of video with ``frames`` and ``faces`` found.
    ``look_ms`` (N,) is each frame's detection and following together."""

    width: int
    height: int
    fps: float
    frames: int
    faces: int
    media_secs: float
    cpu_secs: float
    stages: tuple[StageCost, ...]
    look_ms: tuple[float, ...]

    @property
    def cameras_per_core(self) -> float:
        """How many such cameras one core could bear."""
        return self.media_secs / self.cpu_secs

    @property
    def faces_per_sec(self) -> float:
        """Faces found and followed in a second of processor time, all stages included."""
        return self.faces / self.cpu_secs


class _TimedEmbedder:
    """Hands crops on and notes how long they took."""

    def __init__(self, embedder: FaceEmbedder) -> None:
        self._embedder = embedder
        self.contract: EmbeddingContract = embedder.contract
        self.impostors: ImpostorCurve = embedder.impostors
        self.secs = 0.0
        self.each_ms: list[float] = []

    def embed(self, crops: Sequence[Bytes]) -> list[Embedding]:
        began = time.process_time()
        embeddings = self._embedder.embed(crops)
        taken = time.process_time() - began
        self.secs += taken
        if crops:
            self.each_ms += [taken / len(crops) * 1e3] * len(crops)
        return embeddings


def measure_speed(source: FrameSource, *, vision: VisionEngine, tell: Tell) -> Speed:
    """Sends a recording through every stage.

    Args:
        vision: opened for one call at a time.

    Raises:
        SourceError: the recording can't be read.
        InvalidValue: it holds no frame.
    """
    facts = source.facts()
    embedder = _TimedEmbedder(vision.embedder)
    view = replace(vision, embedder=embedder).view("measured")
    decode: list[float] = []
    detect: list[float] = []
    follow: list[float] = []
    look: list[float] = []
    cuts: list[float] = []
    faces, decode_secs, follow_secs, media_secs = 0, 0.0, 0.0, 0.0
    frames = source.frames()
    while True:
        began = time.process_time()
        batch = list(islice(frames, _BATCH))
        taken = time.process_time() - began
        decode_secs += taken
        if not batch:
            break
        decode.append(taken / len(batch) * 1e3)
        if not detect:
            _warm_up(vision, batch[0])
        for frame in batch:
            began = time.process_time()
            found = vision.detector.detect(frame.pixels)
            between = time.process_time()
            embedded_before = embedder.secs
            view.see(frame, found)
            ended = time.process_time()
            embedding = embedder.secs - embedded_before
            detect.append((between - began) * 1e3)
            follow.append((ended - between - embedding) * 1e3)
            look.append((ended - began) * 1e3)
            faces += len(found)
            if len(cuts) < _ALIGNED:
                cuts += _cutting_ms(frame, found, vision)
        media_secs = (batch[-1].captured_at - facts.starts_at).total_seconds()
        tell("measuring", len(detect), facts.frame_count)
    if not detect:
        raise InvalidValue("the recording holds no frame to measure")
    began, embedded_before = time.process_time(), embedder.secs
    view.finish()
    follow_secs = time.process_time() - began - (embedder.secs - embedded_before)
    follow_secs += sum(follow) / 1e3
    detect_secs = sum(detect) / 1e3
    media_secs += 1.0 / max(facts.fps, 1e-3)
    stages = [
        StageCost(
            "decode", "frame", statistics.median(decode), len(detect), decode_secs / media_secs
        ),
        StageCost(
            "detect", "frame", statistics.median(detect), len(detect), detect_secs / media_secs
        ),
        StageCost(
            "follow", "frame", statistics.median(follow), len(detect), follow_secs / media_secs
        ),
    ]
    if cuts:
        stages.append(StageCost("align", "face", statistics.median(cuts), len(cuts), None))
    if embedder.each_ms:
        each = statistics.median(embedder.each_ms)
        stages.append(
            StageCost("embed", "face", each, len(embedder.each_ms), embedder.secs / media_secs)
        )
    return Speed(
        width=facts.width,
        height=facts.height,
        fps=facts.fps,
        frames=len(detect),
        faces=faces,
        media_secs=media_secs,
        cpu_secs=decode_secs + detect_secs + follow_secs + embedder.secs,
        stages=tuple(stages),
        look_ms=tuple(look),
    )


def _warm_up(vision: VisionEngine, frame: Frame) -> None:
    """First calls set up buffers and shapes; a camera runs for years."""
    side = vision.pack.manifest.embedder_input.input_px
    for _ in range(_WARM_UP):
        vision.detector.detect(frame.pixels)
        vision.embedder.embed([np.zeros((side, side, 3), np.uint8)])


def _cutting_ms(frame: Frame, found: Sequence[Detection], vision: VisionEngine) -> list[float]:
    """What cutting out and grading each face takes. Following does it for some of them, so this
    is done beside it, and its time is in the stage ``follow`` already."""
    framing = vision.pack.manifest.embedder_input.framing
    taken = []
    for face in found:
        began = time.process_time()
        crop = cut(frame.pixels, face, framing)
        grade(crop, face, outside=0.0)
        taken.append((time.process_time() - began) * 1e3)
    return taken


@contextmanager
def sample_video(detector: FaceDetector, *, tell: Tell) -> Iterator[FrameSource]:
    """A short clip of people walking past a camera, rendered from the demo's photos.

    Raises:
        NotFound: the packages that carry the photos are not installed.
    """
    subjects = []
    for photo in find_demo_photos().photos:
        pixels = read_picture(photo.path)
        height, width = pixels.shape[:2]
        face = pick_face(photo, detector.detect(pixels), width=width, height=height)
        portrait = cut_portrait(pixels, face, person=photo.name, name=photo.path.name)
        subjects.append(Subject(name=photo.name, portraits=(portrait,)))
    planned = plan(subjects, ("sample",), seed=_SAMPLE_SEED, preset=_SAMPLE, secs=_SAMPLE_SECS)
    with tempfile.TemporaryDirectory(prefix="sightgrid-speed-") as folder:
        render(planned, Path(folder), progress=lambda done, total: tell("rendering", done, total))
        yield open_source(f"{folder}/sample.mp4", camera="sample", starts_at=None)
