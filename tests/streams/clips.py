"""Recordings as cameras would send them: H.264 without B frames, a key frame a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from sightgrid.domain.geometry import Bytes


def write_clip(
    path: Path,
    pictures: Iterable[Bytes],
    *,
    fps: int = 20,
    codec: str = "libx264",
    key_frame_every: int | None = None,
    quality: int = 20,
    container: str = "mp4",
    spoil: Callable[[Bytes, Bytes, Bytes], None] | None = None,
) -> Path:
    """Encodes pictures, (H, W, 3) uint8 BGR; ``spoil`` paints into the planes of each first."""
    options = {
        "libx264": {
            "preset": "veryfast",
            "tune": "zerolatency",
            "crf": str(quality),
            "x264-params": f"keyint={key_frame_every or fps}:scenecut=0:bframes=0",
        },
        "libx265": {
            "preset": "ultrafast",
            "crf": str(quality),
            "x265-params": f"keyint={key_frame_every or fps}:scenecut=0:bframes=0:log-level=none",
        },
        "mjpeg": {"q": "4"},
    }[codec]
    path.parent.mkdir(parents=True, exist_ok=True)
    iterator = iter(pictures)
    first = next(iterator)
    with av.open(str(path), "w", format=container) as target:
        stream = target.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, pixels in enumerate([first, *iterator]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
            if spoil is not None:
                frame = _spoilt(frame, spoil)
            frame.pts, frame.time_base = number, Fraction(1, fps)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def _spoilt(frame: av.VideoFrame, spoil: Callable[[Bytes, Bytes, Bytes], None]) -> av.VideoFrame:
    packed = frame.reformat(format="yuv420p").to_ndarray().astype(np.uint8)
    height, width = frame.height, frame.width
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    spoil(packed[:height], chroma[0], chroma[1])
    return av.VideoFrame.from_ndarray(packed, format="yuv420p")


def pictures_of(path: Path, *, most: int | None = None, every: int = 1) -> Iterator[Bytes]:
    """A recording's pictures."""
    with av.open(str(path)) as source:
        for frame in islice(source.decode(video=0), 0, most, every):
            yield frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
