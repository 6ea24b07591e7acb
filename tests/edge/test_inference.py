from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from threading import Event, Thread
from uuid import UUID

import cv2
import numpy as np
import pytest
from streaming import at, decoded

from sightgrid.domain.geometry import Box, Bytes
from sightgrid.domain.presence import Sighting
from sightgrid.domain.tracklets import PathPoint
from sightgrid.edge import inference as inference_module
from sightgrid.edge.following import new_sighting_id
from sightgrid.edge.inference import InferenceLoop
from sightgrid.edge.packing import FramePacker, PackingSettings
from sightgrid.edge.remembering import LiveSettings
from sightgrid.edge.ring import Ring, RingReader, RingWriter
from sightgrid.vision.engine import VisionEngine, open_vision
from sightgrid.vision.onnx import Runtime

WIDTH, HEIGHT, FPS = 640, 360, 10


class Kept:
    def __init__(self) -> None:
        self.sightings: list[Sighting] = []

    def put(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)

    def closed(self, camera: str) -> list[Sighting]:
        return [one for one in self.sightings if one.closed and one.camera == camera]


class Site:
    """Cameras that a test films with, and the loop that watches them."""

    def __init__(self, engine: VisionEngine, *names: str, settings: LiveSettings | None) -> None:
        self.kept = Kept()
        self._stack = ExitStack()
        self.packers: dict[str, FramePacker] = {}
        self.writers: dict[str, RingWriter] = {}
        readers = {}
        for name in names:
            ring = Ring.create(name, frame_bytes=WIDTH * HEIGHT * 3 // 2)
            self._stack.callback(ring.remove)
            self.writers[name] = RingWriter.attach(ring.spec)
            self.packers[name] = FramePacker(self.writers[name], PackingSettings())
            readers[name] = RingReader.attach(ring.spec)
        self.loop = InferenceLoop(readers, engine, self.kept, settings=settings)

    def film(self, name: str, number: int, pixels: Bytes) -> bool:
        return self.packers[name].offer(
            decoded(pixels), captured_at=at(number / FPS), index=number + 1
        )

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def engine() -> VisionEngine:
    return open_vision("default", calls=1, embedding=Runtime.ONNXRUNTIME)


@pytest.fixture
def site(engine: VisionEngine) -> Iterator[Site]:
    made = Site(engine, "door", "hall", settings=None)
    yield made
    made.close()


def room(seed: int = 1) -> Bytes:
    coarse = np.random.default_rng(seed).integers(60, 160, (9, 16, 3)).astype(np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def with_face(photo: Bytes, left: float, *, seed: int = 1) -> Bytes:
    pixels = room(seed)
    x = round(left)
    first, last = max(x, 0), min(x + 180, WIDTH)
    if last > first:
        portrait = cv2.resize(photo, (180, 180), interpolation=cv2.INTER_AREA)
        pixels[90:270, first:last] = portrait[:, first - x : last - x]
    return pixels


def walk_past(site: Site, photo: Bytes, name: str, *, began: int = 0, frames: int = 60) -> int:
    """Somebody crosses the picture, then nobody is there; the number of the next frame."""
    for number in range(began, began + frames):
        site.film(name, number, with_face(photo, -180 + 16 * (number - began)))
        site.loop.step()
    for number in range(began + frames, began + frames + 5 * FPS):
        site.film(name, number, room())
        site.loop.step()
    return began + frames + 5 * FPS


def test_somebody_who_passes_is_one_sighting(site: Site, astronaut: Bytes) -> None:
    walk_past(site, astronaut, "door")
    (closed,) = site.kept.closed("door")
    early = [one for one in site.kept.sightings if not one.closed]
    assert early
    assert {one.sighting_id for one in site.kept.sightings} == {closed.sighting_id}
    assert [one.revision for one in site.kept.sightings] == [*range(1, len(early) + 2)]
    assert early[0].last_seen - closed.first_seen <= timedelta(seconds=1.5)
    assert all(look.embedding is not None for look in closed.looks)
    assert all(look.crop.pixels.shape == (112, 112, 3) for look in closed.looks)
    assert closed.quality > 0.5
    shares = [point.box.width / closed.path[0].box.width for point in closed.path]
    assert min(shares[1:-1]) > 0.7
    assert max(shares) < 1.4
    progress = site.loop.progress()
    assert progress.whole_looks < 0.5 * progress.looks
    assert progress.embeddings <= 7


def test_ids_that_later_moments_get_sort_later() -> None:
    points = [PathPoint(n + 1, at(n / 1000), Box(0, 0, 1, 1), 0.9) for n in range(50)]
    ids = [new_sighting_id(point) for point in points]
    assert ids == sorted(ids)
    made = [UUID(text) for text in ids]
    assert {(uuid.version, uuid.variant) for uuid in made} == {(7, "specified in RFC 4122")}
    assert new_sighting_id(points[0]) != new_sighting_id(points[0])


def test_an_empty_room_is_nobody(site: Site) -> None:
    for number in range(60):
        site.film("door", number, room())
        site.loop.step()
    site.loop.finish()
    assert site.kept.sightings == []


def test_a_camera_that_begins_anew_closes_who_was_on_it(site: Site, astronaut: Bytes) -> None:
    """Another size says that nothing is where it was; groups go on counting."""
    for number in range(30):
        site.film("door", number, with_face(astronaut, 100 + 4 * number))
        site.loop.step()
    for number in range(30, 60):
        smaller = cv2.resize(with_face(astronaut, 220), (480, 270), interpolation=cv2.INTER_AREA)
        site.film("door", number, smaller.astype(np.uint8))
        site.loop.step()
    site.loop.finish()
    one, two = site.kept.closed("door")
    assert one.last_seen < two.first_seen
    assert (one.group, two.group) == (1, 2)


def test_a_silent_camera_is_left_after_a_while(
    site: Site, astronaut: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        site.film("door", number, with_face(astronaut, 100 + 4 * number))
        site.loop.step()
    site.loop.step()
    assert not site.kept.closed("door")
    monkeypatch.setattr(inference_module, "_SILENT_SECS", 0.0)
    while site.loop.step():
        pass
    assert len(site.kept.closed("door")) == 1
    assert site.writers["door"].followed() == ()


def test_one_camera_never_starves_another(site: Site, astronaut: Bytes) -> None:
    """A camera that always has something new does not keep the loop from the other."""
    for number in range(40):
        for _ in range(3):
            site.packers["door"].force()
        site.film("door", number, with_face(astronaut, 100 + 4 * number))
        site.film("hall", number, with_face(astronaut, 400 - 4 * number, seed=2))
        site.loop.step()
    site.loop.finish()
    assert len(site.kept.closed("door")) == 1
    assert len(site.kept.closed("hall")) == 1


def test_too_many_early_answers_are_given_up_but_nothing_that_closes(
    engine: VisionEngine, astronaut: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_module, "_MOST_WAITING", 0)
    site = Site(engine, "door", settings=None)
    try:
        walk_past(site, astronaut, "door")
        assert site.loop.progress().given_up >= 1
        (closed,) = site.kept.closed("door")
        assert closed.revision == 1
        assert len(closed.looks) == 1, "no time for more"
        assert closed.looks[0].embedding is not None
    finally:
        site.close()


def test_it_runs_until_told_to_stop_and_then_closes(site: Site, astronaut: Bytes) -> None:
    stop = Event()
    running = Thread(target=site.loop.run, args=(stop,))
    running.start()
    for number in range(20):
        site.film("door", number, with_face(astronaut, 100 + 4 * number))
        while site.writers["door"].unread:
            stop.wait(0.005)
    stop.set()
    running.join(20)
    assert not running.is_alive()
    assert len(site.kept.closed("door")) == 1
    facts = site.loop.progress().facts()
    assert facts["looks"] >= 10
    assert facts["waiting"] == 0
    assert facts["detect_secs"] > 0


def test_a_mask_keeps_a_face_from_being_seen(engine: VisionEngine, astronaut: Bytes) -> None:
    site = Site(engine, "door", settings=None)
    try:
        over_it = (((0.2, 0.2), (0.7, 0.2), (0.7, 0.8), (0.2, 0.8)),)
        site.packers["door"] = FramePacker(site.writers["door"], PackingSettings(masks=over_it))
        for number in range(30):
            site.film("door", number, with_face(astronaut, 170 + number % 3))
            site.loop.step()
        site.loop.finish()
        assert site.kept.sightings == []
        assert site.loop.progress().faces == 0
    finally:
        site.close()
