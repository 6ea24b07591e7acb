"""``evaluate speed`` from end to end: the parts must add up, whatever the machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sightgrid.cli.main import run
from sightgrid.domain.errors import NotFound
from sightgrid.evaluation import speed
from sightgrid.vision.engine import open_vision


@pytest.fixture
def short_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    from sightgrid.offline.demo_photos import find_demo_photos

    try:
        find_demo_photos()
    except NotFound as error:
        pytest.skip(f"{error} ({error.hint})")
    small = replace(
        speed._SAMPLE,
        frame_px=(480, 270),
        fps=8,
        face_px=(20.0, 50.0),
        passage_secs=(3.0, 4.5),
    )
    monkeypatch.setattr(speed, "_SAMPLE_SECS", 5.0)
    monkeypatch.setattr(speed, "_SAMPLE", small)


@pytest.mark.usefixtures("short_sample")
def test_speed_answers_with_every_key_and_the_stages_make_up_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_file, plots = tmp_path / "answer.json", tmp_path / "plots"
    code = run(["evaluate", "speed", "--plots", str(plots), "--json", str(json_file)])
    told = capsys.readouterr()
    assert code == 0, told.err
    answer = json.loads(json_file.read_text("utf-8"))
    stages = answer["stages"]
    assert list(stages) == ["decode", "detect", "follow", "align", "embed"]
    assert all(stage["ms"] >= 0 and stage["count"] > 0 for stage in stages.values())
    assert answer["frames"] == stages["detect"]["count"] == 40
    assert answer["faces"] > 0
    assert answer["faces_per_sec"] > 0
    loads = [stage["cpu_secs_per_stream_sec"] for stage in stages.values()]
    assert loads[3] is None
    whole = sum(load for load in loads if load is not None)
    assert answer["cpu_secs_per_stream_sec"] == pytest.approx(whole, rel=1e-3)
    assert answer["cameras_per_core"] == pytest.approx(1 / whole, rel=1e-3)
    assert answer["media_secs"] == pytest.approx(5.0, abs=0.13)
    assert {path.name for path in plots.iterdir()} == {
        "costs.png",
        "frames.png",
        "evaluation.html",
    }
    assert "cameras a core" in told.out


@pytest.mark.usefixtures("short_sample")
def test_a_slower_detector_bears_fewer_cameras() -> None:
    """The figure comes of the work done, so more work must show in it."""
    vision = open_vision("default", calls=1)

    class FiveTimes:
        def detect(self, pixels):  # type: ignore[no-untyped-def]
            for _ in range(4):
                vision.detector.detect(pixels)
            return vision.detector.detect(pixels)

    def quiet(task: str, done: int, total: int | None) -> None:
        return None

    with speed.sample_video(vision.detector, tell=quiet) as source:
        usual = speed.measure_speed(source, vision=vision, tell=quiet)
        slower = speed.measure_speed(
            source, vision=replace(vision, detector=FiveTimes()), tell=quiet
        )
    assert slower.faces == usual.faces
    assert slower.cameras_per_core < usual.cameras_per_core
    assert slower.stages[1].each_ms > 2 * usual.stages[1].each_ms


def test_a_video_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "speed", "--video", "missing.mp4"]) == 1
    assert "missing.mp4" in capsys.readouterr().err
