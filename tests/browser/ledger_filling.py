"""Fills a site's ledger from photos of people: they walk past cameras, each time with another
photo, and everything is taken in and decided as if a box had sent it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import cv2

from sightgrid.domain.faces import FaceCrop
from sightgrid.domain.geometry import Bytes
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.ledger.taking_in import Arrived
from sightgrid.server.site import Site
from sightgrid.store.cameras import save_grid
from sightgrid.vision.framing import cut
from sightgrid.vision.pictures import read_picture
from sightgrid.vision.quality import grade

CAMERAS = ("entrance", "corridor", "stairs", "canteen", "office", "car-park")
GRID = CameraGrid(
    positions={
        "car-park": (0.08, 0.85),
        "entrance": (0.22, 0.6),
        "corridor": (0.45, 0.45),
        "stairs": (0.66, 0.25),
        "canteen": (0.68, 0.75),
        "office": (0.9, 0.3),
    },
    links=(
        CameraLink("car-park", "entrance", 10.0),
        CameraLink("entrance", "corridor", 4.0),
        CameraLink("corridor", "stairs", 5.0),
        CameraLink("corridor", "canteen", 5.0),
        CameraLink("stairs", "office", 6.0),
    ),
)
_STEPS = {
    "car-park": ("entrance",),
    "entrance": ("corridor", "car-park"),
    "corridor": ("stairs", "canteen", "entrance"),
    "stairs": ("office", "corridor"),
    "canteen": ("corridor",),
    "office": ("stairs",),
}
Photos = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True, eq=False)
class _Passage:
    person: str
    camera: str
    at: datetime
    photo: Path


def people_in(folder: Path, *, most: int) -> dict[str, list[Path]]:
    """The people of a folder who have the most photos."""
    found = {each.name: sorted(each.glob("*.jpg")) for each in folder.iterdir() if each.is_dir()}
    best = sorted(found, key=lambda name: (-len(found[name]), name))[:most]
    return {name: found[name] for name in sorted(best)}


def fill(site: Site, people: Photos, *, passages: int, days: int, seed: int = 1) -> None:
    """Takes sightings in as if cameras had seen these people over the last days."""
    with site.store.transaction() as tx:
        save_grid(tx, GRID, CAMERAS)
    rng = random.Random(seed)
    planned = sorted(_planned(site, people, rng, passages, days), key=lambda one: one.at)
    for number, passage in enumerate(planned, 1):
        sighting, crops = _seen(site, passage, number, rng)
        if sighting is None:
            continue
        content = sha256(sighting.sighting_id.encode()).hexdigest()
        (receipt,) = site.intake.take_in("b" * 36, [Arrived(sighting, content, crops)]).receipts
        assert receipt.status == "stored", receipt


def _planned(
    site: Site, people: Photos, rng: random.Random, passages: int, days: int
) -> list[_Passage]:
    now, planned = site.clock(), []
    while len(planned) < passages:
        person = rng.choice(sorted(people))
        photos = list(people[person])
        back = timedelta(days=rng.randrange(days), seconds=rng.uniform(1800, 8 * 3600))
        at, camera = now - back, rng.choice(("entrance", "car-park", "corridor"))
        for _ in range(rng.choice((1, 2, 3, 4, 5, 7))):
            planned.append(_Passage(person, camera, at, rng.choice(photos)))
            camera = rng.choice(_STEPS[camera])
            at += timedelta(seconds=rng.choice((20, 30, 60, 240)) * rng.uniform(0.8, 1.5))
    return planned


def _seen(
    site: Site, passage: _Passage, number: int, rng: random.Random
) -> tuple[Sighting | None, tuple[bytes, ...]]:
    engine = site.engine
    pixels = read_picture(passage.photo)
    faces = sorted(engine.detector.detect(pixels), key=lambda face: -face.box.area)
    if not faces:
        return None, ()
    face, framing = faces[0], engine.pack.manifest.embedder_input.framing
    secs = rng.uniform(3.0, 18.0)
    frames = int(secs * 5)
    path = tuple(
        PathPoint(frame + 1, passage.at + timedelta(seconds=frame / 5), face.box, face.score)
        for frame in range(frames)
    )
    pictures: list[Bytes] = [pixels, cv2.convertScaleAbs(pixels, alpha=0.9, beta=8)]
    looks, crops = [], []
    for counter, picture in enumerate(pictures, 1):
        crop = cut(picture, face, framing)
        point = path[counter * frames // 3]
        looks.append(
            Look(
                counter,
                FaceCrop(
                    pixels=crop,
                    quality=grade(crop, face, outside=0.0),
                    captured_at=point.captured_at,
                    frame_index=point.frame_index,
                    box_in_frame=face.box,
                    landmarks_in_frame=face.landmarks,
                    detection_score=face.score,
                ),
                engine.embedder.embed([crop])[0],
            )
        )
        crops.append(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    sighting = Sighting(str(UUID(int=number)), 1, True, passage.camera, number, path, tuple(looks))
    return sighting, tuple(crops)
