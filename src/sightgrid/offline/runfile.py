"""``run.json``: what a run was made with and how each of its sources went."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path

from sightgrid import __version__
from sightgrid.domain.frames import format_time
from sightgrid.offline.engine import Engine
from sightgrid.offline.enrolment import Enrolment
from sightgrid.offline.results import RunResult
from sightgrid.recognition.bands import Bands
from sightgrid.recognition.headfiles import TrainedHead
from sightgrid.vision.detectors import DetectorName, detector_files
from sightgrid.vision.manifests import ModelFile
from sightgrid.vision.sources import Clock


def settings_in_words(
    engine: Engine,
    bands: Bands,
    *,
    enrolled: int,
    detector: str,
    grouping: str,
    visit_gap_secs: float,
    head: TrainedHead | None = None,
) -> dict[str, str]:
    """What the run was made with, in words; thresholds with what they hold for."""
    policy = engine.policy

    def budget(share: float) -> str:
        return f"1 per {round(1 / share):,} passages"

    settings = {
        "pack": f"{engine.pack.manifest.name} {engine.pack.manifest.version}",
        "detector": detector,
        "grouping": grouping,
        "one stranger from": f"similarity {bands.same:.2f}: wrongly joined at most "
        f"{budget(policy.stranger_merges)}, with as many identities as here",
    }
    if enrolled:
        settings |= {
            "likely from": f"similarity {bands.likely:.2f}: wrong names at most "
            f"{budget(policy.likely)}, with {enrolled} enrolled",
            "confirmed from": f"similarity {bands.confirmed:.2f}: wrong names at most "
            f"{budget(policy.confirmed)}, with {enrolled} enrolled",
        }
    if head is not None:
        settings["named by"] = f"head {head.head.kind.value}, trained {head.facts.trained_at}"
    return settings | {"visit gap": f"{visit_gap_secs:g} s", "sightgrid": __version__}


def write_run(
    result: RunResult, engine: Engine, enrolment: Enrolment, stage: Path, *, wall_secs: float
) -> None:
    """``run.json``: what the run was made with and how each source went."""
    manifest = engine.pack.manifest
    own_detector = engine.detector_name is DetectorName.YUNET
    relative = any(status.clock == Clock.RELATIVE.value for status in result.sources)
    document = {
        "sightgrid": __version__,
        "python": platform.python_version(),
        "libraries": {
            name: metadata.version(name)
            for name in ("numpy", "av", "opencv-python-headless", "onnxruntime", "sqlalchemy")
        },
        "made_at": format_time(result.started_at),
        "clock": Clock.RELATIVE.value if relative else "absolute",
        "packs": [
            {
                "name": manifest.name,
                "version": manifest.version,
                # a pack's own detector need not be the one that ran
                "detector_sha256": (
                    manifest.detector.sha256
                    if own_detector and isinstance(manifest.detector, ModelFile)
                    else None
                ),
                "embedder_sha256": manifest.embedder.sha256,
                "runtimes": {part: runtime.value for part, runtime in engine.runtimes.items()},
            }
        ],
        "detector": {
            "name": engine.detector_name.value,
            "files": detector_files(engine.detector_name, pack=engine.pack),
        },
        "contracts": [
            {
                "id": engine.pack.contract.id,
                "pack": engine.pack.contract.pack,
                "dimension": engine.pack.contract.dimension,
            }
        ],
        "settings": dict(result.settings),
        "enrolled": len(enrolment.people),
        "notes": list(enrolment.notes),
        "sources": [
            {
                "camera": status.camera,
                "source": status.source,
                "status": status.state.value,
                "reason": status.reason,
                "width": status.width,
                "height": status.height,
                "frames": status.frames,
                "faces": status.faces,
                "sightings": status.sightings,
                "starts_at": None if status.starts_at is None else format_time(status.starts_at),
                "clock": status.clock or None,
                "media_secs": status.media_secs,
                "wall_secs": status.wall_secs,
            }
            for status in result.sources
        ],
        "timings": {
            "wall_secs": round(wall_secs, 3),
            "media_secs": round(sum(status.media_secs for status in result.sources), 3),
            "reading_secs": round(sum(status.wall_secs for status in result.sources), 3),
        },
    }
    (stage / "run.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
