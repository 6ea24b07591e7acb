"""What a box makes of real clips, at five looks a second, against the offline run that sees all.

Needs the photos and videos that ``SIGHTGRID_DATA`` points to.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest

from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.presence import Decision, Sighting
from sightgrid.edge.inference import InferenceLoop
from sightgrid.edge.packing import FramePacker, PackingSettings
from sightgrid.edge.ring import Ring, RingReader, RingWriter
from sightgrid.ledger.settling import settle
from sightgrid.offline.engine import Engine, open_engine
from sightgrid.offline.watching import watch
from sightgrid.vision.sources import open_source
from sightgrid.vision.sources.decoding import lighten

pytestmark = pytest.mark.footage

BEGAN = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)


class Kept:
    def __init__(self) -> None:
        self.sightings: list[Sighting] = []

    def put(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("SIGHTGRID_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIGHTGRID_DATA does not point to the real footage")
    return Path(folder)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return open_engine("default")


def live(clip: Path, engine: Engine) -> list[Sighting]:
    """What a box would see, were the clip a camera: every stage but the processes."""
    ring = Ring.create(clip.stem)
    kept = Kept()
    try:
        packer = FramePacker(RingWriter.attach(ring.spec), PackingSettings())
        loop = InferenceLoop({clip.stem: RingReader.attach(ring.spec)}, engine, kept)
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            lighten(stream)
            for number, picture in enumerate(container.decode(stream)):
                secs = number / float(stream.average_rate or 25)
                captured_at = BEGAN + timedelta(seconds=secs)
                packer.offer(picture, captured_at=captured_at, index=number + 1)
                loop.step()
        loop.finish()
    finally:
        ring.remove()
    return [sighting for sighting in kept.sightings if sighting.closed]


def offline(clip: Path, engine: Engine) -> list[Sighting]:
    source = open_source(str(clip), camera=clip.stem, starts_at=BEGAN)
    view = engine.view(clip.stem)
    with ThreadPoolExecutor(2) as workers:
        tracklets = list(watch(source, detector=engine.detector, view=view, workers=workers))
    return [
        Sighting(f"{clip.stem}-{n}", 1, True, t.camera, t.group, t.path, t.looks)
        for n, t in enumerate(tracklets)
    ]


def known(sightings: list[Sighting], engine: Engine) -> list[Decision]:
    """The decisions that give a serial."""
    settlement = settle(sightings, people=(), grid=CameraGrid(), policy=engine.policy)
    return [d for d in settlement.decisions if d.match.serial is not None]


def test_the_office_is_seen_live_as_it_is_offline(data: Path, engine: Engine) -> None:
    clips = sorted((data / "vid_office_signers").glob("*.mkv"))
    people: dict[str, set[int | None]] = {}
    for name, sighted in (("live", live), ("offline", offline)):
        found = known([one for clip in clips for one in sighted(clip, engine)], engine)
        people[name] = {decision.match.serial for decision in found}
        assert {d.sighting.camera for d in found} == {clip.stem for clip in clips}, name
        assert len(people[name]) == 5, name


def test_whoever_the_street_shows_well_offline_is_known_live(data: Path, engine: Engine) -> None:
    """One of seven shows his face for a moment only, of which five looks a second may see none."""
    clip = data / "vid_street_royalopera" / "royal_opera_walkers.mp4"
    seen, expected = known(live(clip, engine), engine), known(offline(clip, engine), engine)
    for decision in expected:
        if sum(look.worth >= 0.8 for look in decision.sighting.looks) < 2:
            continue
        vectors = [one.embedding for one in decision.sighting.looks if one.embedding]
        assert any(
            look.embedding is not None and look.embedding.cosine(vectors[0]) > 0.5
            for other in seen
            for look in other.sighting.looks
        )
    assert len({d.match.serial for d in seen}) >= len({d.match.serial for d in expected}) - 1


def test_backs_of_heads_are_nobody_live_either(data: Path, engine: Engine) -> None:
    clip = data / "vid_persons_noface" / "one-by-one.mp4"
    assert known(live(clip, engine), engine) == []
