"""Cameras that fail in every way that section 2 of the research lists, all on one box at once.

The corpus is made here: each entry of ``corpus`` is a stream, with what must be said of it. Times
are those of production: once all processes are there, they are watched for 80 seconds. Wants a
machine that is not overloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from fakecameras import HttpCameras, RtspDoors, Scene, fake_cameras, multipart, remuxed, silent
from watching import History, configure, watch

from clips import write_clip
from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.presence import Sighting
from sightgrid.edge.sightingfolder import read_sightings

pytestmark = pytest.mark.streams

WATCHED_SECS = 80.0
FPS = 10


@dataclass(frozen=True)
class Fault:
    """A camera and what must be said of it.

    Args:
        url: of the camera.
        trouble: that must be told; ``None``: there must be none at all.
        within_secs: of the camera's process's first word.
        faces: whether somebody must be seen, must not, or may.
        fields: further ones of the configuration.
    """

    url: str
    trouble: Trouble | None
    within_secs: float = 30.0
    faces: bool | None = None
    fields: Mapping[str, object] | None = None


def green(luma: Bytes, blue: Bytes, red: Bytes) -> None:
    """The planes of a decoder that was never given them."""
    luma[200:], blue[100:], red[100:] = 0, 0, 0


def drawn_down(luma: Bytes, blue: Bytes, red: Bytes) -> None:
    luma[150:], blue[75:], red[75:] = luma[150], blue[75], red[75]


def colourless(luma: Bytes, blue: Bytes, red: Bytes) -> None:
    blue[:], red[:] = 128, 128


def cut_a_packet_in(group: int) -> Callable[[int, bytes], bytes]:
    """One packet of every group of pictures is cut short."""
    return lambda number, data: data[: len(data) // 2] if number % group == group // 2 else data


def without_key_frames(number: int, data: bytes) -> bytes | None:
    return None if number % FPS == 0 else data


def sound_only(path: Path) -> Path:
    with av.open(str(path), "w", format="mpegts") as target:
        stream = target.add_stream("aac", rate=44100)
        for number in range(400):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, number * 1024
            frame.time_base = Fraction(1, 44100)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def corpus(
    http: HttpCameras, doors: RtspDoors, folder: Path, pictures: list[Bytes]
) -> dict[str, Fault]:
    def clip(name: str, shown: list[Bytes], **options: object) -> Path:
        return write_clip(
            folder / f"{name}.ts",
            shown,
            fps=FPS,
            container="mpegts",
            **options,  # type: ignore[arg-type]
        )

    height, width = pictures[0].shape[:2]
    noise = np.random.default_rng(1).integers(0, 9, (FPS, height, width, 3)).astype(np.uint8)
    turned = np.float32([[1, 0, -110], [0, 1, 40]])
    good = clip("good", pictures)
    small = clip("small", [cv2.resize(p, (320, 240)).astype(np.uint8) for p in pictures])
    blurred = [cv2.GaussianBlur(p, (0, 0), 8).astype(np.uint8) for p in pictures]
    moved = [
        cv2.warpAffine(p, turned, (width, height), borderMode=cv2.BORDER_REFLECT).astype(np.uint8)
        for p in pictures
    ]
    jpegs = [cv2.imencode(".jpg", p)[1].tobytes() for p in pictures]
    flv = write_clip(folder / "good.mp4", pictures, fps=FPS)
    mjpeg = "multipart/x-mixed-replace; boundary=frame"
    return {
        # sound cameras of every kind, beside all the others
        "good-h264": Fault(http.add("h264", remuxed(Scene(good))), None, faces=True),
        "good-hevc": Fault(
            http.add("hevc", remuxed(Scene(clip("hevc", pictures, codec="libx265")))),
            None,
            faces=True,
        ),
        "good-flv": Fault(
            http.add("flv", remuxed(Scene(flv), container="flv"), "video/x-flv"), None, faces=True
        ),
        "good-mjpeg": Fault(
            http.add("live.mjpg", multipart(jpegs, fps=FPS), mjpeg), None, faces=True
        ),
        "good-file": Fault(str(flv), None, faces=True, fields={"loop": True}),
        # nothing comes, or no more
        "stalls": Fault(
            http.add("stalls", remuxed(Scene(good, 5), then="hang")), Trouble.STALLED, 31
        ),
        "http-silent": Fault(http.add("silent", silent), Trouble.TIMED_OUT),
        "rtsp-silent": Fault(doors.add("silent", "silent"), Trouble.TIMED_OUT),
        "refuses-port": Fault("rtsp://127.0.0.1:9/x", Trouble.UNREACHABLE),
        "unknown-host": Fault("rtsp://no-such-camera.invalid/x", Trouble.UNKNOWN_HOST),
        "breaks-off": Fault(http.add("breaks", remuxed(Scene(good, 4))), Trouble.BROKEN_OFF),
        "server-error": Fault(http.answer("error", 500), Trouble.UNREACHABLE),
        # trying again would not help
        "http-401": Fault(
            http.answer("401", 401, WWW_Authenticate='Basic realm="x"'), Trouble.CREDENTIALS
        ),
        "rtsp-401": Fault(
            doors.add("401", (401, 'WWW-Authenticate: Basic realm="x"\r\n'), "viewer:wrong@"),
            Trouble.CREDENTIALS,
        ),
        "http-404": Fault(http.answer("404", 404), Trouble.WRONG_ADDRESS),
        "rtsp-404": Fault(doors.add("404", (404, "")), Trouble.WRONG_ADDRESS),
        "http-302": Fault(http.answer("302", 302, Location="/h264"), Trouble.REDIRECTED),
        "metadata": Fault("http://169.254.169.254/latest", Trouble.FORBIDDEN_ADDRESS),
        "outside": Fault("rtsp://192.0.2.7/x", Trouble.FORBIDDEN_ADDRESS),
        # something else comes
        "web-page": Fault(
            http.add("page", lambda out: out.write(b"<html>hello</html>" * 500), "text/html"),
            Trouble.UNREADABLE,
        ),
        "sound-only": Fault(
            http.add("sound", lambda out: out.write(sound_only(folder / "s.ts").read_bytes())),
            Trouble.NO_VIDEO,
        ),
        "no-key-frame": Fault(
            http.add("keyless", remuxed(Scene(good, alter=without_key_frames))),
            Trouble.NO_KEY_FRAME,
            40,
        ),
        # damage and clocks
        "some-damage": Fault(
            http.add("some", remuxed(Scene(good, alter=cut_a_packet_in(50)))), None, faces=True
        ),
        "much-damage": Fault(
            http.add("much", remuxed(Scene(good, alter=cut_a_packet_in(FPS)))), Trouble.DAMAGED, 50
        ),
        "clock-back": Fault(
            http.add("back", remuxed(Scene(good, 8, 5000.0), Scene(good, 1e9, 1061.0))),
            Trouble.CLOCK_JUMPED,
        ),
        "too-fast": Fault(http.add("fast", remuxed(Scene(good, speed=5.0))), None),
        "sparse": Fault(http.add("sparse.mjpg", multipart(jpegs, fps=0.5), mjpeg), None),
        # the picture
        "new-size": Fault(
            http.add("size", remuxed(Scene(good, 20), Scene(small, 20), Scene(good))),
            None,
            faces=True,
        ),
        "day-and-night": Fault(
            http.add(
                "night", remuxed(Scene(good, 30), Scene(clip("ir", pictures, spoil=colourless)))
            ),
            None,
        ),
        "black": Fault(
            http.add("black", remuxed(Scene(clip("black", list(noise))))),
            Trouble.BLACK,
            faces=False,
        ),
        "blank": Fault(
            http.add("blank", remuxed(Scene(clip("blank", [np.full_like(noise[0], 128)] * FPS)))),
            Trouble.BLANK,
            faces=False,
        ),
        "green": Fault(
            http.add("green", remuxed(Scene(clip("green", pictures, spoil=green)))),
            Trouble.SMEARED,
            faces=False,
        ),
        "smeared": Fault(
            http.add("smear", remuxed(Scene(clip("smear", pictures, spoil=drawn_down)))),
            Trouble.SMEARED,
            faces=False,
        ),
        "frozen": Fault(
            http.add("frozen.mjpg", multipart(jpegs, fps=FPS, freeze_after=30), mjpeg),
            Trouble.FROZEN,
            75,
        ),
        "blurred": Fault(
            http.add("blur", remuxed(Scene(good, 25), Scene(clip("blur", blurred)))),
            Trouble.BLURRED,
            50,
        ),
        "moved": Fault(
            http.add("moved", remuxed(Scene(good, 25), Scene(clip("moved", moved)))),
            Trouble.MOVED,
            55,
        ),
        "moved-masked": Fault(
            http.add("masked", remuxed(Scene(good, 25), Scene(clip("moved2", moved)))),
            Trouble.MOVED,
            55,
            fields={"masks": [[0, 0, 0.1, 0, 0.1, 0.1]]},
        ),
    }


@dataclass(frozen=True)
class Watched:
    """What came of the corpus."""

    faults: Mapping[str, Fault]
    history: History
    sightings: list[Sighting]
    http: HttpCameras
    doors: RtspDoors


def watched_long_enough() -> Callable[[History, float], bool]:
    """Whether all cameras' processes have been there for as long as the slowest fault takes."""
    complete: list[float] = []

    def over(history: History, elapsed: float) -> bool:
        if not complete and all(status.process for status in history.box.board.statuses()):
            complete.append(elapsed)
        return bool(complete) and elapsed > complete[0] + WATCHED_SECS

    return over


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, somebody: list[Bytes]) -> Watched:
    folder = tmp_path_factory.mktemp("faults")
    with fake_cameras() as (http, doors):
        faults = corpus(http, doors, folder, somebody)
        cameras = {name: {"url": f.url, **(f.fields or {})} for name, f in faults.items()}
        history = watch(configure(folder, cameras), watched_long_enough(), most_secs=300)
        return Watched(faults, history, read_sightings(history.box.sightings), http, doors)


