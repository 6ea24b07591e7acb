"""``evaluate detection`` from end to end, on the demo's photos."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightgrid.cli.main import run
from sightgrid.domain.errors import NotFound
from sightgrid.domain.geometry import Bytes
from sightgrid.vision.detectors import DetectorName, open_detector
from sightgrid.vision.packs import Pack, load_pack


@pytest.fixture(scope="module")
def pack() -> Pack:
    return load_pack("default")


@pytest.fixture(scope="module")
def wider(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folder and list: the astronaut with her face labelled by hand, an invalid label and one on
    her suit; and a picture of noise without faces."""
    from sightgrid.offline.demo_photos import find_demo_photos
    from sightgrid.vision.pictures import read_picture

    try:
        photos = {photo.name: photo.path for photo in find_demo_photos().photos}
    except NotFound as error:
        pytest.skip(f"{error} ({error.hint})")
    if "Eileen Collins" not in photos:
        pytest.skip("the astronaut is not installed")
    folder = tmp_path_factory.mktemp("wider")
    cv2.imwrite(str(folder / "astronaut.png"), read_picture(photos["Eileen Collins"]))
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    cv2.imwrite(str(folder / "noise.png"), noise)
    truth = folder / "truth.txt"
    truth.write_text(
        "astronaut.png\n3\n"
        "178 62 92 122 0 0 0 0 0 0\n"
        "20 300 60 60 0 0 0 0 0 0\n"
        "400 20 50 50 2 0 0 1 2 0\n"
        "noise.png\n0\n0 0 0 0 0 0 0 0 0 0\n"
    )
    return folder, truth


def test_detection_answers_with_every_key(
    wider: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, truth = wider
    json_file, plots = tmp_path / "answer.json", tmp_path / "plots"
    code = run(
        [
            *("evaluate", "detection", "--images", str(images), "--truth", str(truth)),
            *("--plots", str(plots), "--json", str(json_file)),
        ]
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    answer = json.loads(json_file.read_text("utf-8"))
    assert (answer["images"], answer["faces"], answer["found"], answer["false"]) == (2, 2, 1, 0)
    assert answer["recall"] == 0.5
    assert answer["precision"] == 1.0
    # boxes of low scores may hit the label on the suit, by chance
    assert 0.5 <= answer["ap"] < 1.0
    assert answer["score_threshold"] == 0.7
    assert answer["ms_per_image"] > 0
    assert answer["by_height"]["40-80"]["recall"] == 0.0
    assert answer["by_height"]["80-160"]["recall"] == 1.0
    assert "recall, 80-160 px" in told.out
    pictures = {"precision-recall.png", "recall-by-height.png", "misses.png", "false-boxes.png"}
    assert {path.name for path in plots.iterdir()} == pictures | {"evaluation.html"}
    assert (plots / "evaluation.html").read_text("utf-8").count("<img") == 4


def test_faces_that_are_too_low_leave_nothing_to_measure(
    wider: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    images, truth = wider
    code = run(
        [
            *("evaluate", "detection", "--images", str(images), "--truth", str(truth)),
            *("--min-height", "500"),
        ]
    )
    assert code == 1
    assert "smaller --min-height" in capsys.readouterr().err


def crowd_of(pixels: Bytes) -> Bytes:
    """A square photo at several sizes and tilts, side by side: easy faces and hard ones."""
    length = len(pixels)
    frame = np.full((720, 1280, 3), 90, np.uint8)
    left, top = 0, 0
    for number in range(24):
        side = 110 + 23 * (number % 5)
        if left + side > 1280:
            left, top = 0, top + 205
        middle = (length / 2, length / 2)
        turn = cv2.getRotationMatrix2D(middle, 17 * (number % 7) - 51, side / length)
        turn[:, 2] += (side - length) / 2
        tile = cv2.warpAffine(pixels, turn, (side, side))[: max(720 - top, 0)]
        frame[top : top + side, left : left + side] = tile
        left += side
    return frame


@pytest.mark.parametrize("name", DetectorName)
def test_a_lower_bar_lengthens_the_list_and_changes_nothing_above(
    name: DetectorName, pack: Pack, wider: tuple[Path, Path]
) -> None:
    if name is DetectorName.HOG:
        pytest.importorskip("dlib", reason="dlib is not installed (extra 'hog')")
    pixels = cv2.imread(str(wider[0] / "astronaut.png"))
    assert pixels is not None
    usual_one, lax_one = (
        open_detector(name, pack=pack, least_score=least) for least in (None, 0.4)
    )
    found = 0
    # small faces, of which many are doubtful, and mostly face, as two of the detectors need it
    for part in (pixels, pixels[10:280, 90:360]):
        crowd = crowd_of(part.astype(np.uint8))
        usual, lax = usual_one.detect(crowd), lax_one.detect(crowd)
        bar = min((face.score for face in usual), default=0.7)
        above = [face for face in lax if face.score >= bar - 1e-6]
        assert [face.box for face in above] == [face.box for face in usual]
        assert [face.score for face in above] == pytest.approx([face.score for face in usual])
        assert all(face.score >= 0.4 - 1e-6 for face in lax)
        found += len(usual)
    assert found > 1
