"""``sightgrid camera`` on a recording and on addresses that fail."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sightgrid.cli.main import run


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        room = random.integers(0, 255, (12, 16, 3), np.uint8)
        room = cv2.resize(room, (320, 240), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        for _ in range(20):
            pixels = np.clip(room + random.integers(-9, 9, room.shape), 0, 255).astype(np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="bgr24")))
        target.mux(stream.encode(None))
    return path


@pytest.fixture
def config(tmp_path: Path, clip: Path) -> Path:
    path = tmp_path / "sightgrid.yml"
    path.write_text(
        f"cameras:\n  hall: {{url: '{clip}', masks: [[0, 0, .5, 0, .5, 1, 0, 1]]}}\n", "utf-8"
    )
    return path


def test_a_camera_is_tried(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    assert run(["camera", "test", str(clip), "--secs", "2", f"--json={out}"]) == 0
    found = json.loads(out.read_text("utf-8"))
    assert (found["codec"], found["width"], found["height"]) == ("h264", 320, 240)
    assert found["fps"] == pytest.approx(10, rel=0.25)
    assert found["faces"] == 0
    assert found["trouble"] is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtsp://u:secret77@127.0.0.1:1/x", "refuses port 1"),
        ("rtsp://u:secret77@169.254.169.254/x", "link-local"),
        ("rtsp://u:secret77@no-such.invalid/x", "nobody knows the host"),
        ("gopher://u:secret77@h/x", "is no kind of camera"),
        ("nowhere.mp4", "there is no such file"),
        ("rtsp://{SIGHTGRID_NOT_SET}@10.0.0.1/x", "SIGHTGRID_NOT_SET is not set"),
    ],
)
def test_why_a_camera_fails(url: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["camera", "test", url]) == 1
    said = "".join(capsys.readouterr())
    assert words in said
    assert "secret77" not in said


def test_a_snapshot_has_its_masks_painted(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "hall.png"
    assert run(["camera", "snapshot", "hall", str(out), "--config", str(config)]) == 0
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert picture[:, :158].max() == 0
    assert picture[:, 162:].mean() > 50
    assert run(["camera", "snapshot", "hall", str(tmp_path / "hall.gif")]) == 2


def test_cameras_are_added_listed_and_removed(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["--config", str(config)]
    url = "rtsp://{SIGHTGRID_U}:{SIGHTGRID_P}@10.0.0.9/x"
    assert run(["camera", "add", "yard", url, "--purpose", "alerts", *said]) == 0
    monkeypatch.setenv("SIGHTGRID_U", "somebody")
    monkeypatch.setenv("SIGHTGRID_P", "secret77")
    capsys.readouterr()
    assert run(["camera", "list", *said, "--json"]) == 0
    text = capsys.readouterr().out
    hall, yard = json.loads(text)
    assert hall["camera"] == "hall"
    assert yard["url"] == "rtsp://***@10.0.0.9/x"
    assert yard["purposes"] == ["alerts"]
    assert yard["state"] is None
    assert "secret77" not in text
    assert run(["camera", "add", "yard", "webcam:0", *said]) == 1
    assert run(["camera", "remove", "yard", *said]) == 0
    assert run(["camera", "remove", "yard", *said]) == 1


def test_a_password_is_not_written_into_the_file(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = config.read_text("utf-8")
    url = "rtsp://u:secret77@10.0.0.9/x"
    assert run(["camera", "add", "yard", url, "--config", str(config)]) == 1
    assert "SIGHTGRID_CAM_PASSWORD" in capsys.readouterr().err
    assert config.read_text("utf-8") == before


def test_edge_without_cameras_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sightgrid.yml"
    path.write_text("site: {name: x}\n", "utf-8")
    assert run(["edge", "--config", str(path)]) == 1
    assert "camera add" in capsys.readouterr().err
