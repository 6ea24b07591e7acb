"""Sightings as files in a folder: where they go while no server is configured.

A file a sighting, replaced by each revision: NumPy's format without pickle, so any program can read
it. Closed ones can be settled into trajectories like those of a recording.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sightgrid.domain.errors import OutputError, SourceError
from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.frames import parse_time
from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint


class SightingFolder:
    """A sink that keeps each sighting's newest revision as one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, sighting: Sighting) -> None:
        """Raises:
        OutputError: the disk is full, or the folder gone.
        """
        target = self._folder / f"{sighting.sighting_id}.npz"
        fresh = target.with_suffix(".part")
        try:
            with fresh.open("wb") as stream:
                np.savez(stream, **_arrays(sighting))  # type: ignore[arg-type]
            fresh.replace(target)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise OutputError(f"{target}: can't be written: {error.strerror}") from error


def read_sightings(folder: Path) -> list[Sighting]:
    """The sightings of a folder, in order of ``first_seen``.

    Raises:
        SourceError: a file there is none of ours.
    """
    found = [_read(path) for path in sorted(folder.glob("*.npz"))]
    return sorted(found, key=lambda sighting: (sighting.first_seen, sighting.sighting_id))


def _arrays(sighting: Sighting) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    head = {
        "sighting_id": sighting.sighting_id,
        "revision": sighting.revision,
        "closed": sighting.closed,
        "camera": sighting.camera,
        "group": sighting.group,
        "path_at": [point.captured_at.isoformat() for point in sighting.path],
        "looks": [
            {
                "counter": look.counter,
                "at": look.crop.captured_at.isoformat(),
                "frame_index": look.crop.frame_index,
                "score": look.crop.detection_score,
                "quality": asdict(look.crop.quality),
                "contract": None if look.embedding is None else asdict(look.embedding.contract),
                "strength": None if look.embedding is None else look.embedding.strength,
            }
            for look in sighting.looks
        ],
    }
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
        "head": np.frombuffer(json.dumps(head).encode(), np.uint8),
        "path": np.array(
            [(p.frame_index, *p.box.as_array().tolist(), p.score) for p in sighting.path]
        ),
    }
    for number, look in enumerate(sighting.looks):
        arrays[f"crop{number}"] = look.crop.pixels
        arrays[f"box{number}"] = look.crop.box_in_frame.as_array()
        arrays[f"landmarks{number}"] = look.crop.landmarks_in_frame
        if look.embedding is not None:
            arrays[f"vector{number}"] = look.embedding.vector
    return arrays


def _read(path: Path) -> Sighting:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        head = json.loads(arrays["head"].tobytes())
        times = [parse_time(text) for text in head["path_at"]]
        looks = []
        for number, look in enumerate(head["looks"]):
            embedding = None
            if look["contract"] is not None:
                embedding = Embedding(
                    arrays[f"vector{number}"],
                    EmbeddingContract(**look["contract"]),
                    look["strength"],
                )
            crop = FaceCrop(
                arrays[f"crop{number}"],
                Quality(**look["quality"]),
                parse_time(look["at"]),
                look["frame_index"],
                Box(*arrays[f"box{number}"].tolist()),
                arrays[f"landmarks{number}"],
                look["score"],
            )
            looks.append(Look(look["counter"], crop, embedding))
        return Sighting(
            head["sighting_id"],
            head["revision"],
            head["closed"],
            head["camera"],
            head["group"],
            tuple(
                PathPoint(int(row[0]), at, Box(*row[1:5].tolist()), float(row[5]))
                for row, at in zip(arrays["path"], times, strict=True)
            ),
            tuple(looks),
        )
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise SourceError(f"{path}: is no sighting: {error}") from error