def test_the_corpus_is_wide_enough(watched: Watched) -> None:
    assert len(watched.faults) >= 30
    told = {fault.trouble for fault in watched.faults.values()}
    untested = (
        set(Trouble)
        - told
        - {
            Trouble.HUNG,  # tests/streams/test_restarts.py
            Trouble.CRASHED,
            Trouble.FILE_ENDED,
            Trouble.OUTSIDE_SCHEDULE,
        }
    )
    assert not untested


def test_every_camera_says_what_is_wrong_with_it_and_in_time(watched: Watched) -> None:
    wrong = []
    for name, fault in watched.faults.items():
        history = watched.history
        if fault.trouble is None:
            if set(history.troubles(name)) != {None} or CameraState.LIVE not in history.states(
                name
            ):
                wrong.append(history.story(name))
            continue
        took = history.secs_to(name, fault.trouble)
        if took is None or took > fault.within_secs:
            wrong.append(
                f"expected {fault.trouble} in {fault.within_secs} s\n{history.story(name)}"
            )
    assert not wrong, "\n".join(wrong)


def test_faces_come_from_sound_pictures_only(watched: Watched) -> None:
    seen = {sighting.camera for sighting in watched.sightings}
    assert {name for name, f in watched.faults.items() if f.faces} <= seen
    assert not {name for name, f in watched.faults.items() if f.faces is False} & seen


