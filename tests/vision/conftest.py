from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from packing import tiny_embedder

from sightgrid.vision.manifests import manifest_fields
from sightgrid.vision.packs import Pack, file_sha256


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    folder = tmp_path / "own-cache"
    monkeypatch.setenv("SIGHTGRID_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "*")
    return folder / "packs"


@pytest.fixture
def shelf(tmp_path: Path, pack: Pack) -> Path:
    """A pack folder as an operator has it: the real detector and a tiny embedder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    fields = manifest_fields(pack.manifest)
    fields |= {"name": "mine", "version": "3", "title": "ours"}
    shutil.copyfile(pack.detector_path, folder / "faces.onnx")
    for part in ("detector", "embedder"):
        del fields[part]["carried_by"]
    fields["detector"] |= {"file": "faces.onnx", "sha256": file_sha256(folder / "faces.onnx")}
    fields["embedder"] |= {
        "file": "tiny.onnx",
        "sha256": tiny_embedder(folder / "tiny.onnx"),
        "input_px": 16,
        "dimension": 8,
        "template": [[4.123456, 5], [11, 5], [8, 8], [5, 11], [10, 11]],
    }
    (folder / "manifest.json").write_text(json.dumps(fields), "utf-8")
    return folder
