"""Sightings made by hand, small and exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.wire.content import Content
from sightgrid.wire.records import Clock, ClockState, Record

NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
BOX = "box-1"
BOOT = "0b0e4a3c-6c55-4b0f-9a53-8e0c0ddc5c7e"
SIGHTING = "01890f6e-7b7c-7cc0-98c4-dc0c0c07398f"
CONTRACT = EmbeddingContract(id="ab" * 32, pack="default", dimension=128)


def jpeg(side: int = 112, *, seed: int = 0, quality: int = 92) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (side // 4, side // 4, 3), np.uint8)
    smooth = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)
    done, data = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data.tobytes()


def look(
    counter: int, *, contract: EmbeddingContract | None = CONTRACT, at: datetime = NOON
) -> Look:
    rng = np.random.default_rng(counter)
    embedding = None
    if contract is not None:
        vector = rng.normal(size=contract.dimension).astype(np.float32)
        embedding = Embedding(vector / np.linalg.norm(vector), contract, 0.75)
    return Look(
        counter=counter,
        crop=FaceCrop(
            pixels=np.zeros((112, 112, 3), np.uint8),
            quality=Quality(61.5, 0.9, 0.8, 0.7, 0.6, 1.0, 0.95, -0.2, 0.1, 0.66),
            captured_at=at,
            frame_index=counter,
            box_in_frame=Box(10.25, 20.5, 71.75, 99.125),
            landmarks_in_frame=rng.uniform(0, 100, (5, 2)).astype(np.float32),
            detection_score=0.93,
        ),
        embedding=embedding,
    )


def sighting(
    *,
    sighting_id: str = SIGHTING,
    revision: int = 1,
    camera: str = "entrance",
    points: int = 30,
    looks: int = 3,
    contract: EmbeddingContract | None = CONTRACT,
    start: datetime = NOON,
    closed: bool = True,
) -> Sighting:
    return Sighting(
        sighting_id=sighting_id,
        revision=revision,
        closed=closed,
        camera=camera,
        group=7,
        path=tuple(
            PathPoint(
                1 + 5 * i,
                start + timedelta(milliseconds=200 * i),
                Box(10.0 + i, 20.0, 70.5 + i, 99.0),
                0.875,
            )
            for i in range(points)
        ),
        looks=tuple(look(i + 1, contract=contract, at=start) for i in range(looks)),
    )


def record(
    seen: Sighting | None = None, *, seq: int = 1, crops: list[bytes | None] | None = None
) -> Record:
    """A plain record of a sighting."""
    seen = sighting() if seen is None else seen
    given = [jpeg(seed=i) for i in range(len(seen.looks))] if crops is None else crops
    return Record(
        box_id=BOX,
        boot_id=BOOT,
        seq=seq,
        sighting_id=seen.sighting_id,
        revision=seen.revision,
        closed=seen.closed,
        camera=seen.camera,
        first_seen=seen.first_seen,
        last_seen=seen.last_seen,
        clock=Clock(ClockState.SYNCED, 1_000_000_000, seen.last_seen),
        body=Content.of(seen, given),
    )