def test_sound_cameras_are_not_disturbed(watched: Watched) -> None:
    for name in watched.faults:
        if not name.startswith("good-"):
            continue
        last = watched.history.last(name)
        # how fast pictures come is the sender's business; what came was looked at
        assert last.frames >= 0.95 * last.packets > 5 * FPS, watched.history.story(name)
        assert last.connections == 1


def test_a_wrong_password_is_tried_once(watched: Watched) -> None:
    # FFmpeg asks without, then with the password
    assert watched.http.asked["401"] <= 3
    assert watched.doors.asked["401 DESCRIBE"] <= 2
    assert watched.history.last("rtsp-401").state is CameraState.REFUSED


def test_damage_is_counted_and_a_new_size_is_taken(watched: Watched) -> None:
    assert watched.history.last("some-damage").damaged > 3
    sizes = {(s.width, s.height) for _, s in watched.history.told["new-size"] if s.width}
    assert sizes == {(640, 480), (320, 240)}


def test_nothing_is_recorded_once_masks_no_longer_fit(watched: Watched) -> None:
    told = watched.history.told["moved-masked"]
    moved_at = next(s.since for _, s in told if s.trouble is Trouble.MOVED)
    seen = [s for s in watched.sightings if s.camera == "moved-masked"]
    assert seen
    assert all(sighting.last_seen <= moved_at for sighting in seen)
    unmasked = [s for s in watched.sightings if s.camera == "moved"]
    assert any(sighting.last_seen > moved_at for sighting in unmasked)
