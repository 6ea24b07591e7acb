"""Makes the clips that the box is measured with, from photos in ``$SIGHTGRID_DATA``.

    python -m benchmarks.clips OUT [--secs 30]

``walk1080``: two people walk past each other, 1080p, 20 frames a second, 2 Mbit/s. ``walk720``: the
same at 720p, 1 Mbit/s. ``crowd1080``: 24 faces of 20-100 px, half of them swaying as people do, and
a large photo of a family that wanders through the picture, 4 Mbit/s. All with a sensor's noise, a
running clock, a key frame every two seconds and no B frames, as cameras send it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks import pages
from sightgrid.domain.geometry import Bytes
from sightgrid.vision.detection import YuNet
from sightgrid.vision.onnx import Runtime, open_network
from sightgrid.vision.packs import load_pack
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.simulation import (
    Passage,
    Plan,
    Portrait,
    Preset,
    SimulatedCamera,
    Subject,
    cut_portrait,
    draw,
)

FPS = 20
STARTS_AT = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
NAMES = ("walk1080", "crowd1080", "walk720")
_WALK_BITS, _CROWD_BITS, _SMALL_BITS = 2_000_000, 4_000_000, 1_000_000
_FACES_IN_CROWD = 24
# a passage across the frame takes this long; then the next two people come
_PASSAGE_SECS = 13.0


def make_clips(out: Path, *, data: Path, secs: float = 30.0) -> dict[str, Path]:
    """Writes what is not there yet, from the photos in ``data``; the clips by name."""
    out.mkdir(parents=True, exist_ok=True)
    clips = {name: out / f"{name}-{secs:.0f}s.mp4" for name in NAMES}
    missing = [name for name, path in clips.items() if not path.exists()]
    if not missing:
        return clips
    portraits = _portraits(data / "lfw_ident_dev", 32)
    if "walk1080" in missing:
        _write(_walk(portraits, (1920, 1080), secs), clips["walk1080"], _WALK_BITS)
    if "walk720" in missing:
        _write(_walk(portraits, (1280, 720), secs), clips["walk720"], _SMALL_BITS)
    if "crowd1080" in missing:
        _write(_crowd(portraits, data, secs), clips["crowd1080"], _CROWD_BITS)
    return clips


def _portraits(folder: Path, count: int) -> list[Portrait]:
    """The first good photo of as many people, in order of their names."""
    pack = load_pack("default")
    network = open_network(pack.detector_path, runtime=Runtime.ONNXRUNTIME, threads=1)
    detector = YuNet(network, smallest_face_px=40)
    found = []
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        photo = read_picture(sorted(person.glob("*.jpg"))[0])
        faces = detector.detect(photo)
        if len(faces) == 1 and faces[0].score > 0.85 and faces[0].box.width > 70:
            found.append(cut_portrait(photo, faces[0], person=person.name))
        if len(found) == count:
            return found
    raise SystemExit(f"{folder} holds too few good photos")


def _plan(
    portraits: list[Portrait], frame_px: tuple[int, int], secs: float, passages: list[Passage]
) -> Plan:
    width, height = frame_px
    preset = Preset(
        name="benchmark",
        face_px=(height / 27, height / 12),
        blur_px=(0.0, 0.0),
        gain=(1.0, 1.0),
        crf=23,
        encoder="veryfast",
        occluded=0.0,
        in_company=1.0,
        frame_px=frame_px,
        fps=FPS,
        pace=(2.0, 2.8),
        passage_secs=(_PASSAGE_SECS, _PASSAGE_SECS),
    )
    camera = SimulatedCamera(
        name="bench",
        style="lobby",
        seed=7,
        starts_at_secs=0.0,
        horizon_px=0.16 * height,
        pillar=(0.98 * width, 0.99 * width),
        position=(0.5, 0.5),
    )
    return Plan(
        preset=preset,
        seed=7,
        secs=secs,
        starts_at=STARTS_AT,
        subjects=tuple(Subject(p.person, (p,)) for p in portraits),
        cameras=(camera,),
        links=(),
        passages=tuple(sorted(passages, key=lambda p: p.start_secs)),
    )


def _walk(portraits: list[Portrait], frame_px: tuple[int, int], secs: float) -> Iterator[Bytes]:
    width, height = frame_px
    passages = []
    for turn in range(int(secs // _PASSAGE_SECS) + 1):
        for lane, (face, back) in enumerate(((height / 16, False), (height / 22, True))):
            # the second walks the other way and starts a little later
            start = turn * (_PASSAGE_SECS + 0.5) + lane * 0.8
            ends = (-0.04 * width, 1.04 * width)
            passages.append(
                Passage(
                    subject=2 * turn + lane,
                    camera="bench",
                    start_secs=start,
                    end_secs=start + _PASSAGE_SECS,
                    x=ends[::-1] if back else ends,
                    face_px=(face, face * 1.25),
                    portrait=0,
                    blur_px=0.3,
                    gain=1.0,
                    behind_pillar=False,
                    phase=0.3 * lane,
                    steps_hz=1.8,
                    tilt_deg=0.0,
                )
            )
    plan = _plan(portraits, frame_px, secs, passages)
    for number in range(1, plan.frame_count + 1):
        yield draw(plan, "bench", number)[0]


def _crowd(portraits: list[Portrait], data: Path, secs: float) -> Iterator[Bytes]:
    """24 faces in a grid of 8 by 3, far ones above; the wandering photo passes over them."""
    plan = _plan(portraits, (1920, 1080), secs, [])
    family = read_picture(data / "azure_family" / "identification1.jpg")
    scale = 640 / family.shape[1]
    family = np.asarray(
        cv2.resize(family, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
    family_height, family_width = family.shape[:2]
    widths = np.geomspace(24, 100, _FACES_IN_CROWD)
    for number in range(1, plan.frame_count + 1):
        at_secs = (number - 1) / FPS
        pixels, _ = draw(plan, "bench", number)
        pixels = pixels.copy()
        for place in range(_FACES_IN_CROWD):
            row, column = divmod(place, 8)
            portrait = portraits[place]
            width = float(widths[place])
            sway = 0.05 * width * np.sin(2 * np.pi * at_secs / 3.7 + place) * (place % 2)
            centre = (130 + 238 * column + sway, 190 + 320 * row)
            _lay_head(pixels, portrait, width, centre)
        left = int((1920 - family_width) * (0.5 + 0.5 * np.sin(at_secs / 3)))
        top = int((1080 - family_height) * (0.5 + 0.5 * np.cos(at_secs / 5)))
        pixels[top : top + family_height, left : left + family_width] = family
        noise = np.random.default_rng(number).normal(0, 2.0, (270, 480)).astype(np.float32)
        grain = np.tile(noise, (4, 4))[:, :, None]
        yield np.clip(pixels + grain, 0, 255).astype(np.uint8)


def _lay_head(
    pixels: Bytes, portrait: Portrait, face_px: float, centre: tuple[float, float]
) -> None:
    scale = face_px / portrait.face.width
    middle_x, middle_y = portrait.face.centre
    move = np.array(
        [[scale, 0, centre[0] - scale * middle_x], [0, scale, centre[1] - scale * middle_y]]
    )
    size = (pixels.shape[1], pixels.shape[0])
    left, top = int(centre[0] - 1.4 * face_px), int(centre[1] - 1.6 * face_px)
    side, tall = int(2.8 * face_px), int(3.2 * face_px)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(left + side, size[0]), min(top + tall, size[1])
    move[:, 2] -= (left, top)
    patch_size = (right - left, bottom - top)
    flags = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR
    head = cv2.warpAffine(portrait.pixels, move, patch_size, flags=flags)
    alpha = cv2.warpAffine(portrait.alpha, move, patch_size, flags=flags)[:, :, None] / 255.0
    below = pixels[top:bottom, left:right]
    below[:] = (below * (1 - alpha) + head * alpha).astype(np.uint8)


def _write(frames: Iterator[Bytes], path: Path, bits_per_sec: int) -> None:
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w", format="mp4") as container:
        container.metadata["creation_time"] = STARTS_AT.isoformat()
        stream = container.add_stream(
            "libx264",
            rate=FPS,
            options={
                "preset": "veryfast",
                "tune": "zerolatency",
                "x264-params": "keyint=40:bframes=0:threads=2",
            },
        )
        stream.bit_rate = bits_per_sec
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
            planes = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    partial.replace(path)
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--secs", type=float, default=30.0)
    parser.add_argument("--data", type=Path, help="folder of the photos and videos")
    given = parser.parse_args()
    make_clips(given.out, data=pages.data_folder(parser, given), secs=given.secs)


if __name__ == "__main__":
    main()
